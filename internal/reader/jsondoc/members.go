package jsondoc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/build"
)

// TextsIn returns the texts in a list, up to the limit of listed receivers, or none if the
// value is not a list.
func TextsIn(raw string) []string {
	var texts []string
	for raw := range Listed(raw) {
		if text, err := String(raw); err == nil && text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// Listed yields the entries of a list, up to the limit of listed receivers, or none if the
// value is not a list.
func Listed(raw string) func(func(string) bool) {
	return func(yield func(string) bool) {
		list := Scanner[string]{Text: raw}
		for n := 0; strings.HasPrefix(raw, "[") && n < build.ParticipantLimit && list.Next(); n++ {
			if !yield(list.Value) {
				return
			}
		}
	}
}

// Inside returns the value of the member at the end of a path of keys, or "" if there is
// none.
func Inside(raw string, keys ...string) string {
	for _, key := range keys {
		found := ""
		m := Scanner[string]{Text: raw}
		for strings.HasPrefix(raw, "{") && m.Next() {
			if len(m.Key) == len(key)+2 && m.Key[1:len(m.Key)-1] == key && m.Value != "null" {
				found = m.Value
			}
		}
		raw = found
	}
	return raw
}

// InsideText returns the text, number or word of a member as text.
func InsideText(raw string, keys ...string) string { return ScalarText(Inside(raw, keys...)) }

// ScalarText returns a text, number or word as text, and "" for any other value.
func ScalarText(raw string) string {
	switch {
	case raw == "", raw == "null", raw[0] == '{', raw[0] == '[':
		return ""
	case raw[0] == '"':
		text, _ := Unquote(raw)
		return text
	default:
		return raw
	}
}

// ListLimit is how many receivers, attachments or fields a list may have, so that a hostile
// line costs no more than its own size.
const ListLimit = 1 << 16

// String returns the text of a value, which must be text, with U+FFFD for invalid Unicode.
func String(raw string) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("want text, found %s", Kind(raw))
	}
	text, whole := Unquote(raw)
	if !whole {
		return "", errors.New("want Unicode, found half of a surrogate pair")
	}
	return text, nil
}

// Uint returns a whole number of at most the given number of bits.
func Uint(raw string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(raw, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("want a whole number of %d bits, found %s", bits, Kind(raw))
	}
	return n, nil
}

// List reads a list, calling one for each element.
func List[T any](raw string, one func(string) (T, error)) ([]T, error) {
	if raw[0] != '[' {
		return nil, fmt.Errorf("want a list, found %s", Kind(raw))
	}
	var list []T
	m := Scanner[string]{Text: raw}
	for m.Next() {
		if len(list) == ListLimit {
			return nil, fmt.Errorf("want at most %d entries, found more", ListLimit)
		}
		entry, err := one(m.Value)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(list)+1, err)
		}
		list = append(list, entry)
	}
	return list, nil
}

// KeepMembers keeps the members of an object, except the given ones, which were read as
// texts or lists of texts. It marks a given one that is neither as not understood.
func KeepMembers(m *argus.Message, raw string, texts ...string) {
	KeepOthers(m, raw, texts...)
	list := Scanner[string]{Text: raw}
	for list.Next() {
		if key, _ := Unquote(list.Key); slices.Contains(texts, key) && !isTexts(list.Value) {
			build.NotUnderstood(m, key, Compact(list.Value))
		}
	}
}

// KeepOthers keeps the members of an object, except the given ones.
func KeepOthers(m *argus.Message, raw string, but ...string) {
	list := Scanner[string]{Text: raw}
	for list.Next() {
		if key, _ := Unquote(list.Key); !slices.Contains(but, key) {
			KeepMember(m, key, list.Value)
		}
	}
}

// isTexts reports whether a value is a text, number or word, or a list of those.
func isTexts(raw string) bool {
	list := Scanner[string]{Text: raw}
	for raw[0] == '[' && list.Next() {
		if list.Value[0] == '{' || list.Value[0] == '[' {
			return false
		}
	}
	return raw[0] != '{' || raw == "{}"
}

// ScalarMember returns a text or number as text.
func ScalarMember(raw string) (string, error) {
	if kind := Kind(raw); kind == "a number" {
		return raw, nil
	}
	return String(raw)
}
