package privilege

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// A Profession is a profession whose communication is protected.
type Profession uint8

// The professions. Policy determines which of them a jurisdiction protects.
const (
	Unstated Profession = iota
	Lawyer
	Notary
	Clergy
	Doctor
	Journalist
)

var professionWords = [...]string{"unstated", "lawyer", "notary", "clergy", "doctor", "journalist"}

func (p Profession) String() string {
	if int(p) < len(professionWords) {
		return professionWords[p]
	}
	return fmt.Sprintf("profession %d", uint8(p))
}

// MarshalText returns the word for the profession.
func (p Profession) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses the word for a profession.
func (p *Profession) UnmarshalText(text []byte) error {
	i := slices.Index(professionWords[:], string(text))
	if i < 0 {
		return fmt.Errorf("parse profession: unknown word %q", text)
	}
	*p = Profession(i)
	return nil
}

// An Entry is a protected person or firm.
type Entry struct {
	Name        string       `json:"name,omitempty"`
	Profession  Profession   `json:"profession"`
	Identifiers []Identifier `json:"identifiers"`
	// From and Until are the first and last day of the protection, as 2006-01-02; ""
	// means no limit.
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	// Source names the register; Jurisdiction is a country (ISO 3166).
	Source       string `json:"source,omitempty"`
	Jurisdiction string `json:"jurisdiction,omitempty"`
}

// A Directory lists protected persons. It is itself protected: only a judge may read it.
type Directory struct {
	Entries []Entry
	// salt is random, so that a guess about a small directory cannot be confirmed by its
	// version.
	salt string
}

// NewDirectory returns a directory with the given entries.
func NewDirectory(entries []Entry) *Directory {
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		panic(err) // crypto/rand never returns an error
	}
	return &Directory{Entries: entries, salt: hex.EncodeToString(salt[:])}
}

// The limits of a directory.
const (
	MaxEntries     = 1_000_000
	MaxIdentifiers = 256 // per entry
	maxDirectory   = 1 << 30
	maxEntryLine   = 256 << 10
)

// directoryHead is the header, the first line of a directory.
type directoryHead struct {
	Version int    `json:"argus_directory"`
	Salt    string `json:"salt"`
	Entries int    `json:"entries"`
}

// write writes the canonical form of the directory: JSON lines, with the header first.
func (d *Directory) write(w io.Writer) error {
	if len(d.Entries) > MaxEntries {
		return fmt.Errorf("the directory has %d entries, but at most %d are supported", len(d.Entries), MaxEntries)
	}
	out := bufio.NewWriter(w)
	line := func(v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if len(text) > maxEntryLine {
			return fmt.Errorf("an entry has %d bytes, but at most %d are supported", len(text), maxEntryLine)
		}
		_, _ = out.Write(text)
		return out.WriteByte('\n')
	}
	if err := line(directoryHead{1, d.salt, len(d.Entries)}); err != nil {
		return err
	}
	for i := range d.Entries {
		if err := d.Entries[i].check(); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		if err := line(&d.Entries[i]); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return out.Flush()
}

// check returns an error if an entry cannot be used for matching.
func (e *Entry) check() error {
	if n := len(e.Identifiers); n == 0 || n > MaxIdentifiers {
		return fmt.Errorf("it has %d identifiers, want 1 to %d", n, MaxIdentifiers)
	}
	if int(e.Profession) >= len(professionWords) {
		return errors.New("its profession is unknown")
	}
	for _, x := range e.Identifiers {
		if !slices.Contains([]string{kindAccount, kindPhone, kindEmail, kindDomain}, x.Kind) || x.Value == "" || x.Service != "" && x.Kind != kindAccount {
			return errors.New("one of its identifiers is of an unknown kind or empty")
		}
	}
	_, _, err := e.days()
	return err
}

// days returns the first and the last day, counted in days since 1970.
func (e *Entry) days() (from, until int32, err error) {
	from, until = firstDay, lastDay
	if e.From != "" {
		if from, err = parseDay(e.From); err != nil {
			return 0, 0, err
		}
	}
	if e.Until != "" {
		if until, err = parseDay(e.Until); err != nil {
			return 0, 0, err
		}
	}
	if until < from {
		return 0, 0, errors.New("its protection ends before it begins")
	}
	return from, until, nil
}

const (
	firstDay = int32(-1 << 31)
	lastDay  = int32(1<<31 - 1)
)

func parseDay(s string) (int32, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, errors.New("one of its days does not have the form 2006-01-02")
	}
	return int32(floorDiv(t.Unix(), 86400)), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Version identifies the content of the directory. Seals state it. A guess about the content
// cannot be confirmed with it, because the content has a random part.
func (d *Directory) Version() (argus.Hash, error) {
	sum := sha256.New()
	if err := d.write(sum); err != nil {
		return argus.Hash{}, fmt.Errorf("hash the directory: %w", err)
	}
	return argus.Hash(sum.Sum(nil)), nil
}

// Seal encrypts the directory to the judge and to a second recipient.
func (d *Directory) Seal(to *Recipients) ([]byte, error) {
	var out bytes.Buffer
	w, err := to.encrypt(&out)
	if err == nil {
		err = d.write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal the directory: %w", err)
	}
	return out.Bytes(), nil
}

// OpenDirectory decrypts a sealed directory. If it is damaged, OpenDirectory returns an
// error, never a shorter directory.
func OpenDirectory(sealed []byte, identities ...age.Identity) (*Directory, error) {
	r, err := decrypt(sealed, identities)
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w", err)
	}
	d, err := parseDirectory(r)
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w: %w", err, argus.ErrDamaged)
	}
	return d, nil
}

