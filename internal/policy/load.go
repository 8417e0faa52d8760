package policy

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// The limits of a folder. Cedar's parser recurses at each bracket.
const (
	maxFiles = 400
	maxBytes = 16 << 10 // bytes in a file
	maxDepth = 16       // nested brackets
	maxTerms = 1024     // operators in a rule
)

//go:embed schema.cedarschema
var schemaText []byte

//go:embed rules
var builtIn embed.FS

// Generic is the folder whose rules are part of every set.
const Generic = "generic"

// words holds the schema and its lists.
var words = mustSchema(schemaText)

type vocabulary struct {
	actions  map[types.EntityUID]resolved.Action
	resource map[string]types.EntityType // of each act
	value    map[types.EntityUID]bool    // the words in all lists
	check    *validate.Validator
}

// mustSchema panics if the schema, which is part of the program, is not complete.
func mustSchema(text []byte) vocabulary {
	v, err := readSchema(text)
	if err != nil {
		panic(err)
	}
	return v
}

// readSchema reads a schema. A schema without acts is an error, since nothing would be
// checked.
func readSchema(text []byte) (vocabulary, error) {
	v := vocabulary{resource: map[string]types.EntityType{}, value: map[types.EntityUID]bool{}}
	var s schema.Schema
	if err := s.UnmarshalCedar(text); err != nil {
		return v, fmt.Errorf("read the schema: %w", err)
	}
	r, err := s.Resolve()
	if err != nil {
		return v, fmt.Errorf("read the schema: %w", err)
	}
	for uid, action := range r.Actions {
		if action.AppliesTo == nil {
			continue // it is a group
		}
		if len(action.AppliesTo.Resources) != 1 {
			return v, fmt.Errorf("read the schema: the act %s has %d resources, want 1", uid.ID, len(action.AppliesTo.Resources))
		}
		v.resource[string(uid.ID)] = action.AppliesTo.Resources[0]
	}
	for _, enum := range r.Enums {
		for _, uid := range enum.Values {
			v.value[uid] = true
		}
	}
	if len(v.resource) == 0 || len(v.value) == 0 {
		return v, errors.New("read the schema: it has no acts or no lists")
	}
	v.actions, v.check = r.Actions, validate.New(r, validate.WithStrict())
	return v, nil
}

// Rule is a rule with its own cases.
type Rule struct {
	ID string `json:"rule"`
	// Folder is the folder that contains the rule: generic, or a jurisdiction.
	Folder string `json:"folder"`
	Forbid bool   `json:"forbid"`
	// Says is the rule as a sentence. Cites is its source. Unchecked states the parts of the
	// citation that have not been checked.
	Says      string `json:"says"`
	Cites     string `json:"cites"`
	Unchecked string `json:"unchecked,omitempty"`
	Cases     uint64 `json:"cases"`

	policy *cedar.Policy
	at     string // file:line
	cases  []testCase
	within *cedar.PolicySet // the rules with which its cases are tested
}

// Jurisdictions returns the names of the jurisdictions that are part of Argus.
func Jurisdictions() []string { return []string{"be", "fr", "nl"} }

// Load loads the generic rules, and the rules of a folder unless it is nil. It refuses all
// rules if there is any fault. The error lists all faults, each with its file, line and a
// sentence.
func Load(folder fs.FS, name string) (*Set, error) {
	s, faults := gate(folder, name)
	if len(faults) > 0 {
		return nil, fmt.Errorf("the rules of %s are refused: %w", name, errors.Join(faults...))
	}
	return s, nil
}

// Test tests the cases of a folder and, if the folder cannot be loaded, reports why. name is
// either a jurisdiction that is part of Argus, or the path of a folder on disk.
func Test(name string) Report {
	var s *Set
	var faults []error
	switch folder, err := find(name); {
	case err != nil:
		s, faults = &Set{name: name, cedar: cedar.NewPolicySet()}, []error{err}
	default:
		s, faults = gate(folder, name)
	}
	return s.report(faults)
}

// Open loads a folder. name is as in Test.
func Open(name string) (*Set, error) {
	folder, err := find(name)
	if err != nil {
		return nil, err
	}
	return Load(folder, name)
}

func find(name string) (fs.FS, error) {
	switch {
	case name == Generic:
		return nil, nil
	case slices.Contains(Jurisdictions(), name):
		return fs.Sub(builtIn, path.Join("rules", name))
	}
	return os.DirFS(name), nil
}

// gate returns the set and its faults. A set with faults may only decide test cases.
func gate(folder fs.FS, name string) (*Set, []error) {
	base, err := fs.Sub(builtIn, "rules/"+Generic)
	if err != nil {
		return nil, []error{err}
	}
	return gateOn(base, folder, name)
}

