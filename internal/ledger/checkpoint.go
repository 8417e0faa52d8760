package ledger

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Files next to the tiles.
const (
	checkpointName = "checkpoint"
	lockName       = "lock"
)

// head is the content of a checkpoint: the number of entries, and the root of the tree
// over them.
type head struct {
	size uint64
	root argus.Hash
}

// head reads and verifies the signed checkpoint.
func (l *Ledger) head() (head, error) {
	raw, err := l.read(checkpointName)
	if err != nil {
		return head{}, err
	}
	if h, ok := l.known.is(raw); ok {
		return h, nil
	}
	h, err := openCheckpoint(raw, l.verifier)
	if err == nil {
		l.known.verified(raw, h)
	}
	return h, err
}

// known caches the last results, so that no signature is verified twice and the last
// entry is not read twice.
type known struct {
	mu   sync.Mutex
	raw  []byte // the verified checkpoint
	head head
	size uint64 // number of the entry with time
	time time.Time
}

func (k *known) is(raw []byte) (head, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.head, k.raw != nil && bytes.Equal(k.raw, raw)
}

func (k *known) verified(raw []byte, h head) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.raw, k.head = raw, h
}

func (k *known) set(size uint64, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.size, k.time = size, at
}

func (k *known) get(size uint64) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.time, k.size == size && size > 0
}

// openCheckpoint verifies a checkpoint. It accepts exactly the bytes that
// publish writes, so that no byte of the file can change unnoticed.
func openCheckpoint(raw []byte, verifier note.Verifier) (head, error) {
	n, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return head{}, fmt.Errorf("verify the checkpoint: %w: %w", err, argus.ErrDamaged)
	}
	h, err := parseCheckpoint(n.Text, verifier.Name())
	if err != nil {
		return head{}, err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	want := n.Text + "\n— " + verifier.Name() + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	if err != nil || string(raw) != want {
		return head{}, fmt.Errorf("verify the checkpoint: it holds more than the text and one signature: %w", argus.ErrDamaged)
	}
	return h, nil
}

func parseCheckpoint(text, origin string) (head, error) {
	damaged := func(what string) (head, error) {
		return head{}, fmt.Errorf("read the checkpoint: %s: %w", what, argus.ErrDamaged)
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return damaged("it does not have three lines")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return damaged("its size is not a number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(argus.Hash{}) {
		return damaged("its root is not a SHA-256")
	}
	h := head{size, argus.Hash(root)}
	if text != h.text(origin) {
		return damaged("it is not in its canonical form, or it belongs to a different ledger")
	}
	return h, nil
}

// text returns the signed part of a checkpoint (C2SP tlog-checkpoint).
func (h head) text(origin string) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, h.size, base64.StdEncoding.EncodeToString(h.root[:]))
}

// publish signs a checkpoint and makes it durable.
func (l *Ledger) publish(h head) error {
	signed, err := note.Sign(&note.Note{Text: h.text(l.signer.Name())}, l.signer)
	if err != nil {
		return fmt.Errorf("sign the checkpoint: %w", err)
	}
	return durable.Replace(l.disk, filepath.Join(l.dir, checkpointName), signed)
}
