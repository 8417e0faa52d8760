package world

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// The shape of a benchmark's corpus.
const (
	benchWords         = 200_000
	benchAccounts      = 20_000
	benchConversations = 40_000 // two accounts each: four conversations per account
	benchDays          = 730
	benchBuffer        = 256 << 10
)

// benchFunctionWords make up four in ten words of a text.
var benchFunctionWords = []string{"de", "het", "een", "en", "van", "is", "ik", "je", "niet", "dat", "op", "te", "in", "met", "voor",
	"the", "a", "to", "and", "you", "it", "of", "on", "we", "that", "for", "no", "yes", "ok", "que", "la", "el", "y", "no", "si", "en",
	"le", "et", "pas", "tu", "ich", "und", "das", "nicht", "ist", "bir", "bu", "ve", "в", "и", "не", "на", "من", "في"}

// Bench writes n messages as Argus JSON lines for measurements. The texts have about eleven
// words: four in ten are function words, and the others follow Zipf's law (exponent 1) over
// 200,000 invented words. There are 20,000 accounts with about four conversations each. The
// messages extend over two years, in chronological order except for one in fifty, which arrives
// up to ten days late. The lines state that their language is undetermined (und), because the
// words are invented: language detection has a benchmark of its own (package language). The
// same seed writes the same bytes, and a larger n does not need more memory.
func Bench(w io.Writer, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, 0xBE7C4))
	words := benchVocabulary(r)
	heads := benchHeads(r)
	step := float64(benchDays*24*time.Hour/time.Millisecond) / float64(max(n, 1))
	begin := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	clock := benchClock{}
	logWords := math.Log(benchWords)

	buf := make([]byte, 0, benchBuffer+4096)
	for i := range n {
		// The square makes some conversations far busier than others.
		u := r.Float64()
		side := heads[int(u*u*float64(len(heads)))]
		buf = append(buf, side...)
		buf = append(buf, `,"id":"`...)
		buf = strconv.AppendUint(buf, uint64(i)+1, 10)
		buf = append(buf, `","seq":`...)
		buf = strconv.AppendUint(buf, uint64(i)+1, 10)
		at := begin + int64(step*float64(i)) + r.Int64N(60_000)
		if r.IntN(50) == 0 {
			at = max(begin, at-r.Int64N(10*24*3600_000))
		}
		buf = append(buf, `,"sent":"`...)
		buf = clock.append(buf, at)
		buf = append(buf, `","text":"`...)
		for word := range 3 + r.IntN(9) + r.IntN(9) {
			if word > 0 {
				buf = append(buf, ' ')
			}
			if r.IntN(10) < 4 {
				buf = append(buf, benchFunctionWords[r.IntN(len(benchFunctionWords))]...)
			} else {
				// Zipf's law with exponent 1: the rank is log-uniform.
				buf = append(buf, words[int(math.Exp(r.Float64()*logWords))-1]...)
			}
		}
		buf = append(buf, "\",\"lang\":\"und\"}\n"...)
		if len(buf) >= benchBuffer {
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write a benchmark corpus: %w", err)
			}
			buf = buf[:0]
		}
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write a benchmark corpus: %w", err)
	}
	return nil
}

// benchVocabulary invents words by rank; frequent ones are short.
func benchVocabulary(r *rand.Rand) []string {
	const consonants, vowels = "bdfghklmnprstvz", "aeiou"
	words := make([]string, benchWords)
	seen := make(map[string]bool, benchWords)
	for i := range words {
		for {
			word := make([]byte, 0, 12)
			for range 1 + int(math.Log10(float64(i+10))/1.5) + r.IntN(2) {
				word = append(word, consonants[r.IntN(len(consonants))], vowels[r.IntN(len(vowels))])
				if r.IntN(3) == 0 {
					word = append(word, consonants[r.IntN(len(consonants))])
				}
			}
			if words[i] = string(word); !seen[words[i]] {
				break
			}
		}
		seen[words[i]] = true
	}
	return words
}

// benchHeads are the beginnings of lines, one for each direction of each conversation.
func benchHeads(r *rand.Rand) []string {
	accounts := make([]string, benchAccounts)
	for i := range accounts {
		// An odd factor makes the numbers differ and look random.
		pin := uint32(i) * 2_654_435_761 % 2_176_782_336
		accounts[i] = fmt.Sprintf("%06s", strconv.FormatUint(uint64(pin), 36))
	}
	heads := make([]string, 0, 2*benchConversations)
	for i := range benchConversations {
		a := accounts[i%benchAccounts]
		b := accounts[r.IntN(benchAccounts)]
		for b == a {
			b = accounts[r.IntN(benchAccounts)]
		}
		name := a + "|" + b
		if b < a {
			name = b + "|" + a
		}
		const form = `{"service":"sky","conversation":"%s","from":"%s","to":["%s"]`
		heads = append(heads, fmt.Sprintf(form, name, a, b), fmt.Sprintf(form, name, b, a))
	}
	r.Shuffle(len(heads), func(i, j int) { heads[i], heads[j] = heads[j], heads[i] })
	return heads
}

// benchClock writes times, and computes a date only when it changes.
type benchClock struct {
	day  int64
	date []byte
}

func (c *benchClock) append(buf []byte, millis int64) []byte {
	const day = 24 * 3600_000
	if d := millis / day; d != c.day || c.date == nil {
		c.day, c.date = d, time.UnixMilli(d*day).UTC().AppendFormat(c.date[:0], "2006-01-02T")
	}
	ms := int(millis % day)
	buf = append(buf, c.date...)
	two := func(n int, then byte) { buf = append(buf, byte('0'+n/10), byte('0'+n%10), then) }
	two(ms/3600_000, ':')
	two(ms/60_000%60, ':')
	two(ms/1000%60, '.')
	ms %= 1000
	return append(buf, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}
