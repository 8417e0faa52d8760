package query

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/arabic"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

// MaxStems is the maximum number of words with a stem in a query.
const MaxStems = 20

// stemmers holds the Snowball stemmers, keyed by language.
var stemmers = map[string]func(*snowballstem.Env) bool{
	"ar": arabic.Stem, "da": danish.Stem, "de": german.Stem, "en": english.Stem, "es": spanish.Stem, "fi": finnish.Stem,
	"fr": french.Stem, "hu": hungarian.Stem, "it": italian.Stem, "nl": dutch.Stem, "no": norwegian.Stem, "pt": portuguese.Stem,
	"ro": romanian.Stem, "ru": russian.Stem, "sv": swedish.Stem, "tr": turkish.Stem,
}

// accented lists, for each language, endings without the accents that terms have lost,
// paired with the accented forms that Snowball knows.
var accented = map[string][][2]string{
	"ar": {{"ه", "ة"}},
	"es": {{"cion", "ción"}, {"sion", "sión"}},
	"pt": {{"cao", "ção"}, {"coes", "ções"}, {"sao", "são"}, {"soes", "sões"}, {"avel", "ável"}, {"ivel", "ível"}, {"encia", "ência"}, {"ancia", "ância"}},
}

func stemLanguages() []string { return slices.Sorted(maps.Keys(stemmers)) }

// First returns the string with which every matching term begins. Snowball stems keep the
// first character of a word, except in Arabic, where First is empty.
func (n Stem) First() string {
	if n.Lang == "ar" {
		return ""
	}
	_, size := utf8.DecodeRuneInString(n.Term)
	return n.Term[:size]
}

// Accepts returns a function that reports whether a term has the stem. Each goroutine needs
// its own.
func (n Stem) Accepts() func(term []byte) bool {
	stem := stemmers[n.Lang]
	if stem == nil {
		return func([]byte) bool { return false }
	}
	env := snowballstem.NewEnv("")
	of := func(term string) string {
		for _, ending := range accented[n.Lang] {
			if at := len(term) - len(ending[0]); at > 0 && term[at:] == ending[0] {
				term = term[:at] + ending[1]
				break
			}
		}
		env.SetCurrent(term)
		stem(env)
		return env.Current()
	}
	first, want := n.First(), of(n.Term)
	return func(term []byte) bool { return hasPrefix(term, first) && of(string(term)) == want }
}

func (p *parser) stemNode(w piece, term string) (Node, error) {
	if stemmers[w.stem] == nil {
		return nil, p.fail(w.start, w.end, "there are no stems for the language %s; want one of %s", w.stem, list(stemLanguages()))
	}
	if p.stems++; p.stems > MaxStems {
		return nil, p.fail(w.start, w.end, "the query has more than %d words with a stem", MaxStems)
	}
	return Stem{term, w.stem}, nil
}

func (n Stem) String() string { return n.Term + "~" + n.Lang }
