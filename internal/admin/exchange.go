package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// signer returns the signer of a file that leaves the store: with the private key in a
// file, or with the store's if that is "".
func (a *Admin) signer(file string) (note.Signer, error) {
	private := a.o.PrivateKey
	if file != "" {
		text, err := readPrivate(file)
		if err != nil {
			return nil, err
		}
		private = strings.TrimSpace(string(text))
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	return signer, nil
}

// ExportAuthority returns the signed file of an authority that is in force or begins later,
// and the name of the key, which is in the file keyFile, default the store's. The ledger has
// the SHA-256 of the file.
func (a *Admin) ExportAuthority(ctx context.Context, actor string, number authority.Number, keyFile string) (file []byte, key string, err error) {
	if actor, err = a.may(ctx, actor, ledger.ExportAuthority); err != nil {
		return nil, "", err
	}
	if file, key, err = a.exportAuthority(number, keyFile); err != nil {
		return nil, "", fmt.Errorf("export authority %s: %w", number, err)
	}
	if a.o.Protected {
		return nil, "", fmt.Errorf("export authority %s: %w", number, ErrWriteProtected)
	}
	_, err = a.o.Ledger.Append(ctx, ledger.Act{Actor: actor, Action: ledger.ExportAuthority, Subject: number.String(),
		Detail: map[string]string{"sha256": claims.Hash(file), "key": key}})
	if err != nil {
		return nil, "", err
	}
	return file, key, nil
}

func (a *Admin) exportAuthority(number authority.Number, keyFile string) (file []byte, key string, err error) {
	signer, err := a.signer(keyFile)
	if err != nil {
		return nil, "", err
	}
	one, err := a.o.Authorities.Get(number)
	if err != nil {
		return nil, "", err
	}
	now, err := a.o.Ledger.Now()
	if err != nil {
		return nil, "", err
	}
	switch suspended := one.Suspended(); {
	case one.Revoked != nil:
		return nil, "", fmt.Errorf("it was revoked at %s (%s)", one.Revoked.At.Format(time.RFC3339), one.Revoked.Reason)
	case suspended != nil:
		return nil, "", fmt.Errorf("it is suspended since %s (%s)", suspended.At.Format(time.RFC3339), suspended.Reason)
	}
	hashes, err := a.o.Authorities.Hashes()
	if err != nil {
		return nil, "", err
	}
	out := &exchange.Authority{Store: a.o.Store, Exported: now.UTC().Truncate(time.Second), File: hashes[number.String()+".json"], Authority: *one}
	out.Authority.Changes = nil
	file, err = out.Sign(signer, a.o.Lists.Read)
	return file, signer.Name(), err
}

// Imported is an authority that came from another store.
type Imported struct {
	*authority.Authority
	// Was is the authority as its own store has it.
	Was *exchange.Authority `json:"was"`
	// Lists are the lists of its scope that are new here.
	Lists []wordlist.Version `json:"lists,omitempty"`
}

// ImportAuthority takes in an authority from the file that the holder of a public key signed.
// The people who may use it are named here, because names of another store mean nothing. It
// begins now if it began earlier in its store. An authority can be imported once, so that a
// file cannot bring back one that was revoked. A file that cannot be taken in is
// [signed.ErrRefused], and nothing is changed.
func (a *Admin) ImportAuthority(ctx context.Context, actor string, file []byte, key string, actors, roles []string) (in *Imported, err error) {
	if actor, err = a.may(ctx, actor, ledger.AddAuthority); err != nil {
		return nil, err
	}
	if len(actors)+len(roles) == 0 {
		return nil, fmt.Errorf("import authority: %w: say who may use it here", signed.ErrRefused)
	}
	was, err := exchange.OpenAuthority(file, key)
	if err != nil {
		return nil, err
	}
	in = &Imported{Was: was}
	err = a.change(ctx, "import authority", func(record recorded) error {
		now, err := a.o.Ledger.Now()
		if err != nil {
			return err
		}
		if err := a.importable(was, now); err != nil {
			return fmt.Errorf("import authority: %w: %w", signed.ErrRefused, err)
		}
		one := was.Authority
		one.Actors, one.Roles = actors, roles
		one.Origin = fmt.Sprintf("%s; signed by %s; file %s", was.Name(), key, claims.Hash(file))
		if before := was.Authority.Origin; before != "" {
			one.Origin += "; there from " + before
		}
		if one.From.Before(now) {
			one.From = time.Time{} // it begins when it is added
		}
		if err := one.Valid(); err != nil {
			return fmt.Errorf("import authority: %w", err)
		}
		if in.Lists, err = a.importLists(actor, was.Lists, record); err != nil {
			return err
		}
		in.Authority, err = a.o.Authorities.Add(one, now, func(number authority.Number, hash argus.Hash) error {
			_, err := record(ledger.Act{Actor: actor, Action: ledger.AddAuthority, Subject: number.String(),
				Detail: map[string]string{"sha256": hash.String(), "imported": claims.Hash(file), "key": key}})
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// importable returns why an authority cannot be imported now.
func (a *Admin) importable(was *exchange.Authority, now time.Time) error {
	one := &was.Authority
	switch {
	case was.Store == a.o.Store:
		return fmt.Errorf("it is %s of this store", one.Number)
	case !one.Until.IsZero() && !now.Before(one.Until):
		return fmt.Errorf("it ended at %s", one.Until.Format(time.RFC3339))
	case !one.Retain.IsZero() && !now.Before(one.Retain):
		return fmt.Errorf("its data could be kept until %s only", one.Retain.Format(time.RFC3339))
	}
	list, err := a.o.Authorities.List()
	if err != nil {
		return err
	}
	for _, other := range list {
		if strings.HasPrefix(other.Origin, was.Name()+";") {
			return fmt.Errorf("%s was imported from it already; change that one, or add a new one", other.Number)
		}
	}
	return nil
}

// importLists adds those lists that the store does not have.
func (a *Admin) importLists(actor string, lists []exchange.List, record recorded) (added []wordlist.Version, err error) {
	for _, l := range lists {
		_, err := a.o.Lists.Read(l.Name, l.Hash)
		if err == nil {
			continue
		}
		if !errors.Is(err, argus.ErrNotFound) {
			return nil, err
		}
		v, _, err := a.o.Lists.Add(l.Name, []byte(l.Text), func(v wordlist.Version) error {
			_, err := record(ledger.Act{Actor: actor, Action: ledger.AddList, Subject: v.File(), Detail: map[string]string{"sha256": v.Hash}})
			return err
		})
		if err != nil {
			return nil, err
		}
		added = append(added, v)
	}
	return added, nil
}
