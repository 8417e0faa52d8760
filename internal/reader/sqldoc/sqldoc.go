// Package sqldoc reads the rows in dumps of databases: the statements INSERT, and COPY of
// PostgreSQL.
//
// It runs nothing: a statement that changes rows written earlier is a problem. It holds one
// row at a time, which may be as long as the longest record.
package sqldoc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Limits of a dump.
const (
	// columnLimit is how many values a row may have.
	columnLimit = 1024
	// tableLimit is how many tables are remembered with their columns.
	tableLimit = 1000
)

// Row is one row of a table, or a piece that makes no sense.
type Row struct {
	// Table is the name of the table without its schema; "" in a broken piece outside
	// of the tables.
	Table string
	// Names are the columns; nil if the dump does not name them.
	Names  []string
	Values []Value
	Where  argus.Where
	// Problem is set in place of the values.
	Problem string
	Raw     []byte
}

// Value is one value of a row.
type Value struct {
	Text string
	Null bool
	// Bytes is set if the value is not text but bytes: Text then has them in hexadecimal.
	Bytes bool
}

// Looks reports whether the beginning of a file looks like a dump.
func Looks(head []byte) bool {
	for line := range bytes.Lines(head) {
		l := lexer{b: line, eof: true}
		word, _ := l.word()
		switch strings.ToUpper(word) {
		case "INSERT", "REPLACE", "COPY":
			return true
		case "CREATE":
			if next, _ := l.word(); strings.EqualFold(next, "TABLE") {
				return true
			}
		}
	}
	return bytes.Contains(head, []byte("MySQL dump")) || bytes.Contains(head, []byte("MariaDB dump")) || bytes.Contains(head, []byte("PostgreSQL database dump"))
}

// Dialect determines the dialect of a dump from its beginning: mysql, in which \ is an
// escape character in texts, or standard.
func Dialect(head []byte) string {
	for _, word := range []string{"MySQL", "MariaDB", "phpMyAdmin", "INSERT INTO `", "CREATE TABLE `"} {
		if bytes.Contains(head, []byte(word)) {
			return "mysql"
		}
	}
	return "standard"
}

// dump is a dump being read.
type dump struct {
	textdoc.Window
	limit   int
	mysql   bool
	columns map[string][]string
	// table and names are those of the current statement; copied is set in the lines after
	// COPY.
	table  string
	names  []string
	within bool
	copied bool
	// more is set if another row must follow.
	more bool
	// aside is set between two DELIMITER lines, which enclose programs of the database.
	aside bool
	row   uint64
}

// Rows yields the rows in a dump in its order. dialect is mysql or standard, or "" to
// determine it from the beginning of the dump.
func Rows(ctx context.Context, in reader.Input, dialect string) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		d := &dump{Window: textdoc.Window{Source: in.Reader()}, limit: in.RecordLimit(), columns: map[string][]string{}}
		if err := d.More(); err != nil {
			yield(nil, err)
			return
		}
		if textdoc.SniffCharset(d.Buf) != textdoc.UTF8 {
			yield(&Row{Problem: "want a dump in UTF-8, found another encoding; convert it first", Raw: bytes.Clone(d.Buf[:min(len(d.Buf), argus.QuarantineRaw)])}, nil)
			return
		}
		d.Drop(len(d.Buf) - len(bytes.TrimPrefix(d.Buf, []byte("\ufeff"))))
		if dialect == "" {
			dialect = Dialect(d.Buf[:min(len(d.Buf), reader.HeadSize)])
		}
		d.mysql = dialect == "mysql"
		for {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			row, err := d.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if row == nil {
				return
			}
			d.row++
			row.Where.Record = d.row
			if !yield(row, nil) {
				return
			}
		}
	}
}

// next returns the next row, or nil at the end.
func (d *dump) next() (*Row, error) {
	for {
		row, end, err := d.piece()
		if err == nil {
			if row != nil {
				row.Where = argus.Where{Offset: d.At, Length: int64(end)}
			}
			d.Drop(end)
			switch {
			case row != nil:
				return row, nil
			case end > 0:
			case !d.EOF:
				if err := d.More(); err != nil {
					return nil, err
				}
			case d.within && d.more || d.copied:
				d.within, d.copied = false, false
				return &Row{Table: d.table, Problem: "want the end of the rows, found the end of the file", Where: argus.Where{Offset: d.At}}, nil
			default:
				return nil, nil
			}
			continue
		}
		if errors.Is(err, errMore) {
			if !d.EOF && len(d.Buf) <= d.limit {
				if err := d.More(); err != nil {
					return nil, err
				}
				continue
			}
			err = fmt.Errorf("want the end of a statement or row within %d bytes, found none", d.limit)
			if d.EOF {
				err = errors.New("want the end of a statement or row, found the end of the file")
			}
		}
		return d.broken(err.Error())
	}
}

