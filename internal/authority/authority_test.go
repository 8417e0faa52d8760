package authority

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)

func own() Authority {
	return Authority{Title: "own", Basis: "own data", GrantedBy: "anna", Purpose: "find my notes"}
}

// nowhere discards a change instead of recording it.
func nowhere(Number, argus.Hash) error { return nil }
func nothing(argus.Hash) error         { return nil }

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "authorities"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *Store, a Authority) *Authority {
	t.Helper()
	added, err := s.Add(a, now, nowhere)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestRefused(t *testing.T) {
	s := newStore(t)
	limited := own()
	limited.Actors = []string{"anna", "bob"}
	limited.From = now.Add(time.Hour)
	limited.Until = now.Add(2 * time.Hour)
	add(t, s, limited) // A-0001
	ended := add(t, s, own())
	if err := s.Revoke(ended.Number, "judge", "order 17 was lifted", now, nothing); err != nil {
		t.Fatal(err)
	}
	anna := Request{Actor: "anna", Authority: "A-0001", Purpose: "the case", Action: "search"}
	begin := seconds(limited.From)
	with := func(change func(*Request)) Request {
		r := anna
		change(&r)
		return r
	}
	for _, test := range []struct {
		name    string
		request Request
		at      time.Time
		want    string // "" is allowed
	}{
		{"begun", anna, begin, ""},
		{"last moment", anna, begin.Add(time.Hour - 1), ""},
		{"other actor", with(func(r *Request) { r.Actor = "bob" }), begin, ""},
		{"number in short", with(func(r *Request) { r.Authority = "1" }), begin, ""},
		{"a moment before", anna, begin.Add(-1), "begins at 2026-03-01T13:00:00Z"},
		{"the second it ends", anna, begin.Add(time.Hour), "ended at 2026-03-01T14:00:00Z"},
		{"long after", anna, begin.Add(1000 * time.Hour), "ended at"},
		{"nobody", with(func(r *Request) { r.Actor = " " }), begin, "no actor is given"},
		{"no authority", with(func(r *Request) { r.Authority = "" }), begin, "no authority is given"},
		{"no number", with(func(r *Request) { r.Authority = "../A-0001" }), begin, "a number like A-0001"},
		{"no purpose", with(func(r *Request) { r.Purpose = "\t" }), begin, "no purpose is given"},
		{"revoked", with(func(r *Request) { r.Authority = "A-0002" }), begin, "revoked at 2026-03-01T12:00:00Z (order 17 was lifted)"},
		{"not named", with(func(r *Request) { r.Actor = "eve" }), begin, "eve has no authority A-0001"},
		{"unknown", with(func(r *Request) { r.Authority = "A-0009" }), begin, "anna has no authority A-0009"},
		{"not named, and it ended", with(func(r *Request) { r.Actor = "eve" }), begin.Add(time.Hour), "eve has no authority A-0001"},
	} {
		d, err := s.Decide(test.request, test.at)
		if test.want == "" {
			if err != nil || d.Authority == nil || d.Scope != (query.All{}) {
				t.Errorf("%s: %+v, %v", test.name, d, err)
			}
			continue
		}
		if !errors.Is(err, argus.ErrRefused) || d != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %+v, %v; want refused: %s", test.name, d, err, test.want)
		}
	}
	// An authority for a different actor and a missing authority look the same.
	_, stranger := s.Decide(with(func(r *Request) { r.Actor = "eve" }), begin)
	_, absent := s.Decide(Request{Actor: "eve", Authority: "A-0008", Purpose: "x", Action: "search"}, begin)
	if a, b := stranger.Error(), strings.Replace(absent.Error(), "A-0008", "A-0001", 1); a != b {
		t.Errorf("%q and %q", a, b)
	}
}

