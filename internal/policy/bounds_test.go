package policy

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// A rule within the limits is read in bounded time, however it is built.
func TestWorstRules(t *testing.T) {
	head := "@id(\"r\")\n@says(\"Nobody.\")\n@cites(\"L1\")\nforbid (principal, action, resource) when { "
	for name, body := range map[string]string{
		"and":     "context.covered" + strings.Repeat("&&context.covered", 340),
		"or":      "context.covered" + strings.Repeat("||context.covered", 340),
		"not":     strings.Repeat("!", 1000) + "context.covered",
		"nested":  strings.Repeat("(context.covered && (context.second || ", 7) + "context.covered" + strings.Repeat("))", 7),
		"right":   strings.Repeat("context.covered && !(", 14) + "context.covered" + strings.Repeat(")", 14),
		"if":      strings.Repeat("if context.covered then context.covered else ", 300) + "context.covered",
		"if deep": strings.Repeat("if ", 1000) + "context.covered" + strings.Repeat(" then context.covered else context.covered", 300),
		"sets":    "[" + strings.Repeat("context.covered,", 500) + "context.covered].contains(context.covered)",
		"in":      "principal in [" + strings.Repeat(`Role::"judge",`, 700) + `Role::"judge"]`,
		"equal":   strings.Repeat("(", 14) + "context.covered" + strings.Repeat(" == context.covered)", 14),
		"words":   "context.covered" + strings.Repeat(` && context.kind == Kind::"eio"`, 250),
	} {
		text := head + body + " };"
		if len(text) > maxBytes {
			t.Fatalf("%s has %d bytes", name, len(text))
		}
		begin := time.Now()
		_, err := Load(fstest.MapFS{"r.cedar": {Data: []byte(text)}, "r.cases": {Data: []byte("allow judge verify\nrefuse judge verify covered\n")}}, "here")
		took := time.Since(begin)
		t.Logf("%-8s %v %.80v", name, took, err)
		if took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}
