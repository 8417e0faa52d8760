package original

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// The forms of docs/format/original.md.
const (
	// BlockSize is the maximum number of plain bytes in a block.
	BlockSize = 64 << 10
	// MaxSize is the maximum size of an original in bytes: 1 TiB.
	MaxSize = 1 << 40

	dataMagic  = "ARGUSOD1"
	tableMagic = "ARGUSOT1"
	judgeMagic = "ARGUSOJ1"

	dataHead    = 32
	tableHead   = 128
	groupBlocks = 1024
	groupHead   = 16
	entrySize   = 72
	secretSize  = 52
	spanSize    = 20
	restSize    = 76
	overhead    = 16 // added by AES-GCM

	// Bounds on the data read into memory at once.
	mostTail = 256 << 20
	mostText = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func blocksOf(size int64) int { return int((size + BlockSize - 1) / BlockSize) }

func groupsOf(size int64) int { return (blocksOf(size) + groupBlocks - 1) / groupBlocks }

// plainLength returns the number of a file's bytes in the given block.
func plainLength(size int64, block int) int {
	return int(min(BlockSize, size-int64(block)*BlockSize))
}

// entry is the public part of a stored block.
type entry struct {
	stored uint32     // number of bytes in the data file
	plain  argus.Hash // SHA-256(0x04 ‖ salt ‖ plain bytes)
	cipher argus.Hash // SHA-256(0x05 ‖ stored bytes)
}

func (e entry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, e.stored)
	b = append(b, e.plain[:]...)
	return append(b, e.cipher[:]...)
}

func parseEntry(b []byte) (e entry) {
	e.stored = binary.LittleEndian.Uint32(b)
	copy(e.plain[:], b[4:])
	copy(e.cipher[:], b[36:])
	return e
}

// fits reports whether an entry is possible for a block with the given number of plain
// bytes.
func (e entry) fits(plain int) bool { return e.stored > overhead && int(e.stored) <= plain+overhead }

// secret opens a block. The zero secret means that the block's secret is not in this
// table.
type secret struct {
	salt [16]byte
	key  [32]byte
}

func (s secret) append(b []byte) []byte {
	at := len(b)
	b = append(append(b, s.salt[:]...), s.key[:]...)
	if s == (secret{}) {
		return append(b, 0, 0, 0, 0)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b[at:]))
}

var errSecret = errors.New("the key of the block does not match its checksum")

func parseSecret(b []byte) (s secret, err error) {
	copy(s.salt[:], b)
	copy(s.key[:], b[16:])
	sum := binary.LittleEndian.Uint32(b[48:])
	if s == (secret{}) && sum == 0 {
		return s, nil
	}
	if s == (secret{}) || sum != checksum(b[:48]) {
		return secret{}, errSecret
	}
	return s, nil
}

// State is the state of a part of an original.
type State uint32

const (
	// Withheld bytes can be read, and released, only with a judge's key.
	Withheld State = 1
	// Destroyed bytes cannot be read by anyone.
	Destroyed State = 2
)

func (s State) String() string {
	switch s {
	case Withheld:
		return "withheld"
	case Destroyed:
		return "destroyed"
	}
	return fmt.Sprintf("state %d", uint32(s))
}

// Span is an unreadable part of an original: the bytes in [From, To).
type Span struct {
	From, To int64
	State    State
}

// The kinds of substitute blocks.
const (
	restOpen  = 1 // the part of a block that can still be read
	restJudge = 2 // the part that the judge can still read
)

// restEntry is a substitute for a received block.
type restEntry struct {
	block int
	kind  uint32
	entry
	secret // in the tail of the table, or with the judge
	at     int64
}

// table describes how to open the blocks of an original. Its groups are read on demand.
type table struct {
	file   string // its path in the folder, for findings
	r      io.ReaderAt
	length int64
	open   opener

	name   argus.FileName
	size   int64
	root   argus.Hash
	change uint32
	sealed bool
	judge  argus.Hash // SHA-256 of the judge's file, or zero if there is none
	tail   int64      // where the tail begins
	groups []int64    // where each group begins

	custodians, judges []string
	spans              []Span
	rest               []restEntry
	public             []byte  // the public part of the tail
	secrets            section // the secrets in the tail
}

// opener decrypts secrets that are encrypted to custodians.
type opener func(t *table, sealed []byte) ([]byte, error)

// Damage means that a file of an original has changed. It matches [argus.ErrDamaged].
type Damage struct {
	// File is relative to the folder. Offset is the offset of the damage in the file, or of its
	// beginning; -1 means the whole file.
	File    string
	Offset  int64
	Problem string
}

