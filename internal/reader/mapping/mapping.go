// Package mapping holds maps: documents that say where a source of no known program has
// its records, and which of their columns are who, to whom, when and text.
//
// docs/format/map.md describes the document. A map is written by an operator, and is
// bounded like everything that is read.
package mapping

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// Version is the version of the document that this Argus writes, and the highest that it
// reads.
//
//   - 1: the first.
const Version = 1

// MaxBytes is the maximum size of a map's text, in bytes.
const MaxBytes = 64 << 10

const (
	maxPath   = 512
	maxSteps  = 4
	maxValues = 1000
)

// The kinds of sources.
const (
	JSON   = "json"  // a document of JSON, or JSON lines
	Sheet  = "sheet" // CSV, TSV or a workbook
	SQLite = "sqlite"
	SQL    = "sql" // the dump of a database
)

// Kinds lists the kinds of sources.
var Kinds = []string{JSON, Sheet, SQLite, SQL}

// Map is the content of the document.
type Map struct {
	Version int    `json:"map"`
	Kind    string `json:"kind"`
	// Records says where the records are: in JSON the path to them, such as
	// chats[].messages[]; in a workbook the name of a sheet, or "" for all of them; otherwise
	// the name of a table.
	Records string `json:"records,omitempty"`
	// Zone is the zone of times that name none. Default: that of --timezone.
	Zone string `json:"zone,omitempty"`
	// Dialect is the dialect of a dump: mysql, in which \ is an escape character in texts, or
	// standard. Default: determined from the beginning of the file.
	Dialect string `json:"dialect,omitempty"`
	// Fields says where each field of Argus is read from.
	Fields map[string]Field `json:"fields"`
}

// Field says where a field is read from, and how.
type Field struct {
	// Path is a column's name, or in JSON the path to a member: one of the record or, after a
	// /, one around it, from the top of the document.
	Path string `json:"path,omitempty"`
	// Const is the value of each record, in place of a path.
	Const string `json:"const,omitempty"`
	// Values translates values; a value that is not listed stays unchanged.
	Values map[string]string `json:"values,omitempty"`
	// Time is the unit of a number: see units. Default: determined from the form of the
	// value.
	Time string `json:"time,omitempty"`
	// Layout is the form of a time as text, in the directives of strftime.
	Layout string `json:"layout,omitempty"`
	// Zone is the zone of this time alone: UTC or an offset, such as +01:00.
	Zone string `json:"zone,omitempty"`
	// Split separates several values in one text. Default: semicolon, comma, | and line ends.
	Split string `json:"split,omitempty"`
	// Lookup leads through other tables.
	Lookup []Step `json:"lookup,omitempty"`
	// Others leaves the sender out of the receivers.
	Others bool `json:"others,omitempty"`

	layout layout
	zone   *time.Location
}

// Step looks a value up in another table: the rows whose Key is the value have the next
// values in Value.
type Step struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// UnmarshalJSON reads a field: an object, or just its path as text.
func (f *Field) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &f.Path)
	}
	type plain Field // without this method
	return strict(text, (*plain)(f))
}

// MarshalJSON writes a field that has only a path as that path.
func (f Field) MarshalJSON() ([]byte, error) {
	type plain Field
	if f.Const == "" && f.Values == nil && f.Time == "" && f.Layout == "" && f.Zone == "" && f.Split == "" && f.Lookup == nil && !f.Others {
		return plainJSON(f.Path)
	}
	return plainJSON(plain(f))
}

func plainJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(out.Bytes()), err
}

func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("want one object, found more after it")
	}
	return nil
}

// Fields are the names of the fields, as --map has them.
var Fields = []string{"service", "conversation", "title", "from", "from_name", "to", "owner", "contact", "direction", "id", "reply_to",
	"sent", "date", "time", "received", "read", "text", "attachment", "payload", "key_id", "algorithm", "deleted", "type"}

// times are the fields that are times.
var times = []string{"sent", "received", "read"}

// Parse reads a map and checks it.
func Parse(text string) (*Map, error) {
	m, err := Draft(text)
	if err != nil {
		return nil, err
	}
	if err := m.complete(); err != nil {
		return nil, fmt.Errorf("read the map: %w", err)
	}
	return m, nil
}

// Survey is the text of a map that maps nothing. It is used to read a source just to look at
// its columns.
const Survey = `{"map": 1}`

// Draft reads a map that may lack fields.
func Draft(text string) (*Map, error) {
	m := &Map{}
	err := m.read(text)
	if err != nil {
		return nil, fmt.Errorf("read the map: %w", err)
	}
	return m, nil
}

