package authority

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/query"
)

// Store is a directory of authorities. It keeps nothing in memory; any number
// of processes may use one directory.
type Store struct {
	disk durable.Disk
	dir  string
	// Lists finds the lists that scopes name; see query.Options. Set it before any call.
	// Default: no lists.
	Lists func(name, hash string) (*query.WordList, error)
	// Known returns the SHA-256 that the ledger records for each file, keyed by the file's
	// name. A file counts as damaged if the ledger has no entry for it or has a different
	// SHA-256, or if the ledger has an entry but the file is missing. A file that is ready but
	// not yet in place counts as in place if it has an entry. Set it before any call. Default:
	// files are not compared.
	Known func() (map[string]string, error)
	// May returns argus.ErrRefused if the actor may not do such an act even though the
	// authority allows it. Set it before any call. Default: everyone may do everything.
	May func(actor, action string, under *Authority) error
	// RolesOf returns the roles of an actor. Set it before any call. Default: nobody has
	// a role.
	RolesOf func(actor string) ([]string, error)
}

// Open opens a directory of authorities, and creates it if it is missing.
func Open(dir string) (*Store, error) { return openOn(durable.OS{}, dir) }

func openOn(d durable.Disk, dir string) (*Store, error) {
	if err := d.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open authorities: %w", err)
	}
	return &Store{disk: d, dir: dir}, nil
}

const (
	suffix        = ".json"
	revokedSuffix = ".revoked.json"
	longest       = query.MaxQuery*6 + 1<<20 // a scope with every byte escaped, and the other fields
)

// Add stores a new authority under the next number and returns it. record must write it
// to the ledger, with the SHA-256 of its file; the authority is not in force before that.
// If record fails, the authority may come into force when the store is settled. Times are
// truncated to seconds, in UTC. The authority is durable when Add returns. Callers must
// not add or revoke concurrently.
func (s *Store) Add(a Authority, now time.Time, record func(Number, argus.Hash) error) (*Authority, error) {
	a.Revoked, a.Changes = nil, nil
	a.Created = seconds(now)
	if a.From.IsZero() {
		a.From = a.Created
	}
	for _, t := range []*time.Time{&a.From, &a.Until, &a.Due, &a.Retain} {
		*t = seconds(*t)
	}
	if err := cmp.Or(a.Valid(), s.pin(&a)); err != nil {
		return nil, fmt.Errorf("add authority: %w", err)
	}
	last, err := s.last()
	if err != nil {
		return nil, fmt.Errorf("add authority: %w", err)
	}
	a.Number = last + 1
	err = s.write(a.Number.String()+suffix, a, func(hash argus.Hash) error { return record(a.Number, hash) })
	if err != nil {
		return nil, fmt.Errorf("add authority: %w", err)
	}
	return &a, nil
}

// Revoke ends an authority. record writes this to the ledger, as for Add. The authority
// has ended by the time Revoke returns.
func (s *Store) Revoke(n Number, by, reason string, now time.Time, record func(argus.Hash) error) error {
	if err := s.revoke(Revocation{n, by, reason, seconds(now)}, record); err != nil {
		return fmt.Errorf("revoke authority %s: %w", n, err)
	}
	return nil
}

func (s *Store) revoke(r Revocation, record func(argus.Hash) error) error {
	if blank(r.By) || blank(r.Reason) {
		return errors.New("a revocation must state who revokes the authority, and why")
	}
	r.By, r.Reason = strings.ToValidUTF8(r.By, "\ufffd"), strings.ToValidUTF8(r.Reason, "\ufffd")
	a, err := s.get(r.Number)
	switch {
	case err != nil:
		return err
	case a == nil:
		return argus.ErrNotFound
	case a.Revoked != nil:
		return fmt.Errorf("%w, at %s by %s (%s)", ErrRevoked, stamp(a.Revoked.At), a.Revoked.By, a.Revoked.Reason)
	}
	return s.write(r.Number.String()+revokedSuffix, r, record)
}

// Change suspends, resumes or extends an authority; it sets the number, change and time
// in c. record writes this to the ledger, as for Add, under the name of the change.
func (s *Store) Change(n Number, c Change, now time.Time, record func(name string, file argus.Hash) error) (*Authority, error) {
	c.Number, c.At, c.Until = n, seconds(now), seconds(c.Until)
	if err := s.change(&c, record); err != nil {
		return nil, fmt.Errorf("%s authority %s: %w", c.Kind, n, err)
	}
	return s.Get(n)
}

