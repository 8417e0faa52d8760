package table

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
	"github.com/argus-evidence/argus/internal/reader/sqldoc"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// tableRow is a row of a table from any source, or a piece that makes no sense.
type tableRow struct {
	table   string
	names   []string
	cells   []string
	bytes   []bool // marks the cells that are bytes, not text; nil if none are
	where   argus.Where
	problem string
	raw     []byte
}

func (r *tableRow) isBytes(i int) bool { return i < len(r.bytes) && r.bytes[i] }

// get returns the value in a column, or none if it is empty.
func (r *tableRow) get(name string) []string {
	if v := r.first(name); v != "" {
		return []string{v}
	}
	return nil
}

func (r *tableRow) first(name string) string {
	if i := slices.Index(r.names, name); i >= 0 && i < len(r.cells) {
		return strings.ToValidUTF8(r.cells[i], "\uFFFD")
	}
	return ""
}

// beginning returns the beginning of a row for a problem: its cells separated by tabs.
func (r *tableRow) beginning() []byte {
	var raw []byte
	for _, c := range r.cells {
		raw = append(append(raw, c[:min(len(c), argus.QuarantineRaw)]...), '\t')
		if len(raw) >= argus.QuarantineRaw {
			return raw[:argus.QuarantineRaw]
		}
	}
	return bytes.TrimSuffix(raw, []byte("\t"))
}

// rows yields the rows of a table, which must have the columns in needs. If the source lacks
// the table or the columns, there is a problem that names those that it has.
func (r *mapped) rows(ctx context.Context, table string, needs []string) iter.Seq2[*tableRow, error] {
	switch r.Kind {
	case mapping.SQLite:
		return databaseRows(ctx, r.in, table, needs)
	case mapping.SQL:
		return dumpRows(ctx, r.in, r.Dialect, table, needs)
	}
	return sheetRows(ctx, r.in, table, needs)
}

// fitsNowhere says that a source lacks something, and lists those that it has.
func fitsNowhere(want string, has []string) string {
	found := "found none"
	if len(has) > 0 {
		const most = 20
		more := ""
		if len(has) > most {
			more = fmt.Sprintf(" and %d more", len(has)-most)
		}
		found = fmt.Sprintf("found %q%s", has[:min(len(has), most)], more)
	}
	return fmt.Sprintf("the map fits nowhere: want %s, %s; correct the map, \"argus map FILE\" shows the columns", want, found)
}

// lacking returns the first needed column that a table does not have, or "" if it has them
// all.
func lacking(names, needs []string) string {
	for _, need := range needs {
		if !slices.Contains(names, need) {
			return need
		}
	}
	return ""
}

// delimiterOf returns the delimiter with which a line near the beginning of a text has all
// needed columns, or 0 if there is none.
func delimiterOf(text []byte, needs []string) byte {
	for _, d := range []byte(",;\t|") {
		n := 0
		for row, err := range sheetdoc.CSV(context.Background(), textInput(text), d, sheetdoc.HeaderCells, 0) {
			if n++; err != nil || n > headerRows {
				break
			}
			if names := namesOf(row.Cells); len(names) > 1 && lacking(names, needs) == "" {
				return d
			}
		}
	}
	return 0
}

func namesOf(cells []sheetdoc.Cell) []string {
	var names []string
	for _, c := range cells {
		names = append(names, strings.TrimSpace(c.Text))
	}
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	return names
}

// sheetRows yields the rows of a text file or a workbook; table is the name of a sheet, or
// "" for all of them.
func sheetRows(ctx context.Context, in reader.Input, table string, needs []string) iter.Seq2[*tableRow, error] {
	return func(yield func(*tableRow, error) bool) {
		rows, err := openRows(ctx, in, needs)
		if err != nil {
			yield(nil, err)
			return
		}
		sheet, n := -1, 0
		var names, first []string
		var held []*tableRow // above the header
		for row, err := range rows {
			if err != nil {
				yield(nil, err)
				return
			}
			if table != "" && !strings.EqualFold(row.Name, table) {
				continue
			}
			if row.Sheet != sheet {
				if sheet >= 0 && names == nil && !yield(noHeader(held, first, needs), nil) {
					return
				}
				sheet, n, names, first, held = row.Sheet, 0, nil, nil, nil
			}
			n++
			one := &tableRow{table: row.Name, names: names, where: row.Where, problem: row.Problem, raw: row.Raw}
			if row.Problem != "" {
				one.raw = sheetdoc.Raw(row)
			}
			for _, c := range row.Cells {
				one.cells = append(one.cells, c.Text)
			}
			switch {
			case names == nil && row.Problem == "" && n <= headerRows:
				if these := namesOf(row.Cells); len(these) > 1 && lacking(these, needs) == "" {
					names = these
					for _, above := range held {
						above.problem, above.raw = cmp.Or(above.problem, "want the header, found other cells above it"), above.beginning()
						if !yield(above, nil) {
							return
						}
					}
					held = nil
					continue
				} else if len(these) > len(first) {
					first = these
				}
				held = append(held, one)
				continue
			case names == nil:
				if held = append(held, one); len(held) > headerRows {
					held = held[:headerRows] // one problem covers them all
				}
				continue
			case row.Problem != "":
			case isBlank(row.Cells) || slices.Equal(namesOf(row.Cells), names):
				continue
			default:
				for _, c := range one.cells[min(len(one.cells), len(names)):] {
					if strings.TrimSpace(c) != "" {
						one.problem = fmt.Sprintf("want %d cells as the header has, found %d", len(names), len(one.cells))
						one.raw = one.beginning()
					}
				}
			}
			if !yield(one, nil) {
				return
			}
		}
		if names == nil {
			yield(noHeader(held, first, needs), nil)
		}
	}
}

