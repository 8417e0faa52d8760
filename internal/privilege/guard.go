package privilege

import (
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
)

// A Setup names the keys that can open the seals of a store, and identifies the key of the
// store's hashes without revealing it. docs/format/privilege.md describes the file.
type Setup struct {
	Version    int      `json:"argus_privilege"`
	Recipients []string `json:"recipients"`
	Check      string   `json:"key_check"`

	to *Recipients
}

// maxSetup is the maximum size of a setup in bytes.
const maxSetup = 1 << 20

// NewSetup makes the setup of a store. lines are public keys, as for [ParseRecipients].
func NewSetup(lines string, key Key) (*Setup, error) {
	to, err := ParseRecipients(lines)
	if err != nil {
		return nil, err
	}
	s := &Setup{Version: 1, Check: hex.EncodeToString(key.mac("setup").Sum(nil)), to: to}
	for _, r := range to.keys {
		s.Recipients = append(s.Recipients, fmt.Sprint(r))
	}
	return s, nil
}

// Encode returns the content of the file.
func (s *Setup) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// ParseSetup reads the file of a setup.
func ParseSetup(data []byte) (*Setup, error) {
	s := &Setup{}
	fail := func(err error) (*Setup, error) {
		return nil, fmt.Errorf("read the setup of privilege: %w: %w", err, argus.ErrDamaged)
	}
	if len(data) > maxSetup {
		return fail(fmt.Errorf("it is longer than %d bytes", maxSetup))
	}
	if err := json.Unmarshal(data, s); err != nil {
		return fail(err)
	}
	switch sum, err := hex.DecodeString(s.Check); {
	case s.Version > 1:
		return nil, fmt.Errorf("read the setup of privilege: it has version %d: %w", s.Version, argus.ErrNewer)
	case s.Version != 1 || err != nil || len(sum) != KeySize:
		return fail(errors.New("it is not a file of version 1"))
	}
	var err error
	if s.to, err = ParseRecipients(strings.Join(s.Recipients, "\n")); err != nil {
		return fail(err)
	}
	return s, nil
}

// To returns the recipients.
func (s *Setup) To() *Recipients { return s.to }

// ErrOtherKey means that a key is not the one with which privilege was set up.
var ErrOtherKey = errors.New("the key does not belong to this store")

// Fits returns [ErrOtherKey] if a key is not that of the store.
func (s *Setup) Fits(key Key) error {
	sum, err := hex.DecodeString(s.Check)
	if err != nil || !hmac.Equal(sum, key.mac("setup").Sum(nil)) {
		return ErrOtherKey
	}
	return nil
}

const directoryMagic = "ARGUSPF1"

// JoinDirectory makes one file of a set and of the sealed directory that it was made from, so
// that neither can be replaced without the other.
func JoinDirectory(set *Set, sealed []byte) []byte {
	rows := set.Encode()
	out := binary.LittleEndian.AppendUint64([]byte(directoryMagic), uint64(len(rows)))
	return append(append(out, rows...), sealed...)
}

// SplitDirectory returns the encoded set and the sealed directory of a file.
func SplitDirectory(file []byte) (set, sealed []byte, err error) {
	head := len(directoryMagic) + 8
	if len(file) < head || string(file[:len(directoryMagic)]) != directoryMagic {
		return nil, nil, fmt.Errorf("read the directory: it is not a file of version 1: %w", argus.ErrDamaged)
	}
	n := binary.LittleEndian.Uint64(file[len(directoryMagic):])
	if file = file[head:]; n > uint64(len(file)) {
		return nil, nil, fmt.Errorf("read the directory: %w: %w", errTruncated, argus.ErrDamaged)
	}
	return file[:n], file[n:], nil
}

// A Guard judges and seals the messages that a store takes in. It holds the key that the
// judge lent, in memory only. Its methods may be called concurrently.
type Guard struct {
	key       Key
	setup     *Setup
	rules     *Rules
	countries []string

	mu         sync.Mutex // guards the fields below
	set        *Set
	state      *State
	recogniser *Recogniser
	changes    uint64
}

// NewGuard returns a guard with the key that the judge lent, the encoded set of the
// directory, and the encoded state, nil for the first messages of a store. Numbers in
// national form are those of the given countries (ISO 3166).
func NewGuard(setup *Setup, key Key, set, state []byte, countries ...string) (*Guard, error) {
	if err := setup.Fits(key); err != nil {
		return nil, err
	}
	g := &Guard{key: key, setup: setup, state: NewState(), countries: countries}
	var err error
	if state != nil {
		if g.state, err = ParseState(state, key); err != nil {
			return nil, err
		}
	}
	if g.rules, err = DefaultRules(); err != nil {
		return nil, err
	}
	return g, g.Use(set)
}

// Use makes the guard judge by a different set, which must have been encoded with the guard's
// key. The guard keeps what it has learned.
func (g *Guard) Use(set []byte) error {
	s, err := ParseSet(set, g.key)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set, g.recogniser = s, NewRecogniser(NewMatcher(s, g.countries...), g.rules, g.state)
	g.changes++
	return nil
}

// Survey learns from a copy ([Recogniser.Survey]).
func (g *Guard) Survey(s Sighting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.recogniser.Survey(s)
	g.count()
}

// Judge returns the finding for a copy ([Recogniser.Judge]).
func (g *Guard) Judge(s Sighting) Finding {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.recogniser.Judge(s)
	g.count()
	return f
}

func (g *Guard) count() {
	if g.state.Grew() {
		g.changes++
	}
}

// Changes returns a number that rises whenever the guard learns something new.
func (g *Guard) Changes() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changes
}

// State returns the state, encoded.
func (g *Guard) State() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Encode(g.key)
}

// NewBatch makes a batch for the recipients of the store ([NewBatch]).
func (g *Guard) NewBatch() (*Batch, []byte, error) { return NewBatch(g.setup.to) }

// Recipients returns the public keys to which messages are sealed, in age's notation.
func (g *Guard) Recipients() []string { return g.setup.Recipients }

// Directory is the version of the directory in use.
func (g *Guard) Directory() argus.Hash {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.set.Version()
}

// IDKey is the key of the ids of sealed records.
func (g *Guard) IDKey() []byte { return g.key.mac("ids").Sum(nil) }

// Name returns a keyed hash that replaces a name.
func (g *Guard) Name(name string) string {
	t := tagger{mac: g.key.mac("names")}
	sum := t.tag("name", name)
	return hex.EncodeToString(sum[:])
}
