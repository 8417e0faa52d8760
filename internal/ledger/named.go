package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// namedName is a file with those entries of the full bundles that [Ledger.Named] returns, so
// that a process need not read the whole ledger to find them. It is derived and signed: without
// the key, no entry can be added to the file or left out of it.
const namedName = "named"

// namedStep is the number of entries by which the file may lag behind before it is rewritten.
const namedStep = 4 * tileWidth

// namingActs are the acts that name a file of the authorities or of the lists, as they are in
// an encoded entry. Only the field itself can hold these bytes: in a string, quotes are escaped.
var namingActs = [][]byte{
	[]byte(`"action":"` + AddAuthority + `"`), []byte(`"action":"` + RevokeAuthority + `"`), []byte(`"action":"` + ChangeAuthority + `"`), []byte(`"action":"` + AddList + `"`), []byte(`"action":"` + AddMap + `"`),
	[]byte(`"action":"` + AddPerson + `"`), []byte(`"action":"` + AddDirectory + `"`), []byte(`"action":"` + DecideProtected + `"`),
}

func isNaming(data []byte) bool {
	for _, act := range namingActs {
		if bytes.Contains(data, act) {
			return true
		}
	}
	return false
}

// named holds the entries of namingActs that a process already knows.
type named struct {
	mu   sync.Mutex
	read bool
	// full is a multiple of the bundles' width: the entries whose leaves are in tree. data has
	// the encoded entries among them, and entries the same, decoded.
	full    uint64
	tree    edge
	data    [][]byte
	entries []Entry
	kept    uint64 // the value of full in the file
	last    head   // the head that answer belongs to
	answer  []Entry
}

// Named returns, in order, the entries that add or revoke an authority or add a list, without
// opening envelopes, as far as the current checkpoint covers them. All entries of the ledger
// are checked against the signed root, so none of the returned ones can be forged, and none can
// be missing. The caller must not change them.
func (l *Ledger) Named(ctx context.Context) ([]Entry, error) {
	l.named.mu.Lock()
	defer l.named.mu.Unlock()
	entries, err := l.readNamed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the entries about authorities and lists in the ledger: %w", err)
	}
	l.keepNamed()
	return entries, nil
}

func (l *Ledger) readNamed(ctx context.Context) ([]Entry, error) {
	n := &l.named
	h, err := l.head()
	if err != nil || n.read && h == n.last {
		return n.answer, err
	}
	if !n.read {
		l.loadNamed(h)
	}
	for {
		answer, err := l.catchUp(ctx, h)
		if err == nil {
			n.read, n.last, n.answer = true, h, answer
			return answer, nil
		}
		now, failed := l.head()
		if failed != nil || !errors.Is(err, fs.ErrNotExist) || now == h {
			return nil, errors.Join(err, failed)
		}
		h = now // a longer bundle took the place of the last one
	}
}

// catchUp reads the entries from n.full up to a head, and compares the root over all
// entries with the head's.
func (l *Ledger) catchUp(ctx context.Context, h head) ([]Entry, error) {
	n := &l.named
	if h.size < n.full {
		return nil, fmt.Errorf("it had %d entries, but now has %d: %w", n.full, h.size, argus.ErrDamaged)
	}
	full, tree, data, entries := n.full, slices.Clone(n.tree), n.data, n.entries
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var leaves []argus.Hash
		count := int(min(h.size-full, tileWidth))
		var spans []span
		if count > 0 {
			raw, err := l.covered(bundlePath(full, h.size))
			if err != nil {
				return nil, err
			}
			if spans, err = parseBundle(raw, count); err != nil {
				return nil, fmt.Errorf("%s: %w: %w", bundlePath(full, h.size), err, argus.ErrDamaged)
			}
		}
		for i, s := range spans {
			leaves = append(leaves, leafHash(s.data))
			if !isNaming(s.data) {
				continue
			}
			e, err := decode(s.data)
			if err == nil && e.Seq != full+uint64(i)+1 {
				err = fmt.Errorf("entry %d states the number %d: %w", full+uint64(i)+1, e.Seq, argus.ErrDamaged)
			}
			if err != nil {
				return nil, err
			}
			data, entries = append(data, bytes.Clone(s.data)), append(entries, e)
		}
		if count == tileWidth {
			full, tree = full+tileWidth, tree.raise(subtree(leaves))
			continue
		}
		edge := tree.lasts()
		edge[0] = leaves
		if rootOf(edge) != h.root {
			return nil, fmt.Errorf("the entries are not those that the checkpoint signs: %w", argus.ErrDamaged)
		}
		whole := 0
		for whole < len(entries) && entries[whole].Seq <= full {
			whole++
		}
		n.full, n.tree, n.data, n.entries = full, tree.lasts(), data[:whole:whole], entries[:whole:whole]
		return entries, nil
	}
}

