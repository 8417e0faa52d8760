// Package exchange describes the authorities and the requests that stores hand to each other.
//
// A signature proves who holds a key, and nothing about the truth of a file: each is also
// refused if it contradicts itself.
package exchange

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/query"
)

const authorityHead = "argus authority 1\n"

// Authority is an authority of a store as it was when it was handed out: with the end after
// its last extension, and without the changes that led there.
type Authority struct {
	// Store is the id of the store.
	Store    string    `json:"store"`
	Exported time.Time `json:"exported"`
	// File is the SHA-256 of the authority's file in that store.
	File      argus.Hash          `json:"file"`
	Authority authority.Authority `json:"authority"`
	// Lists are the lists that its scope names.
	Lists []List `json:"lists,omitempty"`
}

// List is a version of a list.
type List struct {
	Name string `json:"list"`
	// Hash is the SHA-256 of Text, in hexadecimal digits.
	Hash string `json:"sha256"`
	Text string `json:"text"`
}

// Name names the authority for other stores.
func (a *Authority) Name() string {
	return fmt.Sprintf("%s of store %s", a.Authority.Number, a.Store)
}

// Sign makes the file of an authority. find returns the text of a version of a list.
func (a *Authority) Sign(signer note.Signer, find func(name, hash string) ([]byte, error)) ([]byte, error) {
	a.Lists = nil
	parsed, err := query.Parse(a.Authority.Scope, query.Options{Lists: func(name, hash string) (*query.WordList, error) {
		text, err := find(name, hash)
		if err != nil {
			return nil, err
		}
		a.Lists = append(a.Lists, List{name, hash, string(text)})
		return query.ParseList(name, text)
	}})
	if err != nil {
		return nil, fmt.Errorf("read the scope: %w", err)
	}
	if namesDelivery(parsed) {
		return nil, fmt.Errorf("its scope names deliveries by their numbers, which mean nothing in another store: %s", a.Authority.Scope)
	}
	slices.SortFunc(a.Lists, compareLists)
	a.Lists = slices.CompactFunc(a.Lists, func(a, b List) bool { return compareLists(a, b) == 0 })
	if err := a.fault(); err != nil {
		return nil, err
	}
	return signed.Sign(authorityHead, a, signer)
}

// OpenAuthority reads the file of an authority that the holder of a public key signed. A
// file that contradicts itself is [signed.ErrRefused].
func OpenAuthority(file []byte, key string) (*Authority, error) {
	a := new(Authority)
	if err := signed.Open(file, authorityHead, key, a); err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	if err := a.fault(); err != nil {
		return nil, fmt.Errorf("read the authority: %w", signed.Refuse("%w", err))
	}
	return a, nil
}

// fault returns the contradiction in an authority.
func (a *Authority) fault() error {
	one := &a.Authority
	switch {
	case a.Store == "" || one.Number == 0:
		return fmt.Errorf("it names no store or no authority")
	case one.Revoked != nil || one.Changes != nil || one.Damage != "":
		return fmt.Errorf("it has a revocation or changes, which are no part of it")
	case one.From.IsZero() || one.Created.IsZero() || a.Exported.Before(one.Created):
		return fmt.Errorf("it was handed out before it existed, or lacks a time")
	case !one.Until.IsZero() && !a.Exported.Before(one.Until):
		return fmt.Errorf("it had ended when it was handed out")
	case !one.Retain.IsZero() && !one.Retain.After(one.From):
		return fmt.Errorf("its data may be kept until %s, before it begins", one.Retain.Format(time.RFC3339))
	}
	if err := one.Valid(); err != nil {
		return err
	}
	lists := map[string]*query.WordList{}
	for i, l := range a.Lists {
		read, err := query.ParseList(l.Name, []byte(l.Text))
		if err != nil {
			return err
		}
		if read.Hash != l.Hash {
			return fmt.Errorf("the list %s has another SHA-256 than it says", l.Name)
		}
		if i > 0 && compareLists(a.Lists[i-1], l) >= 0 {
			return fmt.Errorf("its lists are not in order")
		}
		lists[l.Name+"@"+l.Hash] = read
	}
	used := map[string]bool{}
	scope, err := query.Parse(one.Scope, query.Options{Lists: func(name, hash string) (*query.WordList, error) {
		used[name+"@"+hash] = true
		if l := lists[name+"@"+hash]; l != nil {
			return l, nil
		}
		return nil, argus.ErrNotFound
	}})
	switch {
	case err != nil:
		return fmt.Errorf("its scope: %w", err)
	case namesDelivery(scope):
		return fmt.Errorf("its scope names deliveries of its store by their numbers, and here they are others: %s", one.Scope)
	case len(used) != len(lists):
		return fmt.Errorf("it has lists that its scope does not name")
	}
	return nil
}

func compareLists(a, b List) int {
	return slices.Compare([]string{a.Name, a.Hash}, []string{b.Name, b.Hash})
}

func namesDelivery(scope query.Node) bool {
	return query.Any(scope, func(n query.Node) bool {
		switch n := n.(type) {
		case query.Field:
			return n.Name == query.Delivery
		case query.List:
			return n.Field == query.Delivery
		case query.All, query.And, query.Fuzzy, query.Not, query.Number, query.Or, query.Part, query.Phrase, query.Prefix, query.Regexp, query.Sent, query.Stem, query.Then, query.Word, query.Written:
		}
		return false
	})
}
