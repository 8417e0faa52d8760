// Package form reads and writes the form of the evidence: records, blocks, segments,
// manifest and commit file, as docs/format/segment.md has it to the byte.
//
// Writer, readers and verifier share it. It opens no file and keeps nothing between
// calls. Everything that it reads may be damaged or hostile: an error says whether the
// bytes are damaged or were written by a newer Argus, and no claim in them costs more
// memory than a block may have.
package form
