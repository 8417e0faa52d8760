package embedded

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// searchAll must find the same keys as search.
func TestSearchAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 5, -1)
		var w sortedWriter
		for _, s := range slices.Sorted(maps.Keys(rapid.MapOfN(word, rapid.Bool(), 0, 200).Draw(t, "list"))) {
			w.add([]byte(s))
		}
		var written bytes.Buffer
		out := newOutput(&written)
		w.writeTo(out)
		out.flush()
		list, err := parseSorted(written.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		var keys [][]byte
		for _, s := range rapid.SliceOfN(word, 0, 30).Draw(t, "keys") {
			keys = append(keys, []byte(s))
		}
		slices.SortFunc(keys, bytes.Compare)
		var want []int
		for _, key := range keys {
			if ordinal, found := list.search(key); found {
				want = append(want, ordinal)
			}
		}
		if got := slices.Collect(list.searchAll(keys)); !slices.Equal(got, want) {
			t.Fatalf("found %v of %q, want %v", got, keys, want)
		}
	})
}