func TestScope(t *testing.T) {
	s := newStore(t)
	a := own()
	a.Scope = "delivery:D-0007 sent:2021-02-14..2021-03-09"
	added := add(t, s, a)
	d, err := s.Decide(Request{"anna", added.Number.String(), "p", "show"}, now)
	if err != nil {
		t.Fatal(err)
	}
	want, err := query.Parse(a.Scope, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, d.Scope); diff != "" {
		t.Error(diff)
	}

	// A scope that no longer parses leads to a refusal; it does not cover everything.
	broken := *added
	broken.Scope, broken.Number = `"open`, 2
	if err := s.write("A-0002.json", broken, nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Decide(Request{"anna", "A-0002", "p", "show"}, now); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("a scope that does not parse: %v", err)
	}
}

func TestAddRefusesNonsense(t *testing.T) {
	s := newStore(t)
	for name, change := range map[string]func(*Authority){
		"no basis":     func(a *Authority) { a.Basis = "" },
		"no grantor":   func(a *Authority) { a.GrantedBy = " " },
		"no purpose":   func(a *Authority) { a.Purpose = "" },
		"blank actor":  func(a *Authority) { a.Actors = []string{"anna", ""} },
		"ends first":   func(a *Authority) { a.From = now; a.Until = now },
		"bad scope":    func(a *Authority) { a.Scope = "(" },
		"not in UTF-8": func(a *Authority) { a.Title = "a\xff" },
		"unknown act":  func(a *Authority) { a.Acts = []string{"search", "serch"} },
	} {
		a := own()
		change(&a)
		if _, err := s.Add(a, now, nowhere); err == nil {
			t.Errorf("%s: the authority was added", name)
		}
	}
	if err := s.Revoke(1, "judge", "because", now, nothing); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("revoke nothing: %v", err)
	}
	added := add(t, s, own())
	if err := s.Revoke(added.Number, "judge", "", now, nothing); err == nil {
		t.Error("revoke without a reason")
	}
	if err := s.Revoke(added.Number, "judge", "because", now, nothing); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(added.Number, "judge", "again", now, nothing); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoke twice: %v", err)
	}
}

func TestAddAndList(t *testing.T) {
	s := newStore(t)
	a := own()
	a.Actors = []string{"anna"}
	a.Until = now.Add(time.Hour).In(time.FixedZone("", 7200))
	a.Scope = `from:"a & b" <script>`
	first := add(t, s, a)
	want := a
	want.Number, want.Created, want.From, want.Until = 1, seconds(now), seconds(now), seconds(a.Until)
	if diff := cmp.Diff(&want, first); diff != "" {
		t.Error(diff)
	}
	second := add(t, s, own())
	if err := s.Revoke(2, "judge", "over", now, nothing); err != nil {
		t.Fatal(err)
	}
	second.Revoked = &Revocation{2, "judge", "over", seconds(now)}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Authority{*first, *second}, list); diff != "" {
		t.Error(diff)
	}
	if named, err := s.Naming("eve"); err != nil || cmp.Diff([]Authority{*second}, named) != "" {
		t.Errorf("%+v, %v", named, err)
	}
	if _, err := s.Get(3); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("get nothing: %v", err)
	}
	hashes, err := s.Hashes()
	if err != nil || len(hashes) != 3 {
		t.Errorf("%d hashes, %v", len(hashes), err)
	}
}

// The examples of docs/format/authority.md are written and read exactly as shown.
func TestFormat(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "authority.md"))
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	for rest := string(doc); ; {
		_, after, ok := strings.Cut(rest, "```json\n")
		if !ok {
			break
		}
		var example string
		example, rest, _ = strings.Cut(after, "```")
		examples = append(examples, example)
	}
	if len(examples) != 3 {
		t.Fatalf("%d examples", len(examples))
	}
	var a Authority
	var r Revocation
	var c Change
	if err := errors.Join(parse([]byte(examples[0]), &a), parse([]byte(examples[1]), &r), parse([]byte(examples[2]), &c)); err != nil {
		t.Fatal(err)
	}
	if a.Number != 1 || a.Actors[0] != "anna" || r.Number != 1 || a.Valid() != nil {
		t.Errorf("%+v, %+v", a, r)
	}
}

