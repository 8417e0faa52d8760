// Package privilege recognises protected communication, such as that of lawyers and their clients, and seals it to a judge.
//
// Three matchers look at each copy of a message. They use a directory of protected persons,
// which is matched by keyed hash; the text of the message and of its conversation; and the
// protected messages seen before, which this one may copy, forward or answer. A message that
// any of them finds is only suspected: a judge decides. A message that none of them finds may
// still be protected.
//
// The package changes nothing and stores nothing. docs/privilege.md describes the design,
// the files and the limits.
package privilege

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// Class names the matcher that found a message. The readable part of a sealed message
// states it; only the judge sees the rule and the words.
type Class uint8

const (
	// None means that no matcher found the message.
	None Class = iota
	// ByDirectory means that a sender, a receiver or a member of the conversation is in the
	// directory.
	ByDirectory
	// ByContext means that the words of the message, or of its conversation, show a protected
	// relation.
	ByContext
	// ByPropagation means that the message repeats, answers or contains a protected one.
	ByPropagation
)

var classWords = [...]string{"none", "directory", "context", "propagation"}

func (c Class) String() string {
	if int(c) < len(classWords) {
		return classWords[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// A Sighting is one copy of a message.
type Sighting struct {
	Message *argus.Message
	// IDs are the ids of the message: its own, and the id of the message that it is a
	// copy of.
	IDs []argus.ID
	// Within holds the SHA-256 of the files that contain the message, such as an attached
	// archive, or a mail to which it is attached. Default none.
	Within []argus.Hash
}

// A Finding is the result for one copy. The zero value means that nothing was found.
type Finding struct {
	Class Class
	// Reasons are meant only for the judge, because they quote the message. There are at
	// most 64.
	Reasons []Reason
}

// Suspected reports whether the message must be sealed.
func (f Finding) Suspected() bool { return f.Class != None }

// A Reason is a rule that applies to a message.
type Reason struct {
	Class Class  `json:"class"`
	Rule  string `json:"rule"`
	// Words are the words of the message that the rule matched. Default none.
	Words string `json:"words,omitempty"`
}

// mostReasons is the maximum number of reasons in a finding.
const mostReasons = 64

// add adds a reason. The class of a finding is the first class that applies.
func (f *Finding) add(class Class, rule, words string) {
	if f.Class == None || class < f.Class {
		f.Class = class
	}
	if r := (Reason{class, rule, words}); len(f.Reasons) < mostReasons && !slices.Contains(f.Reasons, r) {
		f.Reasons = append(f.Reasons, r)
	}
}

// KeySize is the length of a Key in bytes.
const KeySize = 32

// A Key makes the keyed hashes of one store. It is random, and never kept in the store:
// anyone who has both the key and the store can test guesses.
type Key [KeySize]byte

// NewKey returns a random key.
func NewKey() Key {
	var k Key
	if _, err := rand.Read(k[:]); err != nil {
		panic(err) // crypto/rand never returns an error
	}
	return k
}

// ParseKey reads 64 hexadecimal digits.
func ParseKey(text string) (k Key, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != KeySize {
		return k, fmt.Errorf("parse the key of protected persons: it must have %d hexadecimal digits", 2*KeySize) // never the text itself
	}
	copy(k[:], b)
	return k, nil
}

// Text returns the key in the form that ParseKey reads. The result is a secret.
func (k Key) Text() string { return hex.EncodeToString(k[:]) }

// String hides the key from logs and errors.
func (k Key) String() string { return "a secret key" }

// GoString hides the key from logs and errors, too.
func (k Key) GoString() string { return k.String() }

// mac returns a keyed hash for one use. Each use has a key of its own, so that its tags
// reveal nothing about the tags of another use.
func (k Key) mac(use string) hash.Hash {
	sub, err := hkdf.Expand(sha256.New, k[:], "argus privilege 1 "+use, KeySize)
	if err != nil {
		panic(err) // the length is in range
	}
	return hmac.New(sha256.New, sub)
}

// A tag is a keyed hash, truncated to 16 bytes: among 2^32 tags, the probability that two are
// equal is 2^-65.
type tag [16]byte

// tagger makes tags. Each goroutine needs its own.
type tagger struct {
	mac hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

func (t *tagger) tag(kind string, parts ...string) (out tag) {
	t.buf = append(t.buf[:0], kind...)
	for _, p := range parts {
		t.buf = append(t.buf, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(len(p)>>24))
		t.buf = append(t.buf, p...)
	}
	t.mac.Reset()
	t.mac.Write(t.buf)
	copy(out[:], t.mac.Sum(t.sum[:0]))
	return out
}

// errKey returns the error for a file that does not authenticate under the key. A file
// made with another key cannot be told from a damaged one.
func errKey(what string) error {
	return fmt.Errorf("%s is damaged, or was made with a different key: %w", what, argus.ErrDamaged)
}

var errTruncated = errors.New("it ends early")
