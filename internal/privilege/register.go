package privilege

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
)

// columns lists the names of columns, folded, in the languages of registers. A column may
// also be named after a service: it then holds accounts on that service.
//
//go:embed columns.txt
var columnsText string

// professionsText lists the words for professions, folded.
//
//go:embed professions.txt
var professionsText string

// providersText lists domains in which anyone can get an address.
//
//go:embed providers.txt
var providersText string

// wordsByName reads lines of the form name: word, word.
func wordsByName(text string) map[string]string {
	words := map[string]string{}
	for line := range strings.Lines(text) {
		name, list, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		for w := range strings.SplitSeq(list, ",") {
			words[folded(w)] = name
		}
	}
	return words
}

// folded returns the terms of a text, separated by spaces.
func folded(s string) string { return strings.Join(query.Analyze(s), " ") }

var (
	columnWords     = wordsByName(columnsText)
	professionNames = wordsByName(professionsText)
	providers       = strings.Fields(providersText)
	fieldNames      = map[string]field{
		"name": nameField, "first name": firstNameField, "last name": lastNameField, "profession": professionField, "country": countryField,
		"phone": phoneField, "email": emailField, "domain": domainField, "account": accountField, "service": serviceField,
		"from": fromField, "until": untilField, "source": sourceField,
	}
)

// isProvider reports whether anyone can get an address in a domain.
func isProvider(domain string) bool { return slices.Contains(providers, domain) }

// professionOf returns the profession that any word of a text names.
func professionOf(s string) (Profession, bool) {
	for word := range strings.SplitSeq(folded(s), " ") {
		if p := slices.Index(professionWords[:], professionNames[word]); p > 0 {
			return Profession(p), true
		}
	}
	return Unstated, false
}

// column is the meaning of a column: a field, or the accounts of a service.
type column struct {
	field   field
	service string
}

func columnOf(header string) column {
	name := columnWords[folded(header)]
	if service, ok := strings.CutPrefix(name, "account "); ok {
		return column{accountField, service}
	}
	return column{field: fieldNames[name]}
}

// add adds the text of a cell.
func (raw *rawEntry) add(c column, text string) {
	if text = strings.TrimSpace(text); text == "" || c.field == noField {
		return
	}
	if c.service != "" {
		raw.accounts = append(raw.accounts, Identifier{kindAccount, c.service, text})
		return
	}
	if raw.fields == nil {
		raw.fields = map[field][]string{}
	}
	raw.fields[c.field] = append(raw.fields[c.field], text)
}

var errNoColumn = errors.New("no column or key is known; there must be one for telephone numbers, e-mail addresses, domains or accounts")

// recognises reports whether one of the columns can be used to recognise a person.
func recognises(columns []column) bool {
	return slices.ContainsFunc(columns, func(c column) bool {
		return c.field == phoneField || c.field == emailField || c.field == domainField || c.field == accountField
	})
}

// headerRows is the number of rows in which the header of a sheet is looked for.
const headerRows = 32

// readTable reads CSV with any usual delimiter, or a workbook. The header of a sheet is the
// first row that names a column by which a person can be recognised.
func readTable(ctx context.Context, data []byte, take func(uint64, *rawEntry) error, lost func(uint64, string)) error {
	in := reader.Input{Name: "register", Size: int64(len(data)), File: bytes.NewReader(data)}
	rows := sheetdoc.CSV(ctx, in, delimiterOf(data), sheetdoc.HeaderCells, 0)
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		var err error
		if rows, err = sheetdoc.Workbook(ctx, in); err != nil {
			return err
		}
	}
	var columns []column
	sheet, n, above, known := -1, uint64(0), 0, false
	for row, err := range rows {
		if err != nil {
			return err
		}
		if row.Sheet != sheet {
			sheet, columns, above = row.Sheet, nil, 0
		}
		n++
		switch {
		case row.Problem != "":
			lost(n, "the row is broken: a quote is not closed, or there are too many cells")
		case columns == nil:
			var header []column
			for _, c := range row.Cells {
				header = append(header, columnOf(c.Text))
			}
			if recognises(header) {
				columns, known = header, true
			} else if above++; above > headerRows {
				return fmt.Errorf("sheet %d: %w", sheet+1, errNoColumn)
			}
		default:
			if blank(row.Cells) {
				continue
			}
			var raw rawEntry
			for i, c := range row.Cells {
				if i < len(columns) {
					raw.add(columns[i], c.Text)
				}
			}
			if err := take(n, &raw); err != nil {
				return err
			}
		}
	}
	if !known {
		return errNoColumn
	}
	return nil
}

func blank(cells []sheetdoc.Cell) bool {
	return !slices.ContainsFunc(cells, func(c sheetdoc.Cell) bool { return strings.TrimSpace(c.Text) != "" })
}

// delimiterOf returns the delimiter that is most frequent in the first lines.
func delimiterOf(data []byte) byte {
	head := data[:min(len(data), 4096)]
	best, most := byte(','), 0
	for _, d := range []byte(",;\t|") {
		if n := bytes.Count(head, []byte{d}); n > most {
			best, most = d, n
		}
	}
	return best
}

// readJSON reads a list of objects, or objects one after another.
func readJSON(_ context.Context, data []byte, take func(uint64, *rawEntry) error, lost func(uint64, string)) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	known, n := false, uint64(0)
	one := func(text json.RawMessage) error {
		n++
		var object map[string]any
		_ = json.Unmarshal(text, &object) // it stays nil for any other value
		if object == nil {
			lost(n, "it is not a JSON object")
			return nil
		}
		var raw rawEntry
		for key, value := range object {
			c := columnOf(key)
			known = known || recognises([]column{c})
			raw.addJSON(c, value)
		}
		return take(n, &raw)
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		if err := eachOfList(data, one); err != nil {
			return err
		}
	} else {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if err := one(line); err != nil {
				return err
			}
		}
	}
	if !known {
		return errNoColumn
	}
	return nil
}

// eachOfList calls one for each element of a list. A broken list is an error, because it is
// unknown how many entries follow.
func eachOfList(data []byte, one func(json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		var text json.RawMessage
		if err := dec.Decode(&text); err != nil {
			return fmt.Errorf("the list is broken at byte %d", dec.InputOffset())
		}
		if err := one(text); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("the list does not end: %w", errTruncated)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("unexpected data after the list at byte %d", dec.InputOffset())
	}
	return nil
}

// addJSON adds a value: a text, a number, a list of them or, for accounts, an object that
// maps services to accounts.
func (raw *rawEntry) addJSON(c column, value any) {
	switch v := value.(type) {
	case string:
		raw.add(c, v)
	case float64:
		raw.add(c, strings.TrimSuffix(fmt.Sprintf("%.0f", v), ".0"))
	case []any:
		for _, x := range v {
			raw.addJSON(c, x)
		}
	case map[string]any:
		if c.field != accountField {
			return
		}
		service, account := v["service"], v["account"]
		if s, ok := service.(string); ok && account != nil {
			raw.addJSON(column{accountField, strings.ToLower(s)}, account)
			return
		}
		for name, x := range v {
			raw.addJSON(column{accountField, strings.ToLower(name)}, x)
		}
	}
}
