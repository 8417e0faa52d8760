// Package form reads and writes the form of the evidence: records, blocks, segments,
// manifest and commit file, as docs/format/segment.md has it to the byte.
//
// Writer, readers and verifier share it. It opens no file and keeps no state between
// calls. All input may be damaged or hostile: errors distinguish damaged bytes from those
// of a newer Argus, and no claim in them costs more memory than a block may have.
package form
