package privilege

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// Identities are private keys, of a judge or of another recipient.
type Identities []age.Identity

// ParseIdentities parses private keys in age's notation, one per line. It skips empty
// lines and those that begin with #. No error quotes the text.
func ParseIdentities(text []byte) (Identities, error) {
	list, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("parse the private keys: expected lines that begin with AGE-SECRET-KEY-")
	}
	return list, nil
}

// Opens returns [ErrNoKey] if none of the private keys is that of a recipient.
func (s *Setup) Opens(identities Identities) error {
	probe, err := s.SealText("probe")
	if err == nil {
		_, err = OpenText(probe, identities)
	}
	return err
}

// SealText seals a text to the recipients, padded, in base64.
func (s *Setup) SealText(text string) (string, error) {
	var out bytes.Buffer
	w, err := s.to.encrypt(&out)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(append([]byte(text), make([]byte, Padded(len(text))-len(text))...)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}

// OpenText returns a text that [Setup.SealText] sealed. The error is [ErrNoKey] if none of
// the private keys opens it.
func OpenText(sealed string, identities Identities) (string, error) {
	file, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("open a sealed text: it is not in base64: %w", argus.ErrDamaged)
	}
	r, err := decrypt(file, identities)
	if err != nil {
		return "", fmt.Errorf("open a sealed text: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxLogLine))
	if err != nil {
		return "", fmt.Errorf("open a sealed text: %w: %w", err, argus.ErrDamaged)
	}
	return string(bytes.TrimRight(text, "\x00")), nil
}

// Names finds the persons of a directory among the parties of messages.
type Names struct {
	by        map[Identifier][]*Entry
	countries []string
}

// NewNames returns the names of a directory. Numbers in national form are read as numbers
// of the given countries (ISO 3166).
func NewNames(d *Directory, countries ...string) *Names {
	n := &Names{map[Identifier][]*Entry{}, countries}
	for i := range d.Entries {
		for _, x := range d.Entries[i].Identifiers {
			n.by[x] = append(n.by[x], &d.Entries[i])
		}
	}
	return n
}

// Of returns the protected persons who are parties of a message when it is sent, sorted,
// by their names, or by their profession and first identifier.
func (n *Names) Of(m *argus.Message) (names []string) {
	for _, account := range appendParties(nil, m) {
		forms(m.Service, account, n.countries, func(x Identifier) {
			for _, e := range n.by[x] {
				from, until, err := e.days()
				if err != nil {
					continue // NewSet refuses such a directory
				}
				if _, ok := (party{rows: []setRow{{from: from, until: until}}}).protectedOn(m.Sent); !ok {
					continue
				}
				name := e.Name
				if name == "" {
					name = e.Profession.String() + " " + e.Identifiers[0].Value
				}
				names = append(names, name)
			}
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Reasons judges sealed messages again, by a directory and the rules of today, and
// calls found with each finding. It knows nothing but these messages, so it finds no
// reason that is in a container or in the memory of the matchers.
func Reasons(d *Directory, all iter.Seq2[Sighting, error], found func(Sighting, Finding) error, countries ...string) error {
	set, err := NewSet(d, NewKey())
	if err != nil {
		return err
	}
	rules, err := DefaultRules()
	if err != nil {
		return err
	}
	return NewRecogniser(NewMatcher(set, countries...), rules, NewState()).Backwards(all, found)
}
