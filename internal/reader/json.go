package reader

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The scanner of JSON (RFC 8259) that the readers of JSON formats share. It
// finds where values end and hands out their raw text, so that nothing is
// decoded that nobody asks for; it is strict about grammar, because where the
// grammar breaks is what says where a broken record ends. It does not look at
// UTF-8 and duplicate keys: its callers do.

// jsonDepth is how deep a record may be nested.
const jsonDepth = 64

// jsonText is the text of JSON, as a whole record or as a view of a file.
type jsonText interface{ string | []byte }

// jsonError is a place where text is not JSON.
type jsonError struct {
	at   int
	want string
	// ends is set when the text stops in the middle of a value.
	ends bool
}

func (e *jsonError) Error() string {
	if e.ends {
		return fmt.Sprintf("the text ends at byte %d, want %s", e.at, e.want)
	}
	return fmt.Sprintf("want %s at byte %d, found something else", e.want, e.at)
}

func jsonWant[T jsonText](s T, at int, want string) *jsonError {
	return &jsonError{at: at, want: want, ends: at >= len(s)}
}

// jsonSpace returns the end of the white space that begins at s[i].
func jsonSpace[T jsonText](s T, i int) int {
	for i < len(s) && s[i] <= ' ' && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// jsonEnd returns the end of the value that begins at s[i], which stands depth
// containers deep.
func jsonEnd[T jsonText](s T, i, depth int) (int, *jsonError) {
	if i >= len(s) {
		return i, jsonWant(s, i, "a value")
	}
	switch c := s[i]; c {
	case '"':
		return jsonStringEnd(s, i)
	case '{', '[':
		if depth == jsonDepth {
			return i, jsonWant(s, i, fmt.Sprintf("at most %d levels", jsonDepth))
		}
		m := jsonMembers[T]{s: s, i: i, depth: depth}
		for m.next() {
		}
		return m.i, m.err
	case 't':
		return jsonWord(s, i, "true")
	case 'f':
		return jsonWord(s, i, "false")
	case 'n':
		return jsonWord(s, i, "null")
	default:
		return jsonNumberEnd(s, i)
	}
}

func jsonStringEnd[T jsonText](s T, i int) (int, *jsonError) {
	for i++; i < len(s); i++ {
		if jsonPlain[s[i]] {
			continue
		}
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\':
			end, err := jsonEscapeEnd(s, i)
			if err != nil {
				return end, err
			}
			i = end - 1
		default:
			return i, jsonWant(s, i, "no control character in a string")
		}
	}
	return i, jsonWant(s, i, "the closing quote of a string")
}

// jsonPlain tells the bytes that mean themselves in a string.
var jsonPlain = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return plain
}()

func jsonEscapeEnd[T jsonText](s T, i int) (int, *jsonError) {
	if i++; i >= len(s) {
		return i, jsonWant(s, i, "an escape")
	}
	switch s[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		for range 4 {
			if i++; i >= len(s) || !isHex(s[i]) {
				return i, jsonWant(s, i, "four hexadecimal digits")
			}
		}
		return i + 1, nil
	}
	return i, jsonWant(s, i, "an escape")
}

func jsonWord[T jsonText](s T, i int, word string) (int, *jsonError) {
	for n := range len(word) {
		if i+n >= len(s) || s[i+n] != word[n] {
			return i + n, jsonWant(s, i+n, word)
		}
	}
	return i + len(word), nil
}

