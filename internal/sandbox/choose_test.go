//go:build unix

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// TestChoose gives files to formats that find the items in their names: m a message, p a
// problem, s a count, e an error; P is many problems. It checks which format takes the
// file, and which items come out.
func TestChoose(t *testing.T) {
	format := func(finds string) *reader.Format {
		finds, _, _ = strings.Cut(finds, "=")
		return &reader.Format{Name: finds, Version: 1, Read: func(context.Context, reader.Input) iter.Seq2[reader.Item, error] {
			return func(yield func(reader.Item, error) bool) {
				for _, c := range strings.ReplaceAll(finds, "P", strings.Repeat("p", 2*mostHeld)) {
					more := false
					switch c {
					case 'm':
						more = yield(reader.Item{Message: &argus.Message{Service: "x", From: "a", Text: "said"}}, nil)
					case 'p':
						more = yield(reader.Item{Problem: "bad"}, nil)
					case 's':
						more = yield(reader.Item{Stated: &argus.Stated{What: "n", Count: 7}}, nil)
					case 'e':
						more = yield(reader.Item{}, errors.New("torn"))
					}
					if !more {
						return
					}
				}
			}
		}}
	}
	few, many := strings.Repeat("p", mostSuggested), strings.Repeat("p", mostSuggested+1)
	for _, c := range []struct {
		claims    string // with =: as sure as the format before it
		suggested bool
		want      string // the reader, and the items
	}{
		{"pp", false, "pp/1 pp"},
		{"m", false, "m/1 m"},
		{"s", false, "s/1 s"},
		{"ppm pm", false, "ppm/1 ppm"},
		{"pp pmp", false, "pmp/1 pmp"},
		{"- pm", false, "pm/1 pm"},
		{"s mm", false, "mm/1 mm"},
		{"e mm", false, "mm/1 mm"},
		{"- pp", false, "pp/1 pp"},
		{"- -x", false, "-/1 "},
		{"p pp", false, "p/1 p"},
		{"P pm", false, "pm/1 pm"},
		{"P pp", false, "P/1 " + strings.Repeat("p", 2*mostHeld)},
		{"Pmp mm", false, "Pmp/1 " + strings.Repeat("p", 2*mostHeld) + "mp"},
		{"m mm=", false, "m/1 m assumed: m; as sure of the file: mm"},
		{"p m=", false, "m/1 m assumed: m; as sure of the file: p"},
		{few + "m", true, few + "m/1 " + few + "m"},
		{many + "m", true, "none "},
		{"p", true, "none "},
		{"-", true, "none "},
	} {
		var claims []reader.Claim
		for i, name := range strings.Fields(c.claims) {
			sure := 90 - i
			if strings.HasSuffix(name, "=") {
				sure = claims[i-1].Sure
			}
			claims = append(claims, reader.Claim{Format: format(name), Sure: sure})
		}
		got, note := "", ""
		w := work{give: func(e Event) error {
			switch {
			case e.File != nil && e.File.Reader == "":
				got += "none "
			case e.File != nil:
				got += e.File.Reader + " "
			case e.Item.Message != nil:
				got += "m"
				for _, x := range e.Item.Message.Extra {
					note = fmt.Sprintf(" %s: %s", x.Name, strings.TrimPrefix(x.Value, "format: "))
				}
			case e.Item.Stated != nil:
				got += "s"
			default:
				got += "p"
			}
			return nil
		}}
		in := reader.Input{Name: "f", File: bytes.NewReader(nil)}
		if err := w.choose(t.Context(), in, claims, c.suggested, &Event{File: &File{}}, new(reached)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got+note); diff != "" {
			t.Errorf("%s: %s", c.claims, diff)
		}
	}
}

// TestZeroIsNoTime reads the moment 0 from several programs' formats.
func TestZeroIsNoTime(t *testing.T) {
	zero := argus.Time{Raw: "0", Precision: argus.Second}
	m := &argus.Message{Service: "x", From: "a", Sent: zero, Read: zero, Received: argus.Time{Micros: 1, Precision: argus.Micro}}
	r := reading{work: &work{give: func(Event) error { return nil }}}
	if err := r.item(reader.Item{Message: m}); err != nil {
		t.Fatal(err)
	}
	want := []argus.Field{argus.Unread("sent", "0 is not a time"), argus.Unread("read", "0 is not a time")}
	if diff := cmp.Diff(want, m.Extra); diff != "" || m.Sent.Known() || m.Read.Known() || !m.Received.Known() {
		t.Errorf("%+v %s", m, diff)
	}
}
