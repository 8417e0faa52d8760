// Package evidence keeps messages, sightings and deliveries in append-only
// sealed segments.
//
// It is the one truth of a store: everything else follows it and can be
// rebuilt from it. What Append acknowledged survives a crash and a power cut;
// the records of one Append are all there or none is. A message that is
// already known is not stored again but recorded as a sighting. What was
// stored changes by an order only, which is itself stored, sealed and checked.
//
// One process writes; any number read at the same time and see whole batches.
// docs/format/record.md has the model, docs/format/segment.md and
// docs/format/seal.md the files to the byte.
//
// # Record, statement, content
//
// A record is stored in two parts: its content, what somebody said, and its
// statement, everything else. A leaf of its delivery's tree covers a salted hash
// of each. So a part can go, and what is left still proves that it was sealed.
//
// # Block and segment
//
// A block holds some records of one delivery: a seed for the salts, the
// statements, the contents. A segment is a file of blocks. The newest one is
// written to, the others are closed and named by the manifest.
//
// # Amendment
//
// An order is a delivery of its own. Its records say what becomes of others; then
// their segments are written anew. A block that was written anew has a table of its
// records in the place of the seed: what is gone of each, and its salts or hashes.
//
// # Ids
//
// Sorted runs say which records carry a message. They are derived.
package evidence
