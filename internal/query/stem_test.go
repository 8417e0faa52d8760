package query

import (
	"testing"

	"pgregory.net/rapid"
)

func TestStems(t *testing.T) {
	tested := 0
	for lang, words := range map[string][][2]string{
		"ar": {{"المدرسة", "مدرسة"}, {"كتابه", "كتاب"}}, "da": {{"hus", "huse"}}, "de": {{"Häuser", "Hauses"}, {"Straßen", "strasse"}}, "en": {{"boats", "boating"}, {"lying", "lie"}},
		"es": {{"canción", "canciones"}, {"barcos", "barco"}}, "fi": {{"talo", "talot"}}, "fr": {{"arrêté", "arrêter"}, {"bateaux", "bateau"}},
		"hu": {{"ház", "házak"}}, "it": {{"ragazzi", "ragazzo"}}, "nl": {{"lopen", "loop"}, {"boten", "boot"}}, "no": {{"båter", "båt"}},
		"pt": {{"importação", "importações"}, {"cargas", "carga"}}, "ro": {{"cărți", "carte"}}, "ru": {{"грузы", "груза"}, {"деньгами", "деньги"}},
		"sv": {{"båtar", "båten"}}, "tr": {{"evler", "evde"}, {"kitaplar", "kitap"}},
	} {
		for _, pair := range words {
			a, b := Analyze(pair[0])[0], Analyze(pair[1])[0]
			if !(Stem{a, lang}).Accepts()([]byte(b)) {
				t.Errorf("%s: %s (%s) does not have the stem of %s (%s)", lang, pair[1], b, pair[0], a)
			}
		}
		tested++
	}
	if tested != len(stemmers) {
		t.Errorf("%d of %d languages tested", tested, len(stemmers))
	}
}

// Each term has its own stem, and a term that has another term's stem begins with that
// term's First.
func TestStemProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lang := rapid.SampledFrom(stemLanguages()).Draw(t, "language")
		for _, term := range Analyze(anyText().Draw(t, "text")) {
			if !(Stem{term, lang}).Accepts()([]byte(term)) {
				t.Fatalf("%s: %q does not have its own stem", lang, term)
			}
		}
	})
}

func BenchmarkStem(b *testing.B) {
	for _, lang := range stemLanguages() {
		accepts := Stem{"shipments", lang}.Accepts()
		b.Run(lang, func(b *testing.B) {
			for b.Loop() {
				accepts([]byte("shipmentings"))
			}
		})
	}
}
