package textdoc

import (
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// String returns bytes as text: UTF-8, or Windows-1252 if they are not valid UTF-8.
func String(b []byte) string {
	if !utf8.Valid(b) {
		b = AppendWindows1252(nil, b)
	}
	return string(b)
}

// Decode decodes text in a charset; if the charset is unknown or does not fit, it is
// taken as UTF-8 or Windows-1252.
func Decode(b []byte, name string) string {
	if IsUTF7(name) {
		if text, ok := UTF7(b); ok {
			return text
		}
	}
	if name != "" && !strings.EqualFold(name, "us-ascii") {
		if charset, err := htmlindex.Get(name); err == nil {
			if decoded, err := charset.NewDecoder().Bytes(b); err == nil && utf8.Valid(decoded) {
				return string(decoded)
			}
		}
	}
	return String(b)
}

// KnownCharset reports whether Decode knows a charset by its name.
func KnownCharset(name string) bool {
	if strings.EqualFold(name, "us-ascii") || IsUTF7(name) {
		return true
	}
	_, err := htmlindex.Get(name)
	return err == nil
}

// MediaText returns content of a media type as text, if it is text.
func MediaText(kind string, content []byte) (string, bool) {
	media, params := MediaType(kind)
	if media != "text/plain" {
		return "", false
	}
	return LineFeeds(Decode(content, params["charset"])), true
}

// MediaType reads a Content-Type or Content-Disposition, as far as it is valid.
func MediaType(s string) (string, map[string]string) {
	media, params, err := mime.ParseMediaType(s)
	if err != nil {
		first, rest, _ := strings.Cut(s, ";")
		media, params = strings.ToLower(strings.TrimSpace(first)), map[string]string{}
		for field := range strings.SplitSeq(rest, ";") {
			if name, value, ok := strings.Cut(field, "="); ok {
				params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return media, params
}

// codepages are the charsets that have a number in Windows, under their names in the WHATWG
// encoding standard, except those that follow a rule.
var codepages = map[uint32]string{
	866: "ibm866", 874: "windows-874", 932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 10000: "macintosh", 10007: "x-mac-cyrillic", 20127: "us-ascii",
	20866: "koi8-r", 20932: "euc-jp", 21866: "koi8-u", 38598: "iso-8859-8-i", 50220: "iso-2022-jp", 50221: "iso-2022-jp", 50222: "iso-2022-jp",
	51932: "euc-jp", 51936: "gbk", 51949: "euc-kr", 54936: "gb18030", 65001: "utf-8",
}

// Codepage returns the charset with the given number, or "" if there is none.
func Codepage(n uint32) string {
	switch {
	case n >= 1250 && n <= 1258:
		return "windows-" + strconv.Itoa(int(n))
	case n >= 28591 && n <= 28605:
		return "iso-8859-" + strconv.Itoa(int(n-28590))
	}
	return codepages[n]
}
