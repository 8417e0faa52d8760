package validate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// expected is the expected result of a reference; docs/format/validation.md describes
// each key.
type expected struct {
	About      string `json:"about"`
	SeenIn     string `json:"seen_in"`
	Elsewhere  string `json:"elsewhere"`
	Severity   string `json:"severity"`
	Hint       string `json:"hint"`
	Manual     string `json:"manual"`
	KnownError string `json:"known_error"`
	// Format is the format of the input. Default: the formats whose readers find something.
	Format string `json:"format"`

	// Example names the file that is used instead of the folder "input": one of [Set.Examples].
	Example string   `json:"example"`
	Options []string `json:"options"`
	// Map is the map to read the input with (docs/format/map.md). Default: none.
	Map          json.RawMessage  `json:"map"`
	Messages     []wanted         `json:"messages"`
	Others       bool             `json:"others"`
	Never        []wanted         `json:"never"`
	Account      map[string]int64 `json:"account"`
	Completeness map[string]int64 `json:"completeness"`
	Asks         []ask            `json:"asks"`
}

// wanted is the expected part of a message, by key.
type wanted map[string]json.RawMessage

// ask is a question to the store, with the expected answer.
type ask struct {
	Query      string                      `json:"query"`
	Options    []string                    `json:"options"`
	Command    []string                    `json:"command"`
	Finds      *int64                      `json:"finds"`
	Texts      *[]string                   `json:"texts"`
	Histogram  *[][2]any                   `json:"histogram"`
	Facets     map[string]map[string]int64 `json:"facets"`
	FacetSizes map[string]int              `json:"facet_sizes"`
	Says       oneOrMore                   `json:"says"`
	SaysNot    oneOrMore                   `json:"says_not"`
	SaysAny    oneOrMore                   `json:"says_any"`
	SaysAtMost map[string]int              `json:"says_at_most"`
}

// oneOrMore is one string or several.
type oneOrMore []string

// UnmarshalJSON accepts a string and a list of strings.
func (l *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = oneOrMore{one}
		return nil
	}
	var more []string
	err := json.Unmarshal(data, &more)
	*l = more
	return err
}

// asked are the commands that a reference may use. A reference may come from a stranger; none
// of these commands starts a program or uses files outside the store.
var asked = []string{"search", "receipt", "quarantine", "conversation", "ledger"}

// refused are flags that a reference may not set.
var refused = []string{"--via", "--store", "--keys", "--cpuprofile", "--out"}

func parseExpected(text []byte) (*expected, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	want := new(expected)
	if err := d.Decode(want); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected data after the end of the object")
	}
	if err := allowed(want.Options); err != nil {
		return nil, err
	}
	for _, a := range want.Asks {
		if err := errors.Join(allowed(a.Options), allowed(a.Command)); err != nil {
			return nil, err
		}
		if len(a.Command) > 0 && !slices.Contains(asked, a.Command[0]) {
			return nil, fmt.Errorf("a reference may not run argus %s", a.Command[0])
		}
	}
	for _, w := range slices.Concat(want.Messages, want.Never) {
		for key := range w {
			if _, err := keyOf(key); err != nil {
				return nil, err
			}
		}
	}
	return want, nil
}

func allowed(args []string) error {
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		if slices.Contains(refused, flag) {
			return fmt.Errorf("a reference may not use %s", flag)
		}
	}
	return nil
}

// empty reports whether there is nothing to compare.
func (e *expected) empty() bool {
	return e.Messages == nil && e.Never == nil && e.Account == nil && e.Completeness == nil && e.Asks == nil
}

