package query

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestAnalyze(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Hello, World!", "hello world"},
		{"", ""},
		{" .,;!? ", ""},
		{"word.word foo_bar o'neil o’neil don't", "word word foo bar o neil o neil don t"},
		{"alice@example.com https://x.nl/a?b=1", "alice example com https x nl a b 1"},
		{"+31 6 1234 NL91ABNA0417164300 3.14 1,000", "31 6 1234 nl91abna0417164300 3 14 1 000"},
		// Latin.
		{"Café CAFE\u0301 naïve Straße STRASSE Łódź Ørsted Đorđe Æther œuvre ﬁn", "cafe cafe naive strasse strasse lodz orsted dorde aether oeuvre fin"},
		{"ISTANBUL İstanbul ıstanbul istanbul'da", "istanbul istanbul istanbul istanbul da"},
		{"ＦＵＬＬ　ｗｉｄｔｈ １２ ①② ½ ㎏ m²", "full width 12 12 1 2 kg m2"},
		{"Θάλασσα ΟΔΟΣ οδός ᾳ", "θαλασσα οδοσ οδοσ α"},
		{"so\u00ADft co\u200Bcaine \u200Ehidden\u200F", "soft co caine hidden"},
		// Cyrillic.
		{"Ёлка елка МОЙ мои мои\u0306 за\u0301мок ЇЖАК п'ять п\u02BCять", "елка елка мой мои мой замок їжак п ять п ять"},
		// Look-alikes: mixed words and number plates in one script, others unchanged.
		{"coсaine сocaine коkаин вот сор cop", "cocaine cocaine кокаин вот сор cop"},
		{"А123ВС тест2 дом5 5д zж йc", "a123bc тест2 дом5 5д zж йс"},
		// Arabic and Persian.
		{"السَّلامُ أحمد إبراهيم آمال مدرسة مدرسه على علي جـــميل", "السلام احمد ابراهيم امال مدرسه مدرسه علي علي جميل"},
		{"می\u200Cخواهم کتاب ٠١٢ ۴۵۶", "ميخواهم كتاب 012 456"},
		// Hebrew.
		{`שָׁלוֹם צה"ל צה״ל צהל ג'ורג' "שלום"`, "שלום צהל צהל צהל גורג שלום"},
		// Indic: vowel signs stay, the nukta goes.
		{"हिन्दी हनदी ज़मीन जमीन বাংলা தமிழ்", "हिन्दी हनदी जमीन जमीन বাংলা தமிழ்"},
		// One term per character.
		{"東京タワー", "東 京 タ ワ ー"},
		{"がか\u3099か ｶﾞ ガ", "か\u3099 か\u3099 か カ\u3099 カ\u3099"},
		{"iPhone手机2", "iphone 手 机 2"},
		{"กินข้าว", "กิ น ข\u0e49 า ว"},
		{"한국어 \u1112\u1161\u11ab국", "한국어 한국"},
		// Emoji.
		{"ok👍🏽👍 ❤️‍🔥 👩‍💻 🇳🇱🇧🇪🇫 1️⃣ ☠", "ok 👍 👍 ❤ 🔥 👩 💻 🇳🇱 🇧🇪 🇫 1 ☠"},
		{"5€ $20 a+b", "5 20 a b"},
		{"a\xffb \xe2\x82 c\x00d", "a b c d"},
		{strings.Repeat("x", 300) + " y", strings.Repeat("x", 256) + " y"},
		{strings.Repeat("x", 255) + "éé y", strings.Repeat("x", 255) + "e y"},
		{strings.Repeat("x", 255) + "жa y", strings.Repeat("x", 255) + " y"},
	} {
		if diff := cmp.Diff(strings.Fields(c.want), Analyze(c.text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("terms of %q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestAnalyzeOffsets(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Hello, World!", "Hello|World"},
		{"Café e\u0301te\u0301", "Café|e\u0301te\u0301"},
		{"½kg", "½|½kg"},
		{"東京👍🏽!", "東|京|👍🏽"},
		{"a" + strings.Repeat("x", 300), "a" + strings.Repeat("x", 300)},
	} {
		var got []string
		var a Analyzer
		for a.Reset(c.text); a.Next(); {
			got = append(got, c.text[a.Start():a.End()])
		}
		if diff := cmp.Diff(strings.Split(c.want, "|"), got); diff != "" {
			t.Errorf("places in %q (-want +got):\n%s", c.text, diff)
		}
	}
}

// Analysing a term yields the same term, so a printed query keeps its meaning.
func TestAnalyzeIdempotentForAllCharacters(t *testing.T) {
	var a Analyzer
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		terms := Analyze("x " + string(r))[1:]
		for _, term := range terms {
			if again := Analyze(term); !slices.Equal(again, []string{term}) {
				t.Fatalf("%U gives %q, which gives %q", r, term, again)
			}
		}
		whole := string(a.foldWhole(string(r)))
		if again := string(a.foldWhole(whole)); again != whole {
			t.Fatalf("%U folds to %q, which folds to %q", r, whole, again)
		}
	}
}

