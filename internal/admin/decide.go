package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// The acts that the rules decide about for a verdict.
const (
	confirmAct = "privilege.confirm"
	rejectAct  = "privilege.reject"
)

// Decide adds a judge's decision about sealed messages, and returns it with the log that
// it is then part of. The judge is the actor. The reason is kept sealed to the recipients,
// because it describes what is protected.
func (a *Admin) Decide(ctx context.Context, actor string, d privilege.Decision) (privilege.Decision, *privilege.Log, error) {
	setup, err := PrivilegeSetup(a.o.Privilege)
	if err == nil && setup == nil {
		err = ErrNoPrivilege
	}
	if err != nil {
		return d, nil, err
	}
	act := confirmAct
	if d.Verdict == privilege.RejectedRelease {
		act = rejectAct
	}
	if d.Judge, err = a.may(ctx, actor, act); err != nil {
		return d, nil, err
	}
	if strings.TrimSpace(d.Reason) == "" {
		return d, nil, errors.New("a decision needs a reason")
	}
	if d.Reason, err = setup.SealText(d.Reason); err != nil {
		return d, nil, err
	}
	var log *privilege.Log
	err = a.change(ctx, "decide about sealed messages", func(record recorded) error {
		if log, err = PrivilegeDecisions(a.o.Privilege); err != nil {
			return err
		}
		if d.Time, err = a.o.Ledger.Now(); err != nil {
			return err
		}
		before := len(log.Text())
		if d, err = log.Append(d); err != nil {
			return err
		}
		_, _, err = a.o.Privilege.Add(layout.Decision, log.Text()[before:], func(v wordlist.Version) error {
			_, err := record(ledger.Act{Actor: d.Judge, Action: ledger.DecideProtected, Subject: v.File(), Detail: map[string]string{"sha256": v.Hash}})
			return err
		})
		return err
	})
	return d, log, err
}
