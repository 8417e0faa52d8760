package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/exchange/transfer"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/people"
)

// The server has messages of A and of others. The phone has further copies with words of its
// own, and one that names the lawyer.
const (
	fromServer = `{"service":"sky","conversation":"A|B","from":"A","to":["B"],"id":"1","sent":"2021-02-14T12:03:00Z","text":"hello"}
{"service":"sky","conversation":"A|C","from":"C","to":["A"],"id":"2","sent":"2021-02-15T12:03:00Z","text":"later"}
{"service":"sky","conversation":"A|L","from":"A","to":["B"],"id":"3","sent":"2021-02-15T13:03:00Z","text":"counsel-words"}
{"service":"sky","conversation":"B|C","from":"B","to":["C"],"id":"4","sent":"2021-02-14T12:04:00Z","text":"elsewhere-words"}
`
	fromPhone = `{"service":"sky","conversation":"A|B","title":"phone-title","from":"A","to":["B"],"id":"1","sent":"2021-02-14T12:03:00Z","text":"hello"}
{"service":"sky","conversation":"A|C","from":"C","to":["A"],"id":"2","sent":"2021-02-15T12:03:00Z","text":"later, as phone-words"}
{"service":"sky","conversation":"A|L","from":"A","to":["B","LAWYER"],"id":"3","sent":"2021-02-15T13:03:00Z","text":"counsel-words"}
`
)

// sharing is a holder's store and a case's store, with the case's request.
type sharing struct {
	holder, own *Node
	who, in     desk.Who // who sends and who receives
	request     []byte
	key         string // of the case's store
}

// terms are the conditions under which the holder gives messages away.
var terms = authority.Authority{Basis: "Warrant 21", GrantedBy: "Judge B.", Purpose: "case Argus", Conditions: "not in court", Handling: []string{"H1"},
	Until: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Retain: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}

func newSharing(t *testing.T, scope string) *sharing {
	t.Helper()
	s := &sharing{}
	holder, own := filepath.Join(t.TempDir(), "holder"), filepath.Join(t.TempDir(), "case")
	o := testOptions(t)
	makeStore(t, holder, o, fromServer, fromPhone)
	makeStore(t, own, o)
	s.holder = openStore(t, holder, o)
	o.Write = true
	s.own = openStore(t, own, o)
	under := terms
	under.Scope = scope
	granted, err := s.holder.Admin.AddAuthority(t.Context(), "anna", under)
	if err != nil {
		t.Fatal(err)
	}
	received, err := s.own.Admin.AddAuthority(t.Context(), "carl", terms)
	if err != nil {
		t.Fatal(err)
	}
	s.who, s.in = desk.Who{Actor: "anna", Authority: granted.Number.String(), Purpose: "p"}, desk.Who{Actor: "carl", Authority: received.Number.String(), Purpose: "p"}
	s.key = s.own.keys.Public
	s.request = s.ask(t, exchange.Request{Accounts: "A\n"})
	s.grant(t, s.request)
	return s
}

// ask makes a request of the case.
func (s *sharing) ask(t *testing.T, r exchange.Request) []byte {
	t.Helper()
	r.Purpose, r.Offences = "case Argus", []string{"trafficking"}
	file, _, err := s.own.Admin.NewRequest(t.Context(), "carl", r)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *sharing) grant(t *testing.T, request []byte) {
	t.Helper()
	number, err := authority.ParseNumber(s.who.Authority)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "judge", request, s.key, number, ""); err != nil {
		t.Fatal(err)
	}
}

func (s *sharing) out(t *testing.T) ([]byte, *Sent) {
	t.Helper()
	file, sent, err := s.holder.TransferOut(t.Context(), s.who, s.request, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return file, sent
}

// take takes a package in at the case.
func (s *sharing) take(t *testing.T, file []byte) (receipt *argus.Receipt, err error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "case.package")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	err = s.own.TransferIn(t.Context(), s.in, intake.Options{}, name, s.holder.keys.Public, func(ctx context.Context, o intake.Options) (err error) {
		receipt, err = intake.Ingest(ctx, o, name)
		return err
	})
	return receipt, err
}

