// Language makes internal/language/table.bin, the table of letter sequences that tells
// languages apart, from the statistics of github.com/pemistahl/lingua-go (Apache-2.0):
//
//	go -C tools run ./language ../internal/language/table.bin
//
// It gets the version of the module that is named below from Go's module proxy or cache,
// and checks its hash. The same version gives the same bytes.
//
// For each language, lingua has the probability of a letter given the letters before it,
// for sequences of one to five letters. For each sequence and language, the table holds
// the natural logarithm of the factor by which the last letter becomes more probable when
// the first letter of the sequence is known too. The sum over all sequences in a word is
// the logarithm of the word's probability, except for the sequences that were left out.
// The table holds the sequences with the greatest effect: those with the greatest product
// of frequency and change.
package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

const (
	source    = "github.com/pemistahl/lingua-go@v1.4.0"
	sourceSum = "h1:ifYhthrlW7iO4icdubwlduYnmwU37V1sbNrwhKBR4rM="
)

// groups are the languages of each script, by lingua's names, and the number of pairs of
// sequence and language that the table holds for them. Languages joined by + become one
// class. The order is that of the models in internal/language.
var groups = []struct {
	pairs     int
	languages []string
}{
	{980_000, []string{"en", "nl", "fr", "de", "es", "pt", "it", "sq", "bs+hr", "tr", "pl", "ro", "hu", "cs", "sk", "lt", "lv", "et", "sv", "da", "nb", "fi", "vi", "so"}},
	{140_000, []string{"ru", "uk", "bg", "sr"}},
	{40_000, []string{"ar", "fa", "ur"}},
}

var orders = []string{"unigrams", "bigrams", "trigrams", "quadrigrams", "fivegrams"}

const (
	never = -12.0 // the logarithm of a letter's probability in a language that lacks it
	// seen is added for each sequence of two letters or more that a language has, since
	// there is no penalty for a language that lacks the sequence. The value was found by
	// trial.
	seen = 0.5
)

// A pair is a sequence and a language that has it.
type pair struct {
	letters  string
	language uint8
	order    uint8
	gain     float64 // change of the logarithm
	weight   float64
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "language:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: language FILE")
	}
	folder, err := module()
	if err != nil {
		return err
	}
	var kept []pair
	first := 0
	for _, g := range groups {
		each := make([][]pair, len(g.languages))
		var read errgroup.Group
		read.SetLimit(runtime.GOMAXPROCS(0))
		for i, names := range g.languages {
			read.Go(func() (err error) {
				each[i], err = language(folder, uint8(first+i), names)
				return err
			})
		}
		if err := read.Wait(); err != nil {
			return err
		}
		pairs := slices.Concat(each...)
		first += len(g.languages)
		slices.SortFunc(pairs, func(a, b pair) int {
			if a.weight != b.weight {
				return cmp.Compare(b.weight, a.weight)
			}
			return cmp.Or(cmp.Compare(a.letters, b.letters), cmp.Compare(a.language, b.language))
		})
		kept = append(kept, pairs[:min(len(pairs), g.pairs)]...)
	}
	return os.WriteFile(os.Args[1], table(kept), 0o644)
}

// module returns the folder of the source module.
func module() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", source).Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w", source, err)
	}
	var m struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("download %s: %w", source, err)
	}
	if m.Sum != sourceSum {
		return "", fmt.Errorf("download %s: its hash is %s, want %s", source, m.Sum, sourceSum)
	}
	return m.Dir, nil
}

// odds are the probability of a sequence's last letter, given the others, and the
// probability of the whole sequence.
type odds struct{ last, whole float64 }

