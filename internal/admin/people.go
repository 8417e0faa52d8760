package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/people"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// OpenPeople opens a directory of people, and creates it if it is missing.
func OpenPeople(dir string) (*wordlist.Store, error) {
	return wordlist.OpenKind(dir, wordlist.Kind{Word: "person", Suffix: ".json", Limit: people.Limit, Hash: people.Hash})
}

// People returns the people of a store as they are now, by their ids, with those who have
// left. A document that is damaged, or that the ledger contradicts, is argus.ErrDamaged:
// nobody can tell then who may do what.
func People(store *wordlist.Store) (list []people.Actor, err error) {
	for one, err := range versions(store, true) {
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// Ever returns the ids of those who have a role or once had it.
func Ever(store *wordlist.Store, role people.Role) (ids []string, err error) {
	for one, err := range versions(store, false) {
		if err != nil {
			return nil, err
		}
		if one.Has(role) {
			ids = append(ids, one.ID)
		}
	}
	return ids, nil
}

// versions yields the versions of the people of a store, by their ids, in order: all of them, or
// the last of each.
func versions(store *wordlist.Store, last bool) iter.Seq2[people.Actor, error] {
	return func(yield func(people.Actor, error) bool) {
		versions, err := store.List()
		if err != nil {
			yield(people.Actor{}, err)
			return
		}
		for i, v := range versions {
			if last && v.Damage == "" && i+1 < len(versions) && versions[i+1].Name == v.Name {
				continue
			}
			one, err := version(store, v)
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

func version(store *wordlist.Store, v wordlist.Version) (people.Actor, error) {
	if v.Damage != "" {
		return people.Actor{}, fmt.Errorf("read people: %w: %s", argus.ErrDamaged, v.Damage)
	}
	data, err := store.Read(v.Name, v.Hash)
	if err != nil {
		return people.Actor{}, err
	}
	one, err := people.Parse(data)
	if err != nil {
		return people.Actor{}, fmt.Errorf("read person %s: %w: %w", v.Name, argus.ErrDamaged, err)
	}
	return *one, nil
}

// People returns the people of the store, with those who have left.
func (a *Admin) People() ([]people.Actor, error) {
	if a.o.People == nil {
		return nil, nil
	}
	return People(a.o.People)
}

// Actor returns the actor's name. wanted is the name that the user of this process gave,
// or "" if there is none. In a store without people, the actor is wanted or, by default,
// the user. In a store with people, the user must be the person that wanted names; the
// ledger records a refusal.
func (a *Admin) Actor(ctx context.Context, wanted string) (string, error) {
	list, err := a.People()
	if err != nil {
		return "", err
	}
	user := ActorName()
	if len(list) == 0 {
		return cmp.Or(wanted, a.recognised, user), nil
	}
	if a.recognised != "" {
		if i := slices.IndexFunc(list, func(one people.Actor) bool { return one.ID == a.recognised && len(one.Roles) > 0 }); i < 0 {
			return "", a.refused(ctx, a.recognised, "", fmt.Errorf("%w: %s is not one of the people of this store", argus.ErrRefused, a.recognised))
		}
		return a.recognised, nil
	}
	one, err := people.Recognise(list, user, wanted)
	if err != nil {
		return "", a.refused(ctx, user, "", err)
	}
	return one.ID, nil
}

// Recognised returns an Admin for somebody whom the caller has recognised, as by the session
// of a link: all acts are that person's, and none is allowed once he has left.
func (a *Admin) Recognised(actor string) *Admin { return &Admin{o: a.o, recognised: actor} }

// may returns who acts, if that actor may do an act.
func (a *Admin) may(ctx context.Context, wanted, action string) (actor string, err error) {
	if actor, err = a.Actor(ctx, wanted); err != nil || a.o.May == nil {
		return actor, err
	}
	if err := a.o.May(actor, action); err != nil {
		return "", a.refused(ctx, actor, action, fmt.Errorf("%s: %w", action, err))
	}
	return actor, nil
}

// refused returns an error, and records it if it is a refusal.
func (a *Admin) refused(ctx context.Context, actor, action string, err error) error {
	if !errors.Is(err, argus.ErrRefused) || a.o.Protected {
		return err
	}
	detail := map[string]string{"reason": err.Error()}
	if action != "" {
		detail["action"] = action
	}
	_, failed := a.o.Ledger.Append(ctx, ledger.Act{Actor: actor, Action: ledger.Refused, Detail: detail})
	return errors.Join(err, failed)
}

// ErrNoCustodian means that a change would leave nobody who can change people.
var ErrNoCustodian = errors.New("at least one custodian must be a user of the operating system, or nobody could add people any more")

// SetPerson adds a person to the store, or changes one. known is true if nothing changes.
// A person without roles has left. The first person must be a custodian and the user of
// this process. The error is [ErrNoCustodian] if the change would leave no custodian.
func (a *Admin) SetPerson(ctx context.Context, actor string, one people.Actor) (known bool, err error) {
	data, err := one.Encode()
	if err != nil {
		return false, err
	}
	keeps := func(o people.Actor) bool { return o.Has(people.Custodian) && len(o.Users) > 0 }
	_, known, err = a.addTo(ctx, a.o.People, "add person", ledger.AddPerson, actor, one.ID, data, func() error {
		list, err := a.People()
		if err != nil {
			return err
		}
		if len(list) == 0 && (!one.Has(people.Custodian) || !slices.Contains(one.Users, ActorName())) {
			return fmt.Errorf("%w: the first person must be a custodian and must be you, the user %s", ErrNoCustodian, ActorName())
		}
		others := slices.DeleteFunc(list, func(o people.Actor) bool { return o.ID == one.ID })
		if !slices.ContainsFunc(append(others, one), keeps) {
			return ErrNoCustodian
		}
		return nil
	})
	return known, err
}
