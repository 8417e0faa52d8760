package entity

import (
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// scene is a text from testdata/find.txt with the lines that follow it.
type scene struct {
	text string
	want []string
}

func scenes(t testing.TB) (list []scene) {
	data, err := os.ReadFile("testdata/find.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "> "); ok {
			list = append(list, scene{text: text})
		} else if line != "" && line[0] != '#' {
			list[len(list)-1].want = append(list[len(list)-1].want, line)
		}
	}
	return list
}

// describe formats an identifier as in testdata/find.txt.
func describe(text string, e Entity) string {
	if written := text[e.Start:e.End]; written != e.Normal {
		return e.Kind + " " + written + " = " + e.Normal
	}
	return e.Kind + " " + e.Normal
}

func TestFind(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenes(t) {
		var got []string
		for _, e := range Find(s.text) {
			got = append(got, describe(s.text, e))
			seen[e.Kind] = true
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", s.text, diff)
		}
	}
	for _, kind := range Kinds() {
		if !seen[kind] {
			t.Errorf("there is no example of %s", kind)
		}
	}
}

func TestNormal(t *testing.T) {
	for written, want := range map[string]string{
		" +44 7700 900123 ": "+447700900123", "490154203237518": "IMEI 490154203237518", "9074729": "IMO 9074729", "Example.org": "example.org",
		"€50k": "EUR 50000", "nl91 abna": "", "07700 900123": "", "phone": "", "": "", "+44 7700 900123 +44 7700 900124": "", "and €50k": "",
		"mscu1234566": "MSCU1234566", "https://example.org/": "", "https://example.org": "", strings.Repeat("a", 1000) + ".org": "",
	} {
		if got, ok := Normal(written); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", written, got, ok, want)
		}
	}
}

// check verifies the package's promises for the identifiers of a text.
func check(t interface{ Errorf(string, ...any) }, text string, found []Entity) {
	end := 0
	for _, e := range found {
		if e.Start < end || e.End <= e.Start || e.End > len(text) {
			t.Errorf("%q: %+v lies outside, or behind the one after it", text, e)
			return
		}
		end = e.End
		if again, ok := Normal(e.Normal); !ok || again != e.Normal {
			t.Errorf("%q: %+v: its normal form is %q, %v", text, e, again, ok)
		}
		if len(e.Normal) > MaxNormal || IsKind(e.Normal) || !IsKind(e.Kind) || strings.TrimSpace(e.Normal) != e.Normal {
			t.Errorf("%q: %+v", text, e)
		}
		for _, at := range []int{e.Start, e.End} {
			if at < len(text) && text[at]&0xC0 == 0x80 && strings.ToValidUTF8(text, "") == text {
				t.Errorf("%q: %+v cuts a character", text, e)
			}
		}
	}
}

// pieces are combined into texts that are almost identifiers.
var pieces = []string{
	" ", "  ", ",", ".", "-", "/", ":", "://", "@", "+", "00", "(0)", "'", "\n", "_", "\u200f", "\u00a0", "é", "ф", "\xff", "٣", "５", "€", "$", "°", "k", "kg", "g", "m", "mln", "euro",
	"EUR", "US", "IMO", "IMEI", "http", "https", "example.org", "a", "MSCU", "NL91", "ABNA", "0417", "1643", "XT", "JKL", "S", "bc1q", "0x",
	"1", "12", "123", "347", "900123", "1234566", "9074729", "490154203237518", "51.2217", "4.4025", "0.00001", "447700900123", "0000", ".5",
}

func TestFindAnything(t *testing.T) {
	var examples []string
	for _, s := range scenes(t) {
		examples = append(examples, s.text)
	}
	var f Finder
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(pieces), rapid.SampledFrom(pieces), rapid.SampledFrom(examples), rapid.String()), 0, 12).Draw(r, "text"), "")
		found := f.Find(text)
		check(r, text, found)
		if diff := cmp.Diff(found, Find(text)); diff != "" && len(found) > 0 {
			r.Errorf("%q: another answer the second time\n%s", text, diff)
		}
	})
}

