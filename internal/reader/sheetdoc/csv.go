// Package sheetdoc reads the rows of CSV files and of workbooks (.xlsx).
//
// It knows cells, not their meaning. Cells, rows and the unpacked size of a workbook
// are bounded.
package sheetdoc

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Row is one row of a sheet. Its cells are valid until the next row; their texts stay.
type Row struct {
	Cells []Cell
	Where argus.Where
	// Sheet is the number of the sheet in a workbook, from 0; Name is its name. above is how
	// many rows the sheets before this one have.
	Sheet int
	Name  string
	above uint64
	// From1904 is set if the workbook counts its days from 1904.
	From1904 bool
	// Only selects the columns that are wanted from the following rows; the receiver sets it.
	// Default: nil, which means all of them.
	Only []bool
	// Problem is set instead of cells for a row that is broken.
	Problem string
	Raw     []byte
}

// Cell is one cell as it is stored.
type Cell struct {
	Text string
	// Formula is the formula behind the value, if the workbook has one.
	Formula string
	// Number is set if the workbook holds a number, not text.
	Number bool
}

// Limits of one row of text.
const (
	// rowLines is how many lines one quoted cell may add to the row.
	rowLines = 10_000
	// SpareCells is how many more cells than the header a row may have.
	SpareCells = 16
	// HeaderCells is how many columns a header may have.
	HeaderCells = 1024
)

// CSV cuts a text file into rows (RFC 4180, any of the delimiters). A line
// whose quotes do not end as they should is a broken row of its own, and the
// next line begins the next row. A row has at most cellLimit cells; for
// literalCells see csvRow.
func CSV(ctx context.Context, in reader.Input, delimiter byte, cellLimit, literalCells int) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		c := csvFile{lines: textdoc.NewLines(ctx, in.Reader(), in.RecordLimit()), limit: in.RecordLimit(), row: csvRow{delimiter: delimiter, cellLimit: cellLimit, literalCells: literalCells}}
		var row Row
		for c.next(&row) {
			if !yield(&row, nil) {
				return
			}
		}
		if c.lines.Err != nil {
			yield(nil, c.lines.Err)
		}
	}
}

// csvFile reads rows, and rereads the lines that turned out not to be part of one.
type csvFile struct {
	lines *textdoc.Lines
	limit int
	row   csvRow
	// again has lines to be read before the remaining lines of the file.
	again []textdoc.Line
}

func (c *csvFile) line() (textdoc.Line, bool) {
	if len(c.again) > 0 {
		l := c.again[0]
		c.again = c.again[1:]
		return l, true
	}
	if !c.lines.Next() {
		return textdoc.Line{}, false
	}
	return c.lines.Line, true
}

// next reads the next row that is not blank.
func (c *csvFile) next(row *Row) bool {
	l, ok := c.line()
	for ok && l.Problem == "" && len(bytes.TrimSpace(l.Text)) == 0 {
		l, ok = c.line()
	}
	if !ok {
		return false
	}
	row.Cells, row.Where, row.Problem, row.Raw = row.Cells[:0], l.Where(), l.Problem, nil
	if l.Problem != "" {
		row.Raw = l.Beginning()
		return true
	}
	c.row.reset()
	open, problem := c.row.add(l.Text)
	if open {
		return c.quoted(l, row)
	}
	if problem != "" && !c.row.literal(l.Text) {
		row.Problem, row.Raw = problem, l.Beginning()
		return true
	}
	row.Cells = c.row.appendCells(row.Cells, row.Only)
	return true
}

// quoted continues a row with a quote that is open at the end of its first line.
func (c *csvFile) quoted(first textdoc.Line, row *Row) bool {
	first.Text = bytes.Clone(first.Text)
	c.row.text = first.Text
	var more []textdoc.Line
	problem := ""
	for open := true; open && problem == ""; {
		l, ok := c.line()
		if !ok {
			problem = "want the closing quote of a cell, found the end of the file"
			break
		}
		l.Text = bytes.Clone(l.Text)
		more = append(more, l)
		if l.Problem != "" || len(more) >= rowLines || len(c.row.text)+len(l.Text) > c.limit {
			problem = fmt.Sprintf("want the closing quote of a cell within %d bytes and %d lines, found none", c.limit, rowLines)
			break
		}
		open, problem = c.row.add(l.Text)
	}
	if problem != "" {
		c.again = append(more, c.again...)
		c.row.reset()
		if !c.row.literal(first.Text) {
			row.Problem, row.Raw = problem, first.Beginning()
			return true
		}
	} else {
		last := more[len(more)-1]
		row.Where.Length = last.Offset + last.Length - row.Where.Offset
	}
	row.Cells = c.row.appendCells(row.Cells, row.Only)
	return true
}

