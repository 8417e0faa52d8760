package evidence

// broken names a promise that a build breaks on purpose, to show that the crash test would
// detect it. It is empty in every real build; the test sets it with the linker's -X:
//
//	ids  known messages are stored as new ones
//	ack  Append returns before anything is written
//	sync Append returns before the records are durable
var broken string