// An authority that names acts allows only those acts; one that names none allows all
// acts.
func TestActs(t *testing.T) {
	s := newStore(t)
	some := own()
	some.Acts = []string{"search", "show"}
	all, limited := add(t, s, own()), add(t, s, some)
	for _, act := range append([]string{"unheard of"}, Acts...) {
		for number, want := range map[Number]bool{all.Number: true, limited.Number: act == "search" || act == "show"} {
			d, err := s.Decide(Request{Actor: "anna", Authority: number.String(), Purpose: "the case", Action: act}, now)
			if (err == nil) != want || (d != nil) != want || err != nil && (!errors.Is(err, argus.ErrRefused) || !strings.Contains(err.Error(), "does not allow this, only search, show")) {
				t.Errorf("%s under %s: %+v, %v", act, number, d, err)
			}
		}
	}
	// A file that allows no act must not be read as a file that allows all acts.
	name := filepath.Join(s.dir, "A-0002.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(data), "[\n    \"search\",\n    \"show\"\n  ]", "[]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(2); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("no acts: %v", err)
	}
}

// TestStatedLanguage: a scope depends only on stated languages, so a guess never widens
// it.
func TestStatedLanguage(t *testing.T) {
	s := newStore(t)
	for scope, want := range map[string]string{
		"lang:nl":                  "lang:=nl",
		"lang:nl* from:a":          "lang:=nl* from:a",
		"country:nl -country:*":    "country:=NL -country:=*",
		"-lang:nl OR lang:=en":     "-lang:=nl OR lang:=en",
		`from:a (lang:nl "in an")`: `from:a lang:=nl "in an"`,
	} {
		a := own()
		a.Scope = scope
		added := add(t, s, a)
		got, err := s.Scope(added.Number)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", scope, got, err, want)
		}
	}
	for scope, want := range map[string]string{"lang:nl?": "a found language is a guess", "country:NL?": "with:+31*"} {
		a := own()
		a.Scope = scope
		if _, err := s.Add(a, now, nowhere); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

// TestChange suspends, resumes and extends an authority: each change takes effect in that
// second.
func TestChange(t *testing.T) {
	s := newStore(t)
	a := own()
	a.Until = now.Add(time.Hour)
	a = *add(t, s, a)
	at := now
	ask := func(want string) {
		t.Helper()
		_, err := s.Decide(Request{Actor: "anna", Authority: "A-0001", Purpose: "the case", Action: "search"}, at)
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, argus.ErrRefused) || !strings.Contains(err.Error(), want)) {
			t.Errorf("at %s: %v, want %q", stamp(at), err, want)
		}
	}
	change := func(kind ChangeKind, until time.Time) error {
		_, err := s.Change(a.Number, Change{Kind: kind, By: "judge", Reason: "appeal", Until: until}, at, func(string, argus.Hash) error { return nil })
		return err
	}
	ask("")
	for name, err := range map[string]error{
		"resumed while in force":   change(Resume, time.Time{}),
		"suspended until":          change(Suspend, now.Add(time.Hour)),
		"extended to its own end":  change(Extend, a.Until),
		"extended to no end":       change(Extend, time.Time{}),
		"changed without a reason": func() error { _, err := s.Change(1, Change{Kind: Suspend, By: "judge"}, at, nil); return err }(),
		"changed by nobody":        func() error { _, err := s.Change(1, Change{Kind: Suspend, Reason: "x"}, at, nil); return err }(),
		"changed to nothing known": change("widen", time.Time{}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Change(7, Change{Kind: Suspend, By: "judge", Reason: "x"}, at, nil); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("changes one that is not there: %v", err)
	}
	if err := change(Suspend, time.Time{}); err != nil {
		t.Fatal(err)
	}
	ask("suspended since")
	if only, err := Only("anna", []Authority{*get(t, s, 1)}, at); err != nil || only.Suspended() == nil {
		t.Errorf("the only one is %+v, %v", only, err)
	}
	if err := errors.Join(change(Resume, time.Time{}), change(Extend, now.Add(3*time.Hour))); err != nil {
		t.Fatal(err)
	}
	at = now.Add(2 * time.Hour)
	ask("")
	at = now.Add(3 * time.Hour)
	ask("ended at")
	if err := change(Extend, now.Add(9*time.Hour)); !errors.Is(err, ErrInvalid) {
		t.Errorf("one that has ended is extended: %v", err)
	}
	if got := get(t, s, 1); len(got.Changes) != 3 || !got.Until.Equal(seconds(now.Add(3*time.Hour))) {
		t.Errorf("%+v", got)
	}
	if b := add(t, s, own()); b.Number != 2 {
		t.Errorf("the next number is %s", b.Number)
	}
	// A change written by hand counts as damage, because the ledger has no entry for it.
	s.Known = func() (map[string]string, error) {
		hashes, err := s.Hashes()
		known := map[string]string{}
		for name, hash := range hashes {
			if name != "A-0001.3.json" {
				known[name] = hash.String()
			}
		}
		return known, err
	}
	if _, err := s.Get(1); !errors.Is(err, argus.ErrDamaged) || !strings.Contains(err.Error(), "change of an authority") {
		t.Errorf("with a smuggled extension: %v", err)
	}
}

func get(t *testing.T, s *Store, n Number) *Authority {
	t.Helper()
	a, err := s.Get(n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRoles: an authority may name roles instead of people, or in addition to them.
func TestRoles(t *testing.T) {
	s := newStore(t)
	s.RolesOf = func(actor string) ([]string, error) {
		return map[string][]string{"anna": {"analyst"}, "bob": {"judge", "overseer"}}[actor], nil
	}
	byRole, both := own(), own()
	byRole.Roles = []string{"judge"}
	both.Roles, both.Actors = []string{"judge"}, []string{"anna"}
	add(t, s, byRole)
	add(t, s, both)
	for actor, want := range map[string]string{"anna": "A-0002", "bob": "A-0001 A-0002", "carl": ""} {
		var got []string
		list, err := s.Naming(actor)
		for _, a := range list {
			got = append(got, a.Number.String())
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("%s: %v, %v; want %s", actor, got, err, want)
		}
		for _, number := range []string{"A-0001", "A-0002"} {
			_, err := s.Decide(Request{Actor: actor, Authority: number, Purpose: "p", Action: "search"}, now)
			if (err == nil) != strings.Contains(want, number) {
				t.Errorf("%s under %s: %v", actor, number, err)
			}
		}
	}
	// A holder of the role may be one of the people whom a narrower authority names.
	narrow := own()
	narrow.Scope, narrow.Actors = "from:a", []string{"carl"}
	if wider, err := s.Wider(add(t, s, narrow), now); err != nil || len(wider) != 2 {
		t.Errorf("wider are %+v, %v", wider, err)
	}
}

// A changed file counts as damage: it never counts as absent, and never gives access.
func TestDamage(t *testing.T) {
	s := newStore(t)
	for range 3 {
		add(t, s, own())
	}
	if err := s.Revoke(2, "judge", "over", now, nothing); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(s.dir, name) }
	for _, name := range []string{"A-0002.json", "A-0002.revoked.json"} {
		good, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(file("A-0001.json"))
		if err != nil {
			t.Fatal(err)
		}
		for what, data := range map[string][]byte{
			"emptied": {}, "cut": good[:len(good)-2], "longer": append(good[:len(good):len(good)], ' '),
			"of another": other, "no JSON": []byte("own data"),
		} {
			if err := errors.Join(os.Remove(file(name)), os.WriteFile(file(name), data, 0o600)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(2); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("%s %s: get: %v", name, what, err)
			}
			if _, err := s.Decide(Request{"anna", "2", "p", "show"}, now); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("%s %s: decide: %v", name, what, err)
			}
			if list, err := s.List(); err != nil || len(list) < 2 || list[0].Damage != "" || list[1].Damage == "" || list[1].Number != 2 || list[1].Purpose != "" {
				t.Errorf("%s %s: list: %+v, %v", name, what, list, err)
			}
		}
		if err := os.WriteFile(file(name), good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(file("A-0002.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Decide(Request{"anna", "2", "p", "show"}, now); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("a file in the middle is missing: %v", err)
	}
	if a := add(t, s, own()); a.Number != 4 {
		t.Errorf("the next number is %s, want A-0004", a.Number)
	}
}

func FuzzParse(f *testing.F) {
	good, err := encode(&Authority{Number: 1, Title: "a", Basis: "b", Actors: []string{"c"}, Until: now, Revoked: &Revocation{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"authority":"A-0001","basis":"b","granted_by":"g","purpose":"p","from":"2026-03-01T12:00:00Z","created":"2026-03-01T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Authority
		if parse(data, &a) != nil {
			return
		}
		if again, err := encode(a); err != nil || string(again) != string(data) {
			t.Errorf("%q is read and written as %q, %v", data, again, err)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	s := newStore(b)
	a := own()
	a.Scope = "delivery:D-0007 sent:2021-02-14..2021-03-09 (with:Q3XK9A OR with:7B2FAA)"
	add(b, s, a)
	for b.Loop() {
		if _, err := s.Decide(Request{"anna", "A-0001", "p", "show"}, now); err != nil {
			b.Fatal(err)
		}
	}
}

// Wider returns exactly the authorities that make the limits of a new one pointless.
func TestWider(t *testing.T) {
	s := newStore(t)
	scoped := func(scope string, until time.Time, actors ...string) *Authority {
		a := own()
		a.Scope, a.Until, a.Actors = scope, until, actors
		return add(t, s, a)
	}
	later := now.Add(2 * time.Hour)
	all := scoped("", time.Time{})
	past := own()
	past.From, past.Until, past.Actors = now.Add(-time.Hour), now, []string{"bob"}
	add(t, s, past)
	revoked := scoped("", time.Time{}, "bob")
	if err := s.Revoke(revoked.Number, "judge", "over", now, nothing); err != nil {
		t.Fatal(err)
	}
	year := scoped("sent:2021", time.Time{}, "bob", "eve")
	scoped("sent:2020", time.Time{}, "bob")
	scoped("", time.Time{}, "eve")
	same := scoped("sent:2021-02", later, "bob")
	for _, tt := range []struct {
		than *Authority
		want []Number
	}{
		{scoped("sent:2021-02 delivery:D-0001", later, "bob"), []Number{all.Number, year.Number, same.Number}},
		{scoped("sent:2021-02", later, "bob"), []Number{all.Number, year.Number}},
		{scoped("sent:2021-02", now.Add(time.Hour), "bob"), []Number{all.Number, year.Number, same.Number}},
		{scoped("", time.Time{}, "bob"), nil},
	} {
		list, err := s.Wider(tt.than, now)
		var got []Number
		for _, a := range list {
			if a.Number < 8 {
				got = append(got, a.Number)
			}
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("than %q until %v: %v %s", tt.than.Scope, tt.than.Until, err, diff)
		}
	}
}

// An authority that allows different acts or more acts makes the limits of a narrower one
// pointless, if they share an act; an authority that allows fewer of the same acts, or
// none of them, does not.
func TestWiderActs(t *testing.T) {
	for _, tt := range []struct {
		than, other []string
		want        bool
	}{
		{nil, nil, false},
		{[]string{"search"}, nil, true},
		{[]string{"search"}, []string{"search"}, false},
		{[]string{"search"}, []string{"show", "search"}, true},
		{[]string{"search", "show"}, []string{"search"}, false},
		{[]string{"search"}, []string{"show"}, false},
		{nil, []string{"search"}, false},
	} {
		s := newStore(t)
		other, than := own(), own()
		other.Acts, than.Acts = tt.other, tt.than
		add(t, s, other)
		list, err := s.Wider(add(t, s, than), now)
		if err != nil || (len(list) == 1) != tt.want {
			t.Errorf("%v compared with %v: %v, %v", tt.other, tt.than, list, err)
		}
	}
}
