// Package sqlitedoc reads the databases of apps, and the property lists in them.
//
// Nothing is written, and no value is longer than the limit. Damage is told apart from
// a file that cannot be read.
package sqlitedoc

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
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite"
	"modernc.org/sqlite/vfs"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
)

// Databases of apps. SQLite reads them through a file system that has only this file
// and cannot write, so that neither the original nor any other file can change; they are
// opened as immutable: without a lock, a journal or a log. Sorting happens in memory, since
// there is no place for temporary files.

// Mentions reports whether a file is a database in which the statements that created its
// tables contain one of the given words.
func Mentions(s reader.Sample, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return bytes.Contains(s.Schema, []byte(word)) })
}

// Database is an open database.
type Database struct {
	ctx    context.Context
	source *onlyFile
	vfs    *vfs.FS
	db     *sql.DB
	limit  int
	Tables map[string]bool
	// asked is the set of tables that were read. unread counts, by table and column, the
	// values of columns that were not asked for, and orphans the rows that belong to no row
	// of another table.
	asked           map[string]bool
	unread, orphans map[string]uint64
}

// Open opens a database whose values may be limit bytes long. The error is a Damaged if the
// database is at fault.
func Open(ctx context.Context, file io.ReaderAt, size int64, limit int) (*Database, error) {
	d := &Database{ctx: ctx, source: &onlyFile{file: file, size: statedSize(file, size)}, limit: limit, Tables: map[string]bool{}, asked: map[string]bool{}, unread: map[string]uint64{}, orphans: map[string]uint64{}}
	name, system, err := vfs.New(d.source)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d.vfs = system
	if d.db, err = sql.Open("sqlite", "file:db?mode=ro&immutable=1&vfs="+name+
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=cache_size(-4000)&_pragma=temp_store(2)"); err != nil {
		d.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	// A view or a virtual table with the name of an expected table could do anything.
	rows, err := d.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT 10000`)
	if err != nil {
		d.Close()
		return nil, d.Damage(err)
	}
	defer rows.Close()
	for rows.Next() {
		d.Tables[rows.Text("name")] = true
	}
	if rows.Err != nil {
		d.Close()
		return nil, d.Damage(rows.Err)
	}
	return d, nil
}

// Stated returns how many rows of a table have ever been numbered, if the database keeps
// count: the difference is the deleted rows. passed counts the rows that are not records;
// the last argument counts the items that are not rows.
func (d *Database) Stated(table string, passed, besides uint64) (item reader.Item, ok bool) {
	if !d.Tables["sqlite_sequence"] {
		return item, false
	}
	rows, err := d.Query(`SELECT seq FROM sqlite_sequence WHERE name = ?`, table)
	if err != nil {
		return item, false // the table has another form: damage shows in the tables themselves
	}
	defer rows.Close()
	if !rows.Next() || rows.Number("seq") < 0 {
		return item, false
	}
	n := uint64(rows.Number("seq"))
	return reader.Item{Stated: &argus.Stated{What: "sqlite_sequence of " + table, Count: n - min(n, passed), Besides: besides}}, true
}

// Orphans records that n rows belong to no row of another table.
func (d *Database) Orphans(table string, rows *Rows, n uint64) {
	if n > 0 {
		d.orphans[table] += n
		rows.kept = true // the rows count, not their columns
	}
}

// Left returns a problem for everything that was found in the tables but is in no item: rows
// that belong to no other row, the values of columns that were not asked for, except those
// that a format ignores, and whole tables.
func (d *Database) Left(ignored map[string]string) (item reader.Item, ok bool) {
	for name := range ignored {
		delete(d.unread, name)
	}
	counted := func(of map[string]uint64) (names []string) {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			names = append(names, fmt.Sprintf("%d in %s", of[name], name))
		}
		return names
	}
	var said []string
	for _, left := range []struct {
		words string
		names []string
	}{
		{"rows that belong to nothing in the database: ", counted(d.orphans)},
		{"values of columns that are not read: ", counted(d.unread)},
		{"tables that are not read: ", d.notAsked()},
	} {
		names := left.names
		for i := range names {
			names[i] = names[i][:min(len(names[i]), leftName)]
		}
		if more := len(names) - leftNames; more > 0 {
			names = append(names[:leftNames], fmt.Sprintf("and %d more", more))
		}
		if names != nil {
			said = append(said, left.words+strings.ToValidUTF8(strings.Join(names, ", "), "\uFFFD"))
		}
	}
	return reader.Item{Problem: strings.Join(said, "; ")}, said != nil
}

// leftNames is how many tables or columns are named, and leftName how many bytes of each
// name are shown.
const (
	leftNames = 40
	leftName  = 120
)

// Close ends the reading. Its errors are ignored, since nothing was written.
func (d *Database) Close() {
	if d.db != nil {
		_ = d.db.Close()
	}
	_ = d.vfs.Close()
}

// Damaged is a fault in a database, not an error in reading it.
type Damaged struct{ Err error }

func (d Damaged) Error() string { return d.Err.Error() }

// Damage separates faults of the database from those of its file.
func (d *Database) Damage(err error) error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	if d.source.err != nil {
		return d.source.err
	}
	return Damaged{Err: fmt.Errorf("the database is damaged: %w", err)}
}

// Lost returns a problem for an unreadable table, whose facts are missing from the messages.
// The error is one of reading the file.
func (d *Database) Lost(table string, err error) (reader.Item, error) {
	err = d.Damage(err)
	if _, ok := errors.AsType[Damaged](err); !ok {
		return reader.Item{}, err
	}
	return reader.Item{Problem: fmt.Sprintf("the table %s cannot be read, so messages lack its content: %v", strings.ToValidUTF8(table, "\uFFFD"), err)}, nil
}

// Query begins a query on a connection of its own.
func (d *Database) Query(query string, args ...any) (*Rows, error) {
	connection, err := d.db.Conn(d.ctx)
	if err != nil {
		return nil, err
	}
	r := &Rows{connection: connection, limit: d.limit}
	if r.rows, err = connection.QueryContext(d.ctx, query, args...); err == nil { //nolint:rowserrcheck // Next does
		r.Names, err = r.rows.Columns()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	r.values, r.into = make([]any, len(r.Names)), make([]any, len(r.Names))
	for i := range r.values {
		r.into[i] = &r.values[i]
	}
	return r, nil
}

// Table begins to read a table in the order of a column. There are no rows if there is no
// such table. A value longer than the limit is not read. Each column is selected as an
// expression, so that the driver does not convert values of columns that are declared as
// times.
func (d *Database) Table(name, order string) (*Rows, error) {
	if !d.Tables[name] {
		return &Rows{}, nil
	}
	d.asked[name] = true
	names, err := d.columns(name)
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, fmt.Errorf("the table %q has no columns", name))
	}
	var columns []string
	ordered := false
	for _, column := range names {
		ordered = ordered || column == order
		columns = append(columns, fmt.Sprintf("CASE WHEN octet_length(%[1]s) > %[2]d THEN '(' || octet_length(%[1]s) || ' bytes, not read)' ELSE %[1]s END AS %[1]s", quoteName(column), d.limit))
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + quoteName(name)
	if ordered || order == "rowid" {
		query += " ORDER BY " + quoteName(name) + "." + quoteName(order)
	}
	rows, err := d.Query(query)
	if err == nil {
		rows.of, rows.table = d, name
		rows.used, rows.filled = make([]bool, len(rows.Names)), make([]uint64, len(rows.Names))
		for i, column := range rows.Names {
			rows.used[i] = column == order || slices.Contains(rowNumbers, column)
		}
	}
	return rows, err
}

// columns returns the names of the columns of a table.
func (d *Database) columns(table string) (names []string, err error) {
	info, err := d.Query(`SELECT name FROM pragma_table_info(?) LIMIT 1000`, table)
	if err != nil {
		return nil, err
	}
	defer info.Close()
	for info.Next() {
		names = append(names, info.Text("name"))
	}
	return names, info.Err
}

// Rest counts the values of the columns of a table that a query does not ask for.
func (d *Database) Rest(table string, asked ...string) {
	d.asked[table] = true
	names, err := d.columns(table)
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(asked, name) || slices.Contains(rowNumbers, name) })
	if err != nil || len(names) == 0 {
		return // the query will meet the same damage
	}
	var columns []string
	for i, name := range names {
		columns = append(columns, fmt.Sprintf("sum(coalesce(%[1]s <> '' AND %[1]s <> 0, 0)) AS c%d", quoteName(name), i))
	}
	rows, err := d.Query("SELECT " + strings.Join(columns, ", ") + " FROM " + quoteName(table))
	if err != nil {
		return
	}
	defer rows.Close()
	if !rows.Next() {
		return
	}
	for i, name := range names {
		if n := rows.Number(fmt.Sprintf("c%d", i)); n > 0 {
			d.unread[table+"."+name] += uint64(n)
		}
	}
}

// notAsked returns the tables that have rows and were not read.
func (d *Database) notAsked() (names []string) {
	for _, table := range slices.Sorted(maps.Keys(d.Tables)) {
		if d.asked[table] || strings.HasPrefix(table, "sqlite_") || slices.Contains(ofTheSystem, table) {
			continue
		}
		rows, err := d.Query("SELECT 1 AS n FROM " + quoteName(table) + " LIMIT 1")
		if err != nil {
			continue
		}
		if rows.Next() {
			names = append(names, table)
		}
		rows.Close()
	}
	return names
}

// ofTheSystem are the tables that Android and Core Data keep about the other tables.
var ofTheSystem = []string{"android_metadata", "room_master_table", "Z_PRIMARYKEY", "Z_METADATA", "Z_MODELCACHE"}

// rowNumbers are the columns in which SQLite, Android and Core Data store row numbers.
var rowNumbers = []string{"rowid", "ROWID", "_id", "Z_PK", "Z_ENT", "Z_OPT"}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Rows are the rows of a query. The zero value has none.
type Rows struct {
	connection   *sql.Conn
	rows         *sql.Rows
	Names        []string
	values, into []any
	limit        int
	Err          error
	// If a query asks for all columns of a table, of is its database and table its table;
	// used is the set of columns that were read, and filled counts the values of each column;
	// kept is set if all columns are read.
	of     *Database
	table  string
	used   []bool
	filled []uint64
	kept   bool
}

// Next moves to the next row and reports whether it exists.
func (r *Rows) Next() bool {
	if r.rows == nil || r.Err != nil {
		return false
	}
	if !r.rows.Next() {
		r.Err = r.rows.Err()
		return false
	}
	r.Err = r.rows.Scan(r.into...)
	for i := 0; i < len(r.used) && !r.kept && r.Err == nil; i++ {
		if !r.used[i] && hasValue(r.values[i]) {
			r.filled[i]++
		}
	}
	return r.Err == nil
}

// hasValue reports whether a value is not NULL, 0 or empty.
func hasValue(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []byte:
		return len(v) > 0
	}
	return true
}

// Close ends the query.
func (r *Rows) Close() {
	for i := 0; i < len(r.used) && !r.kept; i++ {
		if !r.used[i] && r.filled[i] > 0 {
			r.of.unread[r.table+"."+r.Names[i]] += r.filled[i]
		}
	}
	r.kept = true
	if r.rows != nil {
		_ = r.rows.Close()
	}
	if r.connection != nil {
		_ = r.connection.Close()
	}
}

// Value returns a value of the row, or nil if there is no such column.
func (r *Rows) Value(name string) any {
	for i := range r.Names {
		if r.Names[i] == name {
			if i < len(r.used) {
				r.used[i] = true
			}
			return r.values[i]
		}
	}
	return nil
}

// Text returns a value as text; bytes are written as base64.
func (r *Rows) Text(name string) string { return textOf(r.Value(name), r.limit) }

func textOf(value any, limit int) string {
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

// Number returns a value as a whole number, or 0 if it is not one.
func (r *Rows) Number(name string) int64 {
	n, _ := r.Value(name).(int64)
	return n
}

// blobLimit is the maximum size in bytes of a value that is kept as base64; longer ones,
// mostly pictures, are named by their hash.
const blobLimit = 256

// Keep adds the unused values to a message, under a prefix. NULL, 0 and "" count as no
// value.
func (r *Rows) Keep(m *argus.Message, prefix string, used ...string) {
	r.kept = true
next:
	for i, name := range r.Names {
		for _, u := range used {
			if u == name {
				continue next
			}
		}
		if blob, ok := r.values[i].([]byte); ok && len(blob) > blobLimit {
			build.KeepExtra(m, prefix+strings.ToValidUTF8(name, "\uFFFD"), fmt.Sprintf("(%d bytes, SHA-256 %x)", len(blob), sha256.Sum256(blob)))
			continue
		}
		if text := textOf(r.values[i], r.limit); text != "0" {
			build.KeepExtra(m, prefix+strings.ToValidUTF8(name, "\uFFFD"), text)
		}
	}
}

// Lacks lists the ways in which a database is incomplete: data not yet written into it, and
// data cut off from it.
func (d *Database) Lacks(in reader.Input) (problems []string) {
	if in.Sibling != nil {
		if _, size, ok := in.Sibling(in.Name + "-wal"); ok && size > 0 {
			problems = append(problems, "the database has a write-ahead log (-wal) beside it, which is not read")
		}
	}
	if d.source.size > in.Size {
		problems = append(problems, fmt.Sprintf("the database is cut off: it states %d bytes and has %d", d.source.size, in.Size))
	}
	return problems
}

// statedSize returns the size that a database claims to have: SQLite reads nothing from a
// smaller file, though most of the data may be there. The size in the header is not used if
// the header was written by a program that does not maintain it.
func statedSize(file io.ReaderAt, size int64) int64 {
	head := make([]byte, 100)
	if n, err := file.ReadAt(head, 0); n < len(head) || err != nil || !bytes.Equal(head[24:28], head[92:96]) {
		return size // whoever reads the file gets the same error
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 64 << 10
	}
	return max(size, page*int64(binary.BigEndian.Uint32(head[28:])))
}

// onlyFile is a file system with one file, "db".
type onlyFile struct {
	file io.ReaderAt
	size int64 // beyond the end of the file, it reads as zeros
	// err is the last error of the file itself.
	err error
}

func (f *onlyFile) Open(name string) (fs.File, error) {
	if name != "db" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openFile{io.NewSectionReader(f, 0, f.size), f}, nil
}

func (f *onlyFile) ReadAt(b []byte, at int64) (int, error) {
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

type openFile struct {
	*io.SectionReader
	of *onlyFile
}

func (o *openFile) Close() error               { return nil }
func (o *openFile) Stat() (fs.FileInfo, error) { return o, nil }
func (o *openFile) Name() string               { return "db" }
func (o *openFile) Mode() fs.FileMode          { return 0o400 }
func (o *openFile) ModTime() time.Time         { return time.Time{} }
func (o *openFile) IsDir() bool                { return false }
func (o *openFile) Sys() any                   { return nil }

// Each calls one for each row of a table.
func (d *Database) Each(table, order string, one func(*Rows) error) error {
	rows, err := d.Table(table, order)
	if err != nil {
		return d.Damage(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows); err != nil {
			return err
		}
	}
	if rows.Err != nil {
		return d.Damage(rows.Err)
	}
	return nil
}

// Has reports whether a table has a column.
func (d *Database) Has(table, column string) bool {
	rows, err := d.Query(`SELECT name FROM pragma_table_info(?) WHERE name = ?`, table, column)
	if err != nil {
		return false
	}
	defer rows.Close()
	return rows.Next()
}