// noHeader is the problem of a sheet without the columns of the map.
func noHeader(held []*tableRow, first, needs []string) *tableRow {
	row := &tableRow{}
	if len(held) > 0 {
		row.where, row.raw = held[0].where, held[0].beginning()
	}
	row.problem = fitsNowhere(fmt.Sprintf("a header with the columns %q among the first %d rows", needs, headerRows), first)
	return row
}

// openRows returns the rows of a workbook, or of a text with the delimiter that finds the
// columns.
func openRows(ctx context.Context, in reader.Input, needs []string) (iter.Seq2[*sheetdoc.Row, error], error) {
	head := make([]byte, min(in.Size, reader.HeadSize))
	if n, err := in.File.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("read the beginning of the sheet: %w", err)
	}
	if reader.IsZip(head) {
		return sheetdoc.Workbook(ctx, in)
	}
	text := textdoc.SampleText(head)
	delimiter := widest(text)
	if len(needs) > 0 {
		delimiter = cmp.Or(delimiterOf(text, needs), delimiter)
	}
	return sheetdoc.CSV(ctx, in, delimiter, sheetdoc.HeaderCells, 0), nil
}

// widest returns the delimiter with which the first lines of a text have the most cells.
func widest(text []byte) byte {
	best, most := byte(','), 0
	for _, d := range []byte(",;\t|") {
		n := 0
		for i, line := range bytes.SplitN(text, []byte("\n"), headerRows+1) {
			if i < headerRows {
				n += bytes.Count(line, []byte{d})
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

// databaseRows yields the rows of a database table in the order of their numbers.
func databaseRows(ctx context.Context, in reader.Input, table string, needs []string) iter.Seq2[*tableRow, error] {
	return func(yield func(*tableRow, error) bool) {
		problem := func(text string) bool { return yield(&tableRow{problem: text}, nil) }
		fault := func(err error) {
			if _, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
				problem(err.Error())
				return
			}
			yield(nil, err)
		}
		d, err := sqlitedoc.Open(ctx, in.File, in.Size, in.RecordLimit())
		if err != nil {
			fault(err)
			return
		}
		defer d.Close()
		for _, lack := range d.Lacks(in) {
			if !problem(lack) {
				return
			}
		}
		if !d.Tables[table] {
			problem(fitsNowhere(fmt.Sprintf("the table %q", table), slices.Sorted(maps.Keys(d.Tables))))
			return
		}
		rows, err := d.Table(table, "rowid")
		if err != nil { // a table without row numbers
			rows, err = d.Table(table, "")
		}
		if err != nil {
			fault(d.Damage(err))
			return
		}
		defer rows.Close()
		if lack := lacking(rows.Names, needs); lack != "" {
			problem(fitsNowhere(fmt.Sprintf("the column %q in the table %q", lack, table), rows.Names))
			return
		}
		for n := uint64(1); rows.Next(); n++ {
			row := &tableRow{table: table, names: rows.Names, where: argus.Where{Record: n}}
			for i, name := range rows.Names {
				value := rows.Value(name)
				if f, ok := value.(float64); ok { // 6.1e8 seconds are a time too
					row.cells = append(row.cells, strconv.FormatFloat(f, 'f', -1, 64))
					continue
				}
				row.cells = append(row.cells, rows.Text(name))
				if blob, ok := value.([]byte); ok {
					if row.bytes == nil {
						row.bytes = make([]bool, len(rows.Names))
					}
					row.bytes[i] = len(blob) > 0
				}
			}
			if !yield(row, nil) {
				return
			}
		}
		if rows.Err != nil {
			fault(d.Damage(rows.Err))
		}
	}
}

// dumpRows yields the rows of a table in a dump, and the pieces that make no sense.
func dumpRows(ctx context.Context, in reader.Input, dialect, table string, needs []string) iter.Seq2[*tableRow, error] {
	return func(yield func(*tableRow, error) bool) {
		tables, found := map[string]bool{}, false
		var names []string
		for row, err := range sqldoc.Rows(ctx, in, dialect) {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(tables) < 1000 {
				tables[row.Table] = true
			}
			if table != "" && row.Table != "" && !strings.EqualFold(row.Table, table) {
				continue // of another table
			}
			one := &tableRow{table: row.Table, names: row.Names, where: row.Where, problem: row.Problem, raw: row.Raw}
			found = found || row.Table != ""
			for i, v := range row.Values {
				one.cells = append(one.cells, v.Text)
				if v.Bytes {
					if one.bytes == nil {
						one.bytes = make([]bool, len(row.Values))
					}
					one.bytes[i] = true
				}
			}
			if row.Problem == "" && row.Names == nil {
				for i := range row.Values {
					one.names = append(one.names, fmt.Sprintf("column %d", i+1))
				}
			}
			if row.Problem == "" && len(one.names) != len(one.cells) {
				one.problem, one.raw = fmt.Sprintf("want %d values as the table has columns, found %d", len(one.names), len(one.cells)), one.beginning()
			}
			if one.problem == "" && !slices.Equal(names, one.names) {
				if lack := lacking(one.names, needs); lack != "" {
					one.problem, one.raw = fitsNowhere(fmt.Sprintf("the column %q in the table %q", lack, table), one.names), one.beginning()
				} else {
					names = one.names
				}
			}
			if !yield(one, nil) {
				return
			}
		}
		if !found {
			delete(tables, "")
			yield(&tableRow{problem: fitsNowhere(fmt.Sprintf("rows of the table %q", table), slices.Sorted(maps.Keys(tables)))}, nil)
		}
	}
}
