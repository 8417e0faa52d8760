package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// way is a way out: a call to a method that reads.
type way struct {
	name, method string
	action       string // as in the ledger
	do           func(context.Context) (any, error)
}

// calls lists each method of a Permit that reads, with the arguments that follow the
// context.
var calls = []struct {
	name, method, action string
	args                 []any
}{
	{"search", "Search", ledger.Search, []any{SearchRequest{Query: "harbour", Facets: []query.FieldName{query.From}, Histogram: index.ByDay, Pairs: -1}}},
	{"search for all", "SearchAll", ledger.Search, []any{SearchRequest{Query: "harbour"}}},
	{"show", "Show", ledger.Show, []any{"aaaaaa01", true}},
	{"page", "Page", ledger.Page, []any{PageRequest{Ref: "aaaaaa01"}}},
	{"page of a conversation", "Page", ledger.Page, []any{PageRequest{Service: "test", Conversation: "c1"}}},
	{"deliveries", "Deliveries", ledger.Deliveries, nil},
	{"receipt", "Receipt", ledger.Receipt, []any{argus.DeliveryNumber(1)}},
	{"quarantine", "Quarantine", ledger.Quarantined, []any{argus.DeliveryNumber(1), uint64(0), 0}},
	{"ledger", "Ledger", ledger.ReadLedger, []any{uint64(0), 0}},
	{"beyond", "Beyond", ledger.Beyond, []any{BeyondRequest{Authority: "A-0001", Query: "harbour"}}},
	{"count of a case", "CountCase", ledger.CountCase, []any{CaseRequest{Query: query.Word{Term: "harbour"}}}},
	{"transfer", "Transfer", ledger.SendTransfer, []any{CaseRequest{Query: query.Word{Term: "harbour"}}}},
	{"accounts of a question", "Known", ledger.AnswerHits, []any{KnownRequest{Asked: func(string) bool { return true }}}},
	{"list", "List", ledger.ShowList, []any{"goods", ""}},
}

// everything returns each way out three times: through the desk, a permit, and a standing
// act.
func everything(o *office, who Who) (list []way) {
	for _, c := range calls {
		read := func(ctx context.Context, p *Permit) (any, error) {
			return call(p, c.method, append([]any{ctx}, c.args...))
		}
		list = append(list, way{c.name, c.method, c.action, func(ctx context.Context) (any, error) {
			return call(o.Desk, c.method, append([]any{ctx, who}, c.args...))
		}}, way{c.name + " in an act", c.method, "blueprint", func(ctx context.Context) (got any, err error) {
			var found any
			err = o.Act(ctx, who, ledger.Act{Action: "blueprint"}, func(p *Permit) (err error) {
				found, err = read(ctx, p)
				return err
			})
			if err != nil {
				return nil, err
			}
			return found, nil
		}}, way{c.name + " while standing", c.method, "watch", func(ctx context.Context) (got any, err error) {
			err = o.Stand(ctx, who, ledger.Act{Action: "watch", Subject: "harbour"}, func(s *Standing) error {
				return s.Batch(ctx, func(p *Permit) ([]Found, error) {
					found, err := read(ctx, p)
					return []Found{{Subject: c.name, Leave: func(Entry) error { got = found; return nil }}}, err
				})
			})
			return got, err
		}})
	}
	return list
}

// call calls a method. If the method's last parameter is a function, call passes one that
// collects the hits, and returns them as the answer.
func call(of any, method string, args []any) (any, error) {
	m := reflect.ValueOf(of).MethodByName(method)
	var in []reflect.Value
	for _, arg := range args {
		in = append(in, reflect.ValueOf(arg))
	}
	var hits []Hit
	if m.Type().NumIn() > len(in) {
		in = append(in, reflect.ValueOf(func(h Hit) error { hits = append(hits, h); return nil }))
	}
	out := m.Call(in)
	err, _ := out[1].Interface().(error)
	if len(in) == len(args) {
		if out[0].IsZero() {
			return nil, err
		}
		return out[0].Interface(), err
	}
	if n := out[0].Uint(); err == nil && n != uint64(len(hits)) {
		err = fmt.Errorf("%d hits, but the method returned %d", len(hits), n)
	}
	if err != nil {
		return nil, err
	}
	return hits, nil
}

