package table

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/sqldoc"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
)

// Limits of a survey: a proposal needs only the beginning of a source.
const (
	// SurveyRecords is how many records of one table or list are looked at.
	SurveyRecords = 500
	surveyTables  = 64
	surveyBytes   = 4 << 20
	surveyColumns = 200
	surveyDepth   = 16
	surveyText    = 300
)

// survey yields the first records of each table or list of a source. Each is a message
// whose service is the kind of the source, whose title says where the record is, and whose
// extra fields are its columns.
func survey(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		head := make([]byte, min(in.Size, reader.HeadSize))
		if n, err := in.File.ReadAt(head, 0); n < len(head) {
			yield(reader.Item{}, fmt.Errorf("read the beginning of the source: %w", err))
			return
		}
		head = bytes.TrimPrefix(head, []byte("\ufeff"))
		s := surveyor{seen: map[string]int{}}
		s.give = func(item reader.Item) bool { return yield(item, nil) }
		switch i := jsondoc.Space(head, 0); {
		case bytes.HasPrefix(head, []byte(databaseMagic)):
			s.kind = mapping.SQLite
			tables, problem := tablesOf(ctx, in)
			if problem != "" {
				s.give(reader.Item{Problem: problem})
			}
			for _, table := range tables {
				if !s.rows(databaseRows(ctx, in, table, nil)) {
					return
				}
			}
		case i < len(head) && (head[i] == '{' || head[i] == '['):
			s.kind = mapping.JSON
			text := make([]byte, min(in.Size, surveyBytes))
			n, _ := in.File.ReadAt(text, 0)
			s.document(bytes.TrimPrefix(text[:n], []byte("\ufeff")))
		case !reader.IsZip(head) && sqldoc.Looks(head):
			s.kind = mapping.SQL
			part := in
			part.Size = min(in.Size, surveyBytes)
			s.rows(dumpRows(ctx, part, "", "", nil))
		default:
			s.kind = mapping.Sheet
			s.rows(sheetRows(ctx, in, "", nil))
		}
	}
}

func tablesOf(ctx context.Context, in reader.Input) (tables []string, problem string) {
	d, err := sqlitedoc.Open(ctx, in.File, in.Size, in.RecordLimit())
	if err != nil {
		return nil, err.Error()
	}
	defer d.Close()
	for _, name := range slices.Sorted(maps.Keys(d.Tables)) {
		if !strings.HasPrefix(name, "sqlite_") && len(tables) < surveyTables {
			tables = append(tables, name)
		}
	}
	return tables, ""
}

// surveyor yields the first records of each place.
type surveyor struct {
	kind string
	seen map[string]int
	give func(reader.Item) bool
	// decoder reads a document, and stopped is set when it cannot be read further.
	decoder *json.Decoder
	stopped bool
}

// record yields a record of a place. It returns false if no more are wanted.
func (s *surveyor) record(place string, columns []argus.Field) bool {
	if len(s.seen) >= surveyTables && s.seen[place] == 0 || s.seen[place] >= SurveyRecords || len(columns) == 0 {
		return true
	}
	s.seen[place]++
	m := &argus.Message{Service: s.kind, Title: strings.ToValidUTF8(place, "\uFFFD"), From: s.kind}
	for _, c := range columns[:min(len(columns), surveyColumns)] {
		value := c.Value
		if len(value) > surveyText {
			value = strings.ToValidUTF8(value[:surveyText], "")
		}
		build.Keep(m, strings.ToValidUTF8(c.Name, "\uFFFD"), strings.ToValidUTF8(value, "\uFFFD"))
	}
	return s.give(reader.Item{Message: m})
}

// rows yields the first rows of each table, and stops after them if there is only one table.
func (s *surveyor) rows(rows iter.Seq2[*tableRow, error]) bool {
	total := 0
	for row, err := range rows {
		if err != nil {
			return s.give(reader.Item{Problem: err.Error()})
		}
		if total++; total > surveyTables*SurveyRecords || s.kind == mapping.SQLite && total > SurveyRecords {
			return true
		}
		if row.problem != "" {
			continue // reading with a map reports it
		}
		var columns []argus.Field
		for i, name := range row.names {
			if i < len(row.cells) && !row.isBytes(i) {
				columns = append(columns, argus.Field{Name: name, Value: row.cells[i]})
			}
		}
		if !s.record(row.table, columns) {
			return false
		}
	}
	return true
}

// document yields the objects at the beginning of a document: list elements and top-level
// objects.
func (s *surveyor) document(text []byte) {
	s.decoder = json.NewDecoder(bytes.NewReader(text))
	s.decoder.UseNumber()
	for !s.stopped {
		token := s.token()
		switch token {
		case json.Delim('{'):
			if columns := s.object("", nil, 0); !s.stopped && !s.record("", columns) {
				return
			}
		case json.Delim('['):
			s.list("[]", nil, 0)
		}
	}
}

// token returns the next token, or nil at the end.
func (s *surveyor) token() json.Token {
	token, err := s.decoder.Token()
	if err != nil {
		s.stopped = true // the end, or a broken place, which reading with a map reports
		return nil
	}
	return token
}

// object reads an object and returns its columns. around are the columns of the objects
// around it.
func (s *surveyor) object(place string, around []argus.Field, depth int) (columns []argus.Field) {
	above := len(around)
	for !s.stopped && s.decoder.More() {
		key, _ := s.token().(string)
		inside := strings.TrimPrefix(place+"."+key, ".")
		switch token := s.token().(type) {
		case json.Delim:
			if depth >= surveyDepth {
				s.stopped = true
				return nil
			}
			if token == '{' {
				for _, c := range s.object(inside, around, depth+1) {
					columns = append(columns, argus.Field{Name: key + "." + c.Name, Value: c.Value})
				}
				continue
			}
			if texts := s.list(inside+"[]", around, depth+1); len(texts) > 0 {
				columns = append(columns, argus.Field{Name: key + "[]", Value: strings.Join(texts, ", ")})
			}
		case nil:
		default:
			value := fmt.Sprint(token)
			if len(columns) < surveyColumns {
				columns = append(columns, argus.Field{Name: key, Value: value})
			}
			if len(around) < surveyColumns {
				around = append(around[:len(around):len(around)], argus.Field{Name: "/" + inside, Value: value})
			}
		}
	}
	s.token() // }
	if strings.HasSuffix(place, "[]") || place == "" {
		columns = append(columns, around[:above]...)
	}
	return columns
}

// list reads a list: it yields its objects and returns its other values.
func (s *surveyor) list(place string, around []argus.Field, depth int) (texts []string) {
	for !s.stopped && s.decoder.More() {
		switch token := s.token().(type) {
		case json.Delim:
			if depth >= surveyDepth {
				s.stopped = true
				return nil
			}
			if token == '[' {
				s.list(place+"[]", around, depth+1)
				continue
			}
			if columns := s.object(place, around, depth+1); !s.stopped && !s.record(place, columns) {
				s.stopped = true
			}
		case nil:
		default:
			if len(texts) < build.ParticipantLimit {
				texts = append(texts, fmt.Sprint(token))
			}
		}
	}
	s.token() // ]
	return texts
}
