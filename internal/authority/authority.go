// Package authority decides who may do which act, on which legal basis, for which purpose
// and until when.
//
// An authority is a file that is written once and never changed. A revocation is a second
// file. [Store.Decide] reads both each time, so that a revocation by another process
// takes effect at once. It takes the time from its caller; access ends at the beginning
// of the second in which the authority ends. A file that cannot be read back exactly
// counts as damage, never as absence.
//
// The SHA-256 of a file proves its content; the caller that adds a file records it in
// the ledger. docs/format/authority.md describes the files.
package authority

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// Number is the number of an authority. Each store counts its authorities from 1.
type Number uint32

// String returns the number in the form in which people cite it: A-0001.
func (n Number) String() string { return fmt.Sprintf("A-%04d", uint32(n)) }

// MarshalText returns the same text as String.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText accepts every form that ParseNumber accepts.
func (n *Number) UnmarshalText(text []byte) error {
	parsed, err := ParseNumber(string(text))
	*n = parsed
	return err
}

// ParseNumber reads a number with or without its prefix and leading zeros:
// A-0001, a-1, 1.
func ParseNumber(s string) (Number, error) {
	digits := s
	if len(s) > 2 && (s[0] == 'A' || s[0] == 'a') && s[1] == '-' {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '+' {
		return 0, fmt.Errorf("parse authority %q: expected a number like A-0001", s)
	}
	return Number(n), nil
}

// Authority is the legal basis for reading.
type Authority struct {
	Number Number `json:"authority"`
	Title  string `json:"title,omitempty"`
	// Basis is the legal basis: a law and article, a warrant, "own data".
	Basis string `json:"basis"`
	// GrantedBy is the body or person that granted it.
	GrantedBy string `json:"granted_by"`
	// Kind is the kind of order, from the list [Kinds]. Default: not stated.
	Kind string `json:"kind,omitempty"`
	// Order is the number of the order, as its issuer writes it.
	Order string `json:"order,omitempty"`
	// Document is the SHA-256 of the order itself, which is one of the store's originals.
	Document argus.Hash `json:"document,omitzero"`
	// Offences are the offences for which it was granted.
	Offences []string `json:"offences,omitempty"`
	// Conditions are the conditions set by the order, in its own words.
	Conditions string `json:"conditions,omitempty"`
	// Handling lists the handling codes that bind anyone who uses it, from the list [Handling].
	Handling []string `json:"handling,omitempty"`
	// Due is the time by which the order must be answered, such as the ten days or eight
	// hours of an EPOC. Retain is the time until which its data may be kept. Argus
	// enforces neither.
	Due    time.Time `json:"due,omitzero"`
	Retain time.Time `json:"retain_until,omitzero"`
	// Origin names the store and the authority that this one was imported from.
	Origin string `json:"origin,omitempty"`
	// Actors are the people who may use it, and Roles are the roles whose holders may use
	// it. If both are empty, every actor of this store may.
	Actors []string `json:"actors,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	// Acts lists the acts that it allows, from the list [Acts]. Default: all.
	Acts []string `json:"acts,omitempty"`
	// Purpose is the purpose for which it was granted.
	Purpose string `json:"purpose"`
	// Scope is a query that selects the messages it covers, with days in UTC and lists by
	// their hashes. Default: all messages.
	Scope string `json:"scope,omitempty"`
	// From is the first second of access; the default is Created. Until is the first second
	// without access; zero means no end.
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
	// Created is the time when it was added to the store.
	Created time.Time `json:"created"`
	// Revoked is the revocation that ended the authority early, or nil if it was not
	// revoked. It is stored in its own file.
	Revoked *Revocation `json:"revoked,omitempty"`
	// Changes lists, in order, the changes that suspended, resumed or extended it. Each
	// is stored in its own file. Until is the end after the last extension.
	Changes []Change `json:"changes,omitempty"`
	// Damage is set if the authority is damaged, and explains why nobody can act under it. All
	// other fields except the number are then empty. Damage is not stored.
	Damage string `json:"damage,omitempty"`
}

// Revocation ends an authority early.
type Revocation struct {
	Number Number    `json:"authority"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// ChangeKind is the effect of a change on an authority.
type ChangeKind string

// The kinds of change.
const (
	Suspend ChangeKind = "suspend" // nobody can act under it until it is resumed
	Resume  ChangeKind = "resume"
	Extend  ChangeKind = "extend" // its end is moved to a later time
)

// Change changes an authority that is in force.
type Change struct {
	Number Number     `json:"authority"`
	Change int        `json:"change"` // from 1
	Kind   ChangeKind `json:"kind"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	At     time.Time  `json:"at"`
	// Until is the new end, if this is an extension.
	Until time.Time `json:"until,omitzero"`
}

// Suspended returns the change that suspended the authority, or nil if it is not
// suspended.
func (a *Authority) Suspended() (by *Change) {
	for i := range a.Changes {
		switch a.Changes[i].Kind {
		case Suspend:
			by = &a.Changes[i]
		case Resume:
			by = nil
		case Extend:
		}
	}
	return by
}

// State says whether an authority applies at a time.
type State string

// The states.
const (
	InForce   State = "in-force"
	Damaged   State = "damaged"
	Revoked   State = "revoked"
	Suspended State = "suspended"
	NotYet    State = "not-yet"
	Ended     State = "ended"
)

// State returns the state of the authority.
func (a *Authority) State(now time.Time) State {
	switch {
	case a.Damage != "":
		return Damaged
	case a.Revoked != nil:
		return Revoked
	case a.Suspended() != nil:
		return Suspended
	case now.Before(a.From):
		return NotYet
	case !a.Until.IsZero() && !now.Before(a.Until):
		return Ended
	}
	return InForce
}

// Kinds are the kinds of order.
var Kinds = []string{"production-order", "search", "eio", "epoc", "mla", "jit", "transfer", "research", "own-material"}

// Handling lists Europol's handling codes: H0 for use by the police only, H1 not as
// evidence without permission, H2 not to be passed on without permission, H3 other
// restrictions.
var Handling = []string{"H0", "H1", "H2", "H3"}

// Acts lists the acts that need an authority, by their names in the ledger; ingest is the
// intake of a delivery.
var Acts = []string{"search", "show", "page", "deliveries", "receipt", "quarantine", "ledger", "list.show", "beyond", "case.count", "transfer.send", "hits.answer", "ingest"}

// Allows reports whether the authority allows an act at all.
func (a *Authority) Allows(act string) bool { return len(a.Acts) == 0 || slices.Contains(a.Acts, act) }

// Names reports whether an actor who holds the given roles may use the authority at all.
func (a *Authority) Names(actor string, roles ...string) bool {
	return a.everybody() || slices.Contains(a.Actors, actor) || slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

func (a *Authority) everybody() bool { return len(a.Actors)+len(a.Roles) == 0 }

// ErrInvalid means that an authority cannot be added as it was described.
var ErrInvalid = errors.New("the authority is invalid")

// ErrRevoked means that an authority cannot be revoked because it has already been revoked.
var ErrRevoked = errors.New("it has already been revoked")

// Valid returns ErrInvalid if the authority cannot be stored.
func (a *Authority) Valid() error {
	if err := a.fault(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (a *Authority) fault() error {
	for _, text := range slices.Concat([]string{a.Title, a.Basis, a.GrantedBy, a.Purpose, a.Scope, a.Order, a.Conditions, a.Origin}, a.Actors, a.Roles, a.Offences) {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not valid UTF-8", text)
		}
	}
	switch {
	case blank(a.Basis):
		return fmt.Errorf("it names no legal basis")
	case blank(a.GrantedBy):
		return fmt.Errorf("it does not state who granted it")
	case blank(a.Purpose):
		return fmt.Errorf("it names no purpose")
	case slices.ContainsFunc(a.Actors, blank):
		return fmt.Errorf("one of its actors has no name")
	case slices.ContainsFunc(a.Roles, blank):
		return fmt.Errorf("one of its roles has no name")
	case a.Kind != "" && !slices.Contains(Kinds, a.Kind):
		return fmt.Errorf("its kind is %q; the kinds are %s", a.Kind, strings.Join(Kinds, ", "))
	case slices.ContainsFunc(a.Handling, func(code string) bool { return !slices.Contains(Handling, code) }):
		return fmt.Errorf("its handling codes are %s; the codes are %s", strings.Join(a.Handling, ", "), strings.Join(Handling, ", "))
	case slices.ContainsFunc(a.Acts, func(act string) bool { return !slices.Contains(Acts, act) }):
		return fmt.Errorf("it allows %q; the acts are %s", a.Acts, strings.Join(Acts, ", "))
	case !a.Until.IsZero() && !a.Until.After(a.From):
		return fmt.Errorf("it ends at %s, before it begins at %s", stamp(a.Until), stamp(a.From))
	}
	return nil
}

// pin adds hashes to the lists that a scope names, so that the scope never changes.
func (s *Store) pin(a *Authority) error {
	n, err := query.Parse(a.Scope, query.Options{Lists: s.Lists})
	if err != nil {
		return fmt.Errorf("its scope: %w", err)
	}
	stated, err := query.Stated(n)
	if err != nil {
		return fmt.Errorf("%w: its scope: %w", ErrInvalid, err)
	}
	if stated.String() != n.String() {
		n, a.Scope = stated, stated.String()
	}
	if query.HasThen(n) {
		return fmt.Errorf("%w: %s", ErrInvalid, "its scope: a condition on turns (->) depends on the scope itself, and cannot be part of it")
	}
	if query.HasSame(n) {
		return fmt.Errorf("%w: %s", ErrInvalid, "its scope: a scope cannot refer to the content of a message (same:)")
	}
	if query.Any(n, func(n query.Node) bool { _, list := n.(query.List); return list }) {
		a.Scope = n.String()
	}
	return nil
}

// scope parses a stored scope, which names lists only by their hashes.
func (s *Store) scope(a *Authority) (query.Node, error) {
	n, err := query.Parse(a.Scope, query.Options{Lists: func(name, hash string) (*query.WordList, error) {
		if s.Lists == nil || hash == "" {
			return nil, argus.ErrNotFound
		}
		return s.Lists(name, hash)
	}})
	if err != nil {
		return nil, err
	}
	return query.Stated(n)
}

// Wider returns the authorities that make the limits of the authority than pointless: they have
// not ended, they let one of its actors read everything that it covers with one of its acts,
// and they cover more, allow more or last longer.
func (s *Store) Wider(than *Authority, now time.Time) ([]Authority, error) {
	narrow, err := s.scope(than)
	if err != nil {
		return nil, fmt.Errorf("read the scope of authority %s: %w", than.Number, err)
	}
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	shares := func(a *Authority) bool {
		// The people whom one authority names may hold a role that the other one names.
		same := a.everybody() || than.everybody() || len(a.Roles) > 0 && len(than.Actors) > 0 || len(than.Roles) > 0 && len(a.Actors) > 0 ||
			slices.ContainsFunc(than.Actors, func(actor string) bool { return slices.Contains(a.Actors, actor) }) ||
			slices.ContainsFunc(than.Roles, func(role string) bool { return slices.Contains(a.Roles, role) })
		return same &&
			(len(than.Acts) == 0 || slices.ContainsFunc(than.Acts, a.Allows))
	}
	return slices.DeleteFunc(list, func(a Authority) bool {
		if a.Number == than.Number || a.Damage != "" || a.Revoked != nil || !a.Until.IsZero() && !now.Before(a.Until) || !shares(&a) {
			return true
		}
		scope, err := s.scope(&a)
		if err != nil || !query.Covers(scope, narrow) {
			return true // an unreadable scope gives no access
		}
		lasts := !than.Until.IsZero() && (a.Until.IsZero() || a.Until.After(than.Until))
		allows := slices.ContainsFunc(Acts, func(act string) bool { return a.Allows(act) && !than.Allows(act) })
		return query.Covers(narrow, scope) && !lasts && !allows
	}), nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Only returns the authority that applies if an actor names none. list holds the
// authorities that name the actor. If only one of them is in force, Only returns it. If
// the list holds a single authority, Only returns it even if it is not in force, because
// its use reports why. Otherwise, it returns argus.ErrRefused with the reason.
func Only(actor string, list []Authority, now time.Time) (*Authority, error) {
	var open []*Authority
	var names, ended []string
	for i := range list {
		a := &list[i]
		switch a.State(now) {
		case InForce:
			open, names = append(open, a), append(names, a.Number.String())
		case Damaged:
			ended = append(ended, a.Number.String()+" is damaged")
		case Revoked:
			ended = append(ended, a.Number.String()+" was revoked at "+stamp(a.Revoked.At))
		case Suspended:
			ended = append(ended, a.Number.String()+" has been suspended since "+stamp(a.Suspended().At))
		case NotYet:
			ended = append(ended, a.Number.String()+" begins at "+stamp(a.From))
		case Ended:
			ended = append(ended, a.Number.String()+" ended at "+stamp(a.Until))
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return nil, fmt.Errorf("%w: %d authorities name %s (%s); choose one with --authority", argus.ErrRefused, len(open), actor, some(names))
	case len(list) == 1:
		return &list[0], nil
	case len(list) == 0:
		return nil, fmt.Errorf("%w: no authority names %s", argus.ErrRefused, actor)
	}
	return nil, fmt.Errorf("%w: no authority that names %s is in force: %s; ask for a new one", argus.ErrRefused, actor, some(ended))
}

// some joins the first ten texts, and counts the others.
func some(texts []string) string {
	if more := len(texts) - 10; more > 0 {
		texts = append(slices.Clone(texts[:10]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// Decision allows an act.
type Decision struct {
	Authority *Authority
	// Scope selects the messages that the act may reach.
	Scope query.Node
}

// Request is a request to do an act.
type Request struct {
	Actor string
	// Authority is the number of the authority, as the actor wrote it.
	Authority string
	// Purpose is the actor's purpose, in the actor's words.
	Purpose string
	// Action names the act.
	Action string
}

// Decide allows an act or returns argus.ErrRefused, with a sentence for the actor that
// reveals nothing about other people's authorities: an authority that does not exist
// looks the same as one that does not name the actor. The error is argus.ErrDamaged if
// damage prevents a decision.
func (s *Store) Decide(r Request, now time.Time) (*Decision, error) {
	refused := func(format string, args ...any) (*Decision, error) {
		return nil, fmt.Errorf("%s: %w: %s", r.Action, argus.ErrRefused, fmt.Sprintf(format, args...))
	}
	if blank(r.Actor) {
		return refused("no actor is given; state who you are")
	}
	if r.Authority == "" {
		return refused("no authority is given; state the authority under which you ask")
	}
	number, err := ParseNumber(r.Authority)
	if err != nil {
		return refused("%v", err)
	}
	a, err := s.get(number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Action, err)
	}
	roles, err := s.roles(r.Actor)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Action, err)
	}
	if a == nil || !a.Names(r.Actor, roles...) {
		return refused("%s has no authority %s; request one, or list those that name you", r.Actor, number)
	}
	switch {
	case a.Revoked != nil:
		return refused("authority %s was revoked at %s (%s); request a new one", number, stamp(a.Revoked.At), a.Revoked.Reason)
	case a.Suspended() != nil:
		return refused("authority %s has been suspended since %s (%s)", number, stamp(a.Suspended().At), a.Suspended().Reason)
	case now.Before(a.From):
		return refused("authority %s begins at %s; ask again then", number, stamp(a.From))
	case !a.Until.IsZero() && !now.Before(a.Until):
		return refused("authority %s ended at %s; request a new one", number, stamp(a.Until))
	case !a.Allows(r.Action):
		return refused("authority %s does not allow this, only %s", number, strings.Join(a.Acts, ", "))
	case blank(r.Purpose):
		return refused("no purpose is given; state why you ask")
	}
	scope, err := s.scope(a)
	if errors.Is(err, argus.ErrDamaged) {
		return nil, fmt.Errorf("%s: read the scope of authority %s: %w", r.Action, number, err)
	}
	if err != nil {
		return refused("the scope of authority %s cannot be read (%v); request a new one", number, err)
	}
	if s.May != nil {
		if err := s.May(r.Actor, r.Action, a); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Action, err)
		}
	}
	return &Decision{a, scope}, nil
}
