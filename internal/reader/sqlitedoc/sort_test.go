package sqlitedoc

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
)

// TestSortedTable reads a table in an order that no index has and that takes more
// memory than the database's cache: it needs no temporary file.
func TestSortedTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 20_000
	_, err = db.ExecContext(t.Context(), `CREATE TABLE receipt (id INTEGER PRIMARY KEY, message INTEGER, about TEXT);
		WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < $1)
		INSERT INTO receipt SELECT i, (i * 7919) % 300007, printf('%.400c', 'x') FROM n`, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), bytes.NewReader(content), int64(len(content)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sorted, err := d.Table("receipt", "message")
	if err != nil {
		t.Fatal(err)
	}
	defer sorted.Close()
	n, last := 0, int64(-1)
	for ; sorted.Next(); n++ {
		at := sorted.Number("message")
		if at < last {
			t.Fatalf("row %d: %d behind %d", n, at, last)
		}
		last = at
	}
	if sorted.Err != nil || n != rows {
		t.Errorf("%d rows: %v", n, sorted.Err)
	}
}
