package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/people"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/sandbox"
	"github.com/argus-evidence/argus/internal/verify"
)

// The exit codes, as docs/cli.md lists them.
const (
	exitError       = 1
	exitUsage       = 2
	exitDamaged     = 3
	exitRefused     = 4
	exitNotFound    = 5
	exitLocked      = 6
	exitInterrupted = 130
)

// explain returns the exit code for an error, and a hint about the next step, empty if
// there is none.
func explain(err error) (code int, hint string) {
	var usage usageError
	var syntax *query.SyntaxError
	var upgrading upgradeError
	var failure *handover.Failure
	switch {
	case errors.As(err, &failure):
		return failure.Code, failure.Hint
	case errors.Is(err, handover.ErrEnded):
		return exitError, hintInterrupted(errIngestStopped)
	case errors.As(err, &upgrading) && errors.Is(err, argus.ErrDamaged):
		return exitDamaged, `The store is unchanged. For a list of all damage, run "argus verify" with the version of Argus that wrote it.`
	case errors.As(err, &usage) && !errors.Is(err, argus.ErrDamaged):
		return exitUsage, fmt.Sprintf("See %q.", usage.command+" --help")
	case errors.As(err, &syntax), errors.Is(err, desk.ErrRequest), errors.Is(err, verify.ErrKey), errors.Is(err, authority.ErrInvalid), errors.Is(err, people.ErrInvalid), errors.Is(err, admin.ErrNoCustodian):
		return exitUsage, ""
	case errors.Is(err, errDamageFound):
		return exitDamaged, ""
	case errors.Is(err, layout.ErrNoStore):
		return exitError, `Name the store with --store or $ARGUS_STORE, or make one with "argus init" or "argus ingest PATH".`
	case errors.Is(err, node.ErrNotLent):
		return exitRefused, "Name the file with the judge's key with --privilege-key. Nothing was taken in."
	case errors.Is(err, node.ErrNoDirectory):
		return exitRefused, `Name the register with "argus privilege directory FILE"; --empty decides that there is none. Nothing was taken in.`
	case errors.Is(err, privilege.ErrOtherKey):
		return exitRefused, `Ask the judge for the key that "argus privilege init" made for this store.`
	case errors.Is(err, node.ErrNoIdentity):
		return exitRefused, "Name the file with the judge's private key with --identity."
	case errors.Is(err, admin.ErrNoPrivilege):
		return exitError, `Set it up with "argus privilege init".`
	case errors.Is(err, admin.ErrNoKey):
		return exitError, "Name the folder that holds the key with --keys or $ARGUS_KEYS. The key is not part of the store; it stayed on the machine that made the store."
	case errors.Is(err, sandbox.ErrNotHeld):
		return exitError, `Nothing was read. See "Where readers run" in SECURITY.md for the system calls that Argus needs; a container must allow seccomp.`
	case errors.Is(err, admin.ErrWriteProtected):
		return exitError, "The store can be searched, shown and verified. To change it, copy the store and its key to a writable disk."
	case durable.NoRoom(err):
		return exitError, `The disk is full. Everything acknowledged is kept: make room and run the command again; an interrupted ingest continues with "argus ingest --resume".`
	case errors.Is(err, intake.ErrNoRoom):
		return exitError, "Nothing was ingested. Make room, or move the store to a larger disk."
	case errors.Is(err, intake.ErrUnfinished):
		return exitError, `Finish it with "argus ingest --resume NUMBER", or seal it as it is with "argus ingest --abandon NUMBER".`
	case errors.Is(err, intake.ErrSeveral):
		return exitUsage, `Name the deliveries: "argus ingest --resume NUMBER…".`
	case errors.Is(err, intake.ErrInHand):
		return exitLocked, "Wait for it to end, or stop it."
	case errors.Is(err, intake.ErrOtherFiles):
		return exitError, `Put the files back and resume, or seal the delivery as it is with "argus ingest --abandon".`
	case errors.Is(err, intake.ErrOtherReaders):
		return exitError, `Finish the delivery with the version of Argus that began it, or seal it as it is with "argus ingest --abandon" and ingest it again.`
	case errors.Is(err, argus.ErrNewer):
		return exitError, "Use the version of Argus that wrote it, or a newer one."
	case errors.Is(err, argus.ErrDamaged):
		return exitDamaged, node.Remedy(err)
	case errors.Is(err, signed.ErrRefused):
		return exitRefused, "Nothing was taken in."
	case errors.Is(err, argus.ErrRefused):
		return exitRefused, `"argus authority list" shows the authorities that name you.`
	case errors.Is(err, argus.ErrAmbiguous):
		return exitNotFound, "Give more digits."
	case errors.Is(err, argus.ErrNotFound), errors.Is(err, errNoSource):
		return exitNotFound, ""
	case errors.Is(err, argus.ErrLocked):
		return exitLocked, "Wait for the other argus to end, or stop it."
	}
	return exitError, ""
}

func hintInterrupted(err error) string {
	if _, upgrading := errors.AsType[upgradeError](err); upgrading {
		return "The store is unchanged. Run the command again to continue."
	}
	if errors.Is(err, errIngestStopped) {
		return `Everything acknowledged is kept. Continue with "argus ingest --resume".`
	}
	return ""
}

// message returns the text of an error for people, empty if everything has been printed
// already.
func message(err error) string {
	var syntax *query.SyntaxError
	if errors.As(err, &syntax) {
		text := "the query cannot be understood: " + syntax.Message + "\n" + indent(syntax.Show())
		if syntax.Hint != "" {
			text += "\n  " + syntax.Hint
		}
		return text
	}
	if errors.Is(err, errDamageFound) {
		return "" // the findings have been printed
	}
	return err.Error()
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