func (s *Store) change(c *Change, record func(string, argus.Hash) error) error {
	a, err := s.get(c.Number)
	if err == nil && a == nil {
		err = argus.ErrNotFound
	}
	if err != nil {
		return err
	}
	c.Change = len(a.Changes) + 1
	if err := a.takes(c); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	name := changeName(c.Number, c.Change)
	return s.write(name+suffix, c, func(file argus.Hash) error { return record(name, file) })
}

// takes returns an error if the authority does not allow the change.
func (a *Authority) takes(c *Change) error {
	over := !a.Until.IsZero() && !c.At.Before(a.Until)
	switch {
	case blank(c.By) || blank(c.Reason):
		return errors.New("a change must state who makes it, and why")
	case !utf8.ValidString(c.By) || !utf8.ValidString(c.Reason):
		return errors.New("the name and the reason must be valid UTF-8")
	case a.Revoked != nil || over:
		return errors.New("it has ended; a new one is needed")
	case c.Kind == Extend && (a.Until.IsZero() || !c.Until.After(a.Until)):
		return fmt.Errorf("its new end must be later than its current one: %s", end(a.Until))
	case c.Kind != Extend && !c.Until.IsZero():
		return errors.New("only an extension has an end")
	case c.Kind == Suspend && a.Suspended() != nil, c.Kind == Resume && a.Suspended() == nil:
		return errors.New("it is already in that state")
	case c.Kind != Suspend && c.Kind != Resume && c.Kind != Extend:
		return fmt.Errorf("unknown change %q", c.Kind)
	}
	return nil
}

func end(t time.Time) string {
	if t.IsZero() {
		return "it has no end"
	}
	return stamp(t)
}

// changeName returns the name of a change, which is also the name of its file without the
// suffix.
func changeName(n Number, change int) string { return fmt.Sprintf("%s.%d", n, change) }

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Get returns an authority, with its revocation if there is one. It is for administrators;
// requests by actors go through Decide.
func (s *Store) Get(n Number) (*Authority, error) {
	a, err := s.get(n)
	if err == nil && a == nil {
		err = fmt.Errorf("read authority %s: %w", n, argus.ErrNotFound)
	}
	return a, err
}

// Scope returns the scope of an authority, for those who decide about the authority.
func (s *Store) Scope(n Number) (query.Node, error) {
	a, err := s.Get(n)
	if err != nil {
		return nil, err
	}
	scope, err := s.scope(a)
	if err != nil {
		return nil, fmt.Errorf("read the scope of authority %s: %w", n, err)
	}
	return scope, nil
}

// List returns all authorities in numerical order. If an authority is damaged, or the
// ledger contradicts it, only its number and its damage are set.
func (s *Store) List() ([]Authority, error) {
	last, err := s.last()
	if err != nil {
		return nil, fmt.Errorf("list authorities: %w", err)
	}
	var list []Authority
	for n := range last {
		a, err := s.get(n + 1)
		switch {
		case errors.Is(err, argus.ErrDamaged):
			list = append(list, Authority{Number: n + 1, Damage: err.Error()})
		case err != nil:
			return nil, fmt.Errorf("list authorities: %w", err)
		case a != nil:
			list = append(list, *a)
		}
	}
	return list, nil
}

// Hashes returns the SHA-256 of each file, keyed by its name, for comparison with the
// ledger. Temporary files are left out.
func (s *Store) Hashes() (map[string]argus.Hash, error) {
	entries, err := s.disk.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	hashes := map[string]argus.Hash{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), durable.Prepared) {
			continue
		}
		data, err := s.read(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		hashes[entry.Name()] = sha256.Sum256(data)
	}
	return hashes, nil
}

