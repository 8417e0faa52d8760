package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Finding is a remark about a file of the ledger.
type Finding struct {
	// File is relative to the ledger's directory, with forward slashes.
	File string `json:"file"`
	// Offset is the byte at which the fault begins, or -1 if that is unknown.
	Offset int64 `json:"offset"`
	// Entry is the sequence number of the entry concerned, or 0 for none.
	Entry   uint64 `json:"entry,omitempty"`
	Problem string `json:"problem"`
	// Damage is set if the ledger differs from the signed one. Otherwise the file is only
	// reported as not being part of the ledger.
	Damage bool `json:"damage"`
	// Newer is set if a newer Argus wrote the entry and those after it: they were not
	// read, and do not count as damage.
	Newer bool `json:"newer,omitempty"`
}

func (f Finding) String() string {
	s := "ledger/" + f.File
	if f.Offset >= 0 {
		s += fmt.Sprintf(", byte %d", f.Offset)
	}
	if f.Entry > 0 {
		s += fmt.Sprintf(", entry %d", f.Entry)
	}
	return s + ": " + f.Problem
}

// Report is the result of Verify.
type Report struct {
	// Entries is the number of entries that the checkpoint covers, and Root the root
	// that it signs; they are proven when there is no damage. If the checkpoint cannot
	// be verified, they come from the tiles.
	Entries uint64     `json:"entries"`
	Root    argus.Hash `json:"root"`
	// Destroyed counts the entries whose envelopes an order destroyed, Words those of
	// form 1, which hold their words themselves.
	Destroyed uint64 `json:"destroyed,omitempty"`
	Words     uint64 `json:"words,omitempty"`
	// Findings has at most MaxFindings.
	Findings []Finding `json:"findings,omitempty"`
}

// MaxFindings is the maximum number of findings that a report lists.
const MaxFindings = 1000

// Damaged reports whether any finding is damage.
func (r *Report) Damaged() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Damage })
}

// Verify recomputes a ledger from its directory and public key: entries, their numbers,
// leaves, tiles, root and checkpoint. Each file is either proven to the byte or reported;
// an envelope that an order destroyed is counted, and one that is gone without an order
// is damage. It changes nothing, needs no right to write, and may run while others
// append: it holds the lock only while it reads files that they could change. An error
// means that Verify could not read the ledger, and implies nothing about its state.
func Verify(ctx context.Context, dir, publicKey string) (*Report, error) {
	verifier, err := note.NewVerifier(publicKey)
	if err != nil {
		return nil, fmt.Errorf("verify ledger: read its public key: %w", err)
	}
	v := &verification{ctx: ctx, dir: dir, report: &Report{}}
	if err := v.snapshot(); err != nil {
		return nil, fmt.Errorf("verify ledger: %w", err)
	}
	if v.live, err = Open(dir, Options{PublicKey: publicKey}); err != nil {
		v.live = nil // the reason is reported below
	}
	h := v.checkpoint(verifier)
	v.report.Entries, v.report.Root = h.size, h.root
	v.interrupted()
	v.tree()
	v.namedFile(verifier)
	v.destroyed()
	v.aside()
	v.rest()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("verify ledger: %w", err)
	}
	return v.report, nil
}

type verification struct {
	ctx    context.Context
	dir    string
	report *Report
	// files holds the name of every file, and the content of those that may change while others
	// append: all except full tiles.
	files map[string][]byte
	seen  map[string]bool // files with a finding
	// last is the time of the last entry, back the first one whose time is before that
	// of the entry before it, or whose clock was, and backs counts them.
	last        time.Time
	newer       bool   // a newer Argus wrote some of the entries
	read        uint64 // number of valid entries
	back, backs uint64
	// correction is the last entry that corrected the time after such entries, and corrected is
	// the first such entry.
	correction, corrected uint64
	gone                  []uint64 // the entries whose envelopes are gone, rising
	orders                []order  // the orders to destroy envelopes
	going                 destroying
	named                 []string // the entries of namingActs, encoded, and their numbers
	namedAt               []uint64
	live                  *Ledger // the current state, to see later changes; nil if it cannot be opened
}

func (v *verification) damage(file string, offset int64, entry uint64, format string, args ...any) {
	v.find(Finding{File: file, Offset: offset, Entry: entry, Problem: fmt.Sprintf(format, args...), Damage: true})
}

