package exchange

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/query"
)

var (
	shared  = Secret(strings.Repeat("s", SecretBytes))
	another = Secret(strings.Repeat("t", SecretBytes))
)

func question(t testing.TB) *Question {
	t.Helper()
	q := &Question{Store: "case", By: "anna", Made: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC), Purpose: "case Argus"}
	if err := q.Ask(shared, []byte("+31612345678\nQ3XK9A\nq3xk9a \n")); err != nil {
		t.Fatal(err)
	}
	return q
}

// An answer has the asked accounts that a store has, and nothing else; neither file has the
// text of an account.
func TestHits(t *testing.T) {
	asker, askerKey := pair(t, "argus/case")
	holder, holderKey := pair(t, "argus/holder")
	file, err := question(t).Sign(asker)
	if err != nil {
		t.Fatal(err)
	}
	q, err := OpenQuestion(file, askerKey, shared)
	if err != nil || len(q.Accounts) != 2 {
		t.Fatalf("%+v, %v", q, err)
	}
	if !q.Asks(shared, " Q3XK9A") || q.Asks(shared, "Q3XK9B") || q.Asks(another, "Q3XK9A") {
		t.Error("it asks for others than it should")
	}
	a := &Answer{Store: "holder", Made: q.Made, Question: sha256.Sum256(file), Contact: "desk 5"}
	a.Find(q, shared, []string{"Q3XK9A", "q3xk9a", "SOMEBODY"})
	answer, err := a.Sign(holder)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenAnswer(answer, holderKey, file)
	if err != nil || len(got.Hits) != 1 || got.Hits[0] != shared.Identifier("q3xk9a") || got.Contact != "desk 5" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, word := range []string{"Q3XK9A", "q3xk9a", "612345678", "SOMEBODY"} {
		if strings.Contains(string(file)+string(answer), word) {
			t.Errorf("%s is in a file", word)
		}
	}
	for what, open := range map[string]func() error{
		"another secret":         func() error { _, err := OpenQuestion(file, askerKey, another); return err },
		"another asker":          func() error { _, err := OpenQuestion(file, holderKey, shared); return err },
		"an answer as question":  func() error { _, err := OpenQuestion(answer, holderKey, shared); return err },
		"another question":       func() error { _, err := OpenAnswer(answer, holderKey, file[:10]); return err },
		"another holder":         func() error { _, err := OpenAnswer(answer, askerKey, file); return err },
		"a question as answer":   func() error { _, err := OpenAnswer(file, askerKey, file); return err },
		"a changed answer":       func() error { _, err := OpenAnswer(append([]byte("x"), answer...), holderKey, file); return err },
		"an answer that is cut":  func() error { _, err := OpenAnswer(answer[:len(answer)-1], holderKey, file); return err },
		"a question that is cut": func() error { _, err := OpenQuestion(file[:len(file)-1], askerKey, shared); return err },
	} {
		if err := open(); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range file {
		changed := string(file[:i]) + string([]byte{file[i] ^ 1}) + string(file[i+1:])
		if q, err := OpenQuestion([]byte(changed), askerKey, shared); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("byte %d: %+v, %v", i, q, err)
		}
	}
}

// Questions and answers that lack a part, or have too much, are not signed or not read.
func TestHitsOfNothing(t *testing.T) {
	signer, key := pair(t, "argus/case")
	for what, change := range map[string]func(*Question){
		"no store":   func(q *Question) { q.Store = "" },
		"nobody":     func(q *Question) { q.By = "" },
		"no purpose": func(q *Question) { q.Purpose = " " },
		"no time":    func(q *Question) { q.Made = time.Time{} },
		"nothing":    func(q *Question) { q.Accounts = nil },
		"too much":   func(q *Question) { q.Accounts = make([]argus.Hash, query.MaxList+1) },
		"disorder":   func(q *Question) { q.Accounts[0], q.Accounts[1] = q.Accounts[1], q.Accounts[0] },
		"twice":      func(q *Question) { q.Accounts[1] = q.Accounts[0] },
	} {
		q := question(t)
		change(q)
		if file, err := q.Sign(signer); err == nil {
			t.Errorf("%s: signed as %q", what, file)
		}
		file, err := signed.Sign(questionHead, q, signer)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := OpenQuestion(file, key, shared); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, q, err)
		}
	}
	if file, err := (&Answer{Store: "x"}).Sign(signer); err == nil {
		t.Errorf("an answer without a contact: %q", file)
	}
	if s, err := ParseSecret([]byte(" " + strings.Repeat("s", SecretBytes-1) + "\n")); err == nil {
		t.Errorf("a short secret: %q", s)
	}
	if s, err := ParseSecret([]byte(strings.Repeat("s", SecretBytes) + "\n")); err != nil || string(s) != string(shared) {
		t.Errorf("%q, %v", s, err)
	}
}

// FuzzHits signs any text as a question and as an answer.
func FuzzHits(f *testing.F) {
	signer, key := pair(f, "argus/case")
	file, err := question(f).Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(string(file), "\n\n— ")
	f.Add(text + "\n")
	f.Add(answerHead + "{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		if q, err := OpenQuestion(file, key, shared); err == nil {
			if again, err := q.Sign(signer); err != nil || string(again) != string(file) {
				t.Fatalf("%q became %q, %v", file, again, err)
			}
		} else if !errors.Is(err, signed.ErrRefused) {
			t.Fatal(err)
		}
		if a, err := OpenAnswer(file, key, nil); err == nil {
			if again, err := a.Sign(signer); err != nil || string(again) != string(file) {
				t.Fatalf("%q became %q, %v", file, again, err)
			}
		} else if !errors.Is(err, signed.ErrRefused) {
			t.Fatal(err)
		}
	})
}