// compare returns the differences between the messages and the expectation.
func (e *expected) compare(found []message) (bad []string) {
	missing, left := assign(found, e.Messages)
	for _, w := range missing {
		bad = append(bad, "missing: "+short(w))
	}
	if !e.Others && e.Messages != nil {
		for _, m := range left {
			bad = append(bad, "unexpected: "+short(map[string]any{"service": m["service"], "from": m["from"], "text": m["text"], "state": m["state"]}))
		}
	}
	for _, n := range e.Never {
		switch {
		case n["same"] != nil:
			if key, one, other, ok := pair(found, n["same"]); ok && equal(one, other) {
				bad = append(bad, fmt.Sprintf("%s is the same in both: %s", key, short(one)))
			}
		case n["differ"] != nil:
			if key, one, other, ok := pair(found, n["differ"]); ok && !equal(one, other) {
				bad = append(bad, fmt.Sprintf("%s differs: %s and %s", key, short(one), short(other)))
			}
		default:
			if slices.ContainsFunc(found, func(m message) bool { return fits(m, n) }) {
				bad = append(bad, "must not exist: "+short(n))
			}
		}
	}
	return bad
}

// pair returns the values of a key in two messages, which spec identifies by their texts.
func pair(found []message, spec json.RawMessage) (key string, one, other any, ok bool) {
	var names [3]string
	if json.Unmarshal(spec, &names) != nil {
		return "", nil, nil, false
	}
	with := func(text string) int {
		return slices.IndexFunc(found, func(m message) bool { return stringOf(m["text"]) == text })
	}
	a, b := with(names[1]), with(names[2])
	if a < 0 || b < 0 {
		return names[0], nil, nil, false
	}
	return names[0], found[a][names[0]], found[b][names[0]], true
}

// assign gives as many wanted messages as possible a found message of their own. It returns
// the wanted messages that got none and the found messages that are left over (augmenting
// paths: Kuhn 1955).
func assign(found []message, want []wanted) (missing []wanted, left []message) {
	takenBy := make([]int, len(found)) // the number, from 1, of the wanted message that has taken it
	var place func(w int, seen []bool) bool
	place = func(w int, seen []bool) bool {
		for i, m := range found {
			if seen[i] || !fits(m, want[w]) {
				continue
			}
			seen[i] = true
			if takenBy[i] == 0 || place(takenBy[i]-1, seen) {
				takenBy[i] = w + 1
				return true
			}
		}
		return false
	}
	for w := range want {
		if !place(w, make([]bool, len(found))) {
			missing = append(missing, want[w])
		}
	}
	for i, m := range found {
		if takenBy[i] == 0 {
			left = append(left, m)
		}
	}
	return missing, left
}

// fits reports whether a message has all wanted parts.
func fits(m message, w wanted) bool {
	for key, raw := range w {
		test, err := keyOf(key)
		var value any
		if err != nil || unmarshal(raw, &value) != nil || !test(m, value) {
			return false
		}
	}
	return true
}

type test func(m message, want any) bool

// keyOf returns the test for a key.
func keyOf(key string) (test, error) {
	switch key {
	case "text":
		return func(m message, want any) bool { return stringOf(m["text"]) == stringOf(want) }, nil
	case "text_has":
		return func(m message, want any) bool {
			return !slices.ContainsFunc(listOf(want), func(part any) bool { return !strings.Contains(stringOf(m["text"]), stringOf(part)) })
		}, nil
	case "text_any":
		return func(m message, want any) bool {
			text := strings.ToLower(stringOf(m["text"]))
			return slices.ContainsFunc(listOf(want), func(part any) bool { return strings.Contains(text, strings.ToLower(stringOf(part))) })
		}, nil
	case "sent", "received", "read":
		return func(m message, want any) bool { return sameMoment(m[key], want) }, nil
	case "received_is":
		return func(m message, want any) bool { return want != nil && sameMoment(m["received"], want) }, nil
	case "state", "to":
		return func(m message, want any) bool { return equal(sorted(listOf(m[key])), sorted(listOf(want))) }, nil
	case "state_has":
		return func(m message, want any) bool { return has(m["state"], want) }, nil
	case "to_not":
		return func(m message, want any) bool { return !has(m["to"], want) }, nil
	case "with":
		return func(m message, want any) bool { return equal(m["from"], want) || has(m["to"], want) }, nil
	case "attachments":
		return sameAttachments, nil
	case "extra_none":
		return func(m message, _ any) bool {
			return !slices.ContainsFunc(listOf(m["extra"]), func(x any) bool { f, _ := x.(map[string]any); return f["name"] != "date_order" })
		}, nil
	case "from", "conversation":
		return func(m message, want any) bool {
			return equal(m[key], want) || equal(idKey.ReplaceAllString(stringOf(m[key]), ""), want)
		}, nil
	case "from_name", "title", "service", "id", "reply_to", "forwarded_from", "type", "lang":
		return func(m message, want any) bool { return equal(m[key], want) }, nil
	case "same", "differ":
		return func(message, any) bool { return false }, nil
	}
	if of, ok := strings.CutSuffix(key, "_not"); ok {
		return func(m message, want any) bool { return !equal(m[of], want) }, nil
	}
	return nil, fmt.Errorf("a message has no key %q", key)
}