// Every method of a desk, a permit or a standing act that lets data out is in calls. The
// tests of refusals, of expiry, of entries before reads, and of data outside the scope
// therefore cover it.
func TestEveryWayOut(t *testing.T) {
	// These read no data of the case: they act, ask again, or return authorities, query
	// texts and acts. TestProtected tries the one that returns sealed records.
	none := map[reflect.Type][]string{
		reflect.TypeFor[*Desk]():     {"Act", "Authorities", "Change", "Orders", "Oversee", "Protected", "Stand"},
		reflect.TypeFor[*Permit]():   {"Still"},
		reflect.TypeFor[*Standing](): {"Batch"},
	}
	called := map[string]bool{}
	for _, c := range calls {
		called[c.method] = true
	}
	for of, not := range none {
		for m := range of.Methods() {
			if of == reflect.TypeFor[*Standing]() || !called[m.Name] {
				if !slices.Contains(not, m.Name) {
					t.Errorf("no test of the ways out tries %s.%s", of, m.Name)
				}
			}
		}
	}
	// A desk and a permit have the same methods, except that those of the desk take the
	// asker.
	for method := range called {
		at, by := methodType(t, reflect.TypeFor[*Desk](), method), methodType(t, reflect.TypeFor[*Permit](), method)
		if len(at) < 2 || at[1] != "desk.Who" || !slices.Equal(slices.Delete(at, 1, 2), by) {
			t.Errorf("%s: %q on the desk, %q on a permit", method, at, by)
		}
	}
	// An authority can name each act of the desk.
	for _, c := range calls {
		if !slices.Contains(authority.Acts, c.action) {
			t.Errorf("no authority can allow %s alone", c.action)
		}
	}
}

// methodType returns the types of a method's parameters and results.
func methodType(t *testing.T, of reflect.Type, name string) (types []string) {
	m, ok := of.MethodByName(name)
	if !ok {
		t.Errorf("%s has no %s", of, name)
		return nil
	}
	for i := 1; i < m.Type.NumIn(); i++ {
		types = append(types, m.Type.In(i).String())
	}
	for out := range m.Type.Outs() {
		types = append(types, out.String())
	}
	return types
}

// An authority for one act does not allow any other act.
func TestAuthorityForOneAct(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	for _, allowed := range []string{ledger.Search, ledger.ShowList} {
		who := o.grantAs(t, authority.Authority{Acts: []string{allowed}})
		for _, way := range everything(o, who) {
			o.reads.Store(0)
			got, err := way.do(t.Context())
			if way.action == allowed {
				if err != nil || empty(got) {
					t.Errorf("%s under an authority for %s: %v, %v", way.name, allowed, got, err)
				}
			} else if !errors.Is(err, argus.ErrRefused) || !empty(got) || o.reads.Load() != 0 {
				t.Errorf("%s under an authority for %s: %v, %v, %d reads", way.name, allowed, got, err, o.reads.Load())
			}
		}
	}
}

// A permit does not work after its act.
func TestPermitAfterItsAct(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grant(t, "")
	var kept []*Permit
	if err := o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error {
		kept = append(kept, p)
		return p.Still(t.Context())
	}); err != nil {
		t.Fatal(err)
	}
	if err := o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error { kept = append(kept, p); return errDisk }); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error { kept = append(kept, p); panic("a mistake") })
	}()
	var standing *Standing
	if err := o.Stand(t.Context(), who, ledger.Act{Action: "watch"}, func(s *Standing) error {
		standing = s
		if err := s.Batch(t.Context(), func(p *Permit) ([]Found, error) { kept = append(kept, p); return nil, nil }); err != nil {
			return err
		}
		return kept[3].Still(t.Context())
	}); !errors.Is(err, ErrOver) {
		t.Errorf("the permit of a batch, in the standing act: %v", err)
	}
	o.reads.Store(0)
	before := len(entries(t, o))
	for i, p := range kept {
		for _, c := range calls {
			if got, err := call(p, c.method, append([]any{t.Context()}, c.args...)); !errors.Is(err, ErrOver) || !empty(got) {
				t.Errorf("permit %d, %s: %v, %v", i, c.name, got, err)
			}
		}
		if err := p.Still(t.Context()); !errors.Is(err, ErrOver) {
			t.Errorf("permit %d is still valid: %v", i, err)
		}
	}
	if err := standing.Batch(t.Context(), func(*Permit) ([]Found, error) { t.Error("a batch after the end"); return nil, nil }); !errors.Is(err, ErrOver) {
		t.Error(err)
	}
	if n := o.reads.Load(); n != 0 || len(kept) != 4 || len(entries(t, o)) != before {
		t.Errorf("%d permits, %d reads, and %d entries", len(kept), n, len(entries(t, o))-before)
	}
}

