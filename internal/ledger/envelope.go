package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// envelopeDir is the folder of the envelopes.
const envelopeDir = "envelopes"

// envelopePath returns the file of an entry's envelope: one for each bundle of entries.
func envelopePath(seq uint64) string {
	return envelopeDir + "/" + strings.TrimPrefix(bundlePath(seq-1, math.MaxInt64), entriesPath)
}

// firstOf returns the first entry whose envelope is in the same file as that of the given
// entry.
func firstOf(seq uint64) uint64 { return (seq-1)/tileWidth*tileWidth + 1 }

// words are the part of an act in its envelope: the texts that people wrote.
type words struct {
	Actor   string            `json:"actor"`
	Purpose string            `json:"purpose,omitempty"`
	Subject string            `json:"subject,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// envelope is one line of a file of envelopes.
type envelope struct {
	entry  uint64
	salt   [saltSize]byte
	text   []byte // the encoded words
	offset int    // where the line begins
}

// saltSize is the size of the salt in bytes. The salt prevents guessing the words from
// the entry alone.
const saltSize = 16

func (e envelope) hash() argus.Hash {
	return sha256.Sum256(append(e.salt[:], e.text...))
}

func (e envelope) line() []byte {
	return fmt.Appendf(nil, "{\"entry\":%d,\"salt\":\"%x\",\"text\":%s}\n", e.entry, e.salt, e.text)
}

// newEnvelope returns the hash that goes into an entry, and the line of its envelope.
func newEnvelope(seq uint64, w words) (argus.Hash, []byte, error) {
	text, err := canonical(w)
	if err != nil {
		return argus.Hash{}, nil, err
	}
	e := envelope{entry: seq, text: text}
	rand.Read(e.salt[:])
	line := e.line()
	if len(line) > MaxEntry {
		return argus.Hash{}, nil, fmt.Errorf("its envelope has %d bytes, want at most %d", len(line), MaxEntry)
	}
	return e.hash(), line, nil
}

// open fills in the words from the envelope of an entry.
func (e *Entry) open(held map[uint64]envelope) error {
	if e.Envelope == (argus.Hash{}) {
		return nil
	}
	of, ok := held[e.Seq]
	if !ok {
		for _, of = range held { // whose number may have been changed
			if of.hash() == e.Envelope {
				ok = true
				break
			}
		}
	}
	if !ok {
		e.Destroyed = true
		return nil
	}
	var w words
	if of.entry != e.Seq || of.hash() != e.Envelope || json.Unmarshal(of.text, &w) != nil {
		return fmt.Errorf("read %s at byte %d: the envelope does not belong to entry %d: %w", envelopePath(e.Seq), of.offset, e.Seq, argus.ErrDamaged)
	}
	e.Actor, e.Purpose = w.Actor, w.Purpose
	if w.Subject != "" {
		e.Subject = w.Subject
	}
	for name, value := range w.Detail {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[name] = value
	}
	return nil
}

// envelopes reads the file that holds the envelope of an entry. Envelopes missing from it
// were destroyed.
func (l *Ledger) envelopes(seq uint64) (map[uint64]envelope, error) {
	size, err := l.Size()
	if err != nil {
		return nil, err
	}
	var going []Span // which may be overwritten in part
	for {
		raw, err := l.read(envelopePath(seq))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		held, at, err := parseEnvelopes(raw, firstOf(seq), size, going)
		if err == nil {
			return held, nil
		}
		if going != nil {
			return nil, fmt.Errorf("read %s at byte %d: %w: %w", envelopePath(seq), at, err, argus.ErrDamaged)
		}
		d, notRead := l.destroying()
		if notRead != nil {
			return nil, notRead
		}
		// If no envelope is still being destroyed, the file is complete by now.
		going = append([]Span{}, d.spans...)
	}
}

// parseEnvelopes reads the envelopes in a file whose first envelope belongs to entry first. It
// returns the offset at which the envelopes of the ledger's first size entries end, or at which
// the invalid line begins. A line of spaces is a destroyed envelope. So is an invalid line in
// the position of an entry that going contains: that envelope is being overwritten. Lines after
// the end belong to acts that are under way or were interrupted.
func parseEnvelopes(raw []byte, first, size uint64, going []Span) (held map[uint64]envelope, end int, err error) {
	held = map[uint64]envelope{}
	last, torn := first-1, false // a lower bound: each line belongs to a later entry than the line before it
	for at := 0; at < len(raw); {
		line, _, whole := bytes.Cut(raw[at:], []byte("\n"))
		next := at + len(line) + 1
		e, ok := parseEnvelope(line, at)
		switch {
		case whole && len(bytes.Trim(line, " ")) == 0:
			last++
		case (!whole || !ok && last >= size) && interrupted(line, max(size, last)+1, whole):
			return held, end, nil
		case whole && !ok && have(going, last+1, size):
			torn = true
		case !whole || !ok:
			return held, at, errors.New("the line is not an envelope")
		case e.entry <= last:
			return held, at, fmt.Errorf("the envelope of entry %d follows the envelope of entry %d", e.entry, last)
		case torn && !have(going, last+1, e.entry-1):
			return held, at, fmt.Errorf("a line before the envelope of entry %d is not an envelope", e.entry)
		default:
			held[e.entry], last, torn = e, e.entry, false
		}
		if at = next; last <= size {
			end = next
		}
	}
	return held, end, nil
}

// interrupted reports whether a line can be what an interrupted act left of an entry's
// envelope. If the file already had its new length when the power failed, the unwritten bytes
// are zero.
func interrupted(line []byte, seq uint64, whole bool) bool {
	for i, b := range fmt.Appendf(nil, "{\"entry\":%d,", seq) {
		if i < len(line) && line[i] != b && line[i] != 0 {
			return false
		}
	}
	return !whole || bytes.IndexByte(line, 0) >= 0
}

// parseEnvelope parses exactly the lines that line writes, without the final newline.
func parseEnvelope(line []byte, offset int) (e envelope, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"entry":`))
	number, rest, _ := bytes.Cut(rest, []byte(`,"salt":"`))
	salt, text, _ := bytes.Cut(rest, []byte(`","text":`))
	if !ok || len(salt) != 2*saltSize || len(text) == 0 {
		return e, false
	}
	e = envelope{text: text[:len(text)-1], offset: offset}
	_, notHex := hex.Decode(e.salt[:], salt)
	var err error
	e.entry, err = strconv.ParseUint(string(number), 10, 64)
	return e, err == nil && notHex == nil && bytes.Equal(e.line(), append(line[:len(line):len(line)], '\n'))
}

