// Package evidence keeps messages, sightings and deliveries in append-only
// sealed segments.
//
// It is the one truth of a store: everything else follows it and can be
// rebuilt from it. What Append acknowledged survives a crash and a power cut;
// the records of one Append are all there or none is. A message that is
// already known is not stored again but recorded as a sighting. What was
// stored is never changed.
//
// One process writes; any number read at the same time and see whole batches.
// docs/format/segment.md and docs/format/seal.md give the files to the byte.
package evidence