// piece parses the next piece in view, and returns its row, if it is one, and its end. At
// the end of the file it returns neither.
func (d *dump) piece() (*Row, int, error) {
	if d.copied {
		return d.line()
	}
	l := &lexer{b: d.Buf, eof: d.EOF, mysql: d.mysql}
	if err := l.space(); err != nil {
		if errors.Is(err, errMore) && l.i > 0 {
			return nil, l.i, nil // up to a comment that does not end in view
		}
		return nil, 0, err
	}
	if l.i > 0 || l.i == len(l.b) {
		return nil, l.i, nil
	}
	if d.within {
		return d.tuple(l)
	}
	return d.statement(l)
}

// tuple reads a row after VALUES.
func (d *dump) tuple(l *lexer) (*Row, int, error) {
	switch l.b[0] {
	case ',':
		d.more = true
		return nil, 1, nil
	case ';':
		d.within = false
		return nil, 1, nil
	case '(':
		row := &Row{Table: d.table, Names: d.names}
		var err error
		if row.Values, err = l.values(); err != nil {
			return nil, 0, err
		}
		d.more = false
		return row, l.i, nil
	}
	word, err := l.word()
	if err != nil {
		return nil, 0, err
	}
	switch strings.ToUpper(word) {
	case "ON", "AS", "RETURNING": // belongs to the rows before it
		if err := l.toSemicolon(); err != nil {
			return nil, 0, err
		}
		d.within = false
		return nil, l.i, nil
	case "":
		return nil, 0, errors.New("want a row, found something else")
	}
	// SQL Server writes no semicolons.
	l.i, d.within = 0, false
	return d.statement(l)
}

// statement reads the beginning of a statement with rows, or the whole of any other
// statement.
func (d *dump) statement(l *lexer) (*Row, int, error) {
	if l.b[0] == ';' {
		return nil, 1, nil
	}
	if l.b[0] == '\\' { // a command of psql
		return l.restOfLine()
	}
	word, err := l.word()
	if err != nil {
		return nil, 0, err
	}
	if strings.EqualFold(word, "DELIMITER") {
		line, end, err := l.restOfLine()
		if err == nil {
			d.aside = strings.TrimSpace(string(l.b[len(word):end])) != ";"
		}
		return line, end, err
	}
	if d.aside {
		return l.restOfLine()
	}
	switch word = strings.ToUpper(word); word {
	case "GO":
		return nil, l.i, nil
	case "INSERT", "REPLACE":
		return d.insert(l)
	case "COPY":
		return d.copy(l)
	case "CREATE":
		return d.create(l)
	case "UPDATE", "DELETE", "TRUNCATE":
		table := ""
		for table == "" || slices.Contains([]string{"FROM", "ONLY", "TABLE", "LOW_PRIORITY", "IGNORE", "OR"}, strings.ToUpper(table)) {
			if table, err = l.name(); err != nil {
				return nil, 0, err
			}
		}
		if err := l.toSemicolon(); err != nil {
			return nil, 0, err
		}
		return &Row{Table: table, Problem: "want rows, found a statement " + word + " that changes earlier ones; it is not applied",
			Raw: bytes.Clone(l.b[:min(l.i, argus.QuarantineRaw)])}, l.i, nil
	}
	if err := l.toSemicolon(); err != nil {
		return nil, 0, err
	}
	return nil, l.i, nil
}

