package build

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// In what an id is unique, each reader says. An id of less than the service's reach
// gets a key of what is the same in every copy of it (docs/format/record.md). A name
// that is all that an export shows has none: the exports of both sides of a chat
// show it alike, and meet.

// AccountsReach says that an account of a message has no more than a reach.
func AccountsReach(m *argus.Message, r argus.Reach) { m.AccountReach = max(m.AccountReach, r) }

// Named says that accounts are names as an export shows them, unless they are
// numbers.
func Named(m *argus.Message, accounts ...string) {
	for _, a := range accounts {
		if a != "" && !isNumber(a) {
			AccountsReach(m, argus.ReachExport)
		}
	}
}

// isNumber says whether an account is a telephone number as AccountOf writes it.
func isNumber(account string) bool {
	return len(account) >= 8 && account[0] == '+' && strings.Trim(account[1:], "0123456789") == ""
}

// owned says that an owner whom the source does not name is known to one export
// only.
func owned(m *argus.Message) {
	isOwner := func(account string) bool { return strings.HasPrefix(account, argus.OwnerOf) }
	if isOwner(m.From) || slices.ContainsFunc(m.To, isOwner) {
		AccountsReach(m, argus.ReachExport)
	}
	if strings.Contains(m.Conversation, argus.OwnerOf) {
		m.ConversationReach = max(m.ConversationReach, argus.ReachExport)
	}
}

// LogConversation names the conversation of a log of which nothing tells more than what
// somebody called it: by its first message, so that logs of one name stay apart and
// copies of one log meet, whatever each is called.
func LogConversation(first string) string { return argus.Within("log", first) }

// Keyed puts a key into each id of a message that is unique in less than its service
// and does not tell it: accounts if they have such a reach, and so the conversation. The
// key is that of the export's own id if the message tells it. There is none if key
// returns an empty string.
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

// IsWorldwide says whether an id is no other's: a telephone number, an address, which is
// also the form of an id with a key, or at least 16 hexadecimal digits.
func IsWorldwide(id string) bool {
	drawn := len(id) >= argus.LongID && strings.Trim(id, "0123456789abcdefABCDEF-") == ""
	return drawn || isNumber(id) || IsAddress(id)
}

// Export are those from which the key of an export is computed.
type Export struct {
	// Own is the export's own id.
	Own string
	// participants are the least of the keys of those who take part.
	participants []string
	// known counts those that an address or a name tells from others.
	known int
	// first is the first message.
	first []string
}

// exportParticipants is how many participants count for a key.
const exportParticipants = 1024

// Add takes a message, with ids as they stand in the export.
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

// Key is that of the export's own id, else of who takes part. Where those are numbers
// and words that any export has, the first message counts, too.
func (f *Export) Key() string {
	switch {
	case f.Own != "":
		return argus.ReachKey(f.Own)
	case f.known < 2:
		return argus.ReachKey(append(f.first, f.participants...)...)
	}
	return argus.ReachKey(f.participants...)
}

// IsCounter says whether an id looks like a running number, which every export has.
func IsCounter(id string) bool {
	return id != "" && len(id) <= 6 && strings.Trim(id, "0123456789") == ""
}

// IsAddress says whether a text may be an address: one @ with something on both sides
// and no space.
func IsAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsAny(s, " \t<>\",;\x00")
}