func (d *Damage) Error() string {
	if d.Offset < 0 {
		return d.File + ": " + d.Problem
	}
	return fmt.Sprintf("%s at offset %d: %s", d.File, d.Offset, d.Problem)
}

func (d *Damage) Unwrap() error { return argus.ErrDamaged }

func (t *table) damage(at int64, format string, args ...any) error {
	return &Damage{t.file, at, fmt.Sprintf(format, args...)}
}

// readAt reads bytes of the table; if they are missing, that is damage.
func (t *table) readAt(n int, at int64) ([]byte, error) {
	if at+int64(n) > t.length {
		return nil, t.damage(t.length, "the table ends too early")
	}
	b := make([]byte, n)
	if got, err := t.r.ReadAt(b, at); got < n && errors.Is(err, io.EOF) {
		return nil, t.damage(at+int64(got), "the table ends too early")
	} else if got < n {
		return nil, fmt.Errorf("read %s: %w", t.file, err)
	}
	return b, nil
}

// readTable reads everything in a table except its groups.
func readTable(file string, r io.ReaderAt, length int64, open opener) (*table, error) {
	t := &table{file: file, r: r, length: length, open: open}
	if err := t.readHead(); err != nil {
		return nil, err
	}
	if err := t.findGroups(); err != nil {
		return nil, err
	}
	if t.length-t.tail > mostTail {
		return nil, t.damage(t.tail, "the end of the table has %d bytes, want at most %d", t.length-t.tail, mostTail)
	}
	tail, err := t.readAt(int(t.length-t.tail), t.tail)
	if err != nil {
		return nil, err
	}
	if err := t.parseTail(tail); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *table) readHead() error {
	b, err := t.readAt(tableHead, 0)
	if err != nil {
		return err
	}
	if string(b[:7]) == tableMagic[:7] && b[7] > tableMagic[7] && b[7] <= '9' && binary.LittleEndian.Uint32(b[124:]) == checksum(b[:124]) {
		return fmt.Errorf("%s has version %c, but this Argus reads version %c", t.file, b[7], tableMagic[7])
	}
	if string(b[:8]) != tableMagic {
		return t.damage(0, "the file is not the table of an original")
	}
	if binary.LittleEndian.Uint32(b[124:]) != checksum(b[:124]) {
		return t.damage(0, "the beginning of the table does not match its checksum")
	}
	copy(t.name[:], b[8:])
	size := binary.LittleEndian.Uint64(b[24:])
	copy(t.root[:], b[32:])
	t.change = binary.LittleEndian.Uint32(b[64:])
	flags := binary.LittleEndian.Uint32(b[68:])
	tail := binary.LittleEndian.Uint64(b[72:])
	copy(t.judge[:], b[80:])
	if size > MaxSize || flags > 1 || tail > uint64(t.length) || !allZero(b[112:124]) {
		return t.damage(0, "the beginning of the table is invalid")
	}
	t.size, t.sealed, t.tail = int64(size), flags == 1, int64(tail)
	return nil
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func (t *table) head() []byte {
	b := append([]byte(tableMagic), t.name[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.size))
	b = append(b, t.root[:]...)
	b = binary.LittleEndian.AppendUint32(b, t.change)
	flags := uint32(0)
	if t.sealed {
		flags = 1
	}
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.tail))
	b = append(b, t.judge[:]...)
	b = append(b, make([]byte, 124-len(b))...)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// blocksIn returns the number of blocks in a group.
func (t *table) blocksIn(group int) int {
	return min(groupBlocks, blocksOf(t.size)-group*groupBlocks)
}

// findGroups computes the offsets of the groups. Each group has a minimum size, so the number
// of groups is bounded by the size of the file.
func (t *table) findGroups() error {
	at := int64(tableHead)
	n := groupsOf(t.size)
	if int64(n) > (t.length-tableHead)/groupHead {
		return t.damage(0, "the table is too short for %d bytes", t.size)
	}
	t.groups = make([]int64, n)
	for g := range t.groups {
		t.groups[g] = at
		length := t.blocksIn(g) * secretSize
		if t.sealed {
			head, err := t.groupHead(g)
			if err != nil {
				return err
			}
			length = head.length
		}
		at += groupHead + int64(t.blocksIn(g))*entrySize + int64(length)
	}
	if at != t.tail {
		return t.damage(0, "the end of the table begins at offset %d, but its header states offset %d", at, t.tail)
	}
	return nil
}

// section locates the secrets of some blocks.
type section struct {
	at     int64
	length int
	count  int
}

// raw reads secrets as they are in the table, whether encrypted or not.
func (t *table) raw(s section) ([]byte, error) {
	b, err := t.readAt(s.length, s.at)
	if err != nil || !t.sealed {
		return b, err
	}
	if binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return nil, t.damage(s.at, "the encrypted keys do not match their checksum")
	}
	return b, nil
}

