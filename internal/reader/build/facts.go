package build

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Happened makes a message record an event: its type, its facts, and a readable line made of
// the source's word for it and its details. An event that names no person belongs to the
// service, and so does an event that the service records about others, whoever caused it.
func Happened(m *argus.Message, kind argus.Type, facts argus.Facts, word, told string) {
	m.Type = kind
	if m.Facts != nil {
		facts.Replies = m.Facts.Replies
	}
	if m.Facts = nil; facts != (argus.Facts{}) {
		m.Facts = &facts
	}
	switch kind {
	case argus.TypeContact, argus.TypeRoom, argus.TypeMembership, argus.TypeDevice, argus.TypeNotice:
		m.State |= argus.StateSystem
	case argus.TypeText, argus.TypePoll, argus.TypeCall, argus.TypeReaction, argus.TypeLocation, argus.TypeDraft, argus.TypeNote:
	}
	m.Text = word
	if told != "" {
		m.Text += ": " + told
	}
}

// Notice makes a message a notice: a record of the service that fits no other type.
func Notice(m *argus.Message, word, told string) {
	Happened(m, argus.TypeNotice, argus.Facts{}, word, told)
}

// Joined makes a message record a change of the members of a conversation.
func Joined(m *argus.Message, action string, members []string, word, told string) {
	Happened(m, argus.TypeMembership, argus.Facts{Membership: &argus.Membership{Action: action, Members: members}}, word, told)
}

// Renamed makes a message record the new name of a conversation, unless it is empty.
func Renamed(m *argus.Message, name, word, told string) {
	if name == "" {
		Notice(m, word, told)
		return
	}
	Happened(m, argus.TypeMembership, argus.Facts{Membership: &argus.Membership{Action: "rename", Name: name}}, word, told)
}

// Called makes a message a call.
func Called(m *argus.Message, c argus.Call, word, told string) {
	Happened(m, argus.TypeCall, argus.Facts{Call: &c}, word, told)
}

// Reacted makes a message a reaction to another.
func Reacted(m *argus.Message, r argus.Reaction, word, told string) {
	Happened(m, argus.TypeReaction, argus.Facts{Reaction: &r}, word, told)
}

// contactsConversation holds the entries of address books: To are the accounts of one
// contact, so that a search for an account finds its name; the sender is empty, so that an
// entry links nobody to anybody.
const contactsConversation = "contacts"

// Contact makes a message record the accounts of an entry in an address book, under its
// names. It skips empty accounts and names.
func Contact(m *argus.Message, word string, accounts []string, names ...string) {
	m.Conversation, m.Title, m.ConversationReach = contactsConversation, contactsConversation, argus.ReachExport
	m.To = accounts
	c := Card(accounts, names...)
	lines := append([]string{strings.Join(c.Names, " ")}, accounts...)
	Happened(m, argus.TypeContact, argus.Facts{Contact: c}, word, strings.TrimSpace(strings.Join(lines, "\n")))
}

// Card returns a contact without the empty names and accounts.
func Card(accounts []string, names ...string) *argus.Contact {
	c := &argus.Contact{}
	for _, name := range names {
		if name = argus.CleanName(name); name != "" && !slices.Contains(c.Names, name) {
			c.Names = append(c.Names, name)
		}
	}
	for _, account := range accounts {
		if account != "" && !slices.Contains(c.Accounts, account) {
			c.Accounts = append(c.Accounts, account)
		}
	}
	return c
}

// Room makes a message record the service's facts about a room: its name (or its id, if it
// has no name) and its subject, each on its own line, and its members.
func Room(m *argus.Message, word string, members []string, about ...string) {
	lines, topic := []string{cmp.Or(m.Title, m.ServiceID)}, ""
	for _, line := range about {
		if line = textdoc.LineFeeds(line); line != "" {
			lines, topic = append(lines, line), strings.TrimPrefix(topic+"\n"+line, "\n")
		}
	}
	facts := argus.Facts{Room: &argus.Room{Name: m.Title, Topic: topic, Members: members}}
	Happened(m, argus.TypeRoom, facts, word, strings.Join(lines, "\n"))
}

// SetTopic makes a message record the topic of a conversation, unless it is empty.
func SetTopic(m *argus.Message, topic, word, told string) {
	if topic == "" {
		Notice(m, word, told)
		return
	}
	Happened(m, argus.TypeRoom, argus.Facts{Room: &argus.Room{Topic: topic}}, word, told)
}

// Polled makes a message a poll: its text is followed by the possible answers, one per line.
func Polled(m *argus.Message, question string, options []string) {
	if strings.TrimSpace(question+strings.Join(options, "")) == "" {
		return
	}
	p := &argus.Poll{Question: question, Options: options}
	lines := []string{question}
	for _, option := range options {
		lines = append(lines, "- "+option)
	}
	text := strings.TrimSpace(m.Text + "\n" + strings.Join(lines, "\n"))
	Happened(m, argus.TypePoll, argus.Facts{Poll: p}, text, "")
}

// AlsoSaid adds lines to the text of a message, for content outside its words: searches look
// at the text.
func AlsoSaid(m *argus.Message, lines ...string) {
	for _, line := range lines {
		if line = strings.TrimSpace(textdoc.LineFeeds(line)); line != "" && !strings.Contains(m.Text, line) {
			m.Text = strings.TrimPrefix(m.Text+"\n"+line, "\n")
		}
	}
}

// SentCard adds a card that was sent with a message: its names, and its accounts as they
// were written (by default, the accounts of the card).
func SentCard(m *argus.Message, c *argus.Contact, written ...string) {
	if c == nil || len(c.Names)+len(c.Accounts) == 0 || m.Type != argus.TypeText {
		return
	}
	if f := factsOf(m); f.Contact == nil {
		f.Contact = c
	}
	if written == nil {
		written = c.Accounts
	}
	AlsoSaid(m, append(slices.Clone(c.Names), written...)...)
}

// SentPlace adds a place that was sent with a message: its name goes into the text, and
// its position into the facts.
func SentPlace(m *argus.Message, l argus.Location) {
	if l != (argus.Location{}) && m.Type == argus.TypeText {
		factsOf(m).Location = &l
		AlsoSaid(m, l.Name)
	}
}

func factsOf(m *argus.Message) *argus.Facts {
	if m.Facts == nil {
		m.Facts = &argus.Facts{}
	}
	return m.Facts
}

// Replied records how many answers a message has according to the source.
func Replied(m *argus.Message, raw string) {
	if n, err := strconv.ParseUint(strings.Trim(raw, `"`), 10, 32); err == nil && n > 0 {
		factsOf(m).Replies = n
	}
}

// Edited records when the wording of a message was written.
func Edited(m *argus.Message, at argus.Time) {
	m.State |= argus.StateEdited
	if at.Known() && at.Plausible() {
		m.Edited = at
	}
}

// AnsweredIn tells from the length of a call whether it was answered.
func AnsweredIn(seconds uint64) string {
	if seconds > 0 {
		return "yes"
	}
	return ""
}

// ClockSeconds reads a duration: seconds, mm:ss or hh:mm:ss.
func ClockSeconds(s string) uint64 {
	total := uint64(0)
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) > 3 {
		return 0
	}
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return 0
		}
		total = total*60 + n
	}
	return total
}