// idKey matches the key after an id that is not unique within the whole service
// ([argus.Within]). The key does not follow from the file alone.
var idKey = regexp.MustCompile("@[0-9a-f]{12}$")

func sameAttachments(m message, want any) bool {
	list := listOf(m["attachments"])
	if n, ok := want.(json.Number); ok {
		return n.String() == fmt.Sprint(len(list))
	}
	var names []any
	for _, a := range list {
		f, _ := a.(map[string]any)
		names = append(names, stringOf(f["name"])) // may be empty
	}
	return equal(names, listOf(want))
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

// listOf returns a list as it is, and a single value as a list of one.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func has(list, value any) bool {
	return slices.ContainsFunc(listOf(list), func(v any) bool { return equal(v, value) })
}

func sorted(list []any) []any {
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(short(a), short(b)) })
}

// equal compares values as JSON; an absent value equals an empty one.
func equal(a, b any) bool { return text(a) == text(b) }

func text(v any) string {
	if l, ok := v.([]any); ok && len(l) == 0 || v == nil {
		return `""`
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// short formats a value for a line that people read.
func short(v any) string {
	r := []rune(text(v))
	if len(r) > 200 {
		r = append(r[:200], '…')
	}
	return string(r)
}

var momentForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d))?(?::(\d\d))?)?(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$`)

// moment returns a time in UTC to the second, and the digits after the second.
func moment(v any) (at time.Time, fraction string, ok bool) {
	if m, is := v.(map[string]any); is {
		v = m["utc"]
	}
	f := momentForm.FindStringSubmatch(stringOf(v))
	if f == nil {
		return at, "", false
	}
	part := func(s string) string {
		if s == "" {
			return "00"
		}
		return s
	}
	zone := f[6]
	if zone == "" || f[2] == "" {
		zone = "Z"
	}
	at, err := time.Parse(time.RFC3339, f[1]+"T"+part(f[2])+":"+part(f[3])+":"+part(f[4])+zone)
	return at, strings.TrimRight(f[5], "0"), err == nil
}

// sameMoment compares times to the precision that both have; nil is not a time.
func sameMoment(got, want any) bool {
	a, aPart, aOK := moment(got)
	b, bPart, bOK := moment(want)
	if !aOK || !bOK {
		return want == nil && !aOK
	}
	if !a.Equal(b) {
		return false
	}
	if aPart != "" && bPart != "" {
		return strings.HasPrefix(aPart, bPart) || strings.HasPrefix(bPart, aPart)
	}
	return aPart == bPart
}

// ask asks a question and returns the errors in the answer.
func (p *program) ask(ctx context.Context, a ask) (bad []string, err error) {
	name := strings.TrimSpace("search " + strings.Join(a.Options, " ") + " " + a.Query)
	if a.Finds != nil || a.Texts != nil || a.Histogram != nil || a.Facets != nil || a.FacetSizes != nil {
		answer, err := p.answer(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, b := range answer.wrong(a) {
			bad = append(bad, name+": "+b)
		}
	}
	if a.Says == nil && a.SaysNot == nil && a.SaysAny == nil && a.SaysAtMost == nil {
		return bad, nil
	}
	command := a.Command
	if command == nil {
		command = slices.Concat([]string{"search"}, a.Options, []string{"--", a.Query})
	}
	out, errOut, err := p.call(ctx, command)
	if err != nil {
		return nil, err
	}
	for _, b := range a.wrongOn(out + errOut) {
		bad = append(bad, "argus "+strings.Join(command, " ")+": "+b)
	}
	return bad, nil
}

// wrongOn returns the errors in the printed text.
func (a *ask) wrongOn(screen string) (bad []string) {
	for _, part := range a.Says {
		if !strings.Contains(screen, part) {
			bad = append(bad, "does not print "+short(part))
		}
	}
	for _, part := range a.SaysNot {
		if strings.Contains(screen, part) {
			bad = append(bad, "prints "+short(part))
		}
	}
	low := strings.ToLower(screen)
	if a.SaysAny != nil && !slices.ContainsFunc(a.SaysAny, func(part string) bool { return strings.Contains(low, strings.ToLower(part)) }) {
		bad = append(bad, "prints none of "+strings.Join(a.SaysAny, ", "))
	}
	for part, most := range a.SaysAtMost {
		if n := strings.Count(screen, part); n > most {
			bad = append(bad, fmt.Sprintf("prints %s %d times, want at most %d", short(part), n, most))
		}
	}
	slices.Sort(bad)
	return bad
}

// answer is the result of a search.
type answer struct {
	messages  []message
	Total     *int64
	Histogram []tally
	Facets    map[string][]tally
}

type tally struct {
	Value string
	Count int64
}

func (p *program) answer(ctx context.Context, a ask) (*answer, error) {
	options := a.Options
	if len(options) == 0 {
		options = []string{"--all"}
	}
	events, err := p.events(ctx, slices.Concat([]string{"search"}, options, []string{"--", a.Query}))
	if err != nil {
		return nil, err
	}
	got := new(answer)
	for _, e := range events {
		var hit struct{ Message message }
		switch e.Event {
		case "hit":
			err = unmarshal(e.line, &hit)
			got.messages = append(got.messages, hit.Message)
		case "result":
			err = unmarshal(e.line, got)
		}
		if err != nil {
			return nil, err
		}
	}
	return got, nil
}

// wrong returns the differences from the expected answer.
func (got *answer) wrong(a ask) (bad []string) {
	total := int64(len(got.messages))
	if got.Total != nil {
		total = *got.Total
	}
	if a.Finds != nil && total != *a.Finds {
		bad = append(bad, fmt.Sprintf("finds %d, want %d", total, *a.Finds))
	}
	if a.Texts != nil {
		texts := []string{}
		for _, m := range got.messages {
			texts = append(texts, stringOf(m["text"]))
		}
		slices.Sort(texts)
		if want := slices.Sorted(slices.Values(*a.Texts)); !slices.Equal(texts, want) {
			bad = append(bad, fmt.Sprintf("finds the texts %s, want %s", short(texts), short(want)))
		}
	}
	if a.Histogram != nil {
		bars := [][2]any{}
		for _, t := range got.Histogram {
			bars = append(bars, [2]any{t.Value, t.Count})
		}
		if !equal(bars, *a.Histogram) {
			bad = append(bad, fmt.Sprintf("the histogram is %s, want %s", short(bars), short(*a.Histogram)))
		}
	}
	for field, n := range a.FacetSizes {
		if len(got.Facets[field]) != n {
			bad = append(bad, fmt.Sprintf("facet %s has %d values, want %d", field, len(got.Facets[field]), n))
		}
	}
	for field, values := range a.Facets {
		for value, n := range values {
			at := slices.IndexFunc(got.Facets[field], func(t tally) bool { return t.Value == value })
			if at < 0 || got.Facets[field][at].Count != n {
				bad = append(bad, fmt.Sprintf("facet %s does not have %s %d times", field, short(value), n))
			}
		}
	}
	slices.Sort(bad)
	return bad
}
