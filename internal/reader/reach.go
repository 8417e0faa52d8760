package reader

import (
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// In what an id is unique, each reader says. An id of less than the service's reach
// gets a key of what is the same in every copy of it (docs/format/record.md). A name
// that is all that an export shows has none: the exports of both sides of a chat
// show it alike, and meet.

// accountsReach says that an account of a message has no more than a reach.
func accountsReach(m *argus.Message, r argus.Reach) { m.AccountReach = max(m.AccountReach, r) }

// named says that accounts are names as an export shows them, unless they are
// numbers.
func named(m *argus.Message, accounts ...string) {
	for _, a := range accounts {
		if a != "" && !isNumber(a) {
			accountsReach(m, argus.ReachExport)
		}
	}
}

// isNumber says whether an account is a telephone number as accountOf writes it.
func isNumber(account string) bool {
	return len(account) >= 8 && account[0] == '+' && strings.Trim(account[1:], "0123456789") == ""
}

// owned says that an owner whom the source does not name is known to one export
// only.
func owned(m *argus.Message) {
	isOwner := func(account string) bool { return strings.HasPrefix(account, argus.OwnerOf) }
	if isOwner(m.From) || slices.ContainsFunc(m.To, isOwner) {
		accountsReach(m, argus.ReachExport)
	}
	if strings.Contains(m.Conversation, argus.OwnerOf) {
		m.ConversationReach = max(m.ConversationReach, argus.ReachExport)
	}
}

// logConversation names the conversation of a log of which nothing tells more than what
// somebody called it: by its first message, so that logs of one name stay apart and
// copies of one log meet, whatever each is called.
func logConversation(first string) string { return argus.Within("log", first) }

// isCounter says whether an id looks like a running number, which every export has.
func isCounter(id string) bool {
	return id != "" && len(id) <= 6 && strings.Trim(id, "0123456789") == ""
}
