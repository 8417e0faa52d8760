package privilege

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// Only a recipient's private key opens a sealed text, of either sort of key, and a changed
// text is damage. Texts of up to 512 bytes have one length.
func TestSealedText(t *testing.T) {
	classic := func() (string, string) {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id.String(), id.Recipient().String()
	}
	hybrid := func() (string, string) {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		return id.String(), id.Recipient().String()
	}
	for name, generate := range map[string]func() (string, string){"X25519": classic, "hybrid": hybrid} {
		private, judge := generate()
		_, second := generate()
		stranger, _ := generate()
		setup, err := NewSetup(judge+"\n"+second, NewKey())
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParseIdentities([]byte("# of the judge\n" + private + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		others, err := ParseIdentities([]byte(stranger))
		if err != nil {
			t.Fatal(err)
		}
		if err := setup.Opens(keys); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for who, wrong := range map[string]Identities{"a stranger": others, "nobody": nil} {
			if err := setup.Opens(wrong); !errors.Is(err, ErrNoKey) {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
		lengths := map[int]bool{}
		for _, text := range []string{"", "advice", strings.Repeat("é", 256)} {
			sealed, err := setup.SealText(text)
			if err != nil {
				t.Fatal(err)
			}
			lengths[len(sealed)] = true
			if got, err := OpenText(sealed, keys); err != nil || got != text {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			for _, damaged := range []string{"", sealed[:len(sealed)-4], sealed[:len(sealed)-8] + "AAAAAAA=", "!" + sealed} {
				if got, err := OpenText(damaged, keys); !errors.Is(err, argus.ErrDamaged) || got != "" {
					t.Errorf("%s: a damaged text: %q, %v", name, got, err)
				}
			}
		}
		if len(lengths) != 1 {
			t.Errorf("%s: lengths %v", name, lengths)
		}
	}
	for _, text := range []string{"", "AGE-SECRET-KEY-1SECRET", "age1jnu2g9dqw6kn77qr4rxh9ad3qzc0nxm9ujpu96zagykgl72lfayqst5qlt"} {
		if got, err := ParseIdentities([]byte(text)); err == nil || got != nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// A person is named for each message of its accounts, numbers and domains, on the days of
// its protection.
func TestNamesOfParties(t *testing.T) {
	d, _, err := ReadDirectory(t.Context(), []byte("name,profession,service,account,phone,domain,until\nNN 1,lawyer,sky,L1,,,2020-12-31\nNN 2,notary,,,06-12345678,,\n,doctor,,,,clinic.example.nl,\n"), ReadOptions{Jurisdiction: "NL"})
	if err != nil || len(d.Entries) != 3 {
		t.Fatal(d, err)
	}
	n := NewNames(d, "NL")
	at := func(year int) argus.Time {
		return argus.Time{Micros: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), Precision: argus.Second}
	}
	for _, test := range []struct {
		m    argus.Message
		want []string
	}{
		{argus.Message{Service: "sky", From: "a", To: []string{"l1"}, Sent: at(2019)}, []string{"NN 1"}},
		{argus.Message{Service: "sky", From: "a", To: []string{"l1"}, Sent: at(2022)}, nil},
		{argus.Message{Service: "sky", From: "a", To: []string{"l1"}}, []string{"NN 1"}},
		{argus.Message{Service: "chat", From: "a", To: []string{"l1"}, Sent: at(2019)}, nil},
		{argus.Message{Service: "sms", Conversation: "+31612345678|b", From: "b", Sent: at(2022)}, []string{"NN 2"}},
		{argus.Message{Service: "mail", From: "x@mail.clinic.example.nl", To: []string{"0612345678"}, Sent: at(2022)}, []string{"NN 2", "doctor clinic.example.nl"}},
	} {
		if got := n.Of(&test.m); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q, want %q", test.m, got, test.want)
		}
	}
}
