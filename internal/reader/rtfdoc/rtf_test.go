package rtfdoc

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func TestRTF(t *testing.T) {
	for _, c := range []struct{ rtf, want string }{
		{`{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 tien uur\par bij de \b loods\b0 .}`, "tien uur\nbij de loods."},
		{`{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\u8364?\u8364\'3f}`, "При€€"},
		{`{\rtf1\ansi{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f0 caf\'e9 \f1 \'cf\f0 \'e9}`, "café Пé"},
		{`{\rtf1\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 kade 7\htmlrtf\par}\htmlrtf0 {\*\htmltag72 </p>}}`, "kade 7"},
		{`{\rtf1 \uc2\u-10180??\u-8384??!}`, "🍀!"},
		{`{\rtf1 a{\pict\bin3 {{{}b\{c\}\\\tab d}`, "ab{c}\\\td"},
		{`{\rtf1 open`, "open"},
		{`\`, ""},
		{strings.Repeat("{", 5000) + "deep", ""},
	} {
		if got := Text([]byte(c.rtf)); got != c.want {
			t.Errorf("%.60s: %q, want %q", c.rtf, got, c.want)
		}
		unpacked, err := Unpack(readertest.PackRTF(c.rtf), 1<<20)
		if err != nil || string(unpacked) != c.rtf {
			t.Errorf("unpacked %.60q: %q, %v", c.rtf, unpacked, err)
		}
	}
	// The example of MS-OXRTFCP 4.1.1.
	packed := "\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0"
	unpacked, err := Unpack([]byte(packed), 1<<20)
	if want := "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"; err != nil || string(unpacked) != want {
		t.Errorf("unpacked %q, %v, want %q", unpacked, err, want)
	}
	if cut, err := Unpack([]byte(packed), 8); err == nil || len(cut) != 8 {
		t.Errorf("%d bytes within a limit of 8, %v", len(cut), err)
	}
}

func FuzzRTF(f *testing.F) {
	f.Add(readertest.PackRTF(`{\rtf1\ansi{\fonttbl{\f0\fcharset204 A;}}\f0 a\'e9\u8364?{\*\x b}\par}`), 100)
	f.Fuzz(func(t *testing.T, packed []byte, limit int) {
		rtf, _ := Unpack(packed, max(0, limit))
		if len(rtf) > max(0, limit) {
			t.Fatalf("%d bytes within a limit of %d", len(rtf), limit)
		}
		Text(rtf)
		Text(packed)
	})
}
