// Package argus holds the words of Argus: the message and its identity,
// accounts, conversations, deliveries, references, and the errors that callers
// may ask for. It imports only the standard library, and every other package of
// Argus may import it.
package argus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors that callers may test for with [errors.Is]. Damage is never reported as
// absence; something forbidden is reported as absent.
var (
	// ErrNotFound means that there is no such record that the asker may read.
	ErrNotFound = errors.New("no record found")
	// ErrAmbiguous means that a short reference names more than one message.
	ErrAmbiguous = errors.New("ambiguous reference")
	// ErrDamaged means that stored bytes differ from those written.
	ErrDamaged = errors.New("damaged")
	// ErrNewer means that the data was written by a newer Argus in a form unknown to
	// this one. It is not damage.
	ErrNewer = errors.New("written by a newer Argus")
	// ErrOlder means that a store was written by an older Argus and has to be converted
	// before use. It is not damage.
	ErrOlder = errors.New("written by an older Argus")
	// ErrRefused means that no active authority allows the act.
	ErrRefused = errors.New("refused")
	// ErrLocked means that another process is writing to the store.
	ErrLocked = errors.New("in use by another process")
)

// DeliveryNumber counts the deliveries of one store from 1. Zero means none.
type DeliveryNumber uint32

// String returns the number as people cite it: D-0007.
func (n DeliveryNumber) String() string { return fmt.Sprintf("D-%04d", uint32(n)) }

// MarshalText returns the same text as String.
func (n DeliveryNumber) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText accepts every form that ParseDelivery accepts.
func (n *DeliveryNumber) UnmarshalText(text []byte) error {
	parsed, err := ParseDelivery(string(text))
	*n = parsed
	return err
}

// ParseDelivery reads a delivery's number, with or without its prefix and
// leading zeros: D-0007, d-7, 7.
func ParseDelivery(s string) (DeliveryNumber, error) {
	digits := s
	if len(s) > 2 && (s[0] == 'D' || s[0] == 'd') && s[1] == '-' {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '+' {
		return 0, fmt.Errorf("parse delivery %q: want a form like D-0007", s)
	}
	return DeliveryNumber(n), nil
}

// DirectConversation names the conversation between two accounts of one
// service. The order of the accounts does not matter.
func DirectConversation(a, b string) string {
	if b < a {
		a, b = b, a
	}
	return a + "|" + b
}

// OwnerOf is the prefix of an account that represents the owner of a device if the source
// does not name the owner. The name of the source follows it.
const OwnerOf = "owner of "

// CleanName removes the characters that exports add around names and identifiers:
// surrounding space and the invisible marks that set the direction of text
// (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, U+FEFF).
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
