// Package form reads and writes the form of the evidence: records, blocks, segments,
// manifest and commit file, as docs/format/segment.md describes it to the byte. The
// writer, the readers and the verifier share it. It opens no file and keeps no state
// between calls. All input may be damaged or hostile: errors distinguish damaged bytes
// from those of a newer Argus, and no size claimed in the input causes more memory to be
// used than a block may have.
package form
