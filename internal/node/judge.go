package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/privilege"
)

// ErrNoIdentity means that a judge gave no private key that opens sealed messages.
var ErrNoIdentity = fmt.Errorf("%w: the private key of a recipient is needed", argus.ErrRefused)

// SealedItem is a sealed message with all of its copies, or another sealed piece of a file.
type SealedItem struct {
	ID argus.ID `json:"id"` // keyed, in decisions
	// Number, Delivery and Class are those of the record of the first copy.
	Number   uint64               `json:"number"`
	Delivery argus.DeliveryNumber `json:"delivery"`
	Class    string               `json:"class"`
	Copies   uint64               `json:"copies"`
	State    privilege.Standing   `json:"state"`
	// Damage says why the first copy cannot be opened.
	Damage string `json:"damage,omitempty"`
	// The fields below are sealed. Kind is that of the record; only a message has the others.
	Kind         string   `json:"kind,omitempty"`
	Service      string   `json:"service,omitempty"`
	Conversation string   `json:"conversation,omitempty"`
	From         string   `json:"from,omitempty"`
	To           []string `json:"to,omitempty"`
	Sent         string   `json:"sent,omitempty"`
	Persons      []string `json:"persons,omitempty"` // of the directory
}

// SealedCounts counts sealed items.
type SealedCounts struct {
	Items         uint64        `json:"items"`
	Copies        uint64        `json:"copies"`
	States        []argus.Tally `json:"states,omitempty"`
	Classes       []argus.Tally `json:"classes,omitempty"`
	Deliveries    []argus.Tally `json:"deliveries,omitempty"`
	Conversations []argus.Tally `json:"conversations,omitempty"`
	Persons       []argus.Tally `json:"persons,omitempty"`
}

// SealedShown is one opened item, for the judge.
type SealedShown struct {
	SealedItem
	Message *argus.Message `json:"message,omitempty"`
	// Reason says why a piece that is no message is in quarantine, and Raw is its text.
	Reason string `json:"reason,omitempty"`
	Raw    string `json:"raw,omitempty"`
	// Reasons are those of today ([privilege.Reasons]).
	Reasons   []privilege.Reason `json:"reasons"`
	Decisions []SealedDecision   `json:"decisions"`
}

// SealedDecision is a judge's decision. Reason is set for somebody who can open it.
type SealedDecision struct {
	Number  uint64            `json:"number"`
	Judge   string            `json:"judge"`
	Verdict privilege.Verdict `json:"verdict"`
	Reason  string            `json:"reason,omitempty"`
	Settles []uint64          `json:"settles,omitempty"` // decisions of other judges
	Time    time.Time         `json:"time"`
}

func said(d privilege.Decision) SealedDecision {
	return SealedDecision{Number: d.Number, Judge: d.Judge, Verdict: d.Verdict, Settles: d.Settles, Time: d.Time}
}

// SealedLogged is a line of the privilege log: an item and the decisions about it, without
// content.
type SealedLogged struct {
	*SealedItem
	Decisions []SealedDecision `json:"decisions"` // without reasons
}

// opener opens sealed records with private keys.
type opener struct {
	dir        string
	identities privilege.Identities
	batches    map[argus.Hash]*privilege.Batch
}

func (o *opener) open(r *argus.Record) (*argus.Record, error) {
	return evidence.OpenSealed(r, func(sealed []byte) ([]byte, error) {
		about, err := privilege.ReadAbout(sealed)
		if err != nil {
			return nil, err
		}
		b := o.batches[about.Batch]
		if b == nil {
			envelope, err := layout.Read(durable.OS{}, o.dir, layout.Envelope(about.Batch))
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
			}
			if err != nil {
				return nil, err
			}
			if b, err = privilege.OpenEnvelope(envelope, o.identities...); err != nil {
				return nil, err
			}
			o.batches[about.Batch] = b
		}
		plain, _, err := b.Open(sealed)
		return plain, err
	})
}

// protected holds the sealed records for an act, and the means to read them.
type protected struct {
	all       iter.Seq2[*argus.Record, error] // the sealed records
	log       *privilege.Log
	opener    opener
	directory *privilege.Directory
}

// withProtected calls work for an act on sealed messages, which is recorded first. An act
// that opens them needs a private key of a recipient.
func (n *Node) withProtected(ctx context.Context, who desk.Who, act ledger.Act, identities privilege.Identities, work func(*protected) error) error {
	opens := act.Action != ledger.LogProtected
	err := n.mayAsMember(who.Actor, act.Action)
	if err == nil && opens {
		err = n.opens(identities)
	}
	if err != nil {
		return n.refusedIf(ctx, who, act.Action, err)
	}
	return n.Desk.Protected(ctx, who, act, func(all iter.Seq2[*argus.Record, error]) error {
		p := &protected{all: all, opener: opener{n.dir, identities, map[argus.Hash]*privilege.Batch{}}, directory: privilege.NewDirectory(nil)}
		var err error
		if p.log, err = admin.PrivilegeDecisions(n.privilege); err != nil {
			return err
		}
		if opens {
			_, sealed, err := admin.PrivilegeDirectory(n.privilege)
			if err == nil {
				p.directory, err = privilege.OpenDirectory(sealed, identities...)
			}
			if err != nil && !errors.Is(err, argus.ErrNotFound) {
				return err
			}
		}
		return work(p)
	})
}