// deliveries counts those of the case's store.
func (s *sharing) deliveries(t *testing.T) int {
	t.Helper()
	list, err := s.own.evidence.Deliveries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Only the copies that the authority covers leave: not those of other deliveries, and none of a
// message if a copy anywhere names somebody that the scope excludes.
func TestOnlyGrantedCopiesLeave(t *testing.T) {
	for _, test := range []struct {
		scope            string
		messages, copies int
		never            []string
	}{
		{"delivery:D-0001", 3, 3, []string{"phone-title", "phone-words", "LAWYER", "elsewhere-words"}},
		{"delivery:D-0001 -with:=LAWYER", 2, 2, []string{"phone-title", "phone-words", "LAWYER", "counsel-words", "elsewhere-words"}},
		{"-with:=LAWYER", 2, 4, []string{"LAWYER", "counsel-words", "elsewhere-words"}},
		{"sent:2021-02-14", 1, 2, []string{"later", "LAWYER", "counsel-words"}},
	} {
		s := newSharing(t, test.scope)
		counts, err := s.holder.CountRequest(t.Context(), s.who, s.request, s.key)
		if err != nil {
			t.Fatal(err)
		}
		file, sent := s.out(t)
		if int(sent.Messages) != test.messages || sent.Copies != test.copies || int(counts.Messages) != test.messages || sent.Left != 0 {
			t.Errorf("%s: %+v, %+v", test.scope, sent, counts)
		}
		p, err := transfer.Open(bytes.NewReader(file), int64(len(file)), s.holder.keys.Public)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for l, err := range p.Lines(t.Context()) {
			if err != nil || l.Problem != "" {
				t.Fatal(err, l.Problem)
			}
			all.WriteString(strings.Join(append(l.Message.To, l.Message.Title, l.Message.Text, "\n"), " "))
		}
		for _, word := range test.never {
			if strings.Contains(all.String(), word) {
				t.Errorf("%s: %q leaves in\n%s", test.scope, word, all.String())
			}
		}
	}
}

// The messages of a package arrive with their identity, and a copy that the holder forged
// under his own key is quarantined with the reason.
func TestPackageArrives(t *testing.T) {
	s := newSharing(t, "")
	end := terms.Until.Format(time.RFC3339)
	if err := s.own.Admin.RevokeAuthority(t.Context(), "carl", 1, "too wide"); err != nil {
		t.Fatal(err)
	}
	_, req, err := asked(s.request, s.key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.holder.Desk.Transfer(t.Context(), s.who, req)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := s.out(t)
	p, err := transfer.Open(bytes.NewReader(file), int64(len(file)), s.holder.keys.Public)
	if err != nil {
		t.Fatal(err)
	}
	var copies []transfer.Copy
	for i, one := range out.Copies {
		c := transfer.Copy{Seal: int(one.Delivery) - 1, Copy: one.Copy}
		if i == 1 {
			c.Content = bytes.Replace(c.Content, []byte("later"), []byte("never"), 1)
		}
		copies = append(copies, c)
	}
	signer, err := note.NewSigner(s.holder.keys.Private)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := transfer.Sign(p.Head, copies, signer)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := s.take(t, forged)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Counts.Read != 6 || receipt.Counts.Quarantined != 1 || receipt.Counts.Stored != 3 || receipt.Counts.Sightings != 2 {
		t.Errorf("%+v", receipt.Counts)
	}
	for _, want := range []argus.Field{{Name: "received conditions", Value: "not in court"}, {Name: "received handling", Value: "H1"}, {Name: "received until", Value: end}} {
		found := false
		for _, f := range receipt.Opening.Options {
			found = found || f == want
		}
		if !found {
			t.Errorf("the opening lacks %v: %v", want, receipt.Opening.Options)
		}
	}
	ids := func(n *Node) (ids map[argus.ID]argus.Version) {
		ids = map[argus.ID]argus.Version{}
		for r, err := range n.evidence.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Message != nil && r.Message.From != "B" {
				ids[r.MessageID()] = r.Version
			}
			if r.Quarantine != nil && !strings.Contains(r.Quarantine.Reason, "does not prove it") {
				t.Errorf("quarantined because %s", r.Quarantine.Reason)
			}
		}
		return ids
	}
	there, here := ids(s.holder), ids(s.own)
	for id := range here {
		if _, ok := there[id]; !ok {
			t.Errorf("message %s is not the holder's", id)
		}
	}
	if len(here) != 3 {
		t.Errorf("%d messages arrived, want 3", len(here))
	}
	if _, err := s.take(t, forged); !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), "it was taken in before, as D-0001") {
		t.Errorf("again: %v", err)
	}
}

