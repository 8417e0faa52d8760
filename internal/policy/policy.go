// Package policy decides who may do an act, by rules in Cedar that a jurist can read.
//
// The rules of the folder generic are part of Argus. A jurisdiction is a folder of rules
// that forbid more; none can allow an act that the generic rules refuse. Rules know people
// only by their roles. They do not know orders: whether an authority covers the data has
// been decided before, and is stated in the request.
//
// Cedar fails open: it skips a rule that it cannot evaluate, even one that forbids. So
// [Load] refuses a whole folder for any fault, and [Set.Decide] refuses a request for any
// error. docs/policy.md describes the folders.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/people"
)

// Request is an act that an actor asks to do. The zero value of each field is the one that
// allows least.
type Request struct {
	Actor  string
	Roles  []people.Role
	Action string
	// Class is the strictest protection of the messages that the act reaches. Default
	// unknown, which refuses acts on messages.
	Class Class
	// Disclosed means that all of the messages were disclosed to the defence. Received
	// means that all of them are in a package that the actor's own body received.
	Disclosed, Received bool
	// NoJudge means that the law requires no judge's decision for this authority.
	NoJudge bool
	// NotDefence means that the entries of the ledger do not come from the defence's
	// searches.
	NotDefence bool
	// Recognised means that the actor was recognised by the user of the system, or by a
	// link.
	Recognised bool
	// Covered means that an authority in force names the actor, allows the act and covers
	// the data.
	Covered bool
	// Purpose means that a purpose is stated.
	Purpose bool
	// Second means that another recognised person takes part. Emergency means that a
	// threat to life is stated. Permitted means that the owner of the data permits this
	// use.
	Second, Emergency, Permitted bool
	// Kind is the kind of the authority, as in authority.Kinds. Default none.
	Kind string
	// Handling are the codes that bind the data, as in authority.Handling.
	Handling []string
}

// Class is the protection of messages.
type Class string

// The classes.
const (
	Ordinary  Class = "ordinary"  // nothing protected was recognised
	Suspected Class = "suspected" // recognised, but not decided yet
	Confirmed Class = "confirmed" // by the judge
	Rejected  Class = "rejected"  // by the judge
	Lifted    Class = "lifted"    // protected, and lifted by the judge's order
)

// Decision is the answer to a request.
type Decision struct {
	Allowed bool
	// Rules are the ids of the rules that decided, in order. There are none if no rule allows
	// the act. They are meant for the ledger: a requester who learns them learns about the
	// data.
	Rules []string
	// Incident is a sentence if the request could not be decided properly, in which case it is
	// refused. Otherwise it is empty.
	Incident string
}

// Err returns nil if the act is allowed, and argus.ErrRefused otherwise, always with the same
// sentence.
func (d Decision) Err() error {
	if d.Allowed {
		return nil
	}
	return fmt.Errorf("%w: your roles do not allow it", argus.ErrRefused)
}

// Set is a set of rules that passed the gate. It never changes and is safe for concurrent use.
type Set struct {
	name    string
	version argus.Hash
	rules   []Rule
	cedar   *cedar.PolicySet
}

// Version returns a hash over the schema and all files of the rules and their cases.
func (s *Set) Version() argus.Hash { return s.version }

// Rules returns the rules, the generic ones first, and each folder's sorted by id.
func (s *Set) Rules() []Rule { return slices.Clone(s.rules) }

// Decide answers a request. It takes about 20 µs.
func (s *Set) Decide(r Request) Decision { return decide(s.cedar, r) }

func decide(rules *cedar.PolicySet, r Request) Decision {
	request, entities, err := r.build()
	if err != nil {
		return Decision{Incident: err.Error()}
	}
	verdict, why := cedar.Authorize(rules, entities, request)
	d := Decision{Allowed: verdict == cedar.Allow && len(why.Errors) == 0}
	for _, reason := range why.Reasons {
		d.Rules = append(d.Rules, string(reason.PolicyID))
	}
	slices.Sort(d.Rules)
	if len(why.Errors) > 0 {
		d.Incident = fmt.Sprintf("rule %s cannot be evaluated: %s", why.Errors[0].PolicyID, why.Errors[0].Message)
	}
	return d
}

// pair holds the two entities of a request: the person and the resource.
type pair [2]types.Entity

// Get returns one of the two entities, or an act with its groups.
func (p *pair) Get(uid types.EntityUID) (types.Entity, bool) {
	for i := range p {
		if p[i].UID == uid {
			return p[i], true
		}
	}
	action, known := words.actions[uid]
	return action.Entity, known
}

var errUnknown = errors.New("is not in any list of the schema")

// build makes the request in Cedar's form. It sets every attribute in the schema, with the
// right type. A word that is in no list is an error.
func (r *Request) build() (types.Request, *pair, error) {
	none := types.Request{}
	resource, known := words.resource[r.Action]
	if !known {
		return none, nil, fmt.Errorf("the act %q %w", r.Action, errUnknown)
	}
	kind := r.Kind
	if kind == "" {
		kind = "none"
	}
	var unknown error
	value := func(list, word string) types.EntityUID {
		uid := types.NewEntityUID(types.EntityType(list), types.String(word))
		if !words.value[uid] && unknown == nil {
			unknown = fmt.Errorf("the word %q of the list %s %w", word, list, errUnknown)
		}
		return uid
	}
	roles := make([]types.EntityUID, len(r.Roles))
	for i, role := range r.Roles {
		roles[i] = value("Role", string(role))
	}
	codes := make([]types.Value, len(r.Handling))
	for i, code := range r.Handling {
		codes[i] = value("Handling", code)
	}
	attributes := types.RecordMap{}
	switch resource {
	case "Messages":
		attributes["class"] = value("Class", string(r.Class))
		attributes["disclosed"], attributes["received"] = types.Boolean(r.Disclosed), types.Boolean(r.Received)
	case "Authority":
		attributes["judge"] = types.Boolean(!r.NoJudge)
	case "Ledger":
		attributes["defence"] = types.Boolean(!r.NotDefence)
	}
	e := &pair{
		{UID: types.NewEntityUID("Person", types.String(r.Actor)), Parents: types.NewEntityUIDSet(roles...)},
		{UID: types.NewEntityUID(resource, "asked"), Attributes: types.NewRecord(attributes)},
	}
	request := types.Request{
		Principal: e[0].UID,
		Action:    types.NewEntityUID("Action", types.String(r.Action)),
		Resource:  e[1].UID,
		Context: types.NewRecord(types.RecordMap{
			"recognised": types.Boolean(r.Recognised),
			"covered":    types.Boolean(r.Covered),
			"purpose":    types.Boolean(r.Purpose),
			"second":     types.Boolean(r.Second),
			"emergency":  types.Boolean(r.Emergency),
			"permitted":  types.Boolean(r.Permitted),
			"kind":       value("Kind", kind),
			"handling":   types.NewSet(codes...),
		}),
	}
	return request, e, unknown
}

// Actions returns the acts that the rules know, in order.
func Actions() []string {
	var list []string
	for action := range words.resource {
		list = append(list, action)
	}
	slices.Sort(list)
	return list
}

// String formats a decision for the ledger.
func (d Decision) String() string {
	switch {
	case d.Incident != "":
		return "refused because of an incident: " + d.Incident
	case d.Allowed:
		return "allowed by " + strings.Join(d.Rules, ", ")
	case len(d.Rules) > 0:
		return "refused by " + strings.Join(d.Rules, ", ")
	}
	return "refused, no rule allows it"
}
