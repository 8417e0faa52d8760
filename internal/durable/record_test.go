package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestRecord: after an interruption at any moment, either both a file and its record exist in
// the end, or neither.
func TestRecord(t *testing.T) {
	stop := errors.New("stop")
	for _, tt := range []struct {
		name     string
		record   error
		recorded bool // the state of the record when it is settled
		after    func(t *testing.T, name string)
		want     bool
	}{
		{"done", nil, true, nil, true},
		{"before its record", stop, false, nil, false},
		{"after its record", stop, true, nil, true},
		{"before the other name was removed", nil, true, func(t *testing.T, name string) {
			if err := os.Link(name, readyName(name)); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"cut off while it was written", stop, false, func(t *testing.T, name string) {
			if err := errors.Join(os.Chmod(readyName(name), 0o600), os.Truncate(readyName(name), 1)); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "a")
			err := Record(OS{}, name, []byte("text"), func() error {
				if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the file is in place before its record: %v", err)
				}
				if some, err := Unsettled(OS{}, filepath.Dir(name)); !some || err != nil {
					t.Errorf("unsettled: %v, %v", some, err)
				}
				return tt.record
			})
			if !errors.Is(err, tt.record) {
				t.Fatalf("%v, want %v", err, tt.record)
			}
			if tt.after != nil {
				tt.after(t, name)
			}
			for range 2 {
				err = SettleRecords(OS{}, filepath.Dir(name), func(of string, data []byte) bool {
					return of == "a" && string(data) == "text" && tt.recorded
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			entries, err := os.ReadDir(filepath.Dir(name))
			if err != nil || len(entries) > 1 || (len(entries) == 1) != tt.want || tt.want && entries[0].Name() != "a" {
				t.Errorf("%v, %v", entries, err)
			}
			if !tt.want {
				return
			}
			if data, err := os.ReadFile(name); err != nil || string(data) != "text" {
				t.Errorf("%q, %v", data, err)
			}
			err = Record(OS{}, name, []byte("other"), func() error { t.Error("recorded"); return nil })
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("over another file: %v", err)
			}
		})
	}
}