// A package that reaches an authority without its conditions, that is for another store, or
// that answers no request, is refused with a clear word, and no delivery is begun.
func TestPackageIsRefused(t *testing.T) {
	s := newSharing(t, "")
	file, _ := s.out(t)
	refused := func(what, want string, file []byte) {
		t.Helper()
		if _, err := s.take(t, file); !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), want) || s.deliveries(t) != 0 {
			t.Errorf("%s: %v, %d deliveries", what, err, s.deliveries(t))
		}
	}
	refused("own data", "A-0001 lacks the handling code H1", file)
	if err := s.own.Admin.RevokeAuthority(t.Context(), "carl", 1, "too wide"); err != nil {
		t.Fatal(err)
	}
	for what, loosen := range map[string]func(*authority.Authority){
		"lacks the handling code H1":    func(a *authority.Authority) { a.Handling = []string{"H0"} },
		"lacks the conditions":          func(a *authority.Authority) { a.Conditions = "" },
		"does not end by 2099":          func(a *authority.Authority) { a.Until = time.Time{} },
		"lets data be kept after 2100":  func(a *authority.Authority) { a.Retain = terms.Retain.Add(time.Second) },
		"does not end by 2099-01-01T00": func(a *authority.Authority) { a.Until = terms.Until.Add(time.Second) },
	} {
		looser := terms
		loosen(&looser)
		added, err := s.own.Admin.AddAuthority(t.Context(), "carl", looser)
		if err != nil {
			t.Fatal(err)
		}
		refused(what, added.Number.String()+" "+what, file)
		if err := s.own.Admin.RevokeAuthority(t.Context(), "carl", added.Number, "too wide"); err != nil {
			t.Fatal(err)
		}
	}
	head := func(change func(*transfer.Head)) []byte {
		p, err := transfer.Open(bytes.NewReader(file), int64(len(file)), s.holder.keys.Public)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(s.holder.keys.Private)
		if err != nil {
			t.Fatal(err)
		}
		change(&p.Head)
		forged, err := transfer.Sign(p.Head, nil, signer)
		if err != nil {
			t.Fatal(err)
		}
		return forged
	}
	other := newSharing(t, "")
	refused("for another store", "it is for store", head(func(h *transfer.Head) { h.For = "other" }))
	refused("the request of another", "did not sign it", head(func(h *transfer.Head) { h.Request = string(other.request) }))
	refused("no request", "does not begin with", head(func(h *transfer.Head) { h.Request = "" }))
	refused("ended", "its use ended at", head(func(h *transfer.Head) { h.Until = time.Unix(0, 0).UTC() }))
	refused("a seal of the case", "", head(func(h *transfer.Head) { h.Seals = []string{"x"} }))
	for _, at := range []int{0, len(file) / 2, len(file) - 1} {
		refused("changed", "", append(append(bytes.Clone(file[:at]), file[at]^1), file[at+1:]...))
		refused("cut", "", file[:at])
	}
	// An authority over another delivery does not reach it, and one with more conditions may.
	elsewhere, stricter := authority.Authority{Basis: "b", GrantedBy: "g", Purpose: "p", Scope: "delivery:D-0009"}, terms
	stricter.Conditions, stricter.Handling, stricter.Until = "not in court; not to the press", []string{"H1", "H3"}, terms.Until.Add(-time.Hour)
	for _, a := range []authority.Authority{elsewhere, stricter} {
		if _, err := s.own.Admin.AddAuthority(t.Context(), "carl", a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.take(t, file); err != nil {
		t.Error(err)
	}
}

// Nothing leaves for a request that nobody granted, or under another authority, one that has
// ended or one with the code H2.
func TestNothingLeaves(t *testing.T) {
	s := newSharing(t, "")
	stays := func(what, want string, who desk.Who, request []byte, key string) {
		t.Helper()
		file, _, err := s.holder.TransferOut(t.Context(), who, request, key)
		if file != nil || !errors.Is(err, argus.ErrRefused) && !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes, %v", what, len(file), err)
		}
	}
	asks := s.ask(t, exchange.Request{Words: "hello\n"})
	stays("not granted", "nobody granted the request", s.who, asks, s.key)
	stays("another authority", "act under that authority", desk.Who{Actor: "anna", Authority: "A-0001", Purpose: "p"}, s.request, s.key)
	stays("another key", "did not sign it", s.who, s.request, s.holder.keys.Public)
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "judge", s.request, s.key, 0, "a mistake"); err != nil {
		t.Fatal(err)
	}
	stays("refused", "the request was refused", s.who, s.request, s.key)
	s.grant(t, s.request)
	s.out(t)
	number, err := authority.ParseNumber(s.who.Authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.holder.Admin.RevokeAuthority(t.Context(), "anna", number, "lifted"); err != nil {
		t.Fatal(err)
	}
	stays("revoked", "was revoked", s.who, s.request, s.key)
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "judge", s.request, s.key, number, ""); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("granted under an authority that has ended: %v", err)
	}
	h2 := terms
	h2.Handling = []string{"H2"}
	added, err := s.holder.Admin.AddAuthority(t.Context(), "anna", h2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "judge", s.request, s.key, added.Number, ""); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("granted under H2: %v", err)
	}
	if out, err := s.holder.Desk.Transfer(t.Context(), desk.Who{Actor: "anna", Authority: added.Number.String(), Purpose: "p"}, desk.CaseRequest{}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("sent under H2: %+v, %v", out, err)
	}
}

