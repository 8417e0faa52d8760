// Package argus holds the words of Argus: the message and its identity,
// accounts, conversations, deliveries, references, and the errors that callers
// may ask for. It depends on the standard library only, and everything else in
// Argus depends on it.
package argus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The errors that callers may ask for with [errors.Is]. Damage is never
// reported as absence, and a forbidden thing is reported as an absent one.
var (
	// ErrNotFound says that no record was found in what the asker may read.
	ErrNotFound = errors.New("no record found")
	// ErrAmbiguous says that a short reference names more than one message.
	ErrAmbiguous = errors.New("ambiguous reference")
	// ErrDamaged says that stored bytes are not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrNewer says that a newer Argus wrote what was read, in a form that this one
	// does not know. Nothing is wrong with it.
	ErrNewer = errors.New("written by a newer Argus")
	// ErrOlder says that an older Argus wrote a store, in a format that has to be
	// converted before it is used. Nothing is wrong with it.
	ErrOlder = errors.New("written by an older Argus")
	// ErrRefused says that no active authority allows the act.
	ErrRefused = errors.New("refused")
	// ErrLocked says that another process is writing to the store.
	ErrLocked = errors.New("in use by another process")
)

// DeliveryNumber counts the deliveries of one store from 1. Zero is none.
type DeliveryNumber uint32

// String writes the number as people cite it: D-0007.
func (n DeliveryNumber) String() string { return fmt.Sprintf("D-%04d", uint32(n)) }

// MarshalText writes the number as people cite it.
func (n DeliveryNumber) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *DeliveryNumber) UnmarshalText(text []byte) error {
	parsed, err := ParseDelivery(string(text))
	*n = parsed
	return err
}

// ParseDelivery reads a delivery's number with or without its prefix and
// leading zeros: D-0007, d-7, 7.
func ParseDelivery(s string) (DeliveryNumber, error) {
	digits := s
	if len(s) > 2 && (s[0] == 'D' || s[0] == 'd') && s[1] == '-' {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '+' {
		return 0, fmt.Errorf("parse delivery %q: a delivery is written like D-0007", s)
	}
	return DeliveryNumber(n), nil
}

// DirectConversation names the conversation between two accounts of one
// service. Both sides get the same name, whoever's device it was read from.
func DirectConversation(a, b string) string {
	if b < a {
		a, b = b, a
	}
	return a + "|" + b
}

// OwnerOf begins the account of a device's owner whom the source does not name;
// behind it stands the source.
const OwnerOf = "owner of "

// CleanName removes what exports add around names and identifiers and nobody
// typed: surrounding space and the invisible marks that set the direction of
// text (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, U+FEFF).
func CleanName(s string) string {
	if isASCII(s) || !strings.ContainsFunc(s, isDirectionMark) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if isDirectionMark(r) {
			return -1
		}
		return r
	}, s))
}

func isDirectionMark(r rune) bool {
	return r == 0x200E || r == 0x200F || r == 0xFEFF ||
		r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56; w&0x8080808080808080 != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
