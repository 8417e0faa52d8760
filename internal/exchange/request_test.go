package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/query"
)

func request() *Request {
	return &Request{Store: "0123456789abcdef", By: "anna", Made: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC), Purpose: "case", Offences: []string{"trafficking"},
		Accounts: "A\n=B\n", Words: "snow\nwhite horse\n", From: time.Date(2021, 2, 14, 0, 0, 0, 0, time.UTC), Until: time.Date(2021, 2, 16, 0, 0, 0, 0, time.UTC)}
}

// A request selects the messages that meet all its conditions.
func TestRequest(t *testing.T) {
	signer, key := pair(t, "argus/0123456789abcdef")
	file, err := request().Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRequest(file, key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.Query()
	if err != nil {
		t.Fatal(err)
	}
	and, ok := n.(query.And)
	if !ok || len(and.Nodes) != 3 {
		t.Fatalf("%s", n)
	}
	accounts, words, sent := and.Nodes[0].(query.List), and.Nodes[1].(query.List), and.Nodes[2].(query.Sent)
	if accounts.Field != query.With || len(accounts.Nodes) != 2 || len(words.Nodes) != 2 || sent.From != r.From || sent.To != r.Until {
		t.Errorf("%+v, %+v, %+v", accounts, words, sent)
	}
	for i := range file {
		for _, changed := range []string{string(file[:i]), string(file[:i]) + string([]byte{file[i] ^ 1}) + string(file[i+1:])} {
			if r, err := OpenRequest([]byte(changed), key); !errors.Is(err, signed.ErrRefused) {
				t.Errorf("byte %d: %+v, %v", i, r, err)
			}
		}
	}
}

// A request that asks for everything, or does not say who asks and why, is not signed, and
// refused if it is.
func TestRequestWithoutReason(t *testing.T) {
	signer, key := pair(t, "argus/0123456789abcdef")
	for what, change := range map[string]func(*Request){
		"everything":      func(r *Request) { r.Accounts, r.Words, r.From, r.Until = "", "", time.Time{}, time.Time{} },
		"no store":        func(r *Request) { r.Store = "" },
		"nobody":          func(r *Request) { r.By = " " },
		"no purpose":      func(r *Request) { r.Purpose = "" },
		"no offence":      func(r *Request) { r.Offences = nil },
		"an empty one":    func(r *Request) { r.Offences = []string{"x", ""} },
		"no time":         func(r *Request) { r.Made = time.Time{} },
		"a period back":   func(r *Request) { r.Until = r.From },
		"empty lists":     func(r *Request) { r.Accounts = "\n" },
		"too many words":  func(r *Request) { r.Words = strings.Repeat("a\n", query.MaxList+1) },
		"words of no use": func(r *Request) { r.Words = "...\n" },
	} {
		r := request()
		change(r)
		if file, err := r.Sign(signer); err == nil {
			t.Errorf("%s: signed as %q", what, file)
		}
		file, err := signed.Sign(requestHead, r, signer)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := OpenRequest(file, key); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

// FuzzRequest signs any text: whatever the decoder accepts is encoded to the same file.
func FuzzRequest(f *testing.F) {
	signer, key := pair(f, "argus/0123456789abcdef")
	file, err := request().Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(string(file), "\n\n— ")
	f.Add(text + "\n")
	f.Add(fmt.Sprintf("%s{}\n", requestHead))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		r, err := OpenRequest(file, key)
		if err != nil {
			if !errors.Is(err, signed.ErrRefused) {
				t.Fatalf("%v, want ErrRefused", err)
			}
			return
		}
		if again, err := r.Sign(signer); err != nil || string(again) != string(file) {
			t.Fatalf("%q became %q, %v", file, again, err)
		}
	})
}