// keepEnvelope makes an envelope durable, after those of the entries before it, and removes the
// leftovers of an interrupted act from there.
func (l *Ledger) keepEnvelope(seq uint64, line []byte) (err error) {
	name := filepath.Join(l.dir, envelopePath(seq))
	f, err := l.disk.OpenFile(name, os.O_RDWR, 0)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		if err := l.disk.MkdirAll(filepath.Dir(name)); err != nil {
			return err
		}
		f, err = l.disk.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the envelope of entry %d: %w", seq, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at, err := l.endOfEnvelopes(f, seq)
	if err != nil {
		return fmt.Errorf("keep the envelope of entry %d: %s: %w", seq, envelopePath(seq), err)
	}
	if err := f.Truncate(at); err != nil {
		return err
	}
	if _, err := f.WriteAt(line, at); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if made || (seq-1)%tileWidth == 0 { // an interrupted act may have made it
		if err := l.syncFolders(name); err != nil {
			return err
		}
	}
	l.envelopesEnd = ends{seq, at + int64(len(line))}
	return nil
}

// ends tells where an entry's envelope ends in its file.
type ends struct {
	seq uint64
	at  int64
}

// endOfEnvelopes returns the offset at which the envelope of an entry has to be written.
func (l *Ledger) endOfEnvelopes(f durable.File, seq uint64) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if l.envelopesEnd == (ends{seq - 1, info.Size()}) {
		return info.Size(), nil
	}
	if info.Size() > longest {
		return 0, fmt.Errorf("it has %d bytes: %w", info.Size(), argus.ErrDamaged)
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return 0, err
	}
	_, end, err := parseEnvelopes(raw, firstOf(seq), seq-1, nil)
	if err != nil {
		return 0, fmt.Errorf("at byte %d: %w: %w", end, err, argus.ErrDamaged)
	}
	return int64(end), nil
}
