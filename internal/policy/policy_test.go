package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/people"
)

func load(t testing.TB, name string) *Set {
	t.Helper()
	s, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// folder returns a copy of a folder that is part of Argus.
func folder(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	entries, err := builtIn.ReadDir("rules/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := builtIn.ReadFile("rules/" + name + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = &fstest.MapFile{Data: text}
	}
	return m
}

func TestBuiltIn(t *testing.T) {
	versions := map[argus.Hash]bool{load(t, Generic).Version(): true}
	for _, name := range Jurisdictions() {
		s := load(t, name)
		if versions[s.Version()] {
			t.Errorf("%s has the version of another set", name)
		}
		versions[s.Version()] = true
	}
	if a, b := load(t, "nl").Version(), load(t, "nl").Version(); a != b {
		t.Errorf("the same rules have the versions %s and %s", a, b)
	}
	if _, err := Open("xx"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(xx) = %v", err)
	}
}

// The lists of the schema equal those of the packages that they come from.
func TestLists(t *testing.T) {
	want := map[string][]string{"Kind": append([]string{"none"}, authority.Kinds...), "Handling": authority.Handling}
	for _, r := range people.Roles {
		want["Role"] = append(want["Role"], string(r))
	}
	got := map[string]int{}
	for uid := range words.value {
		got[string(uid.Type)]++
	}
	for list, values := range want {
		if got[list] != len(values) {
			t.Errorf("the list %s has %d words, want %d", list, got[list], len(values))
		}
		for _, v := range values {
			if !words.value[types.NewEntityUID(types.EntityType(list), types.String(v))] {
				t.Errorf("the list %s has no %q", list, v)
			}
		}
	}
	for _, act := range authority.Acts {
		if !slices.Contains(Actions(), act) {
			t.Errorf("the schema has no act %q", act)
		}
	}
}

func TestSchemaThatIsNone(t *testing.T) {
	for _, text := range []string{"", "entity A;", "nonsense", "entity A; action a appliesTo { principal: A, resource: A };", "action a appliesTo { principal: B, resource: B };"} {
		if _, err := readSchema([]byte(text)); err == nil {
			t.Errorf("the schema %q was read", text)
		}
	}
}

func TestGate(t *testing.T) {
	rule := func(body string) string {
		return "@id(\"r\")\n@says(\"Nobody.\")\n@cites(\"L1\")\n" + body
	}
	good := rule(`forbid (principal, action == Action::"verify", resource) when { principal in Role::"partner" };`)
	cases := "allow judge verify\nrefuse partner verify\nrefuse nobody verify\n"
	for name, c := range map[string]struct{ text, cases, want string }{
		"no rule":                   {"", cases, "r.cedar: the file has 0 rules"},
		"two rules":                 {good + good, cases, "2 rules"},
		"no syntax":                 {rule("forbid principal;"), cases, "r.cedar: read the rule:"},
		"permits":                   {strings.Replace(good, "forbid", "permit", 1), cases, "r.cedar:1: the rule permits"},
		"attribute unknown":         {strings.Replace(good, "principal in Role::\"partner\"", "context.coverd", 1), cases, "r.cedar:4: attribute `coverd`"},
		"attribute of wrong type":   {strings.Replace(good, "principal in Role::\"partner\"", "context.kind", 1), cases, "Bool"},
		"attribute elsewhere":       {strings.Replace(good, "principal in Role::\"partner\"", "resource.class == Class::\"ordinary\"", 1), cases, "class"},
		"act unknown":               {strings.Replace(good, `"verify"`, `"verfy"`, 1), cases, "verfy"},
		"role unknown":              {strings.Replace(good, `"partner"`, `"parnter"`, 1), cases, "r.cedar:4: `Role::\"parnter\"` is not in any list"},
		"type unknown":              {strings.Replace(good, `Role::`, `Rol::`, 1), cases, `Rol`},
		"compares with a text":      {rule(`forbid (principal, action == Action::"verify", resource) when { context.kind == "eio" };`), cases, "r.cedar:4: the constant `eio`"},
		"constant":                  {rule(`forbid (principal, action == Action::"verify", resource) when { false && context.nosuch };`), cases, "r.cedar:4: the constant `false`"},
		"operation":                 {rule(`forbid (principal, action == Action::"verify", resource) when { context has nosuch };`), cases, `the operation Has`},
		"annotation unknown":        {strings.Replace(good, "@cites", "@note(\"x\")\n@cites", 1), cases, "@note"},
		"no sentence":               {strings.Replace(good, "Nobody.", "", 1), cases, "@says"},
		"no source":                 {strings.Replace(good, "L1", " ", 1), cases, "@cites"},
		"another id":                {strings.Replace(good, `@id("r")`, `@id("s")`, 1), cases, `its @id is "s"`},
		"no cases":                  {good, "", "it needs cases with both answers"},
		"cases of one answer":       {good, "refuse partner verify\n", "it needs cases with both answers"},
		"case that fails":           {good, cases + "allow partner verify\n", `r.cases:4: "allow partner verify" is refused by r`},
		"case of the generic rules": {strings.Replace(good, "partner", "custodian", 1), "allow judge verify\nrefuse custodian verify\n", ""},
		"dead":                      {strings.Replace(good, "principal in Role::\"partner\"", "context.covered && !context.covered", 1), "allow judge verify\nrefuse nobody verify\n", "none of its cases needs the rule"},
		"case without words":        {good, "refuse\n", "r.cases:1: expected"},
		"case of no role":           {good, "\n# comment\nrefuse parnter verify\n", `r.cases:3: the word "parnter"`},
		"case of no act":            {good, "refuse partner verfy\n", `"verfy"`},
		"case of no circumstance":   {good, "refuse partner verify coverd\n", `"coverd"`},
		"case of no code":           {good, "refuse partner verify H9\n", `"H9"`},
		"nested":                    {rule("forbid (principal, action, resource) when { " + strings.Repeat("(", 1000) + "context.covered" + strings.Repeat(")", 1000) + " };"), cases, "r.cedar:4: the rule has more than 16 nested brackets"},
		"negated":                   {rule("forbid (principal, action, resource) when { " + strings.Repeat("!", 5000) + "context.covered };"), cases, "too long"},
		"long":                      {good + "//" + strings.Repeat("x", maxBytes), cases, "longer than"},
		"no text":                   {good + "// \xff", cases, "not valid UTF-8"},
		"fine":                      {rule(`forbid (principal, action == Action::"beyond", resource) when { context.emergency };`), "allow judge beyond\nrefuse judge beyond emergency\n", ""},
	} {
		s, err := Load(fstest.MapFS{"r.cedar": {Data: []byte(c.text)}, "r.cases": {Data: []byte(c.cases)}}, "here")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: loaded %v, error %v; want %q", name, s != nil, err, c.want)
		}
	}
}

