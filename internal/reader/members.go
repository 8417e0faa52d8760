package reader

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// textsIn returns the texts in a list, as many as receivers are listed; none of
// anything else.
func textsIn(raw string) []string {
	var texts []string
	for raw := range listed(raw) {
		if text, err := jsonString(raw); err == nil && text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// listed yields the entries of a list, as many as receivers are listed; none of
// anything else.
func listed(raw string) func(func(string) bool) {
	return func(yield func(string) bool) {
		list := jsonMembers[string]{s: raw}
		for n := 0; strings.HasPrefix(raw, "[") && n < participantLimit && list.next(); n++ {
			if !yield(list.value) {
				return
			}
		}
	}
}

// inside returns the value of a member at the end of a way of keys, "" for none.
func inside(raw string, keys ...string) string {
	for _, key := range keys {
		found := ""
		m := jsonMembers[string]{s: raw}
		for strings.HasPrefix(raw, "{") && m.next() {
			if len(m.key) == len(key)+2 && m.key[1:len(m.key)-1] == key && m.value != "null" {
				found = m.value
			}
		}
		raw = found
	}
	return raw
}

// insideText returns the text, number or word of a member as text.
func insideText(raw string, keys ...string) string { return scalarText(inside(raw, keys...)) }

// scalarText returns a text, number or word as text, "" for anything else.
func scalarText(raw string) string {
	switch {
	case raw == "", raw == "null", raw[0] == '{', raw[0] == '[':
		return ""
	case raw[0] == '"':
		text, _ := unquoteJSON(raw)
		return text
	default:
		return raw
	}
}

// listLimit is how many receivers, attachments or fields a list may have, so
// that a hostile line costs no more than its bytes.
const listLimit = 1 << 16

func jsonString(raw string) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("want text, found %s", jsonKind(raw))
	}
	text, whole := unquoteJSON(raw)
	if !whole {
		return "", errors.New("want Unicode, found half of a surrogate pair")
	}
	return text, nil
}

func jsonUint(raw string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(raw, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("want a whole number of %d bits, found %s", bits, jsonKind(raw))
	}
	return n, nil
}

// jsonList reads a list of things that one reads.
func jsonList[T any](raw string, one func(string) (T, error)) ([]T, error) {
	if raw[0] != '[' {
		return nil, fmt.Errorf("want a list, found %s", jsonKind(raw))
	}
	var list []T
	m := jsonMembers[string]{s: raw}
	for m.next() {
		if len(list) == listLimit {
			return nil, fmt.Errorf("want at most %d entries, found more", listLimit)
		}
		entry, err := one(m.value)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(list)+1, err)
		}
		list = append(list, entry)
	}
	return list, nil
}

// keepMembers keeps the members of an object, but for some.
func keepMembers(m *argus.Message, raw string, but ...string) {
	list := jsonMembers[string]{s: raw}
	for list.next() {
		if key, _ := unquoteJSON(list.key); !slices.Contains(but, key) {
			keepMember(m, key, list.value)
		}
	}
}

// scalarMember returns a text or number as text.
func scalarMember(raw string) (string, error) {
	if kind := jsonKind(raw); kind == "a number" {
		return raw, nil
	}
	return jsonString(raw)
}
