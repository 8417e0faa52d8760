package privilege

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/argus-evidence/argus"
)

// A Set matches accounts with a directory that it does not contain. It holds keyed hashes of
// the identifiers, with the days and the profession of each. Without the key, it reveals only
// the number of identifiers, and guesses cannot be tested. With the key, anyone can test
// guesses: telephone numbers have so few digits that all of them can be tried within hours.
//
// A Set does not change and may be used by several goroutines.
type Set struct {
	version argus.Hash
	key     Key
	rows    []setRow
}

type setRow struct {
	tag         tag
	from, until int32 // in days since 1970, both inclusive
	profession  Profession
}

func (a setRow) compare(b setRow) int {
	return cmp.Or(bytes.Compare(a.tag[:], b.tag[:]), cmp.Compare(a.from, b.from), cmp.Compare(a.until, b.until), cmp.Compare(a.profession, b.profession))
}

const (
	setMagic   = "ARGUSPD1"
	setHead    = len(setMagic) + sha256.Size + 4
	setRowSize = len(tag{}) + 4 + 4 + 1
	maxSetRows = 1 << 26
)

// NewSet makes the set of a directory with a key.
func NewSet(d *Directory, key Key) (*Set, error) {
	version, err := d.Version()
	if err != nil {
		return nil, fmt.Errorf("make the set of a directory: %w", err)
	}
	s := &Set{version: version, key: key}
	t := s.tagger()
	for i := range d.Entries {
		e := &d.Entries[i]
		from, until, err := e.days()
		if err != nil {
			return nil, fmt.Errorf("make the set of a directory: entry %d: %w", i+1, err)
		}
		for _, x := range e.Identifiers {
			s.rows = append(s.rows, setRow{t.identifier(x), from, until, e.Profession})
		}
	}
	if len(s.rows) > maxSetRows {
		return nil, fmt.Errorf("make the set of a directory: it has %d identifiers, but at most %d are supported", len(s.rows), maxSetRows)
	}
	slices.SortFunc(s.rows, setRow.compare)
	s.rows = slices.Clip(slices.Compact(s.rows))
	return s, nil
}

// Version returns the version of the directory.
func (s *Set) Version() argus.Hash { return s.version }

// Len returns the number of rows: one for each identifier and period of protection.
func (s *Set) Len() int { return len(s.rows) }

func (s *Set) tagger() *tagger { return &tagger{mac: s.key.mac("directory")} }

func (t *tagger) identifier(x Identifier) tag { return t.tag(x.Kind, x.Service, x.Value) }

// Encode returns the set as a file (docs/privilege.md).
func (s *Set) Encode() []byte {
	out := make([]byte, 0, setHead+len(s.rows)*setRowSize+sha256.Size)
	out = append(append(out, setMagic...), s.version[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(s.rows)))
	for _, r := range s.rows {
		out = append(out, r.tag[:]...)
		out = binary.LittleEndian.AppendUint32(out, uint32(r.from))
		out = binary.LittleEndian.AppendUint32(out, uint32(r.until))
		out = append(out, byte(r.profession))
	}
	return s.key.authenticate("set", out)
}

// authenticate appends a keyed hash of the data.
func (k Key) authenticate(use string, data []byte) []byte {
	mac := k.mac(use)
	mac.Write(data)
	return mac.Sum(data)
}