// opened reads and decrypts the secrets. The caller must check each with parseSecret.
func (t *table) opened(s section) ([]byte, error) {
	b, err := t.raw(s)
	if err != nil || !t.sealed {
		return b, err
	}
	if b, err = t.open(t, b[:len(b)-4]); err != nil {
		return nil, err
	}
	if len(b) != s.count*secretSize {
		return nil, t.damage(s.at, "the encrypted keys are %d bytes, want %d", len(b), s.count*secretSize)
	}
	return b, nil
}

// fits reports whether a section can have its length.
func (t *table) fits(s section) bool {
	if t.sealed {
		return s.length > 4 && int64(s.length) <= t.length-s.at
	}
	return s.length == s.count*secretSize
}

// group is the public part of some blocks.
type group struct {
	first   int   // number of the first block
	data    int64 // where it begins in the data file
	length  int   // length of the secrets
	count   int
	at      int64 // where its entries begin in the table
	entries []byte
}

// groupHead reads a group without its entries.
func (t *table) groupHead(n int) (g group, err error) {
	b, err := t.readAt(groupHead, t.groups[n])
	if err != nil {
		return g, err
	}
	if binary.LittleEndian.Uint32(b[12:]) != checksum(b[:12]) {
		return g, t.damage(t.groups[n], "the header of the group does not match its checksum")
	}
	g = group{first: n * groupBlocks, data: int64(binary.LittleEndian.Uint64(b)), length: int(binary.LittleEndian.Uint32(b[8:])),
		count: t.blocksIn(n), at: t.groups[n] + groupHead}
	if g.data < dataHead || g.data > dataHead+int64(g.first)*(BlockSize+overhead) || !t.fits(g.secrets()) {
		return g, t.damage(t.groups[n], "the header of the group is invalid")
	}
	return g, nil
}

func (g *group) secrets() section {
	return section{g.at + int64(g.count)*entrySize, g.length, g.count}
}

func (t *table) group(n int) (*group, error) {
	g, err := t.groupHead(n)
	if err == nil {
		g.entries, err = t.readAt(g.count*entrySize, g.at)
	}
	return &g, err
}

// entry returns the entry of a block of the group.
func (t *table) entry(g *group, i int) (entry, error) {
	b := g.entries[i*entrySize:][:entrySize]
	at := g.at + int64(i)*entrySize
	if binary.LittleEndian.Uint32(b[68:]) != checksum(b[:68]) {
		return entry{}, t.damage(at, "the entry of block %d does not match its checksum", g.first+i)
	}
	e := parseEntry(b)
	if !e.fits(plainLength(t.size, g.first+i)) {
		return entry{}, t.damage(at, "block %d cannot have a stored size of %d bytes", g.first+i, e.stored)
	}
	return e, nil
}

// appendGroup appends a group: its entries, and its secrets as packed by
// packSecrets.
func appendGroup(b []byte, data int64, entries []entry, secrets []byte) []byte {
	b = appendGroupHead(b, data, len(secrets))
	for _, e := range entries {
		at := len(b)
		b = e.append(b)
		b = binary.LittleEndian.AppendUint32(b, checksum(b[at:]))
	}
	return append(b, secrets...)
}

func appendGroupHead(b []byte, data int64, secrets int) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(data))
	b = binary.LittleEndian.AppendUint32(b, uint32(secrets))
	return binary.LittleEndian.AppendUint32(b, checksum(b[at:]))
}

// packSecrets makes a section of secrets, encrypted to the custodians if there
// are any.
func packSecrets(secrets []secret, custodians []age.Recipient) ([]byte, error) {
	var plain []byte
	for _, s := range secrets {
		plain = s.append(plain)
	}
	if len(custodians) == 0 {
		return plain, nil
	}
	sealed, err := sealTo(custodians, plain)
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint32(sealed, checksum(sealed)), nil
}

// appendPublic appends the public part of the tail, with the length of its
// secrets.
func (t *table) appendPublic(b []byte, secrets int) []byte {
	var text strings.Builder
	for _, c := range t.custodians {
		text.WriteString("custodian " + c + "\n")
	}
	for _, j := range t.judges {
		text.WriteString("judge " + j + "\n")
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(text.Len()))
	b = append(b, text.String()...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.spans)))
	for _, s := range t.spans {
		b = binary.LittleEndian.AppendUint64(b, uint64(s.From))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.To))
		b = binary.LittleEndian.AppendUint32(b, uint32(s.State))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.rest)))
	for _, r := range t.rest {
		b = binary.LittleEndian.AppendUint32(b, uint32(r.block))
		b = binary.LittleEndian.AppendUint32(b, r.kind)
		b = r.entry.append(b)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(secrets))
}

