package reader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite"
	"modernc.org/sqlite/vfs"

	"github.com/argus-evidence/argus"
)

// Databases of apps. SQLite reads them through a file system that has this one
// file and cannot write, so that neither the original nor anything else can be
// changed; they are opened as immutable: no lock, no journal, no log. What has to
// be sorted is sorted in memory, since there is no place for temporary files.

// isSQLite says whether a file is a database with one of some words in the
// statements that made its tables.
func isSQLite(s Sample, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return bytes.Contains(s.Schema, []byte(word)) })
}

// database is an open one.
type database struct {
	ctx    context.Context
	source *databaseFile
	vfs    *vfs.FS
	db     *sql.DB
	limit  int
	tables map[string]bool
}

// openDatabase opens a database, of which a value may be limit bytes long. The
// error is a damagedDatabase when it is the database that is wrong.
func openDatabase(ctx context.Context, file io.ReaderAt, size int64, limit int) (*database, error) {
	d := &database{ctx: ctx, source: &databaseFile{file: file, size: databaseSize(file, size)}, limit: limit, tables: map[string]bool{}}
	name, system, err := vfs.New(d.source)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d.vfs = system
	if d.db, err = sql.Open("sqlite", "file:db?mode=ro&immutable=1&vfs="+name+
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=cache_size(-4000)&_pragma=temp_store(2)"); err != nil {
		d.close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	// A view or a virtual table under the name of a table could do anything.
	rows, err := d.query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT 10000`)
	if err != nil {
		d.close()
		return nil, d.damage(err)
	}
	defer rows.close()
	for rows.next() {
		d.tables[rows.text("name")] = true
	}
	if rows.err != nil {
		d.close()
		return nil, d.damage(rows.err)
	}
	return d, nil
}

// stated says how many rows a table was ever given numbers for, where the
// database keeps that: rows that were deleted are the difference. passed are
// rows that are no records, besides the items that are no rows.
func (d *database) stated(table string, passed, besides uint64) (item Item, ok bool) {
	if !d.tables["sqlite_sequence"] {
		return item, false
	}
	rows, err := d.query(`SELECT seq FROM sqlite_sequence WHERE name = ?`, table)
	if err != nil {
		return item, false // of another form: what is damaged shows in the tables
	}
	defer rows.close()
	if !rows.next() || rows.number("seq") < 0 {
		return item, false
	}
	n := uint64(rows.number("seq"))
	return Item{Stated: &argus.Stated{What: "sqlite_sequence of " + table, Count: n - min(n, passed), Besides: besides}}, true
}

// close ends the reading. What was only read can lose nothing.
func (d *database) close() {
	if d.db != nil {
		_ = d.db.Close()
	}
	_ = d.vfs.Close()
}

// damagedDatabase is what is wrong with a database, as against with the reading
// of it.
type damagedDatabase struct{ err error }

func (d damagedDatabase) Error() string { return d.err.Error() }

// damage tells what is wrong with the database from what is wrong with its file.
func (d *database) damage(err error) error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	if d.source.err != nil {
		return d.source.err
	}
	return damagedDatabase{err: fmt.Errorf("the database is damaged: %w", err)}
}

// lost says that a table cannot be read, of which the messages are read without
// what it says. The error is one of the reading.
func (d *database) lost(table string, err error) (Item, error) {
	err = d.damage(err)
	if _, ok := errors.AsType[damagedDatabase](err); !ok {
		return Item{}, err
	}
	return Item{Problem: fmt.Sprintf("the table %s, of which messages are read without what it says: %v", strings.ToValidUTF8(table, "\uFFFD"), err)}, nil
}

// query begins a query on a connection of its own.
func (d *database) query(query string, args ...any) (*databaseRows, error) {
	connection, err := d.db.Conn(d.ctx)
	if err != nil {
		return nil, err
	}
	r := &databaseRows{connection: connection, limit: d.limit}
	if r.rows, err = connection.QueryContext(d.ctx, query, args...); err == nil { //nolint:rowserrcheck // next does
		r.names, err = r.rows.Columns()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	r.values, r.into = make([]any, len(r.names)), make([]any, len(r.names))
	for i := range r.values {
		r.into[i] = &r.values[i]
	}
	return r, nil
}

// table begins to read a table in the order of a column; no rows if there is
// no such table. A value longer than the limit is not read; that each is an
// expression keeps the driver from reading times into what is declared as one.
func (d *database) table(name, order string) (*databaseRows, error) {
	if !d.tables[name] {
		return &databaseRows{}, nil
	}
	info, err := d.query(`SELECT name FROM pragma_table_info(?) LIMIT 1000`, name)
	if err != nil {
		return nil, err
	}
	defer info.close()
	var columns []string
	ordered := false
	for info.next() {
		column := quoteName(info.text("name"))
		ordered = ordered || column == quoteName(order)
		columns = append(columns, fmt.Sprintf("CASE WHEN octet_length(%[1]s) > %[2]d THEN '(' || octet_length(%[1]s) || ' bytes, not read)' ELSE %[1]s END AS %[1]s", column, d.limit))
	}
	if info.err != nil || len(columns) == 0 {
		return nil, errors.Join(info.err, fmt.Errorf("the table %q has no columns", name))
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + quoteName(name)
	if ordered || order == "rowid" {
		query += " ORDER BY " + quoteName(name) + "." + quoteName(order)
	}
	return d.query(query)
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// databaseRows are the rows of a query. The zero value has none.
type databaseRows struct {
	connection   *sql.Conn
	rows         *sql.Rows
	names        []string
	values, into []any
	limit        int
	err          error
}

// next moves to the next row and says whether there is one.
func (r *databaseRows) next() bool {
	if r.rows == nil || r.err != nil {
		return false
	}
	if !r.rows.Next() {
		r.err = r.rows.Err()
		return false
	}
	r.err = r.rows.Scan(r.into...)
	return r.err == nil
}

func (r *databaseRows) close() {
	if r.rows != nil {
		_ = r.rows.Close()
	}
	if r.connection != nil {
		_ = r.connection.Close()
	}
}

// value returns a value of the row, nil if there is no such column.
func (r *databaseRows) value(name string) any {
	for i := range r.names {
		if r.names[i] == name {
			return r.values[i]
		}
	}
	return nil
}

// text returns a value as text, bytes as base64.
func (r *databaseRows) text(name string) string { return databaseText(r.value(name), r.limit) }

func databaseText(value any, limit int) string {
	switch v := value.(type) {
	case string:
		return strings.ToValidUTF8(v[:min(len(v), max(limit, 0))], "\uFFFD")
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return base64.StdEncoding.EncodeToString(v[:min(len(v), max(limit, 0))])
	}
	return ""
}

// number returns a value as a whole number, else 0.
func (r *databaseRows) number(name string) int64 {
	n, _ := r.value(name).(int64)
	return n
}

// blobLimit is how long bytes may be that are kept as base64; longer ones,
// pictures as a rule, are named by their hash.
const blobLimit = 256

// keep adds the values that were not used to a message, under a prefix.
// Nothing, 0 and "" say as much as no value.
func (r *databaseRows) keep(m *argus.Message, prefix string, used ...string) {
next:
	for i, name := range r.names {
		for _, u := range used {
			if u == name {
				continue next
			}
		}
		if blob, ok := r.values[i].([]byte); ok && len(blob) > blobLimit {
			keepExtra(m, prefix+strings.ToValidUTF8(name, "\uFFFD"), fmt.Sprintf("(%d bytes, SHA-256 %x)", len(blob), sha256.Sum256(blob)))
			continue
		}
		if text := databaseText(r.values[i], r.limit); text != "0" {
			keepExtra(m, prefix+strings.ToValidUTF8(name, "\uFFFD"), text)
		}
	}
}

// lacks lists in what way a database is not all there: what was not yet written
// into it, and what was cut off it.
func (d *database) lacks(in Input) (problems []string) {
	if in.Sibling != nil {
		if _, size, ok := in.Sibling(in.Name + "-wal"); ok && size > 0 {
			problems = append(problems, "beside the database lies its log of what was not yet written into it (-wal), which is not read")
		}
	}
	if d.source.size > in.Size {
		problems = append(problems, fmt.Sprintf("the database is cut off: it states %d bytes and has %d", d.source.size, in.Size))
	}
	return problems
}

// databaseSize is how large a database says that it is: SQLite reads nothing of
// one that is smaller, though most of it may be there. Nothing says that it is
// where the header was written by a program that does not know of it.
func databaseSize(file io.ReaderAt, size int64) int64 {
	head := make([]byte, 100)
	if n, err := file.ReadAt(head, 0); n < len(head) || err != nil || !bytes.Equal(head[24:28], head[92:96]) {
		return size // whoever reads the file will meet it
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 64 << 10
	}
	return max(size, page*int64(binary.BigEndian.Uint32(head[28:])))
}

// databaseFile is a file system with one file, "db".
type databaseFile struct {
	file io.ReaderAt
	size int64 // behind the end of the file, it has zeros
	// err is the last error of the file itself.
	err error
}

func (f *databaseFile) Open(name string) (fs.File, error) {
	if name != "db" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openDatabaseFile{io.NewSectionReader(f, 0, f.size), f}, nil
}

func (f *databaseFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.file.ReadAt(b, at)
	if err != nil && err != io.EOF {
		f.err = fmt.Errorf("read the database at byte %d: %w", at, err)
	}
	if err == io.EOF && at+int64(len(b)) <= f.size {
		clear(b[n:])
		return len(b), nil
	}
	return n, err
}

type openDatabaseFile struct {
	*io.SectionReader
	of *databaseFile
}

func (o *openDatabaseFile) Close() error               { return nil }
func (o *openDatabaseFile) Stat() (fs.FileInfo, error) { return o, nil }
func (o *openDatabaseFile) Name() string               { return "db" }
func (o *openDatabaseFile) Mode() fs.FileMode          { return 0o400 }
func (o *openDatabaseFile) ModTime() time.Time         { return time.Time{} }
func (o *openDatabaseFile) IsDir() bool                { return false }
func (o *openDatabaseFile) Sys() any                   { return nil }

// each calls one for each row of a table.
func (d *database) each(table, order string, one func(*databaseRows) error) error {
	rows, err := d.table(table, order)
	if err != nil {
		return d.damage(err)
	}
	defer rows.close()
	for rows.next() {
		if err := one(rows); err != nil {
			return err
		}
	}
	if rows.err != nil {
		return d.damage(rows.err)
	}
	return nil
}

// has says whether a table has a column.
func (d *database) has(table, column string) bool {
	rows, err := d.query(`SELECT name FROM pragma_table_info(?) WHERE name = ?`, table, column)
	if err != nil {
		return false
	}
	defer rows.close()
	return rows.next()
}