// loadNamed takes the entries from the file if the file is sound and the ledger once had the
// file's head. Otherwise the whole ledger is read.
func (l *Ledger) loadNamed(now head) {
	n := &l.named
	n.full, n.tree, n.data, n.entries, n.kept = 0, edge{nil}, nil, nil, 0
	raw, err := l.read(namedName)
	if err != nil {
		return
	}
	h, data, err := openNamed(raw, l.verifier)
	if err != nil || h.size > now.size {
		return
	}
	tree, err := l.readEdge(h.size, now.size)
	if err != nil || rootOf(tree) != h.root {
		return
	}
	var entries []Entry
	for _, one := range data {
		e, err := decode(one)
		if err != nil {
			return
		}
		entries = append(entries, e)
	}
	if len(tree) > 0 {
		n.tree = tree
	}
	n.full, n.data, n.entries, n.kept = h.size, data, entries, h.size
}

// keepNamed writes the file if it lags far behind, this process can sign, and no other process
// is appending. Everything in the file can be read from the ledger, so an error does not
// matter.
func (l *Ledger) keepNamed() {
	n := &l.named
	if n.full < n.kept+namedStep {
		return
	}
	select {
	case l.turn <- struct{}{}:
	default:
		return
	}
	defer func() { <-l.turn }()
	if l.signer == nil {
		return
	}
	unlock, held, err := l.disk.Lock(filepath.Join(l.dir, lockName), true)
	if err != nil || !held {
		return
	}
	defer func() { _ = unlock() }() // closing the file, which always happens, releases the lock
	n.kept = n.full                 // also after an error, so as not to retry at each act
	raw, err := signNamed(head{n.full, rootOf(n.tree)}, n.data, l.signer)
	if err == nil {
		_ = durable.Replace(l.disk, filepath.Join(l.dir, namedName), raw)
	}
}

// namedText returns the signed part of the file.
func namedText(h head, body []byte, origin string) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%s/%s\n%d\n%s\n%s\n", origin, namedName, h.size, base64.StdEncoding.EncodeToString(h.root[:]),
		base64.StdEncoding.EncodeToString(sum[:]))
}

func signNamed(h head, data [][]byte, signer note.Signer) ([]byte, error) {
	var body []byte
	for _, one := range data {
		body = append(append(body, one...), '\n')
	}
	signed, err := note.Sign(&note.Note{Text: namedText(h, body, signer.Name())}, signer)
	return append(signed, body...), err
}

// openNamed verifies the file, to the byte, and returns its head and the encoded entries.
func openNamed(raw []byte, verifier note.Verifier) (h head, data [][]byte, err error) {
	const lines = 6 // four, an empty one, and the signature
	parts := bytes.SplitAfterN(raw, []byte("\n"), lines+1)
	if len(parts) <= lines {
		return h, nil, errors.New("it is truncated")
	}
	body := parts[lines]
	signed := raw[:len(raw)-len(body)]
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return h, nil, err
	}
	h.size, err = strconv.ParseUint(strings.TrimSuffix(string(parts[1]), "\n"), 10, 63)
	root, notBase64 := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(string(parts[2]), "\n"))
	if err != nil || notBase64 != nil || len(root) != len(h.root) || h.size%tileWidth != 0 {
		return h, nil, errors.New("its header is invalid")
	}
	h.root = argus.Hash(root)
	signature, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	want := namedText(h, body, verifier.Name()) + "\n— " + verifier.Name() + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	if err != nil || string(signed) != want {
		return h, nil, errors.New("its entries differ from the signed ones")
	}
	for line := range bytes.Lines(body) {
		data = append(data, bytes.TrimSuffix(line, []byte("\n")))
	}
	return h, data, nil
}