// TestFindBetween checks that surrounding text that is separated by a space does not
// change an identifier.
func TestFindBetween(t *testing.T) {
	var examples []string
	for _, s := range scenes(t) {
		for _, e := range Find(s.text) {
			if e.Kind != "amount" && e.Kind != "weight" { // 50 euro 20: here the surrounding text matters
				examples = append(examples, s.text[e.Start:e.End])
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		example := rapid.SampledFrom(examples).Draw(r, "example")
		alone := Find(example)
		words := rapid.StringOf(rapid.RuneFrom(nil, unicode.Letter, unicode.P, unicode.So, unicode.M, unicode.Cf))
		text := words.Draw(r, "before") + "\n" + example + "\n" + words.Draw(r, "after")
		for _, e := range Find(text) {
			if len(alone) == 1 && e.Normal == alone[0].Normal {
				return
			}
		}
		if len(alone) == 1 {
			r.Errorf("%q: %v is not found", text, alone)
		}
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range scenes(f) {
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text, Find(text)) })
}

// TestDigits compares the table of zeros with Unicode.
func TestDigits(t *testing.T) {
	for _, zero := range zeros {
		for d := range rune(10) {
			if !unicode.Is(unicode.Nd, zero+d) || digitOf(zero+d) != int(d) {
				t.Errorf("%U: want the digit %d", zero+d, d)
			}
		}
		if digitOf(zero-1) >= 0 || digitOf(zero+10) >= 0 {
			t.Errorf("%U: its neighbours are digits", zero)
		}
	}
}

// TestAnchors checks that reading eight bytes at a time gives the same result as reading
// one at a time.
func TestAnchors(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := rapid.SliceOfN(rapid.ByteRange(0, plainSignEnd), 0, 40).Draw(r, "bytes")
		want := 0
		for want < len(b) && !isDigit(b[want]) && b[want] != '@' && b[want] != ':' {
			want++
		}
		if got := anchorAt(b, 0); got != want {
			r.Errorf("%q: %d, want %d", b, got, want)
		}
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"://", "@", "٣", "＠", "3", ":/"})).Draw(r, "text") +
			rapid.StringMatching(`[a-zа-я：:/]{0,20}`).Draw(r, "rest")
		has := strings.Contains(text, "://") || strings.ContainsFunc(text, func(r rune) bool { return r >= '0' && r <= '9' || r == '@' || r == '＠' || digitOf(r) >= 0 })
		if got := candidate(text); got != has {
			r.Errorf("%q: %v, want %v", text, got, has)
		}
	})
}

// hostile holds texts that make each kind try to match as often as possible.
var hostile = map[string]string{
	"phones": "+1 2 3 4 5 6 7 8 9 0 ", "plus": "+44 7700900123 ", "bases": strings.Repeat("1", 26) + "A ", "hexadecimal": "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed ",
	"at": "@", "addresses": "a@a.", "local": strings.Repeat("a", 63) + "@", "links": "https://", "one word": "a1", "digits": "1 ", "digit": "7", "points": "1.", "groups": "123 ", "money": "1 EUR ",
	"bech32": "bc1" + strings.Repeat("q", 87) + " ", "plates": "X-1-", "degrees": "1.0000,", "IMEI": "IMEI 1-", "letters": "a", "marks": "1\u0301",
}

func BenchmarkHostile(b *testing.B) {
	for name, piece := range hostile {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(piece, 100_000/len(piece))
			b.SetBytes(int64(len(text)))
			var f Finder
			for b.Loop() {
				f.Find(text)
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"nothing", "I will be there in a minute, tell him that the boat is late and that nobody waits for it at the quay"},
		{"nothing in Arabic", "سأكون هناك بعد دقيقة قل له إن القارب متأخر ولا أحد ينتظره"},
		{"nothing in Chinese", "我一会儿就到告诉他船晚点了码头上没有人等它"},
		{"digits", "I will be there at 10:30, tell him that boat 7 is late and that 2 or 3 wait for it since the 14th"},
		{"amount", "tell him that the boat is late, 50k euro if it comes before ten, and nobody waits for it at the quay"},
		{"phone", "tell him that the boat is late, call +44 7700 900123 if it comes before ten, nobody waits for it"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			var f Finder
			for b.Loop() {
				f.Find(c.text)
			}
		})
	}
}
