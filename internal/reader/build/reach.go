package build

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// Each reader decides in which scope an id is unique. An id that is not unique in the whole
// service gets a key made from facts that are the same in every copy of it
// (docs/format/record.md). If an export shows an account only by a name, the name gets no
// key: the exports of both sides of a chat show it alike, so they meet.

// AccountsReach limits the reach of a message's accounts.
func AccountsReach(m *argus.Message, r argus.Reach) { m.AccountReach = max(m.AccountReach, r) }

// Named marks accounts as names shown by an export, unless they are numbers.
func Named(m *argus.Message, accounts ...string) {
	for _, a := range accounts {
		if a != "" && !isNumber(a) {
			AccountsReach(m, argus.ReachExport)
		}
	}
}

// isNumber reports whether an account is a telephone number in the form that AccountOf
// writes.
func isNumber(account string) bool {
	return len(account) >= 8 && account[0] == '+' && strings.Trim(account[1:], "0123456789") == ""
}

// owned limits an owner whom the source does not name to a single export.
func owned(m *argus.Message) {
	isOwner := func(account string) bool { return strings.HasPrefix(account, argus.OwnerOf) }
	if isOwner(m.From) || slices.ContainsFunc(m.To, isOwner) {
		AccountsReach(m, argus.ReachExport)
	}
	if strings.Contains(m.Conversation, argus.OwnerOf) {
		m.ConversationReach = max(m.ConversationReach, argus.ReachExport)
	}
}

// LogConversation names the conversation of a log that is known only by a name that somebody
// gave it. It uses the first message, so that different logs with the same name stay apart
// and copies of one log meet under any name.
func LogConversation(first string) string { return argus.Within("log", first) }

// Keyed puts a key into each id of a message whose scope is smaller than its service:
// the accounts if their reach is smaller, and likewise the conversation. The key is made
// from the export's own id if the message has it. No key is added if key returns an empty
// string.
func Keyed(m *argus.Message, own string, key func() string) {
	if own != "" {
		key = func() string { return argus.ReachKey(own) }
	}
	put := func(id *string) {
		if *id == "" || IsWorldwide(*id) {
			return
		}
		if k := key(); k != "" {
			*id += "@" + k
		}
	}
	if m.AccountReach != argus.ReachService {
		put(&m.From)
		for i := range m.To {
			put(&m.To[i])
		}
		for account := range m.Facts.AccountFields {
			put(account)
		}
	}
	if m.ConversationReach != argus.ReachService {
		parts := strings.Split(m.Conversation, "|") // the accounts in it, if there are several
		for i := range parts {
			put(&parts[i])
		}
		slices.Sort(parts)
		m.Conversation = strings.Join(parts, "|")
	}
}

// IsWorldwide reports whether an id is unique in the world: a telephone number, an address
// (an id with a key also has that form), or at least 16 hexadecimal digits.
func IsWorldwide(id string) bool {
	drawn := len(id) >= argus.LongID && strings.Trim(id, "0123456789abcdefABCDEF-") == ""
	return drawn || isNumber(id) || IsAddress(id)
}

// Export collects the facts that the key of an export is computed from.
type Export struct {
	// Own is the export's own id.
	Own string
	// participants are the smallest keys of the participants.
	participants []string
	// known counts the participants that an address or a name identifies.
	known int
	// first is the first message.
	first []string
}

// exportParticipants is the maximum number of participants that a key is made from.
const exportParticipants = 1024

// Add takes a message, with its ids as they are in the export.
func (f *Export) Add(m *argus.Message) {
	if f.first == nil {
		f.first = []string{strconv.FormatInt(m.Sent.Micros, 10), strings.Clone(m.Text)}
	}
	f.participant(m.From, m.FromName)
	for _, to := range m.To {
		f.participant(to, "")
	}
}

func (f *Export) participant(account, name string) {
	key := argus.ReachKey(account, name)
	i, found := slices.BinarySearch(f.participants, key)
	if found || account == "" || i == exportParticipants {
		return
	}
	f.participants = slices.Insert(f.participants, i, key)
	f.participants = f.participants[:min(len(f.participants), exportParticipants)]
	if name != "" || IsWorldwide(account) {
		f.known++
	}
}

// Key returns the key made from the export's own id or, if it has none, from its
// participants. If those are numbers and words that any export may have, the first message
// counts too.
func (f *Export) Key() string {
	switch {
	case f.Own != "":
		return argus.ReachKey(f.Own)
	case f.known < 2:
		return argus.ReachKey(append(f.first, f.participants...)...)
	}
	return argus.ReachKey(f.participants...)
}

// IsCounter reports whether an id looks like a running number, which any export may have.
func IsCounter(id string) bool {
	return id != "" && len(id) <= 6 && strings.Trim(id, "0123456789") == ""
}

// IsAddress reports whether a text may be an address: one @ with something on both
// sides and no space.
func IsAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsAny(s, " \t<>\",;\x00")
}
