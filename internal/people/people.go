// Package people holds the people who use a store: their names, their roles, and how each
// is recognised.
//
// The document of an actor is kept like a list: each version is a file of its own, and the
// latest one applies. docs/format/people.md describes it.
package people

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// A Role is a kind of work done in a case.
type Role string

// The roles.
const (
	Custodian        Role = "custodian"         // keeps the store and its people; does not read
	Investigator     Role = "investigator"      // reads under an authority
	Analyst          Role = "analyst"           // reads under an authority
	ThreatDesk       Role = "threat-desk"       // acts on threats to life
	Prosecutor       Role = "prosecutor"        // asks for authorities, and grants those that need no judge
	Judge            Role = "judge"             // grants authorities; decides about protected communication
	PrivilegeOfficer Role = "privilege-officer" // prepares the judge's decisions
	Liaison          Role = "liaison"           // shares with other bodies
	Overseer         Role = "overseer"          // reads the ledger, and no content
	Defence          Role = "defence"           // reads the disclosed set
	Partner          Role = "partner"           // reads the packages that the partner's own body received
)

// Roles lists the roles, in the order in which they are shown to people.
var Roles = []Role{Custodian, Investigator, Analyst, ThreatDesk, Prosecutor, Judge, PrivilegeOfficer, Liaison, Overseer, Defence, Partner}

// An Actor is somebody who uses a store.
type Actor struct {
	// ID is the name of the actor in the ledger and in authorities.
	ID string `json:"actor"`
	// Name is the full name. Default none.
	Name string `json:"name,omitempty"`
	// Roles decide which acts the actor may do. An actor without roles has left.
	Roles []Role `json:"roles,omitempty"`
	// Users are the users of the operating system who are this actor. Default: the actor
	// is only recognised by a link.
	Users []string `json:"users,omitempty"`
}

// Limit is the maximum size of a document, in bytes.
const Limit = 64 << 10

// Has reports whether the actor has a role.
func (a *Actor) Has(r Role) bool { return slices.Contains(a.Roles, r) }

// ErrInvalid means that the description of an actor cannot be kept.
var ErrInvalid = errors.New("the person is invalid")

// CheckID returns an error if a text cannot be the id of an actor.
func CheckID(id string) error {
	if len(id) == 0 || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("name a person %.80q: want 1 to 64 lower-case letters, digits, - and _", id)
	}
	return nil
}

func (a *Actor) fault() error {
	if err := CheckID(a.ID); err != nil {
		return err
	}
	for i, r := range a.Roles {
		switch {
		case !slices.Contains(Roles, r):
			return fmt.Errorf("there is no role %q; the roles are %s", r, Names(Roles))
		case slices.Contains(a.Roles[:i], r):
			return fmt.Errorf("the role %s is named twice", r)
		}
	}
	for _, u := range append([]string{a.Name}, a.Users...) {
		if !utf8.ValidString(u) {
			return fmt.Errorf("%q is not UTF-8", u)
		}
	}
	if slices.ContainsFunc(a.Users, func(u string) bool { return strings.TrimSpace(u) == "" }) {
		return errors.New("a user of the operating system has no name")
	}
	return nil
}

// Names formats roles as text.
func Names(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// Encode returns the document of the actor.
func (a *Actor) Encode() ([]byte, error) {
	if err := a.fault(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(a)
	return b.Bytes(), err
}

// Parse reads the document of an actor. It accepts only the exact output of Encode.
func Parse(data []byte) (*Actor, error) {
	a := new(Actor)
	if err := json.Unmarshal(data, a); err != nil {
		return nil, err
	}
	again, err := a.Encode()
	if err == nil && !bytes.Equal(again, data) {
		err = errors.New("it is not in its canonical form")
	}
	return a, err
}

// Hash returns the SHA-256 of a document that may be kept under a name.
func Hash(name string, data []byte) (string, error) {
	a, err := Parse(data)
	if err == nil && a.ID != name {
		err = fmt.Errorf("it describes %s", a.ID)
	}
	return argus.Hash(sha256.Sum256(data)).String(), err
}

// Recognise returns the one actor of a list who has roles and is a user of the operating
// system. wanted names the actor if there are several; if it is empty, there must be
// exactly one. The error is argus.ErrRefused, and does not reveal the other actors.
func Recognise(list []Actor, user, wanted string) (*Actor, error) {
	var found []*Actor
	for i := range list {
		if a := &list[i]; len(a.Roles) > 0 && slices.Contains(a.Users, user) && (wanted == "" || a.ID == wanted) {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%w: the user %s belongs to several people in this store; say which one with --actor", argus.ErrRefused, user)
	case wanted != "":
		return nil, fmt.Errorf("%w: the user %s is not %s; a custodian adds users with \"argus people\"", argus.ErrRefused, user, wanted)
	}
	return nil, fmt.Errorf("%w: this store has a list of its people, and the user %s is none of them; a custodian adds people with \"argus people\"", argus.ErrRefused, user)
}
