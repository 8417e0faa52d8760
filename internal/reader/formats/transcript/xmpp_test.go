package transcript

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestFactsOfXMPP reads messages without a body.
func TestFactsOfXMPP(t *testing.T) {
	for inside, want := range map[string]string{
		`<reactions id="m-1" xmlns="urn:xmpp:reactions:0"><reaction>a</reaction><reaction>b</reaction></reactions>`: `reaction {"reaction":{"to":"m-1","sign":"a b"}} reactions`,
		`<reactions id="m-1" xmlns="urn:xmpp:reactions:0"/>`:                                                        `reaction {"reaction":{"to":"m-1","removed":true}} reactions`,
		`<subject>ropes</subject>`: `room {"room":{"topic":"ropes"}} subject: ropes`,
		`<subject/>`:               `notice  subject`,
	} {
		file := `<message xmlns="jabber:client" from="a@x" to="b@x" id="1">` + inside + `</message>`
		m := readertest.Check(t, XMPP, readertest.Input("f", []byte(file), reader.Options{}))[0].Message
		if got := readertest.SayFacts(t, m); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", inside, got, want)
		}
	}
}

func FuzzXMPP(f *testing.F) {
	f.Add(readertest.ReadFile(f, "../../testdata/xmpp/mam.xml"))
	f.Add(readertest.ReadFile(f, "../../testdata/xmpp/server.xml"))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, XMPP, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}