func TestOddFolders(t *testing.T) {
	fine := func() fstest.MapFS { return folder(t, "nl") }
	for name, change := range map[string]func(fstest.MapFS){
		"empty":         func(m fstest.MapFS) { clear(m) },
		"another file":  func(m fstest.MapFS) { m["notes.txt"] = &fstest.MapFile{} },
		"a hidden file": func(m fstest.MapFS) { m[".swp"] = &fstest.MapFile{} },
		"a folder":      func(m fstest.MapFS) { m["x.cedar/y"] = &fstest.MapFile{} },
		"a link": func(m fstest.MapFS) {
			m["x.cedar"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("judge-apart.cedar")}
		},
		"cases gone": func(m fstest.MapFS) { delete(m, "judge-apart.cases") },
		"rule gone":  func(m fstest.MapFS) { delete(m, "judge-apart.cedar") },
		"a name of generic": func(m fstest.MapFS) {
			maps.Copy(m, map[string]*fstest.MapFile{"sealed.cedar": folder(t, Generic)["sealed.cedar"], "sealed.cases": folder(t, Generic)["sealed.cases"]})
		},
		"too many": func(m fstest.MapFS) {
			for i := range maxFiles {
				m[fmt.Sprint(i, ".cedar")] = &fstest.MapFile{}
			}
		},
	} {
		m := fine()
		change(m)
		if s, err := Load(m, "odd"); err == nil || s != nil || !strings.Contains(err.Error(), "odd") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(fine(), "nl"); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was loaded")
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "x.cedar")); err == nil {
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "regular") {
			t.Errorf("a link: %v", err)
		}
	}
}