func parseDirectory(r io.Reader) (*Directory, error) {
	in := bufio.NewScanner(io.LimitReader(r, maxDirectory))
	in.Buffer(nil, maxEntryLine+1)
	read := func(v any) error {
		if !in.Scan() {
			return errors.Join(errTruncated, in.Err())
		}
		dec := json.NewDecoder(bytes.NewReader(in.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil {
			return errors.New("a line is not an entry") // the error omits the line, which is protected
		}
		return nil
	}
	var head directoryHead
	if err := read(&head); err != nil {
		return nil, err
	}
	if head.Version > 1 {
		return nil, fmt.Errorf("it has version %d: %w", head.Version, argus.ErrNewer)
	}
	if head.Version != 1 || len(head.Salt) != 32 || head.Entries < 0 || head.Entries > MaxEntries {
		return nil, errors.New("its first line is not the header of a directory")
	}
	d := &Directory{salt: head.Salt, Entries: make([]Entry, 0, min(head.Entries, 1<<12))}
	for range head.Entries {
		var e Entry
		if err := read(&e); err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(d.Entries)+1, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(d.Entries)+1, err)
		}
		d.Entries = append(d.Entries, e)
	}
	if in.Scan() || in.Err() != nil {
		return nil, errors.New("it has lines after the last entry")
	}
	return d, nil
}

// ReadOptions state facts that a register itself does not state.
type ReadOptions struct {
	// Profession is the profession of entries that state none. By default it is Unstated,
	// and each such entry is reported as a problem.
	Profession Profession
	// Jurisdiction is the country (ISO 3166) of entries that state none; telephone numbers
	// in national form are read as numbers of that country. Default none.
	Jurisdiction string
	// Source names the register.
	Source string
}

// A Problem is a part of a register that was not understood.
type Problem struct {
	// Row is the number of the row or object, counted from 1 and including the header.
	Row uint64
	// Reason is a sentence. It does not quote the register, which is protected.
	Reason string
	// Lost means that the whole row was left out, and not only a part of it.
	Lost bool
}

// A ReadReport is the account of a register: Rows = Entries + lost rows.
type ReadReport struct {
	Rows, Entries uint64
	Problems      []Problem
}

// Lost counts the rows that were left out.
func (r *ReadReport) Lost() (n uint64) {
	for _, p := range r.Problems {
		if p.Lost {
			n++
		}
	}
	return n
}

// rawEntry holds the cells of a register's row, by known column.
type rawEntry struct {
	fields map[field][]string
	// accounts is keyed by service.
	accounts []Identifier
}

type field uint8

const (
	noField field = iota
	nameField
	firstNameField
	lastNameField
	professionField
	countryField
	phoneField
	emailField
	domainField
	accountField
	serviceField
	fromField
	untilField
	sourceField
)

// entry makes an entry, and reports the parts that it cannot understand.
func (raw *rawEntry) entry(o ReadOptions, problem func(reason string)) (e Entry, ok bool) {
	one := func(f field) string { return strings.Join(raw.fields[f], " ") }
	e = Entry{Name: one(nameField), Profession: o.Profession, Source: o.Source, Jurisdiction: strings.ToUpper(o.Jurisdiction)}
	if e.Name == "" {
		e.Name = strings.TrimSpace(one(firstNameField) + " " + one(lastNameField))
	}
	if s := one(sourceField); s != "" {
		e.Source = s
	}
	if s := one(countryField); s != "" {
		if code, ok := countryCode(s); ok {
			e.Jurisdiction = code
		} else {
			problem("the country is not a two-letter code")
		}
	}
	if s := one(professionField); s != "" {
		p, known := professionOf(s)
		if !known {
			problem("the profession is unknown")
			p = Unstated // kept, because protecting one person too many is the lesser evil
		}
		e.Profession = p
	} else if e.Profession == Unstated {
		problem("no profession is stated")
	}
	raw.period(&e, problem)
	raw.identify(&e, problem)
	switch {
	case len(e.Identifiers) == 0:
		problem("no account, telephone number, address or domain was understood, so the entry cannot be used to recognise anyone")
		return e, false
	case len(e.Identifiers) > MaxIdentifiers:
		problem(fmt.Sprintf("the entry has more than %d identifiers", MaxIdentifiers))
		return e, false
	}
	return e, true
}