// authentic checks the keyed hash and returns the data without it.
func (k Key) authentic(use string, data []byte) ([]byte, bool) {
	if len(data) < sha256.Size {
		return nil, false
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	mac := k.mac(use)
	mac.Write(body)
	return body, hmac.Equal(mac.Sum(nil), sum)
}

// ParseSet reads a set that was encoded with the same key. If anything has changed, the error
// wraps argus.ErrDamaged: a set with missing rows would silently protect fewer people.
func ParseSet(data []byte, key Key) (*Set, error) {
	body, ok := key.authentic("set", data)
	if !ok {
		return nil, errKey("the set of protected persons")
	}
	s, err := parseRows(body, key)
	if err != nil {
		return nil, fmt.Errorf("read the set of protected persons: %w: %w", err, argus.ErrDamaged)
	}
	return s, nil
}

func parseRows(body []byte, key Key) (*Set, error) {
	if len(body) < setHead || string(body[:len(setMagic)]) != setMagic {
		return nil, errors.New("it is not a set of version 1")
	}
	s := &Set{version: argus.Hash(body[len(setMagic) : setHead-4]), key: key}
	n := int(binary.LittleEndian.Uint32(body[setHead-4:]))
	if body = body[setHead:]; n > maxSetRows || len(body) != n*setRowSize {
		return nil, fmt.Errorf("it has %d bytes for %d rows", len(body), n)
	}
	s.rows = make([]setRow, n)
	for i := range s.rows {
		b := body[i*setRowSize:]
		r := setRow{tag(b[:16]), int32(binary.LittleEndian.Uint32(b[16:])), int32(binary.LittleEndian.Uint32(b[20:])), Profession(b[24])}
		if r.until < r.from || int(r.profession) >= len(professionWords) || i > 0 && s.rows[i-1].compare(r) >= 0 {
			return nil, fmt.Errorf("row %d is invalid or out of order", i+1)
		}
		s.rows[i] = r
	}
	return s, nil
}

// find returns the rows with the given tag.
func (s *Set) find(t tag) []setRow {
	first := sort.Search(len(s.rows), func(i int) bool { return bytes.Compare(s.rows[i].tag[:], t[:]) >= 0 })
	end := first
	for end < len(s.rows) && s.rows[end].tag == t {
		end++
	}
	return s.rows[first:end]
}

// A party is what is known about an account: its tag in the state, and its rows in the
// set. A telephone number or an address has the same tag on all services.
type party struct {
	tag  tag
	rows []setRow
}

// protectedOn reports whether the account is protected when a message is sent, and
// returns the profession. It allows for clocks and zones that are off by a day. A message
// without a time counts as sent while the account was protected.
func (p party) protectedOn(sent argus.Time) (Profession, bool) {
	for _, r := range p.rows {
		day := floorDiv(sent.Micros, 86400*1e6)
		if !sent.Known() || int64(r.from) <= day+1 && day-1 <= int64(r.until) {
			return r.profession, true
		}
	}
	return Unstated, false
}

// A Matcher looks up the parties of messages in a set. It caches accounts; the cache never
// changes an answer. Each goroutine needs its own.
type Matcher struct {
	set       *Set
	countries []string
	accounts  *tagger // for the state
	listed    *tagger // for the set
	now, old  map[accountName]party
}

type accountName struct{ service, account string }

// mostAccounts is the number of accounts after which a new generation of the cache
// begins.
const mostAccounts = 1 << 15

// NewMatcher returns a matcher. Numbers in national form are read as numbers of the given
// countries (ISO 3166).
func NewMatcher(s *Set, countries ...string) *Matcher {
	return &Matcher{set: s, countries: countries, accounts: &tagger{mac: s.key.mac("state")}, listed: s.tagger(), now: map[accountName]party{}}
}

// party looks up an account.
func (m *Matcher) party(service, account string) party {
	name := accountName{service, account}
	if p, ok := m.now[name]; ok {
		return p
	}
	p, ok := m.old[name]
	if !ok {
		name := Identifier{kindAccount, service, accountForm(account)}
		forms(service, account, m.countries, func(x Identifier) {
			p.rows = append(p.rows, m.set.find(m.listed.identifier(x))...)
			if x.Kind == kindPhone || x.Kind == kindEmail {
				name = x // it is the same person on every service and in address books
			}
		})
		p.tag = m.accounts.identifier(name)
	}
	if len(m.now) >= mostAccounts {
		m.now, m.old = map[accountName]party{}, m.now
	}
	m.now[name] = p
	return p
}

// appendParties appends the accounts that take part in the communication in a record: the
// sender, the receivers, the participants of a call, the two accounts of a direct
// conversation, and the account after which a conversation is named. It may append an
// account twice.
func appendParties(dst []string, m *argus.Message) []string {
	dst = append(append(dst, m.From), m.To...)
	if m.Facts != nil && m.Facts.Call != nil {
		dst = append(dst, m.Facts.Call.Participants...)
	}
	if a, b, ok := directPair(m); ok {
		return append(dst, a, b)
	}
	return append(dst, m.Conversation)
}
