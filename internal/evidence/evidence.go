// Package evidence keeps messages, sightings and deliveries in append-only sealed
// segments.
//
// Evidence is the source of truth of a store: all other data is derived and can be rebuilt
// from it. Records that Append acknowledged survive a crash and a power cut; the records
// of one Append are stored together or not at all. A message that is already known is not
// stored again but recorded as a sighting. Stored records change only by an order, which
// is itself stored, sealed and checked.
//
// One process writes; any number read at the same time and see whole batches.
// docs/format/record.md has the model, docs/format/segment.md and docs/format/seal.md the
// files to the byte. Package form reads and writes their form, ids finds messages, sealing
// makes seals, and check verifies all of it without this package.
//
// # Record, statement, content
//
// A record is stored in two parts: its content is the words that somebody said, and its
// statement is the rest. A leaf of its delivery's tree covers a salted hash of each. So
// one part can be removed, and the other still proves that it was sealed.
//
// # Block and segment
//
// A block holds some records of one delivery: a seed for the salts, the statements, the
// contents. A segment is a file of blocks. The newest one is being written, the others are
// closed and named by the manifest.
//
// # Amendment
//
// An order is a delivery of its own. Its records change others; then their segments are
// rewritten. A rewritten block has a table of its records instead of the seed: the missing
// parts of each, and its salts or hashes.
//
// # Ids
//
// Sorted runs map messages to the records that carry them. They are derived.
package evidence
