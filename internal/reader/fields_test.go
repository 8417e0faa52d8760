package reader_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// TestItemsMarkUnknownFields marks the fields that a format does not name, wherever they
// are and however many names a file has.
func TestItemsMarkUnknownFields(t *testing.T) {
	long := strings.Repeat("long", 1000)
	var given []*argus.Message
	f := &reader.Format{Name: "x", Kept: []string{"known", "author.*"}, Read: func(context.Context, reader.Input) iter.Seq2[reader.Item, error] {
		return func(yield func(reader.Item, error) bool) {
			for _, m := range given {
				yield(reader.Item{Message: m}, nil)
			}
			yield(reader.Item{Problem: "p"}, nil)
		}
	}}
	message := func(names ...string) *argus.Message {
		m := &argus.Message{}
		for _, name := range names {
			m.Extra = append(m.Extra, argus.Field{Name: name, Value: "v"})
		}
		return m
	}
	given = []*argus.Message{message("known", "new", "author.id"), message("new", "known", ""), message("known_raw", reader.ExtraRepaired, argus.ExtraAssumed, long, "author"), message(long, long)}
	many := message()
	for i := range 3000 {
		many.Extra = append(many.Extra, argus.Field{Name: fmt.Sprint(i), Value: "v"}, argus.Field{Name: "known", Value: "v"})
	}
	given = append(given, many)
	want := [][]string{
		{"known", "new?", "author.id"}, {"new?", "known", "?"}, {"known_raw", "repaired", "assumed", long + "?", "author?"}, {long + "?", long + "?"},
	}
	i := 0
	for item, err := range f.Items(t.Context(), reader.Input{}) {
		if err != nil {
			t.Fatal(err)
		}
		if i < len(want) {
			var got []string
			for _, x := range item.Message.Extra {
				if name, ok := strings.CutSuffix(x.Value, ": v"); ok && x.Name == argus.ExtraUnread {
					got = append(got, name+"?")
				} else {
					got = append(got, x.Name)
				}
			}
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Error(diff)
			}
		}
		i++
	}
	for n, x := range many.Extra {
		if (x.Name == argus.ExtraUnread) != (n%2 == 0) {
			t.Fatalf("field %d: %v", n, x)
		}
	}
}
