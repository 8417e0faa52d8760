package table

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
	"github.com/argus-evidence/argus/internal/reader/sqldoc"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
)

// Mapped reads a source of any program with an operator's map (docs/format/map.md). It is
// used only if there is one.
var Mapped = &reader.Format{
	Name:    "map",
	Version: 2,
	About:   "JSON, JSON lines, sheets, SQLite databases and SQL dumps of any program, with a map of who, to whom, when and text",
	Checked: "invented examples only",
	Detect:  detectMapped,
	Read:    readMapped,
}

// detectMapped is sure of a file in which the map finds its columns. If no other format
// reads a file of the map's kind, the map says why it does not fit.
func detectMapped(s reader.Sample) int {
	if s.MapText == "" {
		return 0
	}
	m, err := mapping.Draft(s.MapText)
	if err != nil {
		return 0
	}
	fits := false
	switch m.Kind {
	case "": // a survey
		fits = true
	case mapping.JSON:
		i := jsondoc.Space(s.Text, 0)
		fits = i < len(s.Text) && (s.Text[i] == '{' || s.Text[i] == '[')
	case mapping.Sheet:
		fits = slices.Contains(s.Entries, sheetdoc.WorkbookPart) || s.Text != nil && delimiterOf(s.Text, m.Paths()) != 0
	case mapping.SQLite:
		fits = bytes.HasPrefix(s.Head, []byte(databaseMagic)) && sqlitedoc.Mentions(s, m.Records)
	case mapping.SQL:
		fits = s.Text != nil && sqldoc.Looks(s.Head)
	}
	switch {
	case fits:
		return 100
	case bytes.HasPrefix(s.Head, []byte(databaseMagic)), s.Text != nil && slices.Contains(sourceNames, strings.ToLower(path.Ext(s.Name))):
		return 1
	}
	return 0
}

// sourceNames are the endings of files for which a map could be meant: if nothing else reads
// such a file, the map says why it does not fit.
var sourceNames = []string{".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".sql"}

// otherKind says that a file is not of the map's kind, or returns "" if it may be of that
// kind.
func otherKind(kind string, in reader.Input) (string, error) {
	head := make([]byte, min(in.Size, reader.HeadSize))
	if n, err := in.File.ReadAt(head, 0); n < len(head) {
		return "", fmt.Errorf("read the beginning of the source: %w", err)
	}
	text := bytes.TrimPrefix(head, []byte("\ufeff"))
	i := jsondoc.Space(text, 0)
	isDatabase := bytes.HasPrefix(head, []byte(databaseMagic))
	isJSON := i < len(text) && (text[i] == '{' || text[i] == '[')
	want := map[string]string{mapping.JSON: "JSON", mapping.SQLite: "an SQLite database", mapping.SQL: "an SQL dump", mapping.Sheet: "a sheet"}[kind]
	if isDatabase != (kind == mapping.SQLite) || kind == mapping.JSON && !isJSON {
		return "the map fits nowhere: want " + want + ", found a file of another kind", nil
	}
	return "", nil
}

// databaseMagic is the beginning of every SQLite database.
const databaseMagic = "SQLite format 3\x00"

func readMapped(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		if in.MapText == mapping.Survey {
			survey(ctx, in)(yield)
			return
		}
		m, err := mapping.Parse(in.MapText)
		if in.MapText == "" {
			err = errors.New("the format map needs a map: name one with --map, or make one with \"argus map FILE\"")
		}
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		if problem, err := otherKind(m.Kind, in); err != nil || problem != "" {
			yield(reader.Item{Problem: problem}, err)
			return
		}
		r := &mapped{Map: m, in: in, names: slices.Sorted(maps.Keys(m.Fields))}
		if m.Kind == mapping.JSON {
			r.json(ctx)(yield)
			return
		}
		r.table(ctx)(yield)
	}
}

