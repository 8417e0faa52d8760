package policy

import (
	"fmt"
	"slices"
	"strings"

	cedar "github.com/cedar-policy/cedar-go"

	"github.com/argus-evidence/argus/internal/people"
)

// testCase is one line of a cases file: an example of a request, and its answer.
type testCase struct {
	at    string // file:line
	text  string
	allow bool
	Request
}

// flags are the words that a case may contain in addition to its roles, act, class, kind and
// codes. Unless a case states otherwise, the actor was recognised and stated a purpose.
var flags = map[string]func(*Request){
	"disclosed":    func(r *Request) { r.Disclosed = true },
	"received":     func(r *Request) { r.Received = true },
	"covered":      func(r *Request) { r.Covered = true },
	"second":       func(r *Request) { r.Second = true },
	"emergency":    func(r *Request) { r.Emergency = true },
	"permitted":    func(r *Request) { r.Permitted = true },
	"unrecognised": func(r *Request) { r.Recognised = false },
	"purposeless":  func(r *Request) { r.Purpose = false },
	"needs-judge":  func(r *Request) { r.NoJudge = false },
	"of-defence":   func(r *Request) { r.NotDefence = false },
}

// readCases reads a file of cases, one per line: "allow" or "refuse", the roles joined by +
// or "nobody", the act, and the circumstances. A line that begins with # is a comment.
func readCases(file string, text []byte) (cases []testCase, faults []error) {
	line := 0
	for raw := range strings.Lines(string(text)) {
		line++
		fields := strings.Fields(raw)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		c, err := readCase(fields)
		c.at, c.text = fmt.Sprintf("%s:%d", file, line), strings.Join(fields, " ")
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.at, err))
			continue
		}
		cases = append(cases, c)
	}
	return cases, faults
}

func readCase(fields []string) (testCase, error) {
	if len(fields) < 3 || fields[0] != "allow" && fields[0] != "refuse" {
		return testCase{}, fmt.Errorf("expected: allow or refuse, ROLE+ROLE or nobody, ACT, circumstances")
	}
	c := testCase{allow: fields[0] == "allow", Request: Request{
		Actor: "somebody", Action: fields[2], Class: Ordinary, Recognised: true, Purpose: true, NoJudge: true, NotDefence: true,
	}}
	if fields[1] != "nobody" {
		for role := range strings.SplitSeq(fields[1], "+") {
			c.Roles = append(c.Roles, people.Role(role))
		}
	}
	for _, word := range fields[3:] {
		set, known := flags[word]
		switch {
		case known:
			set(&c.Request)
		case slices.Contains([]Class{Ordinary, Suspected, Confirmed, Rejected, Lifted}, Class(word)):
			c.Class = Class(word)
		case strings.HasPrefix(word, "H"):
			c.Handling = append(c.Handling, word)
		case strings.HasPrefix(word, "kind:"):
			c.Kind = strings.TrimPrefix(word, "kind:")
		default:
			return c, fmt.Errorf("unknown circumstance %q", word)
		}
	}
	_, _, err := c.build()
	return c, err
}

// Result is the outcome of the cases of a rule.
type Result struct {
	Rule   string   `json:"rule"`
	Folder string   `json:"folder"`
	Cases  uint64   `json:"cases"`
	Failed uint64   `json:"failed"`
	Faults []string `json:"faults,omitempty"`

	faults []error
}

// run tests the cases of every rule.
func (s *Set) run() []Result {
	list := make([]Result, 0, len(s.rules))
	for _, r := range s.rules {
		list = append(list, r.try())
	}
	return list
}

// try tests the cases of a rule. Each must have the stated outcome, and together they must
// show the effect of the rule: at least one case is decided by this rule alone, and at least
// one has the opposite answer.
func (r *Rule) try() Result {
	result := Result{Rule: r.ID, Folder: r.Folder, Cases: r.Cases}
	say := func(at, format string, args ...any) {
		result.faults = append(result.faults, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
	}
	others := cedar.NewPolicySet()
	for id, p := range r.within.All() {
		if string(id) != r.ID {
			others.Add(id, p)
		}
	}
	decides, other := false, false
	for _, c := range r.cases {
		got := decide(r.within, c.Request)
		if got.Allowed != c.allow || got.Incident != "" {
			result.Failed++
			say(c.at, "%q is %s", c.text, got)
			continue
		}
		if c.allow == r.Forbid {
			other = true
			continue
		}
		decides = decides || decide(others, c.Request).Allowed == r.Forbid
	}
	if !decides && result.Failed == 0 {
		say(r.at, "none of its cases needs the rule: without it, each case has the same outcome")
	}
	if !other && result.Failed == 0 {
		say(r.at, "no case shows the limits of the rule: it needs cases with both answers")
	}
	for _, fault := range result.faults {
		result.Faults = append(result.Faults, fault.Error())
	}
	return result
}

// Report is the outcome of a test of a folder.
type Report struct {
	Folder  string   `json:"folder"`
	Version string   `json:"version"`
	Rules   uint64   `json:"rules"`
	Cases   uint64   `json:"cases"`
	Passed  uint64   `json:"passed"`
	Failed  uint64   `json:"failed"`
	Results []Result `json:"results"`
	// Faults are the reasons why the folder cannot be loaded. It is empty if the folder
	// can be loaded.
	Faults []string `json:"faults,omitempty"`
}

// report describes the set and the faults that the gate found.
func (s *Set) report(faults []error) Report {
	r := Report{Folder: s.name, Version: s.version.String(), Rules: uint64(len(s.rules))}
	for _, fault := range faults {
		r.Faults = append(r.Faults, fault.Error())
	}
	r.Results = s.run()
	for _, one := range r.Results {
		r.Cases, r.Failed = r.Cases+one.Cases, r.Failed+one.Failed
	}
	r.Passed = r.Cases - r.Failed
	return r
}