// period reads the first and the last day. A day that is not understood sets no limit: that
// protects more.
func (raw *rawEntry) period(e *Entry, problem func(string)) {
	for _, of := range []struct {
		field field
		last  bool
		to    *string
	}{{fromField, false, &e.From}, {untilField, true, &e.Until}} {
		written := strings.Join(raw.fields[of.field], " ")
		if written == "" {
			continue
		}
		day, ok := readDay(written, of.last)
		if !ok {
			problem("a day is not understood, so the entry has no limit on that side")
			continue
		}
		*of.to = day
	}
	if _, _, err := e.days(); err != nil {
		problem("the protection ends before it begins, so the entry has no limits")
		e.From, e.Until = "", ""
	}
}

func (raw *rawEntry) identify(e *Entry, problem func(string)) {
	add := func(x Identifier) {
		if !slices.Contains(e.Identifiers, x) {
			e.Identifiers = append(e.Identifiers, x)
		}
	}
	var countries []string
	if e.Jurisdiction != "" {
		countries = []string{e.Jurisdiction}
	}
	for _, s := range raw.values(phoneField) {
		parts := []string{s}
		if _, ok := phoneForm(s, countries); !ok {
			parts = strings.Split(s, " / ") // these are two numbers, but 030 / 123456 is one
		}
		for _, part := range parts {
			if phone, ok := phoneForm(part, countries); ok {
				add(Identifier{kindPhone, "", phone})
			} else {
				problem("a telephone number is not understood")
			}
		}
	}
	for _, s := range raw.values(emailField) {
		if email, ok := emailForm(s); ok {
			add(Identifier{kindEmail, "", email})
		} else {
			problem("an e-mail address is not understood")
		}
	}
	for _, s := range raw.values(domainField) {
		if domain, ok := domainForm(s); !ok {
			problem("a domain is not understood, or anyone can register a name under it")
		} else if isProvider(domain) {
			problem("a domain belongs to a provider that gives addresses to anyone")
		} else {
			add(Identifier{kindDomain, "", domain})
		}
	}
	service := strings.ToLower(strings.Join(raw.fields[serviceField], " "))
	for _, s := range raw.values(accountField) {
		raw.accounts = append(raw.accounts, Identifier{kindAccount, service, s})
	}
	for _, x := range raw.accounts {
		if x.Value = accountForm(x.Value); x.Value == "" {
			problem("an account is empty")
			continue
		}
		add(x)
		// The account is a number or an address that a service uses as an account.
		if phone, ok := phoneForm(x.Value, countries); ok {
			add(Identifier{kindPhone, "", phone})
		}
	}
}

// values splits cells that may hold several values.
func (raw *rawEntry) values(f field) (list []string) {
	for _, cell := range raw.fields[f] {
		for part := range strings.FieldsFuncSeq(cell, func(r rune) bool { return strings.ContainsRune(";,|\n", r) }) {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// readDay reads a day. If day and month may be swapped, last selects the later of the two
// possible days, and otherwise the earlier one: the choice that protects longer.
func readDay(s string, last bool) (string, bool) {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " T"); i > 0 {
		s = s[:i] // drops the time of day
	}
	found := ""
	for _, layout := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2-1-2006", "2/1/2006", "2.1.2006", "1/2/2006", "1-2-2006"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if day := t.Format(time.DateOnly); found == "" || last == (day > found) {
			found = day
		}
	}
	if t, err := time.Parse("2006", s); err == nil {
		if last {
			t = t.AddDate(1, 0, -1)
		}
		found = t.Format(time.DateOnly)
	}
	return found, found != ""
}

func countryCode(s string) (string, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' {
		return s, true
	}
	return "", false
}

// ReadDirectory reads a register as its keeper delivers it: CSV, a workbook (.xlsx), JSON
// or JSON lines, detected from the bytes. Rows that are not understood are listed in the
// report; nothing is left out silently. ReadDirectory returns an error if no column or
// key is known.
func ReadDirectory(ctx context.Context, data []byte, o ReadOptions) (*Directory, *ReadReport, error) {
	if o.Jurisdiction != "" {
		code, ok := countryCode(o.Jurisdiction)
		if !ok {
			return nil, nil, errors.New("read the register: the country must be a two-letter code like NL")
		}
		o.Jurisdiction = code
	}
	report := &ReadReport{}
	d := NewDirectory(nil)
	take := func(row uint64, raw *rawEntry) error {
		report.Rows++
		e, ok := raw.entry(o, func(reason string) { report.Problems = append(report.Problems, Problem{Row: row, Reason: reason}) })
		if !ok {
			report.Problems[len(report.Problems)-1].Lost = true // the problems before it are details
			return nil
		}
		if len(d.Entries) == MaxEntries {
			return fmt.Errorf("the register has more than %d entries", MaxEntries)
		}
		report.Entries++
		d.Entries = append(d.Entries, e)
		return nil
	}
	lost := func(row uint64, reason string) {
		report.Rows++
		report.Problems = append(report.Problems, Problem{row, reason, true})
	}
	read := readTable
	if trimmed := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		read = readJSON
	}
	if err := read(ctx, data, take, lost); err != nil {
		return nil, nil, fmt.Errorf("read the register: %w", err)
	}
	return d, report, nil
}