func (m *Map) read(text string) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("want at most %d bytes, found %d", MaxBytes, len(text))
	}
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return errors.New("want UTF-8 without zero bytes, found other bytes")
	}
	if err := strict([]byte(text), m); err != nil {
		return err
	}
	switch {
	case m.Version > Version:
		return fmt.Errorf("the map has version %d, newer than this Argus reads: %w", m.Version, argus.ErrNewer)
	case m.Version != Version:
		return fmt.Errorf(`want "map": %d, the version, found %d`, Version, m.Version)
	case m.Kind == "" && m.Fields == nil:
		return nil // a survey, whose kind is determined from the content
	case !slices.Contains(Kinds, m.Kind):
		return fmt.Errorf("want a kind of %s, found %q", strings.Join(Kinds, ", "), m.Kind)
	case m.Dialect != "" && (m.Kind != SQL || m.Dialect != "mysql" && m.Dialect != "standard"):
		return fmt.Errorf("want the dialect mysql or standard, of a dump only, found %q", m.Dialect)
	case len(m.Records) > maxPath:
		return fmt.Errorf("want records of at most %d bytes, found %d", maxPath, len(m.Records))
	case m.Kind == JSON && m.Records != "" && !strings.HasSuffix(m.Records, "[]") && !strings.HasSuffix(m.Records, ".*"):
		return fmt.Errorf("want records that end in [] (the elements of a list) or .* (the values of an object), found %q", m.Records)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		f := m.Fields[name]
		if err := f.check(m, name); err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		m.Fields[name] = f
	}
	return nil
}

func (f *Field) check(m *Map, name string) (err error) {
	isTime := slices.Contains(times, name)
	switch {
	case !slices.Contains(Fields, name):
		return fmt.Errorf("there is no such field; the fields are %s", strings.Join(Fields, ", "))
	case (f.Path == "") == (f.Const == ""):
		return errors.New("want a path or a const")
	case len(f.Path) > maxPath || len(f.Const) > maxPath || len(f.Values) > maxValues || len(f.Lookup) > maxSteps:
		return fmt.Errorf("want at most %d bytes, %d values and %d lookups, found more", maxPath, maxValues, maxSteps)
	case !isTime && (f.Time != "" || f.Layout != "" || f.Zone != ""):
		return fmt.Errorf("only %s have a unit, a layout or a zone", strings.Join(times, ", "))
	case f.Time != "" && f.Layout != "":
		return errors.New("want a unit or a layout, found both")
	case name != "to" && name != "attachment" && f.Split != "":
		return errors.New("only to and attachment are split")
	case name != "to" && f.Others:
		return errors.New("only to leaves others than the sender")
	case len(f.Lookup) > 0 && m.Kind == JSON:
		return errors.New("a lookup needs tables, and JSON has none")
	}
	for _, step := range f.Lookup {
		if step.Table == "" || step.Key == "" || step.Value == "" {
			return errors.New("want a table, a key and a value in each lookup")
		}
	}
	if _, ok := units[f.Time]; f.Time != "" && !ok {
		return fmt.Errorf("want a unit of %s, found %q", strings.Join(UnitNames(), ", "), f.Time)
	}
	if f.Layout != "" {
		if f.layout, err = parseLayout(f.Layout); err != nil {
			return err
		}
	}
	if f.Zone != "" {
		f.zone, err = fixedZone(f.Zone)
	}
	return err
}

// complete returns an error unless the map has a sender, a time and a text.
func (m *Map) complete() error {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { _, ok := m.Fields[name]; return ok })
	}
	switch {
	case m.Kind == "":
		return fmt.Errorf("want a kind of %s, found none", strings.Join(Kinds, ", "))
	case !has("sent", "date"):
		return errors.New("want the field sent, or date: when a record was sent")
	case !has("from", "from_name", "contact") && !(has("direction") && has("owner")):
		return errors.New("want the field from, or contact and direction: who sent a record")
	case !has("text", "payload"):
		return errors.New("want the field text, or payload for encrypted content")
	case m.Kind != JSON && m.Kind != Sheet && m.Records == "":
		return errors.New("want records, the name of a table")
	}
	return nil
}

// Encode writes the document.
func (m *Map) Encode() ([]byte, error) {
	compact, err := plainJSON(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, compact, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// Location returns the zone of the map, or nil if it has none. It reads the system's zones,
// which a confined reader cannot do.
func (m *Map) Location() (*time.Location, error) {
	if m.Zone == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(m.Zone)
	if err != nil || m.Zone == "Local" {
		return nil, fmt.Errorf("read the map: zone %q: want a name like Europe/Amsterdam", m.Zone)
	}
	return zone, nil
}

// Paths returns the columns of the records that the map names, in order.
func (m *Map) Paths() []string {
	var list []string
	for _, f := range m.Fields {
		if f.Path != "" && !slices.Contains(list, f.Path) {
			list = append(list, f.Path)
		}
	}
	slices.Sort(list)
	return list
}

// Hash returns the SHA-256 of the text of a map.
func Hash(text string) string { return argus.Hash(sha256.Sum256([]byte(text))).String() }

// CheckName returns an error unless a map in a store can have the given name.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("name a map %.80q: want 1 to 64 lower-case letters, digits, - and _", name)
	}
	return nil
}

// Option writes a map as the value of an option in a delivery's record: its name, its
// SHA-256 and its text.
func Option(name, text string) string { return name + "@" + Hash(text) + " " + text }

// ParseOption reads the value of an option; ok is false if the value has another form.
func ParseOption(value string) (name, text string, ok bool) {
	head, text, _ := strings.Cut(value, " ")
	name, hash, _ := strings.Cut(head, "@")
	return name, text, hash != "" && hash == Hash(text)
}
