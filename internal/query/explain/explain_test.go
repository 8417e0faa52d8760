package explain

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/query"
)

func TestQuery(t *testing.T) {
	words, err := query.ParseList("goods", []byte("snow\nwhite snow\n"))
	if err != nil {
		t.Fatal(err)
	}
	lists := func(string, string) (*query.WordList, error) { return words, nil }
	for text, want := range map[string]string{
		"":            "A message is selected if it is in the store, as every message is",
		"same:00ab12": `A message is selected if its content is the same as that of the message "00ab12"`,
		"same:=8003785c0bc64700d3a38c2ec86b6b1a276dbb8447db430a": "A message is selected if its content has the key 8003785c0bc64700d3a38c2ec86b6b1a276dbb8447db430a",
		"delivery:D-0007 sent:2021-02-14..2021-03-09 (with:Q3XK9A OR from:=7B2FAA)": `A message is selected if each of these is true:
  - it was found in the delivery D-0007
  - it was sent on or after 14 February 2021, 00:00:00 UTC, and before 10 March 2021, 00:00:00 UTC
  - at least one of these is true:
    - its sender, one of its receivers or an account that it names is "q3xk9a"
    - its sender is "7B2FAA", written exactly like this`,
		"list:goods -service:sky": `A message is selected if each of these is true:
  - its text contains one of the 2 entries in the list "goods", in its version with the SHA-256 ` + words.Hash + `
  - this is not true:
    - its service is "sky"`,
		"to:list:goods": `A message is selected if one of its receivers is one of the 2 entries in the list "goods", in its version with the SHA-256 ` + words.Hash,
		"when ->5:other tomorrow": `A message is selected if the second of these is true, and the first is true of one of the 5 messages before it in its conversation that somebody else sent:
  - its text contains the word "when"
  - its text contains the word "tomorrow"`,
		`"the dock" OR har* OR *bour* OR *our OR dok~1 OR boats~en OR =Dock OR /d[0-9]+/ OR 470123456`: `A message is selected if at least one of these is true:
  - its text contains the words "the dock" in this order, with no other words between them
  - its text contains a word that begins with "har"
  - its text contains a word with "bour" in it
  - its text contains a word that ends with "our"
  - its text contains "dok", or a word that differs from it by at most 1 character
  - its text contains a form of the word "boats" in the language "en"
  - its text contains "Dock", written exactly like this
  - part of its text matches the regular expression /d[0-9]+/
  - its text contains the number 470123456, however its digits are grouped`,
		"sent:>=2021 has:attachment is:locked in:har* lang:nl lang:=fr lang:de? country:nl country:=be country:fr? entity:phone sent:<2022 harbour": `A message is selected if each of these is true:
  - it was sent on or after 1 January 2021, 00:00:00 UTC
  - it contains something of this kind: attachment
  - it has this type or state: locked
  - its conversation is one that begins with "har"
  - its language, stated or found by Argus, is "nl"
  - its stated language is "fr"
  - its language is not stated, and Argus found "de"
  - the country that its source states, or that gave out the number of its sender, of a receiver or of an account that it names, is "NL"
  - its source states the country "BE"
  - its sender, a receiver or an account that it names has a number of the country "FR"
  - its text contains the identifier or kind of identifier "phone"
  - it was sent before 1 January 2022, 00:00:00 UTC
  - its text contains the word "harbour"`,
	} {
		n, err := query.Parse(text, query.Options{Lists: lists})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := Query(n); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", text, got, want)
		}
	}
}

// TestAllFields: every field has its own wording.
func TestAllFields(t *testing.T) {
	for _, f := range append(query.Fields, query.Named) {
		if strings.HasPrefix(subject(f), "the field") {
			t.Errorf("%s is not explained", f)
		}
	}
}
