package sqlitedoc

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// FuzzOpen reads every table of a broken database: its faults are reported as damage,
// and no value is longer than the limit plus the note about an overlong value.
func FuzzOpen(f *testing.F) {
	name := filepath.Join(f.TempDir(), "a.db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		f.Fatal(err)
	}
	_, err = db.ExecContext(f.Context(), `CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, sent INTEGER, card BLOB); CREATE INDEX sent ON message (sent);
		INSERT INTO message (body, sent, card) VALUES ('ten', 1, x'0102'), (printf('%.6000c', 'x'), 2, zeroblob(9000)), (NULL, 'soon', NULL)`)
	if err := errors.Join(err, db.Close()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, uint16(1<<16-1))
	f.Add([]byte{100, 0, 0, 0, 13, 4, 16, 0, 0, 7}, uint16(1<<15))
	f.Fuzz(func(t *testing.T, changes []byte, kept uint16) {
		const limit = 1 << 12
		file := readertest.Broken(good, changes, kept)
		d, err := Open(t.Context(), bytes.NewReader(file), int64(len(file)), limit)
		if err != nil {
			if _, ok := errors.AsType[Damaged](err); !ok {
				t.Fatalf("damage is told as %v", err)
			}
			return
		}
		defer d.Close()
		for table := range d.Tables {
			err := d.Each(table, "rowid", func(r *Rows) error {
				for _, column := range r.Names {
					if text := r.Text(column); len(text) > 2*limit || strings.ToValidUTF8(text, "") != text {
						t.Fatalf("%d bytes in %s.%s", len(text), table, column)
					}
				}
				return nil
			})
			if _, ok := errors.AsType[Damaged](err); err != nil && !ok {
				t.Errorf("damage of %s is told as %v", table, err)
			}
		}
	})
}