func jsonNumberEnd[T jsonText](s T, i int) (int, *jsonError) {
	if s[i] == '-' {
		i++
	}
	start := i
	i = digitsEnd(s, i)
	if i == start {
		return i, jsonWant(s, i, "a value")
	}
	if s[start] == '0' && i > start+1 {
		return start + 1, jsonWant(s, start+1, "a number without leading zeros")
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = digitsEnd(s, start); i == start {
			return i, jsonWant(s, i, "a digit")
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = digitsEnd(s, start); i == start {
			return i, jsonWant(s, i, "a digit")
		}
	}
	return i, nil
}

// jsonMembers walks the members of the object, or the elements of the array,
// that begins at s[i]. After the last next, i is the end of the container.
type jsonMembers[T jsonText] struct {
	s     T
	i     int
	depth int
	// key is the raw text of the key with its quotes, empty in an array;
	// value is the raw text of the value.
	key, value T
	err        *jsonError
	array      bool
	inside     bool
}

// next goes to the next member. It returns false behind the last one, and at
// an error.
func (m *jsonMembers[T]) next() bool {
	s, i := m.s, m.i
	closing := byte('}')
	if !m.inside {
		m.inside = true
		m.array = s[i] == '['
		if m.array {
			closing = ']'
		}
		i = jsonSpace(s, i+1)
		if i < len(s) && s[i] == closing {
			m.i = i + 1
			return false
		}
	} else {
		if m.array {
			closing = ']'
		}
		i = jsonSpace(s, i)
		switch {
		case i < len(s) && s[i] == closing:
			m.i = i + 1
			return false
		case i < len(s) && s[i] == ',':
			i = jsonSpace(s, i+1)
		default:
			return m.stop(i, jsonWant(s, i, `"," or the end behind a value`))
		}
	}
	if !m.array {
		if i >= len(s) || s[i] != '"' {
			return m.stop(i, jsonWant(s, i, "a key in quotes"))
		}
		end, err := jsonStringEnd(s, i)
		if err != nil {
			return m.stop(end, err)
		}
		m.key = s[i:end]
		if i = jsonSpace(s, end); i >= len(s) || s[i] != ':' {
			return m.stop(i, jsonWant(s, i, `":" behind a key`))
		}
		i = jsonSpace(s, i+1)
	}
	end, err := jsonEnd(s, i, m.depth+1)
	if err != nil {
		return m.stop(end, err)
	}
	m.value = s[i:end]
	m.i = end
	return true
}

func (m *jsonMembers[T]) stop(at int, err *jsonError) bool {
	m.i, m.err = at, err
	return false
}

// jsonKind names the kind of a raw value.
func jsonKind(raw string) string {
	switch raw[0] {
	case '"':
		return "text"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// unquoteJSON returns the text of a raw string. What is no Unicode in it (half
// of a surrogate pair) becomes U+FFFD, and whole is false.
func unquoteJSON(raw string) (text string, whole bool) {
	inner := raw[1 : len(raw)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	out, err := jsontext.AppendUnquote(make([]byte, 0, len(inner)), raw)
	return string(out), err == nil
}

// keyLimit is how many keys a record may have.
const keyLimit = 256

// jsonKeys walks records and finds keys that stand there twice, of which
// programs that read JSON take one or the other.
type jsonKeys struct {
	seen []string
	// twice takes a key that stands there again. Default: it is an error.
	twice func(key, raw string) error
}

// each calls set for each member of the object that begins at text[i], with
// its key and the raw text of its value, and returns the end of the object.
func (k *jsonKeys) each(text string, i int, set func(key, raw string) error) (int, error) {
	k.seen = k.seen[:0]
	m := jsonMembers[string]{s: text, i: i}
	for m.next() {
		key, whole := unquoteJSON(m.key)
		if !whole {
			return m.i, errors.New("want Unicode in a key, found half of a surrogate pair")
		}
		if slices.Contains(k.seen, key) {
			if k.twice == nil {
				return m.i, errors.New("want each key once, found one twice")
			}
			if err := k.twice(key, m.value); err != nil {
				return m.i, fmt.Errorf("%s: %w", key, err)
			}
			continue
		}
		if len(k.seen) == keyLimit {
			return m.i, fmt.Errorf("want at most %d keys, found more", keyLimit)
		}
		k.seen = append(k.seen, key)
		if err := set(key, m.value); err != nil {
			return m.i, fmt.Errorf("%s: %w", key, err)
		}
	}
	if m.err != nil {
		return m.i, m.err
	}
	return m.i, nil
}