// In a store with people, a judge grants, a custodian or a liaison sends, and whoever
// investigates only counts.
func TestRolesOfATransfer(t *testing.T) {
	s := newSharing(t, "")
	number, err := authority.ParseNumber(s.who.Authority)
	if err != nil {
		t.Fatal(err)
	}
	as := func(roles ...people.Role) {
		t.Helper()
		me := people.Actor{ID: "me", Roles: append(roles, people.Custodian), Users: []string{admin.ActorName()}}
		if len(roles) > 0 {
			me.Roles = roles
			if _, err := s.holder.Admin.SetPerson(t.Context(), "", people.Actor{ID: "keeper", Roles: []people.Role{people.Custodian}, Users: []string{"keeper"}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.holder.Admin.SetPerson(t.Context(), "", me); err != nil {
			t.Fatal(err)
		}
	}
	as()
	s.who.Actor = "me"
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "", s.request, s.key, number, ""); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("a custodian grants: %v", err)
	}
	if _, _, err := s.holder.TransferOut(t.Context(), s.who, s.request, s.key); err != nil {
		t.Errorf("a custodian sends: %v", err)
	}
	if _, err := s.holder.CountRequest(t.Context(), s.who, s.request, s.key); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("a custodian counts: %v", err)
	}
	as(people.Investigator)
	if _, err := s.holder.CountRequest(t.Context(), s.who, s.request, s.key); err != nil {
		t.Errorf("an investigator counts: %v", err)
	}
	if file, _, err := s.holder.TransferOut(t.Context(), s.who, s.request, s.key); !errors.Is(err, argus.ErrRefused) || file != nil {
		t.Errorf("an investigator sends: %v", err)
	}
	if _, err := s.holder.Admin.DecideRequest(t.Context(), "", s.request, s.key, 0, "no"); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("an investigator refuses: %v", err)
	}
}