// A request with a word that is not in any list is refused as an incident. So is the zero
// request.
func TestIncidents(t *testing.T) {
	s := load(t, Generic)
	fine := Request{Actor: "a", Roles: []people.Role{people.Investigator}, Action: "search", Class: Ordinary, Recognised: true, Covered: true, Purpose: true}
	if d := s.Decide(fine); !d.Allowed || d.Err() != nil || d.String() != "allowed by read-covered" {
		t.Fatalf("%+v", d)
	}
	for name, change := range map[string]func(*Request){
		"nothing":  func(r *Request) { *r = Request{} },
		"act":      func(r *Request) { r.Action = "serch" },
		"group":    func(r *Request) { r.Action = "read" },
		"role":     func(r *Request) { r.Roles = append(r.Roles, "king") },
		"class":    func(r *Request) { r.Class = "" },
		"kind":     func(r *Request) { r.Kind = "warrant" },
		"handling": func(r *Request) { r.Handling = []string{"h0"} },
	} {
		r := fine
		change(&r)
		if d := s.Decide(r); d.Allowed || d.Incident == "" || !errors.Is(d.Err(), argus.ErrRefused) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	// This set did not pass the gate. It has a rule that Cedar cannot evaluate and would skip.
	broken := fstest.MapFS{
		"open.cedar": {Data: []byte("@id(\"open\")\npermit (principal, action, resource);")},
		"shut.cedar": {Data: []byte("@id(\"shut\")\nforbid (principal, action, resource) when { context.coverd };")},
	}
	rules := load(t, Generic).cedar
	for _, id := range []string{"open", "shut"} {
		r, _ := readRule("broken", id, broken[id+".cedar"].Data)
		rules.Add(types.PolicyID(id), r.policy)
	}
	if d := decide(rules, fine); d.Allowed || !strings.Contains(d.Incident, "shut") {
		t.Errorf("a rule that cannot be evaluated: %+v", d)
	}
}

// Every refusal has the same text.
func TestRefusalsLookTheSame(t *testing.T) {
	s := load(t, "nl")
	rng := rand.New(rand.NewPCG(3, 4))
	said := map[string]int{}
	for range 2000 {
		if err := s.Decide(random(rng)).Err(); err != nil {
			said[err.Error()]++
		}
	}
	if len(said) != 1 {
		t.Errorf("refusals say %v", said)
	}
}

// random returns a random request.
func random(rng *rand.Rand) Request {
	one := func() bool { return rng.IntN(2) == 0 }
	likely := func() bool { return rng.IntN(8) > 0 }
	acts := Actions()
	r := Request{
		Actor: "a", Action: acts[rng.IntN(len(acts))], Class: []Class{Ordinary, Suspected, Confirmed, Rejected, Lifted}[rng.IntN(5)],
		Disclosed: one(), Received: one(), NoJudge: one(), NotDefence: one(), Recognised: likely(), Covered: likely(), Purpose: likely(),
		Second: likely(), Emergency: likely(), Permitted: one(), Kind: append([]string{""}, authority.Kinds...)[rng.IntN(10)],
	}
	for range rng.IntN(3) {
		if role := people.Roles[rng.IntN(len(people.Roles))]; !slices.Contains(r.Roles, role) {
			r.Roles = append(r.Roles, role)
		}
	}
	for _, code := range authority.Handling {
		if rng.IntN(4) == 0 {
			r.Handling = append(r.Handling, code)
		}
	}
	return r
}

// Every request that can be built has all attributes, with the types of the schema.
func TestRequestsAreTyped(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		r := random(rng)
		request, entities, err := r.build()
		if err == nil {
			err = words.check.Request(request)
		}
		for _, e := range entities {
			err = errors.Join(err, words.check.Entity(e))
		}
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	}
}

// A report states each fault, and counts the cases that fail.
func TestReport(t *testing.T) {
	for _, name := range append(Jurisdictions(), Generic) {
		if r := Test(name); len(r.Faults) > 0 || r.Failed > 0 || r.Passed != r.Cases || r.Cases < 200 || r.Rules != uint64(len(r.Results)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, folder(t, "be")); err != nil {
		t.Fatal(err)
	}
	before := Test(dir)
	if err := os.WriteFile(filepath.Join(dir, "judge-apart.cases"), []byte("allow judge privilege.confirm suspected\nrefuse judge privilege.read suspected\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Test(dir)
	if r.Failed != 1 || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "judge-apart.cases:2: ") || r.Version == before.Version {
		t.Errorf("%+v", r)
	}
	if r := Test(filepath.Join(dir, "none")); len(r.Faults) != 1 {
		t.Errorf("%+v", r)
	}
}

func FuzzLoad(f *testing.F) {
	for name, file := range folder(f, Generic) {
		if id, is := strings.CutSuffix(name, ".cedar"); is {
			f.Add(string(file.Data), string(folder(f, Generic)[id+".cases"].Data))
		}
	}
	f.Add("@id(\"r\") forbid(principal,action,resource) when{if true then!-1 else{a:[1].isEmpty()}};", "allow a b c")
	f.Add("@id(\"r\")@says(\"A.\")@cites(\"B\")forbid(principal,action==Action::\"beyond\",resource)when{context.emergency};", "allow judge beyond\nrefuse judge beyond emergency")
	whole := load(f, Generic)
	f.Fuzz(func(t *testing.T, rule, cases string) {
		s, err := Load(fstest.MapFS{"r.cedar": {Data: []byte(rule)}, "r.cases": {Data: []byte(cases)}}, "fuzz")
		if err != nil {
			return
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(rule))))
		for range 100 {
			r := random(rng)
			if d := s.Decide(r); d.Incident != "" || d.Allowed && !whole.Decide(r).Allowed {
				t.Fatalf("%+v: %s, without the rule %s", r, d, whole.Decide(r))
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	s := load(b, "nl")
	rng := rand.New(rand.NewPCG(7, 8))
	requests := make([]Request, 1000)
	for i := range requests {
		requests[i] = random(rng)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Decide(requests[i%len(requests)])
	}
}