// beforeTable are the words between INSERT and the table.
var beforeTable = []string{"INTO", "OR", "REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK", "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "OVERWRITE"}

// insert reads INSERT INTO table (columns) VALUES.
func (d *dump) insert(l *lexer) (*Row, int, error) {
	for {
		if _, err := l.peek(); err != nil {
			return nil, 0, err
		}
		at := l.i
		word, err := l.word()
		if err != nil {
			return nil, 0, err
		}
		if !slices.Contains(beforeTable, strings.ToUpper(word)) {
			l.i = at
			break
		}
	}
	table, names, err := l.tableAndColumns()
	if err != nil {
		return nil, 0, err
	}
	for {
		word, err := l.word()
		if err != nil {
			return nil, 0, err
		}
		if strings.EqualFold(word, "VALUES") || strings.EqualFold(word, "VALUE") {
			break
		}
		if word == "" || strings.EqualFold(word, "SELECT") || strings.EqualFold(word, "SET") {
			return nil, 0, fmt.Errorf("want VALUES behind INSERT INTO %.80q, found something else", table)
		}
	}
	d.table, d.names, d.within, d.more = table, names, true, true
	if names == nil {
		d.names = d.columns[strings.ToLower(table)]
	}
	return nil, l.i, nil
}

// copy reads COPY table (columns) FROM stdin;
func (d *dump) copy(l *lexer) (*Row, int, error) {
	table, names, err := l.tableAndColumns()
	if err != nil {
		return nil, 0, err
	}
	from := l.i
	if err := l.toSemicolon(); err != nil {
		return nil, 0, err
	}
	how := strings.ToLower(string(l.b[from:l.i]))
	if !strings.Contains(how, "stdin") {
		return nil, l.i, nil
	}
	if strings.Contains(how, "csv") || strings.Contains(how, "binary") || strings.Contains(how, "delimiter") {
		return nil, 0, errors.New("want COPY in the text form of pg_dump, found another form")
	}
	if _, _, err := l.restOfLine(); err != nil {
		return nil, 0, err
	}
	d.table, d.names, d.copied = table, names, true
	if names == nil {
		d.names = d.columns[strings.ToLower(table)]
	}
	return nil, l.i, nil
}

// line reads a row in the lines after COPY.
func (d *dump) line() (*Row, int, error) {
	n := bytes.IndexByte(d.Buf, '\n')
	if n < 0 && !d.EOF {
		return nil, 0, errMore
	}
	if n < 0 {
		if len(d.Buf) == 0 {
			return nil, 0, nil
		}
		return nil, 0, errMore // cut off: each line ends, and \. is the last
	}
	text := bytes.TrimSuffix(d.Buf[:n], []byte("\r"))
	if string(text) == `\.` {
		d.copied = false
		return nil, n + 1, nil
	}
	row := &Row{Table: d.table, Names: d.names}
	for cell := range bytes.SplitSeq(text, []byte("\t")) {
		if len(row.Values) == columnLimit {
			return nil, 0, fmt.Errorf("want at most %d values in a row, found more", columnLimit)
		}
		row.Values = append(row.Values, copiedValue(cell))
	}
	return row, n + 1, nil
}

// create remembers the columns of CREATE TABLE, and passes over triggers, which have
// statements in them.
func (d *dump) create(l *lexer) (*Row, int, error) {
	isTable := false
	for {
		word, err := l.word()
		if err != nil {
			return nil, 0, err
		}
		switch strings.ToUpper(word) {
		case "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL":
			continue
		case "TABLE":
			isTable = true
		case "TRIGGER":
			return nil, l.i, l.toEnd(&l.i)
		}
		break
	}
	if isTable {
		if err := l.ifNotExists(); err != nil {
			return nil, 0, err
		}
		table, err := l.name()
		if err != nil {
			return nil, 0, err
		}
		names, err := l.definitions()
		if err != nil {
			return nil, 0, err
		}
		if len(names) > 0 && len(d.columns) < tableLimit {
			d.columns[strings.ToLower(table)] = names
		}
	}
	if err := l.toSemicolon(); err != nil {
		return nil, 0, err
	}
	return nil, l.i, nil
}

// broken makes a problem of the current piece and moves to the next line that begins a
// statement or, among rows, a row.
func (d *dump) broken(reason string) (*Row, error) {
	row := &Row{Table: d.table, Problem: reason, Where: argus.Where{Offset: d.At}, Raw: bytes.Clone(d.Buf[:min(len(d.Buf), argus.QuarantineRaw)])}
	if !d.within && !d.copied {
		row.Table = ""
	}
	if d.copied { // a line is a row
		defer func() { row.Where.Length = d.At - row.Where.Offset }()
		for {
			if n := bytes.IndexByte(d.Buf, '\n'); n >= 0 {
				d.Drop(n + 1)
				return row, nil
			}
			d.Drop(len(d.Buf))
			if d.EOF {
				return row, nil
			}
			if err := d.More(); err != nil {
				return nil, err
			}
		}
	}
	for from := 0; ; {
		n := bytes.IndexByte(d.Buf[from:], '\n')
		if n < 0 {
			d.Drop(len(d.Buf))
			if d.EOF {
				break
			}
			if err := d.More(); err != nil {
				return nil, err
			}
			from = 0
			continue
		}
		d.Drop(from + n + 1)
		from = 0
		for len(d.Buf) < len("REPLACE ") && !d.EOF {
			if err := d.More(); err != nil {
				return nil, err
			}
		}
		if d.within && bytes.HasPrefix(d.Buf, []byte("(")) {
			break
		}
		l := lexer{b: d.Buf[:min(len(d.Buf), len("REPLACE "))], eof: true}
		word, _ := l.word()
		if slices.Contains([]string{"INSERT", "REPLACE", "COPY", "CREATE"}, strings.ToUpper(word)) {
			d.within = false
			break
		}
	}
	row.Where.Length = d.At - row.Where.Offset
	row.Raw = row.Raw[:min(int64(len(row.Raw)), row.Where.Length)]
	return row, nil
}