// mapped reads one file with a map.
type mapped struct {
	*mapping.Map
	in       reader.Input
	names    []string // names names of the fields, in order
	looked   map[mapping.Step]map[string][]string
	messages build.Messages
}

// fieldOf returns the field with the given name in a map.
func fieldOf(name string) sheetField {
	return sheetField(max(0, slices.IndexFunc(sheetWords[:], func(w struct{ name, words string }) bool { return w.name == name })))
}

// fill fills a message from the values that get returns for a path. It returns the id of
// the export, if the record states one.
func (r *mapped) fill(m *argus.Message, get func(path string) []string) (own string, err error) {
	one := record{options: r.in.Options, owner: ownerOf(r.in)}
	one.time = func(f sheetField, s string) (argus.Time, error) {
		spec := r.Fields[sheetWords[f].name]
		return spec.ReadTime(s, r.in.Options)
	}
	for _, name := range r.names {
		f := r.Fields[name]
		values := []string{f.Const}
		if f.Path != "" {
			values = r.look(f.Lookup, get(f.Path))
		}
		for i, v := range values {
			if translated, ok := f.Values[v]; ok {
				build.KeepExtra(m, cmp.Or(f.Path, name), v)
				values[i] = translated
			}
		}
		field := fieldOf(name)
		one.names[field], one.kept[field] = f.Path, len(f.Values) > 0
		switch name {
		case "to":
			one.to, one.others = split(values, f.Split), f.Others
		case "attachment":
			one.attachments = split(values, cmp.Or(f.Split, "\n"))
		case "type":
			one.kind = strings.Join(values, "\n")
		default:
			one.said[field] = strings.Join(values, "\n")
		}
	}
	one.service = cmp.Or(r.in.Service, strings.ToLower(argus.CleanName(one.said[fieldService])), "unknown")
	if one.said[fieldSent] == "" && one.said[fieldDate] == "" {
		return "", errors.New("want a sent time, found none")
	}
	if err := one.message(m); err != nil {
		return "", err
	}
	return ownExport(m), build.Valid(m)
}