// Data that is read while the act ends does not leave either.
func TestActEndsWhileItIsUsed(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grant(t, "")
	begun, ended := make(chan struct{}), make(chan struct{})
	streamed := make(chan error)
	n := 0
	err := o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error {
		go func() {
			_, err := p.SearchAll(t.Context(), SearchRequest{}, func(Hit) error {
				if n++; n == 1 {
					close(begun)
					<-ended
				}
				return nil
			})
			streamed <- err
		}()
		<-begun
		return nil
	})
	close(ended)
	if streamErr := <-streamed; err != nil || !errors.Is(streamErr, ErrOver) || n != 1 {
		t.Errorf("%v; %v after %d messages", err, streamErr, n)
	}
	if err := o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error {
		got, err := within(p, func() (int, error) { p.over.Store(true); return 1, nil })
		if got != 0 || !errors.Is(err, ErrOver) {
			t.Errorf("%d, %v", got, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Still returns an error once the authority has ended, and the ledger records the
// refusal.
func TestStill(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grantAs(t, authority.Authority{Until: start.Add(time.Hour)})
	err := o.Act(t.Context(), who, ledger.Act{Action: "blueprint"}, func(p *Permit) error {
		if err := p.Still(t.Context()); err != nil {
			t.Errorf("in time: %v", err)
		}
		o.now = start.Add(time.Hour)
		return p.Still(t.Context())
	})
	if all := entries(t, o); !errors.Is(err, argus.ErrRefused) || all[len(all)-1].Action != ledger.Refused || all[len(all)-1].Detail["action"] != "blueprint" {
		t.Errorf("%v; %+v", err, all)
	}
}

// watch searches for harbour in the given number of batches. It returns the results that
// left.
func watch(ctx context.Context, o *office, who Who, batches int, between func(batch int)) (left []string, err error) {
	err = o.Stand(ctx, who, ledger.Act{Action: "watch", Subject: "harbour", Detail: map[string]string{"zone": "UTC"}}, func(s *Standing) error {
		for i := range batches {
			between(i)
			err := s.Batch(ctx, func(p *Permit) (found []Found, err error) {
				_, err = p.SearchAll(ctx, SearchRequest{Query: "harbour"}, func(h Hit) error {
					found = append(found, Found{h.Ref.String()[:8], map[string]string{"batch": fmt.Sprint(i), "since": "0"}, func(e Entry) error {
						left = append(left, fmt.Sprintf("%s by entry %d", e.Subject, e.Seq))
						return nil
					}})
					return nil
				})
				return found, err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

// The ledger records a standing act's beginning, each of its results, and its end.
func TestStanding(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	who := o.grant(t, "")
	left, err := watch(t.Context(), o, who, 2, func(int) {})
	want := []string{"aaaaaa01 by entry 2", "aaaaaa02 by entry 3", "aaaaaa01 by entry 4", "aaaaaa02 by entry 5"}
	if diff := cmp.Diff(want, left); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	said := []string{
		`watch A-0001 harbour {"standing":"begins","zone":"UTC"}`,
		`watch A-0001 aaaaaa01 {"batch":"0","since":"1","standing":"found"}`,
		`watch A-0001 aaaaaa02 {"batch":"0","since":"1","standing":"found"}`,
		`watch A-0001 aaaaaa01 {"batch":"1","since":"1","standing":"found"}`,
		`watch A-0001 aaaaaa02 {"batch":"1","since":"1","standing":"found"}`,
		`watch A-0001 harbour {"since":"1","standing":"ends"}`,
	}
	if diff := cmp.Diff(said, lines(t, o, 0)); diff != "" {
		t.Error(diff)
	}
}

// lines returns the entries of the ledger after the given number.
func lines(t *testing.T, o *office, behind int) (list []string) {
	for _, e := range entries(t, o)[behind:] {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %s %s %s", e.Action, e.Authority, e.Subject, detail))
	}
	return list
}

// Each batch is decided anew. When the authority ends, the standing act ends, and the
// ledger records the reason.
func TestStandingEndsWithItsAuthority(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *office){
		"its time": func(_ *testing.T, o *office) { o.now = start.Add(time.Hour) },
		"revoked": func(t *testing.T, o *office) {
			if err := o.parts.Authorities.Revoke(1, "judge", "order 5", start, func(argus.Hash) error { return nil }); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			first(t, o)
			who := o.grantAs(t, authority.Authority{Until: start.Add(time.Hour)})
			left, err := watch(t.Context(), o, who, 3, func(batch int) {
				if batch == 1 {
					end(t, o)
				}
				o.reads.Store(0)
			})
			if !errors.Is(err, argus.ErrRefused) || len(left) != 1 || o.reads.Load() != 0 {
				t.Errorf("%v, %v, %d reads", left, err, o.reads.Load())
			}
			got := lines(t, o, 2)
			if len(got) != 2 || !strings.HasPrefix(got[0], "refused A-0001 harbour") || !strings.Contains(got[1], `"standing":"ends"`) || !strings.Contains(got[1], "refused") {
				t.Errorf("the ledger has %q", got)
			}
		})
	}
}

// Once an authority ends, nothing more leaves, whether it ends while a batch reads or
// between two results. The same is true if the ledger cannot record a result. The
// standing act does not continue if the refusal is ignored.
func TestStandingResultsStay(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	end := start.Add(time.Hour)
	for looks, want := range map[int]int{2: 0, 3: 0, 4: 1, 5: 2} { // key: number of looks at the clock before the authority ends
		who := o.grantAs(t, authority.Authority{Until: end})
		asked := 0
		o.parts.Ledger = clockedLedger{o.ledger, func() time.Time {
			if asked++; asked > looks {
				return end
			}
			return start
		}}
		left, err := watch(t.Context(), o, who, 1, func(int) {})
		o.parts.Ledger = o.ledger
		if len(left) != want || (err == nil) != (looks == 5) || err != nil && !errors.Is(err, argus.ErrRefused) {
			t.Errorf("the authority ends after look %d: %v, %v", looks, left, err)
		}
	}
	who := o.grant(t, "")
	for after, want := range map[int]int{1: 0, 2: 1, 3: 2} {
		o.parts.Ledger = &fullLedger{o.ledger, after}
		left, err := watch(t.Context(), o, who, 1, func(int) {})
		o.parts.Ledger = o.ledger
		if len(left) != want || !errors.Is(err, errDisk) {
			t.Errorf("a ledger with room for %d entries: %v, %v", after, left, err)
		}
	}
	who = o.grantAs(t, authority.Authority{Until: end})
	if err := o.Stand(t.Context(), who, ledger.Act{Action: "watch"}, func(s *Standing) error {
		o.now = end
		nothing := func(*Permit) ([]Found, error) { t.Error("a batch after the end"); return nil, nil }
		if err := s.Batch(t.Context(), nothing); !errors.Is(err, argus.ErrRefused) {
			t.Error(err)
		}
		if err := s.Batch(t.Context(), nothing); !errors.Is(err, ErrOver) {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	before := len(entries(t, o))
	who = o.grant(t, "")
	if _, err := watch(ctx, o, who, 1, func(int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got := lines(t, o, before); len(got) != 2 || !strings.Contains(got[1], `"standing":"ends"`) {
		t.Errorf("the end of an interrupted standing act: %q", got)
	}
}

// fullLedger has room for a limited number of entries.
type fullLedger struct {
	recorder
	left int
}

func (l *fullLedger) Append(ctx context.Context, act ledger.Act) (ledger.Entry, error) {
	if l.left == 0 {
		return ledger.Entry{}, errDisk
	}
	l.left--
	return l.recorder.Append(ctx, act)
}

// TestOversee: only whoever may oversees, the ledger has it first, and the words that the asker
// may not read are withheld.
func TestOversee(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	if got, err := o.Oversee(t.Context(), Who{Actor: "omar"}, 0, 0); !errors.Is(err, argus.ErrRefused) || got != nil {
		t.Errorf("without people: %v, %v", got, err)
	}
	all := func(*ledger.Entry) bool { return true }
	may := map[string]func(*ledger.Entry) bool{"omar " + ledger.Oversee: all, "bram " + ledger.Oversee: all, "bram " + words: func(e *ledger.Entry) bool { return e.Actor != "dora" }}
	o.parts.MayRead = func(actor, action string, under *authority.Authority) (func(*ledger.Entry) bool, error) {
		if under != nil {
			return all, nil
		}
		sees := may[actor+" "+action]
		if sees == nil {
			return nil, argus.ErrRefused
		}
		return sees, nil
	}
	for _, actor := range []string{"anna", "dora"} {
		who := o.grant(t, "")
		who.Actor = actor
		if _, err := o.Search(t.Context(), who, SearchRequest{Query: "harbour"}); err != nil {
			t.Fatal(err)
		}
		if got, err := o.Oversee(t.Context(), who, 0, 0); !errors.Is(err, argus.ErrRefused) || got != nil {
			t.Errorf("%s oversees: %v, %v", actor, got, err)
		}
	}
	seen := func(actor string, from uint64, limit int) (list []string) {
		got, err := o.Oversee(t.Context(), Who{Actor: actor, Purpose: "the yearly review"}, from, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			list = append(list, strings.Join(strings.Fields(fmt.Sprint(e.Seq, " ", e.Actor, " ", e.Action, " ", e.Authority, " ", e.Subject, " ", e.Detail["reason"], " ", e.Withheld)), " "))
		}
		return list
	}
	before := len(entries(t, o))
	want := []string{"2 anna search A-0001 true", "3 anna refused refused true", "4 dora search A-0002 true", "5 dora refused refused true", "6 omar ledger.oversee true"}
	if diff := cmp.Diff(want, seen("omar", 2, 0)); diff != "" || before != 5 {
		t.Errorf("%d entries; %s", before, diff)
	}
	want = []string{"4 dora search A-0002 true", "5 dora refused refused true", "6 omar ledger.oversee false", "7 bram ledger.oversee false"}
	if diff := cmp.Diff(want, seen("bram", 0, 4)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2 anna search A-0001 harbour false"}, seen("bram", 2, 1)); diff != "" {
		t.Error(diff)
	}
	if e := entries(t, o)[5]; e.Purpose != "the yearly review" {
		t.Errorf("the act is %+v", e)
	}
	o.parts.Ledger = &fullLedger{o.ledger, 0}
	if got, err := o.Oversee(t.Context(), Who{Actor: "omar"}, 0, 0); !errors.Is(err, errDisk) || got != nil {
		t.Errorf("a ledger that takes nothing: %v, %v", got, err)
	}
	o.parts.Ledger = removing{o.ledger, func() { delete(may, "omar "+ledger.Oversee) }}
	if got, err := o.Oversee(t.Context(), Who{Actor: "omar"}, 0, 0); !errors.Is(err, argus.ErrRefused) || got != nil {
		t.Errorf("somebody whose role ends meanwhile: %v, %v", got, err)
	}
}

// removing calls a function before it lists its entries.
type removing struct {
	recorder
	before func()
}

func (l removing) Entries(ctx context.Context, from uint64, limit int) iter.Seq2[ledger.Entry, error] {
	l.before()
	return l.recorder.Entries(ctx, from, limit)
}
