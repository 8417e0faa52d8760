// Package survey looks at the beginning of a source of an unknown program, proposes a map
// for it, and shows its first records as the map reads them.
//
// It takes nothing in. The source is foreign, so it is read where all readers run.
package survey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// Options say how to look at a source.
type Options struct {
	Formats reader.Formats
	// Apart runs the reader in a process of its own ([sandbox.Options]).
	Apart  bool
	Limits reader.Limits
	// Countries are those of the case ([reader.Options]). Default none.
	Countries []string
	// From is the map to begin with. Default: a map is proposed.
	From *mapping.Map
	// Set lists corrections, such as from=party, sent.time=ms, records=messages[].
	Set []string
}

// ErrCorrection means that a correction makes no sense.
var ErrCorrection = errors.New("a correction makes no sense")

// Shown is a map, its reasons, and the first records that it reads.
type Shown struct {
	table.Proposal
	Records  []Record `json:"first,omitempty"`
	Problems []string `json:"problems,omitempty"`
	// Lacks is why the map cannot be used yet.
	Lacks string `json:"lacks,omitempty"`
}

// Record is a record as a map reads it.
type Record struct {
	Sent         string   `json:"sent"`
	Zone         string   `json:"zone,omitempty"`
	From         string   `json:"from"`
	FromName     string   `json:"from_name,omitempty"`
	To           []string `json:"to,omitempty"`
	Conversation string   `json:"conversation,omitempty"`
	Text         string   `json:"text"`
}

// first is how many records and problems are shown.
const first = 5

// Look surveys the file at path.
func Look(ctx context.Context, o Options, path string) (*Shown, error) {
	records, problems, err := o.read(ctx, path, reader.Options{MapText: mapping.Survey}, mostRecords)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("map %s: want records in JSON, a sheet, an SQLite database or an SQL dump, found none %q", path, problems)
	}
	shown := &Shown{Proposal: *table.Propose(ofPlace(records, o.Set), reader.Options{Countries: o.Countries})}
	if o.From != nil {
		shown.Map = o.From
	}
	for _, set := range o.Set {
		if shown.Map, err = corrected(shown.Map, set); err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrCorrection, set, err)
		}
	}
	shown.agree()
	text, err := shown.Map.Encode()
	if err != nil {
		return nil, err
	}
	if shown.Lacks = lacking(string(text)); shown.Lacks != "" {
		return shown, nil
	}
	as := reader.Options{MapText: string(text), Countries: o.Countries}
	if as.Zone, err = shown.Map.Location(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrection, err)
	}
	read, problems, err := o.read(ctx, path, as, first)
	if err != nil {
		return nil, err
	}
	for _, m := range read {
		shown.Records = append(shown.Records, Record{m.Sent.String(), m.Sent.Zone.String(), m.From, m.FromName, m.To, m.Conversation, m.Text})
	}
	shown.Problems = problems
	return shown, nil
}

// mostRecords is how many records are looked at, in all places together.
const mostRecords = 50_000

// read reads the first records of a file with the reader of maps, in the sandbox, like
// everything that is foreign.
func (o Options) read(ctx context.Context, path string, as reader.Options, most int) (list []*argus.Message, problems []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("want a file, found a folder or a device")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", path, err)
	}
	readers := sandbox.New(sandbox.Options{Apart: o.Apart, Formats: o.Formats, Format: table.Mapped.Name, Reading: as, Limits: o.Limits})
	defer readers.Close()
	for e, err := range readers.Read(ctx, sandbox.Original{Name: filepath.Base(path), Size: info.Size(), File: file}) {
		if err != nil {
			return nil, nil, fmt.Errorf("map %s: %w", path, err)
		}
		if e.File != nil && e.File.Problem != "" {
			problems = append(problems, e.File.Problem)
		}
		if e.Item.Problem != "" && len(problems) < first {
			problems = append(problems, e.Item.Problem)
		}
		if m := e.Item.Message; m != nil {
			if list = append(list, m); len(list) == most {
				break
			}
		}
	}
	return list, problems, nil
}

// lacking says why a map cannot be used, or "" if it can.
func lacking(text string) string {
	if _, err := mapping.Parse(text); err != nil {
		return err.Error()
	}
	return ""
}

// ofPlace returns only the records in the place that a correction names.
func ofPlace(records []*argus.Message, set []string) []*argus.Message {
	for _, s := range set {
		if place, ok := strings.CutPrefix(s, "records="); ok {
			if left := slices.DeleteFunc(slices.Clone(records), func(m *argus.Message) bool { return m.Title != place }); len(left) > 0 {
				records = left
			}
		}
	}
	return records
}

// corrected returns a map with one correction, such as from=party or sent.time=ms.
func corrected(m *mapping.Map, set string) (*mapping.Map, error) {
	key, value, ok := strings.Cut(set, "=")
	if !ok || key == "" {
		return nil, errors.New("want field=path, field.time=unit or records=path")
	}
	text, err := m.Encode()
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	fields, _ := document["fields"].(map[string]any)
	field, part, of := strings.Cut(key, ".")
	one, _ := fields[field].(map[string]any)
	if path, ok := fields[field].(string); ok {
		one = map[string]any{"path": path}
	}
	if one == nil {
		one = map[string]any{}
	}
	var parsed any = value
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") || value == "true" {
		if err := json.Unmarshal([]byte(value), &parsed); err != nil {
			return nil, err
		}
	}
	switch {
	case slices.Contains([]string{"kind", "records", "zone", "dialect"}, key):
		document[key] = value
	case of && value == "":
		delete(one, part)
		fields[field] = one
	case of:
		one[part] = parsed
		if part == "const" {
			delete(one, "path")
		}
		fields[field] = one
	case value == "":
		delete(fields, key)
	default:
		fields[key] = parsed
	}
	if text, err = json.Marshal(document); err != nil {
		return nil, err
	}
	return mapping.Draft(string(text))
}

// agree makes the columns name the fields that the map gives them after corrections.
func (s *Shown) agree() {
	for i := range s.Columns {
		c := &s.Columns[i]
		var fields []string
		for _, name := range mapping.Fields {
			if s.Map.Fields[name].Path == c.Name {
				fields = append(fields, name)
			}
		}
		if field := strings.Join(fields, ", "); field != c.Field {
			if c.Field, c.Why = field, ""; field != "" {
				c.Why = "you said so"
			}
		}
	}
}
