// Package evidence keeps messages, sightings and deliveries in append-only sealed
// segments.
//
// Evidence is the source of truth of a store: all other data is derived and can be
// rebuilt from it. Records that Append acknowledged survive a crash and a power cut; the
// records of one Append are stored together or not at all. A message that is already
// known is not stored again but recorded as a sighting. Stored records change only under
// an order, which is itself stored, sealed and checked. One process writes; any number
// can read at the same time and see only whole batches. docs/format/record.md describes
// the model, docs/format/segment.md and docs/format/seal.md the files to the byte.
// Package form encodes and decodes the files, ids finds messages, sealing makes seals,
// and check verifies all of it without this package.
//
// # Record, statement, content
//
// A record is stored in two parts: its content is the words that somebody said, and its
// statement is the rest. A leaf of its delivery's tree covers a salted hash of each. So
// one part can be removed, and the other still proves that it was sealed.
//
// # Block and segment
// A block holds some records of one delivery: a seed for the salts, the statements, and
// the contents. A segment is a file of blocks. The newest one is being written; the
// others are closed and listed in the manifest.
//
// # Amendment
//
// An order is a delivery of its own. Its records change others; then their segments are
// rewritten. Instead of the seed, a rewritten block has a table of its records, with each
// record's missing parts and its salts or hashes.
//
// # Ids
//
// Sorted runs map messages to the records that carry them. They are derived.
package evidence