// csvRow splits one row into cells, line by line.
type csvRow struct {
	delimiter byte
	cellLimit int
	// literalCells is how many cells a row must have for its quotes to be taken as text, or 0
	// if they never are.
	literalCells int
	// text is the line, or the lines of a row in a buffer of its own.
	text  []byte
	cells []span
	// open is the beginning of a quoted cell without its end, or -1.
	open    int
	doubled bool
}

// span is a cell in the text of a row.
type span struct {
	start, end int
	// doubled is set if it has doubled quotes.
	doubled bool
}

func (r *csvRow) reset() {
	r.text, r.cells, r.open = nil, r.cells[:0], -1
}

// add takes the next line. It returns whether a quote is still open, or the problem.
func (r *csvRow) add(text []byte) (open bool, problem string) {
	i := 0
	if r.open < 0 {
		r.text = text
	} else {
		r.text = append(r.text, '\n')
		i = len(r.text)
		r.text = append(r.text, text...)
	}
	for {
		if len(r.cells) >= r.cellLimit {
			r.open = -1
			return false, fmt.Sprintf("want at most %d cells, found more", r.cellLimit)
		}
		if r.open < 0 && (i == len(r.text) || r.text[i] != '"') {
			n := bytes.IndexByte(r.text[i:], r.delimiter)
			if n < 0 {
				r.cells = append(r.cells, span{i, len(r.text), false})
				return false, ""
			}
			r.cells = append(r.cells, span{i, i + n, false})
			i += n + 1
			continue
		}
		if r.open < 0 {
			r.open, r.doubled = i+1, false
			i++
		}
		end := r.quoteEnd(i)
		if end < 0 {
			return true, ""
		}
		r.cells = append(r.cells, span{r.open, end, r.doubled})
		r.open = -1
		if i = end + 1; i == len(r.text) {
			return false, ""
		}
		if r.text[i] != r.delimiter {
			return false, "want the end of a cell after its closing quote, found something else"
		}
		i++
	}
}

// quoteEnd returns the place of the quote that closes the open cell, looking
// from i, or -1.
func (r *csvRow) quoteEnd(i int) int {
	for {
		n := bytes.IndexByte(r.text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		if i+1 >= len(r.text) || r.text[i+1] != '"' {
			return i
		}
		r.doubled = true
		i += 2
	}
}

// literal reads a line with invalid quotes again, with the quotes as text, for programs
// that never quote. It returns false unless that gives exactly the cells of the header.
func (r *csvRow) literal(text []byte) bool {
	if r.literalCells == 0 || bytes.Count(text, []byte{r.delimiter}) != r.literalCells-1 {
		return false
	}
	r.reset()
	r.text = text
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], r.delimiter)
		if n < 0 {
			r.cells = append(r.cells, span{i, len(text), false})
			return true
		}
		r.cells = append(r.cells, span{i, i + n, false})
		i += n + 1
	}
}

// appendCells makes the cells, whose texts share one copy of the row. If only some
// columns are wanted, their texts are copied unless they equal those of the row before,
// and the other cells are empty.
func (r *csvRow) appendCells(cells []Cell, only []bool) []Cell {
	if only != nil {
		n := min(len(r.cells), len(only))
		cells = slices.Grow(cells, n)[:n]
		for i, s := range r.cells[:n] {
			if only[i] && cells[i].Text != string(r.text[s.start:s.end]) {
				cells[i].Text = plainCell(string(r.text[s.start:s.end]))
			}
		}
		return cells
	}
	text := string(r.text)
	for _, s := range r.cells {
		value := text[s.start:s.end]
		if s.doubled {
			value = strings.ReplaceAll(value, `""`, `"`)
		}
		value = plainCell(value)
		cells = append(cells, Cell{Text: value})
	}
	return cells
}

// plainCell returns the text in ="…", which programs write so that spreadsheets do not turn
// it into a number.
func plainCell(s string) string {
	if len(s) < len(`=""`) || s[0] != '=' || s[1] != '"' || s[len(s)-1] != '"' {
		return s
	}
	inside := s[2 : len(s)-1]
	if plain := strings.ReplaceAll(inside, `""`, ""); strings.Contains(plain, `"`) {
		return s
	}
	return strings.ReplaceAll(inside, `""`, `"`)
}

// Raw returns the beginning of a row, its cells separated by tabs.
func Raw(row *Row) []byte {
	if row.Raw != nil {
		return row.Raw
	}
	var raw []byte
	for i, c := range row.Cells {
		if i > 0 {
			raw = append(raw, '\t')
		}
		raw = append(raw, c.Text[:min(len(c.Text), argus.QuarantineRaw)]...)
		if len(raw) >= argus.QuarantineRaw {
			return raw[:argus.QuarantineRaw]
		}
	}
	return raw
}
