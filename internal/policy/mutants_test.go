package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	attribute = regexp.MustCompile(`(?:context|resource)\.[a-z]+`)
	listed    = regexp.MustCompile(`[A-Z][a-z]+::"[^"]*"`)
	symbol    = regexp.MustCompile(`&&|\|\||!|==|\bin\b|\bwhen\b|\bunless\b|\bforbid\b|\bpermit\b`)
	condition = regexp.MustCompile(`(?m)^(?:when|unless) .*\}`)
)

// slips are typical mistakes in rules. Each function returns the text with one mistake, or the
// unchanged text.
var slips = map[string]func(*rand.Rand, string) string{
	"misspelt attribute": func(rng *rand.Rand, s string) string {
		return once(rng, s, attribute, func(w string) string { return spoil(rng, w, strings.IndexByte(w, '.')+1) })
	},
	"misspelt word": func(rng *rand.Rand, s string) string {
		return once(rng, s, listed, func(w string) string { return spoil(rng, w[:len(w)-1], strings.IndexByte(w, '"')+1) + `"` })
	},
	"misspelt list": func(rng *rand.Rand, s string) string {
		return once(rng, s, listed, func(w string) string { return spoil(rng, w, 0) })
	},
	"another type": func(rng *rand.Rand, s string) string {
		other := []string{`"true"`, "1", "true", "[]", "context.kind", "context.handling", "resource", "principal", `Role::"judge"`, `Class::"ordinary"`}
		return once(rng, s, attribute, func(string) string { return other[rng.IntN(len(other))] })
	},
	"text for a word": func(rng *rand.Rand, s string) string {
		return once(rng, s, listed, func(w string) string { return w[strings.IndexByte(w, '"'):] })
	},
	"a character less": func(rng *rand.Rand, s string) string {
		i := rule(s) + rng.IntN(len(s)-rule(s))
		return s[:i] + s[i+1:]
	},
	"another symbol": func(rng *rand.Rand, s string) string {
		other := []string{"&&", "||", "!", "==", "!=", "in", "when", "unless", "forbid", "permit"}
		return s[:rule(s)] + once(rng, s[rule(s):], symbol, func(string) string { return other[rng.IntN(len(other))] })
	},
	"a condition less": func(rng *rand.Rand, s string) string {
		return once(rng, s, condition, func(string) string { return "" })
	},
}

// rule returns the position at which the rule begins, after its annotations.
func rule(s string) int { return max(strings.Index(s, "\npermit"), strings.Index(s, "\nforbid")) }

// once replaces one match of an expression.
func once(rng *rand.Rand, s string, find *regexp.Regexp, with func(string) string) string {
	places := find.FindAllStringIndex(s, -1)
	if len(places) == 0 {
		return s
	}
	p := places[rng.IntN(len(places))]
	return s[:p[0]] + with(s[p[0]:p[1]]) + s[p[1]:]
}

// spoil omits, doubles or changes a letter after a position.
func spoil(rng *rand.Rand, w string, from int) string {
	i := from + rng.IntN(len(w)-from)
	switch rng.IntN(3) {
	case 0:
		return w[:i] + w[i+1:]
	case 1:
		return w[:i+1] + w[i:]
	}
	return w[:i] + string(rune('a'+rng.IntN(26))) + w[i+1:]
}

// No set of rules with a slip loads and decides differently: either the gate refuses it, or
// the slip changes nothing. The test makes 1,000 slips in files, and also removes files and
// folders.
func TestMutants(t *testing.T) {
	want := 1000
	if testing.Short() {
		want = 200
	}
	rng := rand.New(rand.NewPCG(9, 10))
	requests := make([]Request, 5000)
	for i := range requests {
		requests[i] = random(rng)
	}
	kinds := slices.Sorted(maps.Keys(slips))
	made, loaded, same := map[string]int{}, map[string]int{}, 0
	for _, name := range []string{Generic, "nl"} {
		whole := load(t, name)
		try := func(kind, slip string, base, folder fstest.MapFS) {
			made[kind]++
			var s *Set
			var faults []error
			if name == Generic {
				s, faults = gateOn(base, nil, name)
			} else {
				s, faults = gateOn(base, folder, name)
			}
			if len(faults) > 0 {
				return
			}
			loaded[kind]++
			for _, r := range requests {
				if a, b := s.Decide(r), whole.Decide(r); a.Allowed != b.Allowed {
					t.Errorf("%s: it loads, and %+v is %s, was %s:\n%s", kind, r, a, b, slip)
					return
				}
			}
			same++
		}
		target := func() (base, folder, at fstest.MapFS) {
			base, folder = folderOf(t, Generic), folderOf(t, name)
			if name == Generic {
				return base, nil, base
			}
			return base, folder, folder
		}
		share := want / 2
		for i := 0; i < share; {
			base, folder, at := target()
			files := slices.Sorted(maps.Keys(at))
			file := files[rng.IntN(len(files))]
			if !strings.HasSuffix(file, ".cedar") {
				continue
			}
			kind := kinds[rng.IntN(len(kinds))]
			text := string(at[file].Data)
			slip := slips[kind](rng, text)
			if slip == text {
				continue
			}
			i++
			at[file] = &fstest.MapFile{Data: []byte(slip)}
			try(kind, slip, base, folder)
		}
		base, folder, at := target()
		for file := range at {
			gone := maps.Clone(at)
			delete(gone, file)
			if name == Generic {
				try("a file less", file, gone, nil)
			} else {
				try("a file less", file, base, gone)
			}
		}
		clear(at)
		try("empty", "", base, folder)
	}
	for _, kind := range slices.Sorted(maps.Keys(made)) {
		t.Logf("%-20s %4d made, %3d loaded", kind, made[kind], loaded[kind])
		if loaded[kind] > 0 && (kind == "empty" || kind == "a file less" || strings.HasPrefix(kind, "misspelt") || kind == "text for a word") {
			t.Errorf("%s: %d were loaded, want none", kind, loaded[kind])
		}
	}
	t.Log(fmt.Sprint(same, " loaded and decide the same"))
}

func folderOf(t *testing.T, name string) fstest.MapFS { return maps.Clone(folder(t, name)) }
