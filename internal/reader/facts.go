package reader

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// happened makes a message record something other than what people said: its
// type, its facts, and as a readable line the source's word for it and what it
// tells about it. What nobody is named for is the service's; so is what it
// records of others, whoever brought it about.
func happened(m *argus.Message, kind argus.Type, facts argus.Facts, word, told string) {
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

// notice makes a message say what the service recorded and no other type has.
func notice(m *argus.Message, word, told string) {
	happened(m, argus.TypeNotice, argus.Facts{}, word, told)
}

// joined makes a message say who did what to whom in a conversation.
func joined(m *argus.Message, action string, members []string, word, told string) {
	happened(m, argus.TypeMembership, argus.Facts{Membership: &argus.Membership{Action: action, Members: members}}, word, told)
}

// renamed makes a message say that a conversation has a new name, if it has one.
func renamed(m *argus.Message, name, word, told string) {
	if name == "" {
		notice(m, word, told)
		return
	}
	happened(m, argus.TypeMembership, argus.Facts{Membership: &argus.Membership{Action: "rename", Name: name}}, word, told)
}

// called makes a message a call.
func called(m *argus.Message, c argus.Call, word, told string) {
	happened(m, argus.TypeCall, argus.Facts{Call: &c}, word, told)
}

// reacted makes a message a sign that is put to another.
func reacted(m *argus.Message, r argus.Reaction, word, told string) {
	happened(m, argus.TypeReaction, argus.Facts{Reaction: &r}, word, told)
}

// contactsConversation holds what address books say: To are the accounts of one
// contact, so that a search for an account finds its name; nobody sent it, so that
// it joins nobody to anybody.
const contactsConversation = "contacts"

// contact makes a message say which accounts an address book has under names,
// those that there are.
func contact(m *argus.Message, word string, accounts []string, names ...string) {
	m.Conversation, m.Title, m.ConversationReach = contactsConversation, contactsConversation, argus.ReachExport
	m.To = accounts
	c := card(accounts, names...)
	lines := append([]string{strings.Join(c.Names, " ")}, accounts...)
	happened(m, argus.TypeContact, argus.Facts{Contact: c}, word, strings.TrimSpace(strings.Join(lines, "\n")))
}

// card is a contact with those names and accounts that there are.
func card(accounts []string, names ...string) *argus.Contact {
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

// room makes a message say what the service knows of a room: its name, else its
// id, and what it is about, a line each; and who is in it.
func room(m *argus.Message, word string, members []string, about ...string) {
	lines, topic := []string{cmp.Or(m.Title, m.ServiceID)}, ""
	for _, line := range about {
		if line = withLineFeeds(line); line != "" {
			lines, topic = append(lines, line), strings.TrimPrefix(topic+"\n"+line, "\n")
		}
	}
	facts := argus.Facts{Room: &argus.Room{Name: m.Title, Topic: topic, Members: members}}
	happened(m, argus.TypeRoom, facts, word, strings.Join(lines, "\n"))
}

// setTopic makes a message say what a conversation is about now, if it is about
// something.
func setTopic(m *argus.Message, topic, word, told string) {
	if topic == "" {
		notice(m, word, told)
		return
	}
	happened(m, argus.TypeRoom, argus.Facts{Room: &argus.Room{Topic: topic}}, word, told)
}

// polled makes a message a question with answers, if there are any, a line each
// behind the words beside it.
func polled(m *argus.Message, question string, options []string) {
	if strings.TrimSpace(question+strings.Join(options, "")) == "" {
		return
	}
	p := &argus.Poll{Question: question, Options: options}
	lines := []string{question}
	for _, option := range options {
		lines = append(lines, "- "+option)
	}
	text := strings.TrimSpace(m.Text + "\n" + strings.Join(lines, "\n"))
	happened(m, argus.TypePoll, argus.Facts{Poll: p}, text, "")
}

// alsoSaid adds to the text of a message, a line each, what it says beside its
// words: a search looks into the text.
func alsoSaid(m *argus.Message, lines ...string) {
	for _, line := range lines {
		if line = strings.TrimSpace(withLineFeeds(line)); line != "" && !strings.Contains(m.Text, line) {
			m.Text = strings.TrimPrefix(m.Text+"\n"+line, "\n")
		}
	}
}

// sentCard adds a card that was sent with a message: its names, and its accounts
// as they were written, by default as they are.
func sentCard(m *argus.Message, c *argus.Contact, written ...string) {
	if c == nil || len(c.Names)+len(c.Accounts) == 0 || m.Type != argus.TypeText {
		return
	}
	if f := factsOf(m); f.Contact == nil {
		f.Contact = c
	}
	if written == nil {
		written = c.Accounts
	}
	alsoSaid(m, append(slices.Clone(c.Names), written...)...)
}

// sentPlace adds a place that was sent with a message: its name is in the text, and
// its position is what has no words.
func sentPlace(m *argus.Message, l argus.Location) {
	if l != (argus.Location{}) && m.Type == argus.TypeText {
		factsOf(m).Location = &l
		alsoSaid(m, l.Name)
	}
}

func factsOf(m *argus.Message) *argus.Facts {
	if m.Facts == nil {
		m.Facts = &argus.Facts{}
	}
	return m.Facts
}

// replied says how many answers the source says a message has.
func replied(m *argus.Message, raw string) {
	if n, err := strconv.ParseUint(strings.Trim(raw, `"`), 10, 32); err == nil && n > 0 {
		factsOf(m).Replies = n
	}
}

// edited says when the wording of a message was written.
func edited(m *argus.Message, at argus.Time) {
	m.State |= argus.StateEdited
	if at.Known() && at.Plausible() {
		m.Edited = at
	}
}

// answeredIn says whether a call was answered, of how long people spoke.
func answeredIn(seconds uint64) string {
	if seconds > 0 {
		return "yes"
	}
	return ""
}

// clockSeconds reads a length of time: seconds, mm:ss or hh:mm:ss.
func clockSeconds(s string) uint64 {
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
