package evidence

// broken names a promise that a build breaks on purpose, so that the crash
// test can show that it would find that out. It is empty in every real build;
// the test sets it with the linker's -X:
//
//	ids  known messages are taken for new ones
//	ack  Append returns before anything is written
//	sync Append returns before the records are durable
var broken string
