package privilege

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/argus-evidence/argus"
)

func FuzzReadDirectory(f *testing.F) {
	f.Add([]byte(registerNL))
	f.Add([]byte(`[{"name":"a","phone":["+31201234567"],"accounts":{"signal":"x"}}]`))
	f.Add([]byte("{\"email\":\"a@b.example.com\"}\nx\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, report, err := ReadDirectory(context.Background(), data, ReadOptions{Jurisdiction: "NL"})
		if err != nil {
			return
		}
		if report.Rows != report.Entries+report.Lost() || int(report.Entries) != len(d.Entries) {
			t.Fatalf("%+v does not balance", report)
		}
		var text bytes.Buffer
		if err := d.write(&text); err != nil {
			t.Fatalf("the directory cannot be written: %v", err)
		}
		again, err := parseDirectory(&text)
		if err != nil || len(again.Entries) != len(d.Entries) {
			t.Fatalf("the directory cannot be read again: %v", err)
		}
		if _, err := NewSet(d, testKey); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseDirectory(f *testing.F) {
	f.Add([]byte(`{"argus_directory":1,"salt":"` + strings.Repeat("0", 32) + `","entries":1}` + "\n" + `{"profession":"lawyer","identifiers":[{"kind":"phone","value":"+3120"}]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := parseDirectory(bytes.NewReader(data)); err == nil {
			if _, err := NewSet(d, testKey); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzFiles parses bodies of sets and of states, as if they were authentic.
func FuzzFiles(f *testing.F) {
	d := NewDirectory(manyEntries(3))
	set, err := NewSet(d, testKey)
	if err != nil {
		f.Fatal(err)
	}
	data := set.Encode()
	f.Add(data[:len(data)-32])
	r := testRecogniser(f, lawyer)
	for _, s := range hardCase() {
		r.Live(s)
	}
	state := r.state.Encode(testKey)
	f.Add(state[:len(state)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := parseRows(body, testKey); err == nil {
			if again := s.Encode(); !bytes.Equal(again[:len(again)-32], body) {
				t.Fatal("the set is not canonical")
			}
		}
		if s, err := parseState(body); err == nil {
			if _, err := ParseState(s.Encode(testKey), testKey); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzSealed(f *testing.F) {
	to, ids := testRecipients(f)
	batch, envelope, err := NewBatch(to)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := batch.Seal([]byte("x"), ByDirectory, argus.Hash{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(envelope)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := batch.Open(data); err == nil && !bytes.Equal(data, sealed) {
			t.Fatal("a forged message is opened")
		}
		if _, err := OpenEnvelope(data, ids[0]); err == nil && !bytes.Equal(data, envelope) {
			t.Fatal("a forged envelope is opened")
		}
	})
}

func FuzzParseRules(f *testing.F) {
	f.Add("reports [dear] my (lawyer|legal team) ... says", "my lawyer always says")
	f.Add("name ^ adv* ? $", "adv x")
	f.Fuzz(func(t *testing.T, rules, text string) {
		r, err := ParseRules(fstest.MapFS{"xx.txt": {Data: []byte(rules)}})
		if err != nil {
			return
		}
		for _, names := range []bool{false, true} {
			s := &scanner{rules: r, names: names}
			s.read(text)
			for _, m := range s.scan() {
				_ = s.quote(m)
			}
		}
	})
}

// FuzzRecognise judges hostile texts and names.
func FuzzRecognise(f *testing.F) {
	f.Add("a", "b", "a|b", "> quoted\n-----Original Message-----\nx", "Adv. X")
	f.Add("+31624681012", "x@y.example.com/z", "", "My lawyer says no.", "")
	f.Fuzz(func(t *testing.T, from, to, conversation, text, name string) {
		r := testRecogniser(t, lawyer)
		m := &argus.Message{Service: "test", From: from, To: []string{to}, Conversation: conversation, Text: text, FromName: name, Title: name, ForwardedFrom: name, ReplyTo: to, ServiceID: from}
		s := seen(m)
		live := r.Live(s)
		if again := r.Judge(s); again.Class != live.Class {
			t.Fatalf("the second answer is %s, the first %s", again.Class, live.Class)
		}
	})
}

// FuzzOpenText opens texts that nobody sealed, and parses private keys. It finds only
// the text that was sealed.
func FuzzOpenText(f *testing.F) {
	to, ids := testRecipients(f)
	setup := &Setup{to: to}
	sealed, err := setup.SealText("advice")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(sealed)/2])
	f.Add("AGE-SECRET-KEY-1")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := OpenText(text, ids[:]); err == nil && got != "advice" || err != nil && got != "" {
			t.Fatalf("%q opens as %q, %v", text, got, err)
		}
		if keys, err := ParseIdentities([]byte(text)); (err == nil) != (len(keys) > 0) {
			t.Fatalf("%q: %d keys, %v", text, len(keys), err)
		}
	})
}