// split splits values at a separator (by default, at those of sheets), unless there are
// already several values.
func split(values []string, separator string) []string {
	if len(values) > 1 {
		return values
	}
	var list []string
	for _, v := range values {
		if separator == "" {
			list = append(list, strings.FieldsFunc(v, isSeparator)...)
			continue
		}
		for part := range strings.SplitSeq(v, separator) {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// look follows lookups. A value that is not in a table is kept, so that a deleted account
// keeps its number.
func (r *mapped) look(steps []mapping.Step, values []string) []string {
	for _, step := range steps {
		var next []string
		for _, v := range values {
			found, ok := r.looked[step][v]
			if !ok {
				found = []string{v}
			}
			next = append(next, found[:min(len(found), build.ParticipantLimit)]...)
		}
		values = next[:min(len(next), build.ParticipantLimit)]
	}
	return slices.Clone(values)
}

// lookups loads the tables of the lookups. It returns problems for those that it could not hold.
func (r *mapped) lookups(ctx context.Context) (problems []reader.Item, err error) {
	r.looked = map[mapping.Step]map[string][]string{}
	room := lookupBytes
	for _, name := range r.names {
		for _, step := range r.Fields[name].Lookup {
			if r.looked[step] != nil {
				continue
			}
			table := map[string][]string{}
			r.looked[step] = table
			rows, full := 0, false
			for row, err := range r.rows(ctx, step.Table, []string{step.Key, step.Value}) {
				if err != nil {
					return nil, err
				}
				key, value := row.first(step.Key), row.first(step.Value)
				if row.problem != "" || key == "" || value == "" {
					continue
				}
				if room -= len(key) + len(value) + 64; room < 0 {
					full = true
					break
				}
				rows++
				table[key] = append(table[key], value)
			}
			switch {
			case full:
				problems = append(problems, reader.Item{Problem: fmt.Sprintf("the table %.80q is longer than lookups may be; messages whose rows lie behind keep their values", step.Table)})
			case rows == 0:
				problems = append(problems, reader.Item{Problem: fmt.Sprintf("want the table %.80q with the columns %.80q and %.80q for the field %s, found no row of it; correct the map with \"argus map FILE --map MAP --set\"", step.Table, step.Key, step.Value, name)})
			}
		}
	}
	return problems, nil
}

// lookupBytes is roughly how much memory the lookups of a file may take.
const lookupBytes = 128 << 20

// table reads a source of rows.
func (r *mapped) table(ctx context.Context) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		problems, err := r.lookups(ctx)
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		for _, item := range problems {
			if !yield(item, nil) {
				return
			}
		}
		paths := r.Paths()
		var export func() string
		for row, err := range r.rows(ctx, r.Records, paths) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			item := reader.Item{Where: row.where, Problem: row.problem, Raw: row.raw}
			if row.problem == "" {
				if item.Message, err = r.row(row, paths, &export); err != nil {
					item.Message, item.Problem = nil, err.Error()
					item.Raw = row.beginning()
				}
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// row makes a message of a row.
func (r *mapped) row(row *tableRow, paths []string, export *func() string) (*argus.Message, error) {
	m := r.messages.Next()
	for i, name := range row.names {
		if i >= len(row.cells) || row.cells[i] == "" {
			continue
		}
		if !slices.Contains(paths, name) {
			build.KeepExtra(m, name, row.cells[i])
		} else if row.isBytes(i) && name != r.Fields["payload"].Path {
			return nil, fmt.Errorf("want text in the column %.80q, found bytes", name)
		}
	}
	own, err := r.fill(m, row.get)
	if err != nil {
		return nil, err
	}
	if *export == nil {
		*export = func() string { return "" }
	}
	build.Keyed(m, own, *export)
	return m, nil
}

// json reads a document of JSON, or several in a row.
func (r *mapped) json(ctx context.Context) iter.Seq2[reader.Item, error] {
	where := pathOf(r.Records)
	members, around := r.members()
	shape := jsondoc.Shape{
		Lists: func(string) bool { return false },
		At:    func(d *jsondoc.Document) bool { return matches(where, d.Path()) },
		Begins: func(b []byte) bool {
			found := map[string]bool{}
			return len(members) > 0 && jsondoc.HasMember(b, func(key, _ []byte) bool {
				if key, _ := jsondoc.Unquote(string(key)); members[key] {
					found[key] = true
				}
				return len(found) >= min(2, len(members))
			})
		},
		Many: true,
	}
	export := func() string { return keyOfJSON(ctx, r.in, shape) }
	key, keyed := "", false
	once := func() string {
		if !keyed {
			key, keyed = export(), true
		}
		return key
	}
	d := jsondoc.New(r.in, shape)
	items := d.Items(ctx, func(raw string) (*argus.Message, error) {
		m, err := d.Begin("", raw, func(m *argus.Message, key, raw string) error {
			if scalar := raw[0] != '{' && raw[0] != '['; !scalar || !r.takes(key) {
				jsondoc.KeepMember(m, key, raw)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		own, err := r.fill(m, func(path string) []string {
			if rest, outside := strings.CutPrefix(path, "/"); outside {
				return outsideValue(d, rest)
			}
			if raw := member(raw, path); raw != "" {
				return jsonValues(raw, nil, nil)
			}
			return jsonValues(raw, pathOf(path), nil)
		})
		if err != nil {
			return nil, err
		}
		for _, name := range around { // stated for the field, but not found before the record
			if len(outsideValue(d, strings.TrimPrefix(r.Fields[name].Path, "/"))) == 0 {
				build.NotUnderstood(m, name, r.Fields[name].Path+" is not before the record")
			}
		}
		build.Keyed(m, own, once)
		return m, nil
	})
	return func(yield func(reader.Item, error) bool) {
		for item, err := range items {
			if item.Problem == "want records, found a document without any" {
				item.Problem = fmt.Sprintf("the map fits nowhere: want records at %.80q, found none; \"argus map FILE\" shows the lists of the file", r.Records)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// members returns the keys in a record that the map names, and the fields whose values are
// around records.
func (r *mapped) members() (members map[string]bool, around []string) {
	members = map[string]bool{}
	for _, name := range r.names {
		switch path := r.Fields[name].Path; {
		case path == "":
		case path[0] == '/':
			around = append(around, name)
		default:
			members[pathOf(path)[0]] = true
		}
	}
	return members, around
}

// takes reports whether a whole member is the value of a field.
func (r *mapped) takes(key string) bool {
	for _, f := range r.Fields {
		if f.Path == key {
			return true
		}
	}
	return false
}

// pathOf splits a path: a.b[].c gives a, b, "" and c.
func pathOf(path string) []string {
	var list []string
	for part := range strings.SplitSeq(path, ".") {
		name := part
		for strings.HasSuffix(name, "[]") {
			name = strings.TrimSuffix(name, "[]")
		}
		if name != "" {
			list = append(list, name)
		}
		for range (len(part) - len(name)) / len("[]") {
			list = append(list, "")
		}
	}
	return list
}

// matches reports whether a way through a document matches a pattern, in which * matches any
// key. After damage, keys may be unknown.
func matches(pattern, way []string) bool {
	if len(pattern) != len(way) {
		return false
	}
	for i, p := range pattern {
		if p != way[i] && (p != "*" || way[i] == "") && (p == "" || way[i] != "") {
			return false
		}
	}
	return true
}

// outsideValue returns the value of a member around the record: the last one under the given
// path.
func outsideValue(d *jsondoc.Document, path string) []string {
	pattern := pathOf(path)
	if n := len(pattern); n > 0 && pattern[n-1] == "*" { // a key on the way to the record
		if way := d.Path(); len(way) >= n && matches(pattern, way[:n]) {
			return []string{way[n-1]}
		}
		return nil
	}
	keys := slices.DeleteFunc(pattern, func(p string) bool { return p == "" })
	name := strings.Join(keys, ".")
	for _, fact := range slices.Backward(d.Facts) {
		if fact.Name == name || strings.Contains(path, "*") && matches(keys, strings.Split(fact.Name, ".")) {
			return []string{fact.Value}
		}
	}
	return nil
}

// jsonValues returns the texts, numbers and words at the end of a path in a value. A list on
// the way gives the values of each of its elements.
func jsonValues(raw string, path, values []string) []string {
	if len(values) >= build.ParticipantLimit {
		return values
	}
	switch {
	case raw == "":
	case raw[0] == '[':
		if len(path) > 0 && path[0] == "" {
			path = path[1:]
		}
		for one := range jsondoc.Listed(raw) {
			if one[0] == '"' { // a text among objects is the text itself
				values = jsonValues(one, nil, values)
				continue
			}
			values = jsonValues(one, path, values)
		}
	case raw[0] == '"' && len(path) > 0 && path[0] == "": // in place of a list
		values = jsonValues(raw, nil, values)
	case len(path) == 0:
		if text := jsondoc.ScalarText(raw); text != "" {
			values = append(values, strings.ToValidUTF8(text, "\uFFFD"))
		}
	case raw[0] == '{' && path[0] == "*":
		m := jsondoc.Scanner[string]{Text: raw}
		for m.Next() && len(values) < build.ParticipantLimit {
			values = jsonValues(m.Value, path[1:], values)
		}
	case raw[0] == '{':
		values = jsonValues(member(raw, path[0]), path[1:], values)
	}
	return values
}

// member returns the value of a member, or "" if there is none. The key may be written with
// escapes.
func member(raw, key string) string {
	m := jsondoc.Scanner[string]{Text: raw}
	for strings.HasPrefix(raw, "{") && m.Next() {
		if name, _ := jsondoc.Unquote(m.Key); name == key {
			return m.Value
		}
	}
	return ""
}
