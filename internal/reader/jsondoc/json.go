package jsondoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// The scanner of JSON (RFC 8259) that the readers of JSON formats share. It finds the
// ends of values and returns their raw text, so that nothing is decoded unless it is
// used; it is strict about grammar, because the place where the grammar breaks shows
// where a broken record ends. It does not check for valid UTF-8 or for duplicate keys: its
// callers do.

// depthLimit is the maximum nesting of a record.
const depthLimit = 64

// text is JSON text: a whole record, or a view of a file.
type text interface{ string | []byte }

// Error is a place where text stops being valid JSON.
type Error struct {
	at   int
	want string
	// Ends is set when the text ends in the middle of a value.
	Ends bool
}

// Error names the expected and the found token, and the byte.
func (e *Error) Error() string {
	if e.Ends {
		return fmt.Sprintf("the text ends at byte %d, want %s", e.at, e.want)
	}
	return fmt.Sprintf("want %s at byte %d, found something else", e.want, e.at)
}

func want[T text](s T, at int, want string) *Error {
	return &Error{at: at, want: want, Ends: at >= len(s)}
}

// Space returns the end of the white space that begins at s[i].
func Space[T text](s T, i int) int {
	for i < len(s) && s[i] <= ' ' && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns the end of the value that begins at s[i], depth containers deep.
func valueEnd[T text](s T, i, depth int) (int, *Error) {
	if i >= len(s) {
		return i, want(s, i, "a value")
	}
	switch c := s[i]; c {
	case '"':
		return stringEnd(s, i)
	case '{', '[':
		if depth == depthLimit {
			return i, want(s, i, fmt.Sprintf("at most %d levels", depthLimit))
		}
		m := Scanner[T]{Text: s, At: i, depth: depth}
		for m.Next() {
		}
		return m.At, m.Err
	case 't':
		return word(s, i, "true")
	case 'f':
		return word(s, i, "false")
	case 'n':
		return word(s, i, "null")
	default:
		return numberEnd(s, i)
	}
}

func stringEnd[T text](s T, i int) (int, *Error) {
	for i++; i < len(s); i++ {
		if plain[s[i]] {
			continue
		}
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\':
			end, err := escapeEnd(s, i)
			if err != nil {
				return end, err
			}
			i = end - 1
		default:
			return i, want(s, i, "no control character in a string")
		}
	}
	return i, want(s, i, "the closing quote of a string")
}

// plain marks the bytes that need no decoding inside a string.
var plain = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return plain
}()

func escapeEnd[T text](s T, i int) (int, *Error) {
	if i++; i >= len(s) {
		return i, want(s, i, "an escape")
	}
	switch s[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		for range 4 {
			if i++; i >= len(s) || !textdoc.IsHex(s[i]) {
				return i, want(s, i, "four hexadecimal digits")
			}
		}
		return i + 1, nil
	}
	return i, want(s, i, "an escape")
}

func word[T text](s T, i int, word string) (int, *Error) {
	for n := range len(word) {
		if i+n >= len(s) || s[i+n] != word[n] {
			return i + n, want(s, i+n, word)
		}
	}
	return i + len(word), nil
}

func numberEnd[T text](s T, i int) (int, *Error) {
	if s[i] == '-' {
		i++
	}
	start := i
	i = textdoc.DigitsEnd(s, i)
	if i == start {
		return i, want(s, i, "a value")
	}
	if s[start] == '0' && i > start+1 {
		return start + 1, want(s, start+1, "a number without leading zeros")
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = textdoc.DigitsEnd(s, start); i == start {
			return i, want(s, i, "a digit")
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = textdoc.DigitsEnd(s, start); i == start {
			return i, want(s, i, "a digit")
		}
	}
	return i, nil
}

// Scanner walks the members of the object, or the elements of the array,
// that begins at Text[At]. After the last Next, At is the end of the container.
type Scanner[T text] struct {
	Text  T
	At    int
	depth int
	// Key is the raw text of the key with its quotes, empty in an array;
	// Value is the raw text of the value.
	Key, Value T
	Err        *Error
	array      bool
	inside     bool
}

// Next moves to the next member. It returns false after the last one and on an error.
func (m *Scanner[T]) Next() bool {
	s, i := m.Text, m.At
	closing := byte('}')
	if !m.inside {
		m.inside = true
		m.array = s[i] == '['
		if m.array {
			closing = ']'
		}
		i = Space(s, i+1)
		if i < len(s) && s[i] == closing {
			m.At = i + 1
			return false
		}
	} else {
		if m.array {
			closing = ']'
		}
		i = Space(s, i)
		switch {
		case i < len(s) && s[i] == closing:
			m.At = i + 1
			return false
		case i < len(s) && s[i] == ',':
			i = Space(s, i+1)
		default:
			return m.stop(i, want(s, i, `"," or the end after a value`))
		}
	}
	if !m.array {
		if i >= len(s) || s[i] != '"' {
			return m.stop(i, want(s, i, "a key in quotes"))
		}
		end, err := stringEnd(s, i)
		if err != nil {
			return m.stop(end, err)
		}
		m.Key = s[i:end]
		if i = Space(s, end); i >= len(s) || s[i] != ':' {
			return m.stop(i, want(s, i, `":" after a key`))
		}
		i = Space(s, i+1)
	}
	end, err := valueEnd(s, i, m.depth+1)
	if err != nil {
		return m.stop(end, err)
	}
	m.Value = s[i:end]
	m.At = end
	return true
}

func (m *Scanner[T]) stop(at int, err *Error) bool {
	m.At, m.Err = at, err
	return false
}

// Kind returns the name of a raw value's kind.
func Kind(raw string) string {
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

// Unquote returns the text of a raw string. U+FFFD replaces each half of a broken surrogate
// pair, and whole is then false.
func Unquote(raw string) (text string, whole bool) {
	inner := raw[1 : len(raw)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	out, err := jsontext.AppendUnquote(make([]byte, 0, len(inner)), raw)
	return string(out), err == nil
}

// keyLimit is how many keys a record may have.
const keyLimit = 256

// Keys walks records and finds duplicate keys: programs that read JSON differ in which of
// the values they take.
type Keys struct {
	seen []string
	// Twice takes a key that is repeated. Default: an error.
	Twice func(key, raw string) error
}

// Each calls set for each member of the object that begins at text[i], with
// its key and the raw text of its value, and returns the end of the object.
func (k *Keys) Each(text string, i int, set func(key, raw string) error) (int, error) {
	k.seen = k.seen[:0]
	m := Scanner[string]{Text: text, At: i}
	for m.Next() {
		key, whole := Unquote(m.Key)
		if !whole {
			return m.At, errors.New("want Unicode in a key, found half of a surrogate pair")
		}
		if slices.Contains(k.seen, key) {
			if k.Twice == nil {
				return m.At, errors.New("want each key once, found one twice")
			}
			if err := k.Twice(key, m.Value); err != nil {
				return m.At, fmt.Errorf("%s: %w", key, err)
			}
			continue
		}
		if len(k.seen) == keyLimit {
			return m.At, fmt.Errorf("want at most %d keys, found more", keyLimit)
		}
		k.seen = append(k.seen, key)
		if err := set(key, m.Value); err != nil {
			return m.At, fmt.Errorf("%s: %w", key, err)
		}
	}
	if m.Err != nil {
		return m.At, m.Err
	}
	return m.At, nil
}
