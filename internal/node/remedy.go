package node

import (
	"errors"
	"strings"

	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/layout"
)

// Remedy returns advice about an argus.ErrDamaged error, which depends on the damaged
// part.
func Remedy(err error) string {
	if beside, ok := errors.AsType[*besideError](err); ok {
		return "The damage is in " + beside.dir + ", the folder of your own ledger, and not in the store. Keep the folder as evidence under another name; Argus then begins a new one."
	}
	_, damage := errors.AsType[*index.Damage](err)
	_, differs := errors.AsType[*index.Differs](err)
	file, _ := errors.AsType[*layout.DamagedError](err)
	if damage || differs || errors.Is(err, evidence.ErrOther) || file != nil && strings.HasPrefix(file.File, layout.Index+"/") && file.File != layout.IndexLock {
		return `"argus verify" lists the damage; "argus reindex" rebuilds the index from the evidence.`
	}
	return `"argus verify" lists all damage, and the remedy if there is one. Otherwise restore the store from a copy, and keep this one as evidence.`
}
