package mail

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestMboxCuts moves a postmark across the edges of the view.
func TestMboxCuts(t *testing.T) {
	const first, second = "From a@x.test Sun Feb 14 12:03:11 2021\nFrom: a@x.test\n\n", "From b@x.test Sun Feb 14 12:04:11 2021\nFrom: b@x.test\n\nbody\n"
	const chunk = 256 << 10 // of the view of the file
	for _, edge := range []int{postmarkLimit, chunk - postmarkLimit, chunk, 2 * chunk} {
		for size := edge - 60; size < edge+10; size++ {
			fill := strings.Repeat("x", max(0, size-len(first)-2)) + "\n\n"
			items := readertest.Check(t, Mbox, readertest.Input("f", []byte(first+fill+second), reader.Options{}))
			if len(items) != 2 || items[1].Message == nil || items[1].Message.From != "b@x.test" || items[1].Where.Offset != int64(len(first+fill)) {
				t.Fatalf("filled to %d: %d items", size, len(items))
			}
		}
	}
}

func TestMailBounds(t *testing.T) {
	const head = "From: a@x.test\nMessage-ID: <1@x>\nContent-Type: multipart/mixed; boundary=b\n\n"
	var nested strings.Builder
	nested.WriteString("From: a@x.test\n")
	for i := range 40 {
		nested.WriteString(fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i))
	}
	for name, c := range map[string]struct{ text, want string }{
		"endless parts": {head + strings.Repeat("--b\n\nx\n", 2*mimeParts), "more than 1000 parts"},
		"deep parts":    {nested.String() + "\nx", "more than 16 deep"},
		"endless line":  {"From: a@x.test\nX: " + strings.Repeat("x", headerLimit+1), "want a header of at most"},
		"long text":     {"From: a@x.test\n\n" + strings.Repeat("x", 5000), "it is cut"},
		"two texts":     {head + strings.Repeat("--b\nContent-Type: text/plain; charset=iso-8859-1\n\n"+strings.Repeat("\xE9", 4000)+"\n", 2), "it is cut"},
		"bad base64":    {"From: a@x.test\nContent-Transfer-Encoding: base64\n\nAAAA=AAA=", "is damaged"},
		"no sender":     {"Subject: x\n\nx", "the message names no sender"},
		"long mails":    {head + strings.Repeat("--b\nContent-Type: message/rfc822\n\nFrom: b@x.test\n"+strings.Repeat("X: y\n", 100)+"\nz\n", 3), "an enclosed mail: want a header of at most"},
		"no boundary":   {"From: a@x.test\nContent-Type: multipart/mixed; boundary=zz\n\n--b\n\nx", "end early"},
	} {
		items := readertest.Check(t, EML, readertest.Input("f", []byte(c.text), reader.Options{MaxRecord: 4096}))
		said := items[0].Problem
		if m := items[0].Message; m != nil {
			said = fmt.Sprint(m.Extra)
		}
		if strings.HasPrefix(name, "long mails") {
			said, items = items[1].Problem, items[:1]
		}
		if len(items) != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// TestMailsInMails reads a digest, whose parts are mails unless they state another type, and
// one without a sender.
func TestMailsInMails(t *testing.T) {
	mail := "From: a@x.test\nMessage-ID: <1@x.test>\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: b@x.test\n\none\n--b\n\nSubject: draft\n\ntwo\n--b\nContent-Type: text/plain\n\nthree\n--b--\n"
	var got []string
	for _, item := range readertest.Check(t, EML, readertest.Input("f", []byte(mail), reader.Options{})) {
		if item.Message == nil {
			got = append(got, fmt.Sprint(item.Where.Record, " ", item.Problem))
		} else {
			got = append(got, fmt.Sprint(item.Where.Record, " ", item.Message.From, ": ", item.Message.Text))
		}
	}
	want := []string{"1 a@x.test: three", "1048577 b@x.test: one", "1048578 an enclosed mail: the message names no sender"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMailAddresses splits lists that break the rules.
func TestMailAddresses(t *testing.T) {
	for raw, want := range map[string]string{
		"a@x.test, b@x.test":                                       "<a@x.test> <b@x.test>",
		"a@x.test; b@x.test;":                                      "<a@x.test> <b@x.test>",
		"a@x.test b@x.test":                                        "<a@x.test> <b@x.test>",
		"<a@x.test> <b@x.test>":                                    "<a@x.test> <b@x.test>",
		"Ann <a@x.test> Bo <b@x.test>":                             "Ann<a@x.test> Bo<b@x.test>",
		`Ann <a@x.test>; "Semi; Name" <b@x.test>`:                  "Ann<a@x.test> Semi; Name<b@x.test>",
		`"open <a@x.test>, b@x.test`:                               "open<a@x.test> <b@x.test>",
		"Crew: a@x.test, b@x.test;, Cas <c@x.test>":                "<a@x.test> <b@x.test> Cas<c@x.test>",
		"Crew: a@x.test; b@x.test":                                 "<a@x.test> <b@x.test>",
		"undisclosed-recipients:;":                                 "",
		"Undisclosed recipients:;, a@x.test":                       "<a@x.test>",
		"a@x.test (Ann, of the harbour); b@x.test":                 "Ann, of the harbour<a@x.test> <b@x.test>",
		"Jansen, Jan <j@x.test>":                                   "Jan<j@x.test> ?Jansen",
		"'a@x.test'; \"'Ann'\" <b@x.test>":                         "<a@x.test> Ann<b@x.test>",
		"=?utf-8?Q?G=C3=B6tz_=3Cg@x.test=3E?=":                     "Götz<g@x.test>",
		`"=?UTF-8?B?UmVuw6k=?=" <r@x.test>`:                        "René<r@x.test>",
		"Ann <mailto:a@x.test>; mailto:b@x.test":                   "Ann<a@x.test> <b@x.test>",
		"Everybody; <Undisclosed Recipients>; a@x.test":            "<a@x.test> ?Everybody ?<Undisclosed Recipients>",
		"Ann <>; b@x.test":                                         "<b@x.test> ?Ann <>",
		"\"a\\\"b\" <a@x.test>; \"x":                               "a\"b<a@x.test> ?\"x",
		strings.Repeat("(", 1000) + "a@x.test":                     "?" + strings.Repeat("(", 1000) + "a@x.test",
		"a@x.test, a@x.test" + strings.Repeat(";", 1000) + "b@x.y": "<a@x.test> <a@x.test> <b@x.y>",
	} {
		var got []string
		list, others := mailAddresses(raw)
		for _, a := range list {
			got = append(got, a.Name+"<"+a.Address+">")
		}
		for _, one := range others {
			got = append(got, "?"+one)
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%.80q: %q, want %q", raw, got, want)
		}
	}
}

// FuzzMailAddresses checks that the results are addresses, and that nothing in the list is
// lost.
func FuzzMailAddresses(f *testing.F) {
	for _, raw := range []string{`Ann <a@x.test>; "Semi; Name" <b@x.test>`, "Crew: a@x.test, b@x.test;", "=?utf-8?Q?G=C3=B6tz_=3Cg@x.test=3E?=", "a@x (b", `"\`} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		list, _ := mailAddresses(raw)
		for _, a := range list {
			if !strings.Contains(a.Address, "@") {
				t.Errorf("%q: %q", raw, a.Address)
			}
		}
	})
}

func TestPlainSubject(t *testing.T) {
	for subject, want := range map[string]string{
		"RE: Gas contract":                    "gas contract",
		"Re[2]: Gas  contract ":               "gas contract",
		"AW: Re (3): FWD: Gas contract":       "gas contract",
		"[crew] ***SPAM*** Antw: [x] plan":    "plan",
		"回复：plan":                             "plan",
		"SV: VS: Odp: Ynt: Rép: plan":         "plan",
		"re plan: it":                         "re plan: it",
		"Remark: it":                          "remark: it",
		"Re: Re:":                             "",
		"[" + strings.Repeat("x", 60) + "] y": "[" + strings.Repeat("x", 60) + "] y",
		"***":                                 "***",
	} {
		if got := plainSubject(subject); got != want {
			t.Errorf("%q: %q, want %q", subject, got, want)
		}
	}
	pair := derivedConversation("Plan", "a@x", "b@x")
	for _, other := range []struct {
		subject, from, to string
		same              bool
	}{{"re: plan", "b@x", "a@x", true}, {"plan b", "a@x", "b@x", false}, {"plan", "a@x", "c@x", false}} {
		if got := derivedConversation(other.subject, other.from, other.to); (got == pair) != other.same {
			t.Errorf("%v: %s beside %s", other, got, pair)
		}
	}
	if derivedConversation("Re:", "a@x", "b@x") != "" || derivedConversation("x", "a@x", "") != "" {
		t.Error("derived from nothing")
	}
}

func TestMessageIDs(t *testing.T) {
	for field, want := range map[string]string{
		"<1@x> <2@x>":              "1@x 2@x",
		"<1@x><2@x>":               "1@x 2@x",
		"<1@x>,\t<2@x> , <3@x>":    "1@x 2@x 3@x",
		"<1@x> (of Monday) <2@x>":  "1@x 2@x",
		"Your mail of 3 May <1@x>": "1@x",
		"1@x 2@x":                  "1@x 2@x",
		"<1@x> <2@":                "1@x 2@",
		"<> <2@x>":                 "2@x",
		"<":                        "",
		"":                         "",
	} {
		if got := strings.Join(messageIDs(field), " "); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}

func TestHTMLText(t *testing.T) {
	for page, want := range map[string]string{
		"<p>a&amp;b</p><P CLASS=x>c":   "a&b\n\nc",
		"a<br/>b<!-- <p> > -->c":       "a\nbc",
		"<script>x<y</script>z<style>": "z",
		"1 < 2":                        "1 < 2",
		"<a href='x'>l</a>":            "l",
		"<!--":                         "<!--",
	} {
		if got := htmlText(page); got != want {
			t.Errorf("%q: %q, want %q", page, got, want)
		}
	}
}

func FuzzEML(f *testing.F) {
	for _, name := range []string{"mixed.eml", "html.eml", "locked.eml", "damaged.eml", "odd.eml", "old-mac.eml"} {
		f.Add(readertest.ReadFile(f, "../../testdata/eml/"+name))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, EML, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

// FuzzMbox also checks that the items cover the file without gaps.
func FuzzMbox(f *testing.F) {
	for _, name := range []string{"takeout.mbox", "bare.mbox", "no-date.mbox", "old-mac.mbox"} {
		f.Add(readertest.ReadFile(f, "../../testdata/mbox/"+name))
	}
	f.Add([]byte("\n0"))
	f.Fuzz(func(t *testing.T, file []byte) {
		end := int64(0)
		for _, item := range readertest.Check(t, Mbox, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12})) {
			if item.Where.Offset != end {
				t.Fatalf("an item begins at %d, the last ended at %d", item.Where.Offset, end)
			}
			end += item.Where.Length
		}
		if end != int64(len(file)) {
			t.Fatalf("%d of %d bytes are in items", end, len(file))
		}
	})
}

func FuzzRSMF(f *testing.F) {
	for _, name := range []string{"rsmf_manifest.json", "slice.rsmf", "no-archive.rsmf"} {
		f.Add(readertest.ReadFile(f, "../../testdata/rsmf/"+name))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, RSMF, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

func BenchmarkMbox(b *testing.B) {
	one := "From a@x.test Sun Feb 14 12:03:11 2021\nFrom: Bee <a@x.test>\nTo: b@x.test\nSubject: loods\nDate: Sun, 14 Feb 2021 12:03:11 +0000\nMessage-ID: <1@x.test>\n\n" + strings.Repeat("Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets.\n", 20) + "\n"
	readertest.Benchmark(b, Mbox, []byte(strings.Repeat(one, 3_000)), 3_000)
}