func TestFastAndSlowAgree(t *testing.T) {
	for c := range rune(utf8.RuneSelf) {
		f := pageOf(c).chars[c]
		if fast := ascii[c]; (f.kind() == kindLetter) != (fast > asciiBeyond) || fast > asciiBeyond && f.char() != rune(fast) {
			t.Errorf("%q folds to %q of kind %d, and fast to %q", c, f.char(), f.kind(), fast)
		}
	}
}

// interesting has characters of every script and kind that has a rule.
var interesting = []rune("aZ09 _.'\"-é\u0301ßıİłæ½①ﬁйи\u0306\u0308аckо5ёїق\u064Eأىة\u0640٣שּ\u05B0״'हिक़्東かガ\u3099ー한\u1112\u1161\u11ABกิ\u0E49👍🏽\u200D❤\uFE0F🇳🇱\u20E3\u00AD\u200B\u200E\u0000\uFFFD\u02BC")

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOf(rapid.SampledFrom(interesting)),
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func TestAnalyzeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkAnalysis(t, anyText().Draw(t, "text")) })
}

func FuzzAnalyze(f *testing.F) {
	f.Add("Hello, Wörld 東京 👍🏽")
	f.Add(string(interesting))
	f.Add(strings.Repeat("é", 300) + "\xff")
	f.Fuzz(func(t *testing.T, text string) { checkAnalysis(t, text) })
}

func checkAnalysis(t interface{ Fatalf(string, ...any) }, text string) {
	var a Analyzer
	var terms []string
	start, end := 0, 0
	for a.Reset(text); a.Next(); {
		term := string(a.Term())
		terms = append(terms, term)
		if a.Start() < start || a.End() < end || a.Start() >= a.End() || a.End() > len(text) {
			t.Fatalf("term %q at [%d,%d) after [%d,%d) in %q", term, a.Start(), a.End(), start, end, text)
		}
		start, end = a.Start(), a.End()
		if len(term) == 0 || len(term) > MaxTerm || !utf8.ValidString(term) {
			t.Fatalf("term %q of %d bytes in %q", term, len(term), text)
		}
	}
	if again := Analyze(strings.Join(terms, " ")); !slices.Equal(again, terms) {
		t.Fatalf("%q has the terms %q, which have the terms %q", text, terms, again)
	}
	whole := string(a.foldWhole(text))
	if again := string(a.foldWhole(whole)); again != whole || len(whole) > MaxTerm {
		t.Fatalf("%q folds to %q, which folds to %q", text, whole, again)
	}
	for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
		if other := Analyze(form.String(text)); utf8.ValidString(text) && len(text) < 100 && !slices.Equal(other, terms) {
			t.Fatalf("%q has the terms %q, and normalized to %q the terms %q", text, terms, form.String(text), other)
		}
	}
}

// No term crosses a word boundary of UAX 29, except to include characters that leave no
// trace, such as a tatweel after an emoji.
func TestTermsKeepToUAX29(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := norm.NFKC.String(rapid.StringOf(rapid.OneOf(
			rapid.SampledFrom(interesting), rapid.RuneFrom(nil, unicode.L, unicode.Nd, unicode.Mn, unicode.P, unicode.Z),
		)).Draw(t, "text"))
		boundaries := map[int]bool{}
		for it := words.FromString(text); it.Next(); {
			boundaries[it.Start()] = true
		}
		var a Analyzer
		for a.Reset(text); a.Next(); {
			for i := a.Start() + 1; i < a.End(); i++ {
				r, _ := utf8.DecodeRuneInString(text[i:])
				if boundaries[i] && pageOf(r).chars[r&0xFF].kind() != kindNothing {
					t.Fatalf("term %q of %+q crosses the boundary before %+q", a.Term(), text[a.Start():a.End()], text[i:])
				}
			}
		}
	})
}

func BenchmarkAnalyze(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ascii", "the shipment arrives tomorrow at dock 12 tell him to bring 50k"},
		{"punctuated", "Ok, the shipment's at dock 12. Tell him: bring 50k! Bye bye..."},
		{"accents", "le café est fermé, on se voit à l'hôtel après les congés, André"},
		{"cyrillic", "привет, груз придёт завтра"},
		{"arabic", "البضاعة تصل غدا إلى الميناء"},
		{"chinese", "货物明天到达港口请带钱来"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var a Analyzer
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			n := 0
			for b.Loop() {
				for a.Reset(c.text); a.Next(); {
					n += len(a.Term())
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mmsg/s")
		})
	}
}