// opens returns [ErrNoIdentity] if none of the private keys is that of a recipient.
func (n *Node) opens(identities privilege.Identities) error {
	setup, err := admin.PrivilegeSetup(n.privilege)
	if err != nil {
		return err
	}
	if setup == nil {
		return admin.ErrNoPrivilege
	}
	if err = setup.Opens(identities); errors.Is(err, privilege.ErrNoKey) {
		return ErrNoIdentity
	}
	return err
}

// items returns the sealed items in the order of their first copies. each is called with
// the first copy of each.
func (p *protected) items(each func(*SealedItem, *argus.Record) error) ([]*SealedItem, error) {
	by := map[argus.ID]*SealedItem{}
	var list []*SealedItem
	for r, err := range p.all {
		if err != nil {
			return nil, err
		}
		if one := by[r.ID]; one != nil {
			one.Copies++
			continue
		}
		one := &SealedItem{ID: r.ID, Number: r.Seq, Delivery: r.Delivery, Class: r.Sealed.Why, Copies: 1, State: p.log.Standing(r.ID)}
		by[r.ID], list = one, append(list, one)
		if err := each(one, r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// fill completes an item from its first copy, and returns the opened record, or nil if it is
// damaged.
func (p *protected) fill(one *SealedItem, sealed *argus.Record, names *privilege.Names) (*argus.Record, error) {
	r, err := p.opener.open(sealed)
	if errors.Is(err, argus.ErrDamaged) {
		one.Damage = err.Error()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	one.Kind = r.Kind.String()
	if m := r.Message; m != nil {
		one.Service, one.Conversation, one.From, one.To = m.Service, m.Conversation, m.From, m.To
		one.Sent, one.Persons = m.Sent.String(), names.Of(m)
	}
	return r, nil
}

// ListSealed lists the sealed items for a judge, and counts them. Texts are not in the list.
func (n *Node) ListSealed(ctx context.Context, who desk.Who, identities privilege.Identities) (list []*SealedItem, counts *SealedCounts, err error) {
	err = n.withProtected(ctx, who, ledger.Act{Action: ledger.ListProtected}, identities, func(p *protected) error {
		names := privilege.NewNames(p.directory, n.Info.Countries...)
		list, err = p.items(func(one *SealedItem, r *argus.Record) error {
			_, err := p.fill(one, r, names)
			return err
		})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return list, countSealed(list), nil
}

func countSealed(list []*SealedItem) *SealedCounts {
	c := &SealedCounts{Items: uint64(len(list))}
	states, classes, deliveries, conversations, persons := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	for _, one := range list {
		c.Copies += one.Copies
		states[string(one.State)]++
		classes[one.Class]++
		deliveries[one.Delivery.String()]++
		if one.Conversation != "" {
			conversations[one.Service+" "+one.Conversation]++
		}
		for _, name := range one.Persons {
			persons[name]++
		}
	}
	c.States, c.Classes, c.Deliveries, c.Conversations, c.Persons = tallies(states), tallies(classes), tallies(deliveries), tallies(conversations), tallies(persons)
	return c
}

// tallies sorts counts, the highest first.
func tallies(of map[string]uint64) (list []argus.Tally) {
	for _, value := range slices.Sorted(maps.Keys(of)) {
		list = append(list, argus.Tally{Value: value, Count: of[value]})
	}
	slices.SortStableFunc(list, func(a, b argus.Tally) int { return cmp.Compare(b.Count, a.Count) })
	return list
}

// LogSealed returns the privilege log by item and by category, for the judge, the privilege
// officer, the prosecutor and the defence. It opens nothing.
func (n *Node) LogSealed(ctx context.Context, who desk.Who) (list []SealedLogged, counts *SealedCounts, err error) {
	err = n.withProtected(ctx, who, ledger.Act{Action: ledger.LogProtected}, nil, func(p *protected) error {
		items, err := p.items(func(*SealedItem, *argus.Record) error { return nil })
		if err != nil {
			return err
		}
		for _, one := range items {
			line := SealedLogged{one, []SealedDecision{}}
			for _, d := range p.log.Decisions(one.ID) {
				line.Decisions = append(line.Decisions, said(d))
			}
			list = append(list, line)
		}
		counts = countSealed(items)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return list, counts, nil
}

// SealedDecided is a decision that was recorded, and the states that follow from it.
type SealedDecided struct {
	SealedDecision
	Items []*SealedItem `json:"items"`
}

// mostSubject is the most bytes of names that the ledger gets; the decision has all ids.
const mostSubject = 4096

// DecideSealed records the decision of a judge about sealed items, which are named as for
// ShowSealed. d has the verdict, the reason and the decisions that it settles. Whatever the
// verdict, everything stays sealed: nothing carries it out yet.
func (n *Node) DecideSealed(ctx context.Context, who desk.Who, identities privilege.Identities, names []string, d privilege.Decision) (*SealedDecided, error) {
	var items []*SealedItem
	act := ledger.Act{Action: ledger.ListProtected, Subject: strings.Join(names, " ")}
	if len(act.Subject) > mostSubject {
		act.Subject = fmt.Sprintf("%d sealed messages", len(names))
	}
	err := n.withProtected(ctx, who, act, identities, func(p *protected) error {
		list, err := p.items(func(*SealedItem, *argus.Record) error { return nil })
		if err != nil {
			return err
		}
		for _, name := range names {
			one, err := pick(list, name)
			if err != nil {
				return err
			}
			items, d.Items = append(items, one), append(d.Items, one.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	reason := d.Reason
	d, log, err := n.Admin.Recognised(who.Actor).Decide(ctx, who.Actor, d)
	if err != nil {
		return nil, err
	}
	decided := &SealedDecided{said(d), items}
	decided.Reason = reason
	for _, one := range items {
		one.State = log.Standing(one.ID)
	}
	return decided, nil
}

// pick returns the item with a number, or with an id that begins with the given digits.
func pick(list []*SealedItem, name string) (found *SealedItem, err error) {
	if number, err := strconv.ParseUint(name, 10, 64); err == nil {
		if i, ok := slices.BinarySearchFunc(list, number, func(one *SealedItem, n uint64) int { return cmp.Compare(one.Number, n) }); ok {
			return list[i], nil
		}
	}
	for _, one := range list {
		if len(name) < 8 || !strings.HasPrefix(one.ID.String(), strings.ToLower(name)) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("sealed message %s: %w", name, argus.ErrAmbiguous)
		}
		found = one
	}
	if found == nil {
		err = fmt.Errorf("sealed message %s: %w; name the number of its first copy, or 8 digits of its id", name, argus.ErrNotFound)
	}
	return found, err
}

// ShowSealed opens one item for a judge: by the number of its first copy, or by at least 8
// digits of its id.
func (n *Node) ShowSealed(ctx context.Context, who desk.Who, identities privilege.Identities, name string) (shown *SealedShown, err error) {
	err = n.withProtected(ctx, who, ledger.Act{Action: ledger.ReadProtected, Subject: name}, identities, func(p *protected) error {
		list, err := p.items(func(*SealedItem, *argus.Record) error { return nil })
		if err != nil {
			return err
		}
		one, err := pick(list, name)
		if err != nil {
			return err
		}
		shown = &SealedShown{SealedItem: *one, Reasons: []privilege.Reason{}, Decisions: []SealedDecision{}}
		var opened *argus.Record
		for r, err := range p.all {
			if err == nil && r.Seq == one.Number {
				opened, err = p.fill(&shown.SealedItem, r, privilege.NewNames(p.directory, n.Info.Countries...))
			}
			if err != nil {
				return err
			}
		}
		for _, d := range p.log.Decisions(one.ID) {
			one := said(d)
			if one.Reason, err = privilege.OpenText(d.Reason, identities); err != nil {
				return fmt.Errorf("decision %d: %w", d.Number, err)
			}
			shown.Decisions = append(shown.Decisions, one)
		}
		if opened == nil {
			return nil
		}
		if shown.Message = opened.Message; opened.Message == nil {
			if q := opened.Quarantine; q != nil {
				shown.Reason, shown.Raw = q.Reason, strings.ToValidUTF8(string(q.Raw), "\uFFFD")
			}
			return nil
		}
		return privilege.Reasons(p.directory, p.messages(), func(s privilege.Sighting, f privilege.Finding) error {
			for _, r := range f.Reasons {
				if s.IDs[0] == opened.ID && !slices.Contains(shown.Reasons, r) {
					shown.Reasons = append(shown.Reasons, r)
				}
			}
			return nil
		}, n.Info.Countries...)
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// messages yields all copies of sealed messages, opened, except for damaged ones.
func (p *protected) messages() iter.Seq2[privilege.Sighting, error] {
	return func(yield func(privilege.Sighting, error) bool) {
		for sealed, err := range p.all {
			var r *argus.Record
			if err == nil {
				r, err = p.opener.open(sealed)
			}
			if sealed != nil && errors.Is(err, argus.ErrDamaged) {
				continue
			}
			var s privilege.Sighting
			if err == nil {
				if r.Message == nil {
					continue
				}
				s = privilege.Sighting{Message: r.Message, IDs: []argus.ID{r.ID}}
				if r.Met != (argus.ID{}) {
					s.IDs = append(s.IDs, r.Met)
				}
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}