func gateOn(base, folder fs.FS, name string) (*Set, []error) {
	sum := sha256.New()
	frame(sum, schemaText)
	s := &Set{name: name, cedar: cedar.NewPolicySet()}
	var faults []error
	add := func(rules []Rule, to ...*cedar.PolicySet) {
		for _, r := range rules {
			r.within = to[0]
			s.rules = append(s.rules, r)
			for _, set := range to {
				if !set.Add(cedar.PolicyID(r.ID), r.policy) {
					faults = append(faults, fmt.Errorf("%s: another rule also has the id %q", r.at, r.ID))
				}
			}
		}
	}
	rules, wrong := readFolder(base, Generic, sum)
	faults = append(faults, wrong...)
	if folder == nil {
		add(rules, s.cedar)
	} else {
		// A jurisdiction may forbid an example that the generic rules allow.
		add(rules, cedar.NewPolicySet(), s.cedar)
		rules, wrong = readFolder(folder, name, sum)
		faults = append(faults, wrong...)
		for _, r := range rules {
			if !r.Forbid {
				faults = append(faults, fmt.Errorf("%s: the rule permits an act, but a jurisdiction can only forbid acts", r.at))
			}
		}
		add(rules, s.cedar)
	}
	sum.Sum(s.version[:0])
	if len(faults) > 0 {
		return s, faults // the outcomes are meaningless if rules are missing
	}
	for _, result := range s.run() {
		faults = append(faults, result.faults...)
	}
	return s, faults
}

// frame adds a text to a hash, preceded by its length.
func frame(w io.Writer, text []byte) { fmt.Fprintf(w, "%d:%s", len(text), text) }

// readFolder reads the rules of a folder, sorted by id. Each rule is in two files, ID.cedar
// and ID.cases.
func readFolder(folder fs.FS, name string, sum io.Writer) (rules []Rule, faults []error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, []error{fmt.Errorf("%s: read the folder: %w", name, err)}
	}
	if len(entries) > maxFiles {
		return nil, []error{fmt.Errorf("%s: the folder has %d files, but at most %d are allowed", name, len(entries), maxFiles)}
	}
	files := map[string][]byte{}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		ext := path.Ext(e.Name())
		switch text, err := readRegular(folder, e); {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
		case ext != ".cedar" && ext != ".cases":
			faults = append(faults, fmt.Errorf("%s: the file is not a rule; a folder of rules may only contain NAME.cedar and NAME.cases", at))
		default:
			files[e.Name()] = text
		}
	}
	frame(sum, fmt.Append(nil, len(files)))
	for _, file := range slices.Sorted(maps.Keys(files)) {
		frame(sum, []byte(file))
		frame(sum, files[file])
		id, isRule := strings.CutSuffix(file, ".cedar")
		if !isRule {
			if _, found := files[strings.TrimSuffix(file, ".cases")+".cedar"]; !found {
				faults = append(faults, fmt.Errorf("%s: the cases belong to no rule", path.Join(name, file)))
			}
			continue
		}
		r, wrong := readRule(name, id, files[file])
		cases, found := files[id+".cases"]
		if !found {
			wrong = append(wrong, fmt.Errorf("%s: the rule has no cases", path.Join(name, file)))
		}
		var bad []error
		r.cases, bad = readCases(path.Join(name, id+".cases"), cases)
		r.Cases = uint64(len(r.cases))
		if wrong = append(wrong, bad...); len(wrong) == 0 {
			rules = append(rules, r)
		}
		faults = append(faults, wrong...)
	}
	if len(rules) == 0 && len(faults) == 0 {
		faults = append(faults, fmt.Errorf("%s: the folder has no rules", name))
	}
	return rules, faults
}

// readRegular reads a regular file within the limits. It refuses links and everything
// that is not a file.
func readRegular(folder fs.FS, e fs.DirEntry) ([]byte, error) {
	if !e.Type().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := folder.Open(e.Name())
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	switch err = cmp.Or(err, f.Close()); {
	case err != nil:
		return nil, err
	case len(text) > maxBytes:
		return nil, fmt.Errorf("the file is longer than %d bytes", maxBytes)
	case !utf8.Valid(text) || strings.ContainsRune(string(text), 0):
		return nil, errors.New("the file is not valid UTF-8")
	}
	return text, nil
}