// last returns the highest number in use: by an authority, by the revocation of a missing
// authority, or in the ledger.
func (s *Store) last() (Number, error) {
	entries, err := s.disk.ReadDir(s.dir)
	if err != nil {
		return 0, err
	}
	known, err := s.known()
	if err != nil {
		return 0, err
	}
	names := slices.Collect(maps.Keys(known))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	var last Number
	for _, name := range names {
		name, isJSON := strings.CutSuffix(name, suffix)
		number, _, _ := strings.Cut(name, ".") // name belongs to an authority, a revocation or a change
		n, err := ParseNumber(number)
		if isJSON && err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// get returns nil for a number that was never assigned.
func (s *Store) get(n Number) (*Authority, error) {
	a := new(Authority)
	found, err := s.decode(n.String()+suffix, a)
	if err == nil && found && (a.Number != n || a.Revoked != nil || a.Changes != nil || a.Damage != "") {
		err = fmt.Errorf("it belongs to authority %s: %w", a.Number, argus.ErrDamaged)
	}
	if err == nil && !found && s.Known == nil {
		var last Number
		if last, err = s.last(); err == nil && n <= last {
			err = fmt.Errorf("its file is missing: %w", argus.ErrDamaged)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read authority %s: %w", n, err)
	}
	if !found {
		return nil, nil
	}
	r := new(Revocation)
	revoked, err := s.decode(n.String()+revokedSuffix, r)
	if err == nil && revoked && r.Number != n {
		err = fmt.Errorf("it belongs to authority %s: %w", r.Number, argus.ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("read revocation of authority %s: %w", n, err)
	}
	if revoked {
		a.Revoked = r
	}
	if err := s.takeChanges(a); err != nil {
		return nil, fmt.Errorf("read the changes of authority %s: %w", n, err)
	}
	return a, nil
}

// takeChanges reads an authority's changes and applies them to it.
func (s *Store) takeChanges(a *Authority) error {
	for i := 1; ; i++ {
		name := changeName(a.Number, i) + suffix
		c := new(Change)
		found, err := s.decode(name, c)
		if err == nil && found && (c.Number != a.Number || c.Change != i) {
			err = fmt.Errorf("%s: it is change %d of authority %s: %w", name, c.Change, c.Number, argus.ErrDamaged)
		}
		if err != nil || !found {
			return err
		}
		a.Changes = append(a.Changes, *c)
		if c.Kind == Extend {
			a.Until = c.Until
		}
	}
}

func (s *Store) roles(actor string) ([]string, error) {
	if s.RolesOf == nil {
		return nil, nil
	}
	return s.RolesOf(actor)
}

func (s *Store) decode(name string, into any) (found bool, err error) {
	data, err := s.recorded(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := parse(data, into); err != nil {
		return false, fmt.Errorf("%s: %w: %w", name, err, argus.ErrDamaged)
	}
	return true, nil
}

func (s *Store) known() (map[string]string, error) {
	if s.Known == nil {
		return nil, nil
	}
	return s.Known()
}

// recorded reads a file and compares it with the ledger. The error is fs.ErrNotExist if
// neither the folder nor the ledger has it, and argus.ErrDamaged if they differ.
func (s *Store) recorded(name string) ([]byte, error) {
	data, err := s.read(name)
	missing := errors.Is(err, fs.ErrNotExist)
	if s.Known == nil || err != nil && !missing {
		return data, err
	}
	known, failed := s.Known() // read after the file, because an entry is written before its file
	if failed != nil {
		return nil, failed
	}
	what := "authority"
	switch {
	case strings.HasSuffix(name, revokedSuffix):
		what = "revocation"
	case strings.Count(name, ".") > 1:
		what = "change of an authority"
	}
	want, ok := known[name]
	damage := func(format string, args ...any) ([]byte, error) {
		return nil, fmt.Errorf("%s/%s: %w: %s", filepath.Base(s.dir), name, argus.ErrDamaged, fmt.Sprintf(format, args...))
	}
	isIt := func(data []byte) bool { return argus.Hash(sha256.Sum256(data)).String() == want }
	switch {
	case !ok && missing:
		return nil, err
	case !ok:
		return damage("the ledger has no entry for this %s, so Argus did not add it, and nobody can act under it; remove the file", what)
	case !missing && isIt(data):
		return data, nil
	case !missing:
		return damage("the ledger has a different SHA-256 for this %s, so it was changed, and nobody can act under it; restore the file from a copy of the store", what)
	}
	for _, at := range []string{durable.Prepared + name, name} { // it may be getting its name at this moment
		if data, err := s.read(at); err == nil && isIt(data) {
			return data, nil
		}
	}
	return damage("the ledger has an entry for this %s, but the file is missing, so nobody can act under it; restore the file from a copy of the store", what)
}

// parse accepts only the exact output of encode.
func parse(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	again, err := encode(into)
	if err == nil && !bytes.Equal(again, data) {
		err = errors.New("it is not in its canonical form")
	}
	return err
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return buf.Bytes(), err
}

func (s *Store) read(name string) ([]byte, error) {
	data, err := durable.ReadFile(s.disk, filepath.Join(s.dir, name), longest)
	if errors.Is(err, durable.ErrUnfit) {
		err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
	}
	return data, err
}

// write creates a whole file durably, after record has written the file's entry to the ledger.
func (s *Store) write(name string, v any, record func(argus.Hash) error) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return durable.Record(s.disk, filepath.Join(s.dir, name), data, func() error { return record(sha256.Sum256(data)) })
}

// Naming is like List, but returns only the authorities that name an actor.
func (s *Store) Naming(actor string) ([]Authority, error) {
	roles, err := s.roles(actor)
	if err != nil {
		return nil, err
	}
	list, err := s.List()
	return slices.DeleteFunc(list, func(a Authority) bool { return !a.Names(actor, roles...) }), err
}