func (v *verification) find(f Finding) {
	if len(v.report.Findings) < MaxFindings {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// snapshot reads, under the lock, the files that may change.
func (v *verification) snapshot() error {
	ctx, cancel := context.WithTimeoutCause(v.ctx, time.Minute, argus.ErrLocked)
	defer cancel()
	switch release, err := lockFile(ctx, durable.OS{}, filepath.Join(v.dir, lockName), false); {
	case err == nil:
		defer release()
	case ctx.Err() != nil:
		return err
	case !errors.Is(err, fs.ErrNotExist):
		v.damage(lockName, -1, 0, "the ledger cannot be locked: %v", err)
	}
	v.files, v.seen = map[string][]byte{}, map[string]bool{}
	err := filepath.WalkDir(v.dir, func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(v.dir, path)
		if relErr != nil {
			return relErr
		}
		name = filepath.ToSlash(name)
		if err != nil {
			v.damage(name, -1, 0, "it cannot be read: %v", err)
			return nil
		}
		if d.IsDir() {
			return nil
		}
		if !d.Type().IsRegular() {
			v.damage(name, -1, 0, "it is not a regular file")
			return nil
		}
		v.files[name] = nil
		if t, ok := parsePath(name); (!ok || t.W != tileWidth) && (!strings.HasPrefix(name, envelopeDir+"/") || name == destroyingName) {
			v.files[name], _ = readBounded(path) // take reports the error
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The last file of envelopes may grow; in the others, envelopes can only be
	// destroyed.
	size := v.stored()
	for _, seq := range []uint64{max(size, 1), max(size, 2) - 1} {
		if name := envelopePath(seq); v.has(name) {
			v.files[name], _ = readBounded(filepath.Join(v.dir, name)) // likewise
		}
	}
	return nil
}

func (v *verification) has(name string) bool {
	_, ok := v.files[name]
	return ok
}

// longest is more than the size of any file of a ledger: a bundle of the longest possible
// entries.
const longest = tileWidth * (2 + MaxEntry)

func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > longest {
		return []byte("too long"), nil // a ledger has no such file
	}
	return durable.ReadFile(durable.OS{}, name, longest)
}

// take returns the content of a file, or reports that it is missing.
func (v *verification) take(name string, entry uint64) ([]byte, bool) {
	if _, ok := v.files[name]; !ok {
		v.damage(name, -1, entry, "the file is missing")
		return nil, false
	}
	v.seen[name] = true
	raw, err := v.content(name)
	if err != nil {
		v.damage(name, -1, entry, "it cannot be read: %v", err)
		return nil, false
	}
	return raw, true
}

func (v *verification) content(name string) ([]byte, error) {
	if raw := v.files[name]; raw != nil {
		return raw, nil
	}
	return readBounded(filepath.Join(v.dir, name))
}

// checkpoint returns the size and root to compare with: the signed ones, or, in order to
// find other faults, the size according to the files.
func (v *verification) checkpoint(verifier note.Verifier) head {
	stored := head{size: v.stored()}
	raw, ok := v.take(checkpointName, 0)
	if !ok {
		return stored
	}
	h, err := openCheckpoint(raw, verifier)
	switch {
	case err != nil:
		v.damage(checkpointName, -1, 0, "%v", err)
		return stored
	case stored.size > h.size+1 && v.agree(stored.size):
		v.damage(checkpointName, -1, 0, "it covers %d entries, but %d were written: it was replaced with an earlier copy", h.size, stored.size)
		return stored
	}
	return h
}

// agree reports whether the last bundle of a ledger of the given size matches the leaves
// in its tile.
func (v *verification) agree(size uint64) bool {
	count := int((size-1)%tileWidth) + 1
	bundle, err := v.content(bundlePath(size-1, size))
	tile, notRead := v.content(tilePath(0, size-1, size))
	spans, broken := parseBundle(bundle, count)
	leaves, ok := parseTile(tile, count)
	return err == nil && notRead == nil && broken == nil && ok &&
		slices.EqualFunc(spans, leaves, func(s span, leaf argus.Hash) bool { return leafHash(s.data) == leaf })
}

// stored returns the number of entries in the files, judging by their names. An
// interrupted act may have left one more than the checkpoint covers.
func (v *verification) stored() (entries uint64) {
	for name := range v.files {
		if t, ok := parsePath(name); ok && t.L == 0 {
			entries = max(entries, uint64(t.N)*tileWidth+uint64(t.W))
		}
	}
	return entries
}

// mismatch is a tile of leaves whose nodes differ from those computed from its entries.
type mismatch struct {
	first    uint64 // the first entry, from 0
	byBundle []argus.Hash
	byTile   []argus.Hash
	spans    []span
}

// tree recomputes the tree from the entries and compares it with each tile.
func (v *verification) tree() {
	size := v.report.Entries
	levels := edge{nil} // all nodes; at level 0, only those of the last, partial tile
	for first := uint64(0); first < size; first += tileWidth {
		if v.ctx.Err() != nil || len(v.report.Findings) == MaxFindings {
			return
		}
		count := int(min(size-first, tileWidth))
		leaves, m, bad := v.leaves(first, count)
		if count < tileWidth {
			if bad {
				leaves = v.settleLast(m, levels)
			}
			levels[0] = leaves
			break
		}
		if bad {
			leaves = v.settle(m)
		}
		levels = levels.raise(subtree(leaves))
	}
	root := rootOf(levels.lasts())
	if v.report.Root == (argus.Hash{}) {
		v.report.Root = root
	}
	if root != v.report.Root {
		v.damage(checkpointName, -1, 0, "the root over the %d entries is %s, but the checkpoint states %s", size, root, v.report.Root)
	}
	for level := 1; level < len(levels); level++ {
		v.tiles(level, levels[level])
	}
}

// raise adds a node at level 1 and keeps all nodes of the levels above.
func (e edge) raise(node argus.Hash) edge {
	for level := 1; ; level++ {
		if level == len(e) {
			e = append(e, nil)
		}
		e[level] = append(e[level], node)
		if len(e[level])%tileWidth != 0 {
			return e
		}
		node = subtree(e[level][len(e[level])-tileWidth:])
	}
}

// lasts cuts each level down to its last tile that is not full.
func (e edge) lasts() edge {
	last := make(edge, len(e))
	for level, nodes := range e {
		last[level] = nodes[len(nodes)-len(nodes)%tileWidth:]
	}
	return last
}

// leaves reads a bundle and the tile over it. They are valid if they agree.
func (v *verification) leaves(first uint64, count int) (leaves []argus.Hash, m mismatch, bad bool) {
	size := v.report.Entries
	bundle, tile := bundlePath(first, size), tilePath(0, first, size)
	m.first = first

	var raw []byte
	var broken error
	if stored, ok := v.take(bundle, first+1); !ok {
		broken = fs.ErrNotExist
	} else {
		raw = stored
		m.spans, broken = parseBundle(raw, count)
	}
	for _, s := range m.spans {
		m.byBundle = append(m.byBundle, leafHash(s.data))
	}
	if stored, ok := v.take(tile, 0); ok {
		if m.byTile, ok = parseTile(stored, count); !ok {
			v.damage(tile, -1, 0, "it has %d bytes, not %d", len(stored), count*len(argus.Hash{}))
		}
	}
	if broken != nil && raw != nil {
		at, offset := len(m.spans), 0
		if m.byTile != nil {
			at = firstDifference(m.byBundle, m.byTile)
		}
		if at > 0 { // after the last valid entry
			offset = m.spans[at-1].offset + 2 + len(m.spans[at-1].data)
		}
		v.damage(bundle, int64(offset), first+uint64(min(at, count-1))+1, "it cannot be split into entries: %v", broken)
	}
	switch {
	case broken == nil && slices.Equal(m.byBundle, m.byTile):
		v.acts(bundle, first, m.spans)
		return m.byTile, m, false
	case broken == nil && m.byTile == nil:
		return m.byBundle, m, false // the tile was already reported; the root will decide which one is damaged
	case m.byTile == nil:
		return make([]argus.Hash, count), m, false // both were reported
	case broken != nil:
		return m.byTile, m, false
	}
	return nil, m, true
}

// acts checks the content of entries whose bytes are as they were recorded, and their
// envelopes.
func (v *verification) acts(bundle string, first uint64, spans []span) {
	held := v.envelopes(first + 1)
	for i, s := range spans {
		seq := first + uint64(i) + 1
		if isNaming(s.data) {
			v.named = append(v.named, string(s.data))
			v.namedAt = append(v.namedAt, seq)
		}
		e, err := decode(s.data)
		switch {
		case errors.Is(err, argus.ErrNewer):
			if !v.newer {
				v.find(Finding{File: bundle, Offset: int64(s.offset), Entry: seq, Problem: err.Error() + "; it and later entries were not read", Newer: true})
			}
			v.newer = true
			continue
		case err != nil:
			v.damage(bundle, int64(s.offset), seq, "%v", err)
			continue
		case e.Seq != seq:
			v.damage(bundle, int64(s.offset), seq, "it has the number %d", e.Seq)
		}
		if e.Time.Before(v.last) && e.Action != Correct || !e.Clock.IsZero() {
			if v.backs++; v.backs == 1 {
				v.back = seq
			}
		}
		if e.Action == Correct && v.backs > 0 {
			if v.correction == 0 {
				v.corrected = v.back
			}
			v.correction, v.backs = seq, 0
		}
		v.last = e.Time
		switch {
		case e.Envelope == (argus.Hash{}):
			v.report.Words++
		case held == nil:
			// Its file was reported.
		default:
			if err := e.open(held); err != nil {
				v.damage(envelopePath(seq), int64(held[seq].offset), seq, "the envelope is not the one that was recorded")
			}
			if e.Destroyed {
				v.gone = append(v.gone, seq)
			}
		}
		if o, ok := orderOf(&e); ok {
			v.orders = append(v.orders, o)
		}
		v.read++
	}
}

// namedFile checks the file that lists the entries about authorities and lists.
func (v *verification) namedFile(verifier note.Verifier) {
	raw, ok := v.files[namedName]
	if !ok {
		return
	}
	v.seen[namedName] = true
	h, data, err := openNamed(raw, verifier)
	switch {
	case err != nil:
		v.damage(namedName, -1, 0, "%v", err)
		return
	case h.size > v.report.Entries:
		v.damage(namedName, -1, 0, "it covers %d entries, but the checkpoint covers only %d: the ledger was truncated", h.size, v.report.Entries)
		return
	case v.report.Damaged() || v.read < h.size:
		return // some entries were not examined
	}
	at, _ := slices.BinarySearch(v.namedAt, h.size+1)
	if !slices.EqualFunc(data, v.named[:at], func(a []byte, b string) bool { return string(a) == b }) || v.live == nil {
		v.damage(namedName, -1, 0, "its entries differ from those of the ledger")
		return
	}
	if same, err := v.live.Extends(argus.LedgerHead{Entries: h.size, Root: h.root}); err != nil || !same {
		v.damage(namedName, -1, 0, "the ledger never had the root %s at %d entries", h.root, h.size)
	}
}

// interrupted reads which envelopes are being destroyed, or were being destroyed when a
// crash occurred.
func (v *verification) interrupted() {
	raw, ok := v.files[destroyingName]
	if !ok {
		return
	}
	v.seen[destroyingName] = true
	var err error
	if v.going, err = parseDestroying(raw); err != nil {
		v.damage(destroyingName, -1, 0, "%v", err)
		return
	}
	v.find(Finding{File: destroyingName, Offset: -1, Problem: "the destruction of the envelopes of entries " + v.going.text + ", is under way or was interrupted; it is completed when the store is next opened, if its order is in the ledger"})
}

// destroyed compares the missing envelopes with the orders to destroy some.
func (v *verification) destroyed() {
	var since []order
	if v.live != nil && len(v.gone) > 0 {
		v.live.ordersTo = v.report.Entries
		since, _ = v.live.ordersNow(v.ctx) // an order that cannot be read has not destroyed any envelope
	}
	var missing []Span
	for _, seq := range v.gone {
		switch n := len(missing) - 1; {
		case orderedBy(v.orders, seq) > 0 || orderedBy(since, seq) > 0:
			v.report.Destroyed++
		case v.read < v.report.Entries: // the order may be in the unread entries
		case n >= 0 && missing[n].Last+1 == seq && envelopePath(missing[n].First) == envelopePath(seq):
			missing[n].Last = seq
		default:
			missing = append(missing, Span{seq, seq})
		}
	}
	for _, s := range missing {
		v.damage(envelopePath(s.First), -1, s.First, "the envelopes of entries %d to %d are missing, but no order in the ledger destroyed them", s.First, s.Last)
	}
	if v.read < v.report.Entries || v.report.Damaged() {
		return // some envelopes were not examined
	}
	for _, o := range v.orders {
		for _, s := range o.spans {
			// The order implies that all entries in the span had envelopes: those that were not
			// destroyed are still there.
			at, _ := slices.BinarySearch(v.gone, s.First)
			for seq := s.First; seq <= s.Last; seq++ {
				if at < len(v.gone) && v.gone[at] == seq {
					at++
				} else if !have(v.going.spans, seq, seq) {
					v.damage(envelopePath(seq), -1, seq, "the envelope exists, but entry %d records its destruction: an earlier copy was restored", o.entry)
					break
				}
			}
		}
	}
}

// envelopes reads the file that holds the envelope of an entry. It returns nil if the
// file is damaged, which has then been reported.
func (v *verification) envelopes(seq uint64) map[uint64]envelope {
	name := envelopePath(seq)
	if !v.has(name) {
		return map[uint64]envelope{}
	}
	raw, ok := v.take(name, 0)
	if !ok {
		return nil
	}
	held, at, err := parseEnvelopes(raw, firstOf(seq), v.report.Entries, v.going.spans)
	if err != nil && v.files[name] == nil && v.live != nil {
		// Some may be in the process of being overwritten.
		if now, err := v.live.envelopes(seq); err == nil {
			return now
		}
	}
	if err != nil {
		v.damage(name, int64(at), 0, "%v", err)
		return nil
	}
	if at < len(raw) {
		v.find(Finding{File: name, Offset: int64(at), Problem: "the bytes from here on are not part of the ledger: they belong to an act that is under way, or that was interrupted and never acknowledged"})
	}
	return held
}

// aside reports the findings about entries that are not damage.
func (v *verification) aside() {
	note := func(file string, entry uint64, format string, args ...any) {
		v.find(Finding{File: file, Offset: -1, Entry: entry, Problem: fmt.Sprintf(format, args...)})
	}
	if n := v.report.Words; n > 0 {
		note("tile/entries", 0, "entries from an earlier version: %d. They hold the text of each act in the clear, and it cannot be destroyed", n)
	}
	if n := v.report.Destroyed; n > 0 {
		note(envelopeDir, 0, "envelopes destroyed by order: %d. The ledger still proves each of these acts, its time and its authority, but nothing more", n)
	}
	if v.correction > 0 {
		note("tile/entries", v.corrected, "a clock was behind the entry before it; entry %d has since corrected the time", v.correction)
	}
	if n := v.backs; n > 0 {
		note("tile/entries", v.back, "the clock was behind the entry before it (entries affected: %d). argus ledger correct corrects an entry whose time is too late", n)
	}
}

func firstDifference(a, b []argus.Hash) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// settle decides whether a full tile or its bundle is the signed one: it is the one from which
// the node above follows.
func (v *verification) settle(m mismatch) []argus.Hash {
	n := m.first / tileWidth
	raw, _ := v.content(tilePath(1, n, v.report.Entries)) // an error is reported with its level
	raw = raw[min(len(raw), int(n%tileWidth)*len(argus.Hash{})):]
	return v.blame(m, func(leaves []argus.Hash) bool {
		above := subtree(leaves)
		return bytes.HasPrefix(raw, above[:])
	})
}

// settleLast decides the same for the last, partial tile: the signed one is the one from which
// the root follows.
func (v *verification) settleLast(m mismatch, levels edge) []argus.Hash {
	return v.blame(m, func(leaves []argus.Hash) bool {
		tree := levels.lasts()
		tree[0] = leaves
		return rootOf(tree) == v.report.Root
	})
}

// blame reports a tile, its bundle, or both, and returns the leaves to continue with.
func (v *verification) blame(m mismatch, right func([]argus.Hash) bool) []argus.Hash {
	if right(m.byBundle) {
		return v.blameTile(m)
	}
	if !right(m.byTile) {
		v.blameTile(m)
	}
	return v.blameBundle(m)
}

func (v *verification) blameTile(m mismatch) []argus.Hash {
	i := firstDifference(m.byBundle, m.byTile)
	v.damage(tilePath(0, m.first, v.report.Entries), int64(i*len(argus.Hash{})), m.first+uint64(i)+1, "the hash does not match the entry")
	return m.byBundle
}

func (v *verification) blameBundle(m mismatch) []argus.Hash {
	for i, s := range m.spans {
		if m.byBundle[i] != m.byTile[i] {
			v.damage(bundlePath(m.first, v.report.Entries), int64(s.offset), m.first+uint64(i)+1, "the entry differs from the recorded one")
		}
	}
	return m.byTile
}

// tiles compares the tiles of a level with the level's nodes.
func (v *verification) tiles(level int, nodes []argus.Hash) {
	for n := 0; n < len(nodes); n += tileWidth {
		want := nodes[n:min(n+tileWidth, len(nodes))]
		name := tilePath(level, uint64(n), v.report.Entries)
		raw, ok := v.take(name, 0)
		if !ok {
			continue
		}
		got, ok := parseTile(raw, len(want))
		if !ok {
			v.damage(name, -1, 0, "it has %d bytes, not %d", len(raw), len(want)*len(argus.Hash{}))
		} else if i := firstDifference(got, want); i < len(want) {
			v.damage(name, int64(i*len(argus.Hash{})), 0, "the hash does not match the hashes below it")
		}
	}
}

// rest checks the files that are neither tiles of the tree nor its checkpoint.
func (v *verification) rest() {
	for name, want := range map[string]string{lockName: "", ".state/version": "1", ".state/treeState.lock": "", ".state/publish.lock": ""} {
		if raw, ok := v.files[name]; ok && string(raw) != want {
			v.damage(name, 0, 0, "its content is not %q", want)
		}
		v.seen[name] = true
	}
	v.treeState()
	for _, name := range slices.Sorted(maps.Keys(v.files)) {
		if !v.seen[name] {
			v.stray(name)
		}
	}
}

// treeState checks the number of entries noted by Tessera, which wrote the ledger in
// earlier versions. If an act was interrupted before the checkpoint was signed, the
// number is one higher than the ledger's.
func (v *verification) treeState() {
	form := `{"size":%d,"root":"%s`
	want := fmt.Sprintf(form+`"}`, v.report.Entries, base64.StdEncoding.EncodeToString(v.report.Root[:]))
	switch raw, ok := v.files[treeStateName]; {
	case !ok || string(raw) == want:
	case strings.HasPrefix(string(raw), fmt.Sprintf(form, v.report.Entries+1, "")):
		v.find(Finding{File: treeStateName, Offset: -1, Problem: "not part of the ledger: left behind by an interrupted act that was never acknowledged"})
	default:
		v.damage(treeStateName, 0, 0, "it does not match the checkpoint: %s, want %s", raw, want)
	}
	v.seen[treeStateName] = true
}

// stray identifies a file that the tree does not need: a shorter copy of a partial tile, the
// leftovers of an interrupted Append, or something else.
func (v *verification) stray(name string) {
	size := v.report.Entries
	t, ok := parsePath(name)
	end, level := uint64(t.N)*tileWidth+uint64(t.W), max(t.L, 0)
	switch {
	case ok && t.W < tileWidth && end <= nodesAt(level, size):
		v.shorter(name, t)
	case ok && end == nodesAt(level, size+1), name == envelopePath(size+1):
		v.find(Finding{File: name, Offset: -1, Problem: "not part of the ledger: left behind by an interrupted act that was never acknowledged"})
	case temporaryName.MatchString(name):
		v.find(Finding{File: name, Offset: -1, Problem: "not part of the ledger: a temporary file of an interrupted act"})
	default:
		v.find(Finding{File: name, Offset: -1, Problem: "not part of the ledger: an unknown file"})
	}
}

// shorter checks an older copy of a tile that was outgrown but not removed: it must be the
// beginning of the current tile.
func (v *verification) shorter(name string, t tlog.Tile) {
	raw, present := v.files[name], tilePath(t.L, uint64(t.N)*tileWidth, v.report.Entries)
	now, err := v.content(present)
	if t.L >= 0 && len(raw) != t.W*len(argus.Hash{}) || err != nil || !bytes.HasPrefix(now, raw) {
		v.damage(name, -1, 0, "it is not the beginning of %s", present)
		return
	}
	if t.L == bundles {
		if _, err := parseBundle(raw, t.W); err != nil {
			v.damage(name, -1, 0, "%v", err)
		}
	}
}

// temporaryName matches the files that package durable writes before renaming them, and
// those that earlier versions wrote, with a random number after the name.
var temporaryName = regexp.MustCompile(`^(named\.tmp|checkpoint(\.tmp|(\.new-)?\d+)|\.state/[a-zA-Z]+(\.new-)?\d+|envelopes/destroying(\.tmp|\.new-\d+)|tile/(.*/)?(\d{4,}|\d+\.tmp))$`)
