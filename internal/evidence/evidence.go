// Package evidence keeps messages, sightings and deliveries in append-only
// sealed segments.
//
// It is the one truth of a store: all other data follow it and can be rebuilt
// from it. Records that Append acknowledged survive a crash and a power cut;
// the records of one Append are all there or none is. A message that is
// already known is not stored again but recorded as a sighting. Stored records
// change by an order only, which is itself stored, sealed and checked.
//
// One process writes; any number read at the same time and see whole batches.
// docs/format/record.md has the model, docs/format/segment.md and
// docs/format/seal.md the files to the byte. Package form below this one reads
// and writes their form, ids finds messages, sealing makes seals, and check
// verifies all of it without this package.
//
// # Record, statement, content
//
// A record is stored in two parts: its content is the words that somebody said,
// and its statement is the rest. A leaf of its delivery's tree covers a salted hash
// of each. So one part can go, and the other one still proves that it was sealed.
//
// # Block and segment
//
// A block holds some records of one delivery: a seed for the salts, the
// statements, the contents. A segment is a file of blocks. The newest one is
// written to, the others are closed and named by the manifest.
//
// # Amendment
//
// An order is a delivery of its own. Its records change others; then
// their segments are written anew. A block that was written anew has a table of its
// records instead of the seed: the parts of each that are gone, and its salts or hashes.
//
// # Ids
//
// Sorted runs say which records carry a message. They are derived.
package evidence