// language returns the pairs of a language, or of several languages as one.
func language(folder string, number uint8, names string) (pairs []pair, err error) {
	parts := strings.Split(names, "+")
	shorter := map[string]odds{"": {whole: 1}}
	for n := 1; n <= len(orders); n++ {
		model := map[string]odds{}
		for _, name := range parts {
			if err := read(filepath.Join(folder, "language-models", name, orders[n-1]+".pb.bin.zip"), func(letters string, p float64) {
				model[letters] = odds{last: model[letters].last + p/float64(len(parts))}
			}); err != nil {
				return nil, err
			}
		}
		for letters, o := range model {
			if utf8.RuneCountInString(letters) != n {
				return nil, fmt.Errorf("read the %s of %s: %q", orders[n-1], names, letters)
			}
			_, first := utf8.DecodeRuneInString(letters)
			_, last := utf8.DecodeLastRuneInString(letters)
			o.whole = shorter[letters[:len(letters)-last]].whole * o.last
			if n < len(orders) {
				model[letters] = o
			}
			one := pair{letters: letters, language: number, order: uint8(n)}
			switch before, ok := shorter[letters[first:]]; {
			case n == 1:
				one.gain = max(0, math.Log(o.last)-never)
			case !ok:
				one.gain = math.Log(o.last) - never + seen
			default:
				one.gain = math.Log(o.last) - math.Log(before.last) + seen
			}
			one.weight = float64(o.whole * math.Abs(one.gain))
			if n <= 2 {
				one.weight *= 1000 // keeps nearly all of them, since short words have no longer sequences
			}
			pairs = append(pairs, one)
		}
		shorter = model
	}
	return pairs, nil
}

// read yields the sequences of one of lingua's models, each with its probability. A model is
// a protocol buffer. Its field 4 holds sets, each with a probability (field 1, a double) and
// the sequences that have this probability (field 2).
func read(name string, yield func(letters string, p float64)) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer z.Close()
	f, err := z.File[0].Open()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for len(b) > 0 {
		var set []byte
		var field uint64
		if field, set, b, err = next(b); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if field != 4 {
			continue
		}
		p := 0.0
		for len(set) > 0 {
			var value []byte
			if field, value, set, err = next(set); err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
			if field == 1 {
				p = math.Float64frombits(binary.LittleEndian.Uint64(value))
				continue
			}
			yield(string(value), p)
		}
	}
	return nil
}

// next takes the first field from a protocol buffer.
func next(b []byte) (field uint64, value, rest []byte, err error) {
	key, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, nil, io.ErrUnexpectedEOF
	}
	b = b[n:]
	size := uint64(8)
	switch key & 7 {
	case 0:
		_, n := binary.Uvarint(b)
		size = uint64(max(n, 0))
	case 1:
	case 2:
		length, n := binary.Uvarint(b)
		b, size = b[max(n, 0):], length
	default:
		return 0, nil, nil, fmt.Errorf("a field of type %d", key&7)
	}
	if size > uint64(len(b)) {
		return 0, nil, nil, io.ErrUnexpectedEOF
	}
	return key >> 3, b[:size], b[size:], nil
}

// These constants describe the table; internal/language/table.go has the same values.
const (
	magic    = "argus language table 1\n"
	short    = 3 // number of letters in the longest sequences of the first section
	few      = 14
	many     = 17 // bits of a hash that choose the bucket, in the first and the second section
	markBits = 13
	steps    = 4  // number of steps in 1.0 of a natural logarithm
	lowest   = 16 // added to a number of steps, so that none is negative
)

// hash is the hash function of internal/language.
func hash(letters string) (h uint64) {
	for _, r := range letters {
		h = (h ^ uint64(r) + 1) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h * 0x9E3779B97F4A7C15
}

// table writes the sections: the short sequences, then the others.
func table(pairs []pair) []byte {
	out := bytes.NewBufferString(magic)
	section(out, pairs, few, func(order uint8) bool { return order <= short })
	section(out, pairs, many, func(order uint8) bool { return order > short })
	out.WriteByte(0) // padding, because four bytes are read at once
	return out.Bytes()
}

// section writes the pairs of the orders that has selects, sorted by their hashes.
func section(out *bytes.Buffer, pairs []pair, bits int, has func(order uint8) bool) {
	var slots []uint64 // bucket, mark, language, steps
	for _, p := range pairs {
		if !has(p.order) {
			continue
		}
		h := hash(p.letters)
		gain := min(63, max(0, int(math.Round(p.gain*steps))+lowest))
		slots = append(slots, h>>(64-bits)<<24|h>>(64-many-markBits)&(1<<markBits-1)<<11|uint64(p.language)<<6|uint64(gain))
	}
	slices.Sort(slots)
	three := func(n uint64) { out.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16)}) }
	at := 0
	for bucket := range uint64(1<<bits + 1) {
		for at < len(slots) && slots[at]>>24 < bucket {
			at++
		}
		three(uint64(at))
	}
	for _, s := range slots {
		three(s)
	}
}