// readRule reads one rule. It first checks whether the rule is simple enough for the
// parser, and then applies Cedar's validator and vet.
func readRule(folder, id string, text []byte) (r Rule, faults []error) {
	file := path.Join(folder, id+".cedar")
	r = Rule{ID: id, Folder: folder, at: file + ":1"}
	if line, why := tooComplex(text); why != "" {
		return r, []error{fmt.Errorf("%s:%d: %s", file, line, why)}
	}
	list, err := cedar.NewPolicyListFromBytes(file, text)
	if err != nil {
		return r, []error{fmt.Errorf("%s: read the rule: %w", file, err)}
	}
	if len(list) != 1 {
		return r, []error{fmt.Errorf("%s: the file has %d rules, want 1", file, len(list))}
	}
	r.policy = list[0]
	r.at = fmt.Sprintf("%s:%d", file, r.policy.Position().Line)
	r.Forbid = r.policy.Effect() == cedar.Forbid
	say := func(err error) { faults = append(faults, fmt.Errorf("%s: %w", r.at, err)) }

	notes := r.policy.Annotations()
	for key := range notes {
		if !slices.Contains([]types.AnnotationKey{"id", "says", "cites", "unchecked"}, key) {
			say(fmt.Errorf("there is no annotation @%s; the annotations are @id, @says, @cites and @unchecked", key))
		}
	}
	r.Says, r.Cites, r.Unchecked = string(notes["says"]), string(notes["cites"]), string(notes["unchecked"])
	if string(notes["id"]) != id {
		say(fmt.Errorf("its @id is %q, but its file is named %q", notes["id"], id))
	}
	if !strings.HasSuffix(r.Says, ".") || strings.TrimSpace(r.Cites) == "" {
		say(errors.New("it needs a sentence that ends with a full stop (@says) and its source (@cites)"))
	}
	tree := (*ast.Policy)(r.policy.AST())
	wrong := vet(tree)
	if err := words.check.Policy("", tree); err != nil {
		for line := range strings.Lines(err.Error()) {
			wrong = append(wrong, errors.New(strings.TrimSpace(line)))
		}
	}
	for _, err := range wrong {
		faults = append(faults, fmt.Errorf("%s:%d: %w", file, lineOf(text, err), err))
	}
	return r, faults
}

// lineOf returns the line of a rule that an error is about. Cedar's validator gives no line,
// but quotes the wrong word in backticks.
func lineOf(text []byte, err error) int {
	parts := strings.Split(err.Error(), "`")
	for i := 1; i < len(parts); i += 2 {
		if before, _, found := strings.Cut(string(text), parts[i]); found {
			return 1 + strings.Count(before, "\n")
		}
	}
	return 1
}

// tooComplex finds the first line where a rule is nested too deeply, or has too many terms,
// for a recursive parser. It skips strings and comments.
func tooComplex(text []byte) (line int, why string) {
	line = 1
	depth, terms := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			line++
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\n' {
					line++
				}
				if text[i] == '\\' {
					i++
				}
			}
		case '/':
			if i+1 < len(text) && text[i+1] == '/' {
				for i+1 < len(text) && text[i+1] != '\n' {
					i++
				}
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '!', '-', '&', '|', '.':
			terms++
		}
		if depth > maxDepth {
			return line, fmt.Sprintf("the rule has more than %d nested brackets", maxDepth)
		}
		if terms > maxTerms {
			return line, "the rule is too long; split it into several rules"
		}
	}
	return 0, ""
}

// vet does the checks that Cedar's validator leaves out. The validator does not check whether a
// word is in its list, skips the part of a condition after one that is always false, and
// accepts a text that equals no value, because the type is right. Rules may therefore use only
// a few elements: no texts, numbers and constants, and no word that is in no list.
func vet(p *ast.Policy) (faults []error) {
	entity := func(uid types.EntityUID) {
		if _, action := words.actions[uid]; !action && !words.value[uid] {
			faults = append(faults, fmt.Errorf("`%s` %w", uid, errUnknown))
		}
	}
	scope := func(s any) {
		switch s := s.(type) {
		case ast.ScopeTypeEq:
			entity(s.Entity)
		case ast.ScopeTypeIn:
			entity(s.Entity)
		case ast.ScopeTypeInSet:
			for _, uid := range s.Entities {
				entity(uid)
			}
		case ast.ScopeTypeIsIn:
			entity(s.Entity)
		}
	}
	scope(p.Principal)
	scope(p.Action)
	scope(p.Resource)
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeAnd, ast.NodeTypeOr, ast.NodeTypeNot, ast.NodeTypeEquals, ast.NodeTypeNotEquals, ast.NodeTypeIn, ast.NodeTypeIs,
				ast.NodeTypeAccess, ast.NodeTypeContains, ast.NodeTypeContainsAny, ast.NodeTypeContainsAll, ast.NodeTypeSet, ast.NodeTypeVariable:
			case ast.NodeValue:
				uid, is := n.Value.(types.EntityUID)
				if !is {
					faults = append(faults, fmt.Errorf("the constant `%v` is not allowed: a rule may only compare with words from the lists", n.Value))
					break
				}
				entity(uid)
			default:
				kind := strings.TrimPrefix(fmt.Sprintf("%T", n), "ast.NodeType")
				faults = append(faults, fmt.Errorf("the operation %s is not allowed: a rule may only use and, or, not, ==, !=, in, is, contains, containsAny, containsAll", kind))
			}
			return true
		})
	}
	return faults
}
