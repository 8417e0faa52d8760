package jsondoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzJSON compares the scanner with the library: both accept the same values.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,true,null,"\u00e9\n"],"b":{}}`, `[]`, `{"a":1,}`, `"x`, `01`, `{"a" 1}`, `[1 2]`, `-`, `1.`, `tru`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") >= depthLimit {
			return
		}
		start := Space(text, 0)
		end, err := valueEnd(text, start, 0)
		end2, err2 := valueEnd([]byte(text), start, 0)
		if end != end2 || (err == nil) != (err2 == nil) {
			t.Fatalf("string: %d %v, bytes: %d %v", end, err, end2, err2)
		}
		ours := err == nil && Space(text, end) == len(text)
		d := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		_, libraryErr := d.ReadValue()
		if libraryErr == nil {
			libraryErr = trailing(d)
		}
		if ours != (libraryErr == nil) {
			t.Fatalf("ours %v (%v), library %v", ours, err, libraryErr)
		}
	})
}

func trailing(d *jsontext.Decoder) error {
	if value, err := d.ReadValue(); err == nil || len(value) > 0 {
		return fmt.Errorf("more behind it")
	} else if err.Error() != "EOF" {
		return err
	}
	return nil
}