func (t *table) parseTail(b []byte) error {
	nonsense := func() error { return t.damage(t.tail, "the end of the table is invalid") }
	rest := b
	count := func(size int) (int, bool) {
		if len(rest) < 4 {
			return 0, false
		}
		n := int64(binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
		return int(n), n*int64(size) <= int64(len(rest))
	}
	n, ok := count(1)
	if !ok || n > mostText {
		return nonsense()
	}
	text := string(rest[:n])
	rest = rest[n:]
	if n, ok = count(spanSize); !ok {
		return nonsense()
	}
	spans := rest[:n*spanSize]
	rest = rest[len(spans):]
	if n, ok = count(restSize); !ok {
		return nonsense()
	}
	entries := rest[:n*restSize]
	rest = rest[len(entries):]
	length, ok := count(0)
	if !ok || len(rest) < 4 {
		return nonsense()
	}
	t.public = b[:len(b)-len(rest)]
	if binary.LittleEndian.Uint32(rest) != checksum(t.public) {
		return t.damage(t.tail, "the end of the table does not match its checksum")
	}
	t.secrets = section{t.tail + int64(len(t.public)) + 4, length, 1 + n}
	if want := t.secrets.at + int64(length); want != t.length {
		return t.damage(min(t.length, want), "the table has %d bytes, want %d", t.length, want)
	}
	if !t.fits(t.secrets) {
		return nonsense()
	}
	if !t.parseRecipients(text) || !t.parseSpans(spans) || !t.parseRest(entries) {
		return nonsense()
	}
	return nil
}

func (t *table) parseRecipients(text string) bool {
	for line := range strings.Lines(text) {
		role, who, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case !strings.HasSuffix(line, "\n") || who == "":
			return false
		case role == "custodian" && t.judges == nil:
			t.custodians = append(t.custodians, who)
		case role == "judge":
			t.judges = append(t.judges, who)
		default:
			return false
		}
	}
	return t.sealed == (len(t.custodians) > 0) && (t.judge != argus.Hash{}) == (len(t.judges) > 0)
}

func (t *table) parseSpans(b []byte) bool {
	var last Span
	withheld := false
	for ; len(b) > 0; b = b[spanSize:] {
		from, to := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		s := Span{int64(from), int64(to), State(binary.LittleEndian.Uint32(b[16:]))}
		touches := from == uint64(last.To) && s.State == last.State
		if to > uint64(t.size) || from >= to || from < uint64(last.To) || touches || s.State != Withheld && s.State != Destroyed {
			return false
		}
		withheld = withheld || s.State == Withheld
		t.spans = append(t.spans, s)
		last = s
	}
	return withheld == (t.judge != argus.Hash{})
}

// parseRest reads, in order, the substitute blocks that the spans need.
func (t *table) parseRest(b []byte) bool {
	at := int64(dataHead)
	for _, want := range wantedRest(t.spans, t.size) {
		if len(b) < restSize {
			return false
		}
		r := restEntry{block: int(binary.LittleEndian.Uint32(b)), kind: binary.LittleEndian.Uint32(b[4:]), entry: parseEntry(b[8:]), at: at}
		if r.block != want.block || r.kind != want.kind || !r.fits(plainLength(t.size, r.block)) {
			return false
		}
		t.rest = append(t.rest, r)
		at += int64(r.stored)
		b = b[restSize:]
	}
	return len(b) == 0
}

// state returns a hash over the root and everything that a change to the original can
// change for its readers.
func (t *table) state() (h argus.Hash) {
	sum := sha256.New()
	sum.Write([]byte{0x06})
	sum.Write(t.root[:])
	sum.Write(t.judge[:])
	sum.Write(t.public)
	sum.Sum(h[:0])
	return h
}

// blocksHead returns the beginning of a file of blocks, or of the file for the judge;
// change is 0 for the data as received.
func blocksHead(magic string, name argus.FileName, change uint32) []byte {
	b := append([]byte(magic), name[:]...)
	b = binary.LittleEndian.AppendUint32(b, change)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// appendTail appends the end of the table: its public part, and the secrets, the
// SHA-256 of the original first.
func (t *table) appendTail(secrets []secret, custodians []age.Recipient) ([]byte, error) {
	packed, err := packSecrets(secrets, custodians)
	if err != nil {
		return nil, err
	}
	t.public = t.appendPublic(nil, len(packed))
	b := binary.LittleEndian.AppendUint32(append([]byte(nil), t.public...), checksum(t.public))
	return append(b, packed...), nil
}
