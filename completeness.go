package argus

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
)

// Completeness is what the records of a delivery say about what is not among
// them. Each number is a finding to ask the source about, not an error: a
// message may have been deleted, an export may be meant to hold one side.
// (L25)
type Completeness struct {
	// Conversations counts those that are looked at, at most 65,536, and
	// Accounts the accounts that send, as many. BeyondLook counts the messages of
	// other conversations, AccountsBeyond those of other accounts.
	Conversations  uint64 `json:"conversations"`
	Accounts       uint64 `json:"accounts"`
	BeyondLook     uint64 `json:"messages_beyond_look,omitempty"`
	AccountsBeyond uint64 `json:"messages_of_accounts_beyond_look,omitempty"`

	// Named counts the attachments that messages name, Missing those of them
	// whose bytes are not held.
	Named   uint64 `json:"attachments_named"`
	Missing uint64 `json:"attachments_missing"`

	// Series counts the running numbers of services, and Unseen the numbers
	// between the first and the last of each that no message has. A series is one
	// of which more numbers are seen than not: others run through more than was
	// handed over. Numbers run through the whole service if they are a series
	// there and none comes twice, else through conversations, else through what
	// an account sends.
	Series uint64 `json:"number_series"`
	Unseen uint64 `json:"numbers_unseen"`

	// OneSided counts the conversations of two or more messages, with somebody
	// to hear them, in which only one account speaks.
	OneSided uint64 `json:"conversations_one_sided"`

	// Backwards counts the steps from one message to the next of the same
	// conversation in the same file that go against the time order which most
	// steps in the conversation have. What the delivery has already is no step.
	Backwards uint64 `json:"steps_against_time"`

	// Replies counts the answers that messages state and that are not there:
	// Slack and Rocket.Chat say with the message that begins a thread how many
	// follow. They are compared for a conversation as a whole.
	Replies uint64 `json:"replies_missing,omitempty"`

	// Unnamed counts the accounts of devices' owners whom the source does not name
	// ([OwnerOf]).
	Unnamed uint64 `json:"owners_unnamed,omitempty"`

	// In are the services, the conversations and then the accounts in which
	// something is missing, those with most of it first, at most 100 of each; More
	// counts the others.
	In   []Gap `json:"in,omitempty"`
	More Gaps  `json:"more,omitzero"`

	// Stated counts the files that say how many records they have, and Differs
	// those in which another number was found. Differing are the first of them.
	Stated    uint64        `json:"files_stating_a_count"`
	Differs   uint64        `json:"files_of_another_count"`
	Differing []StatedCount `json:"differing,omitempty"`
}

// mostDiffering is how many files of another count are named.
const mostDiffering = 100

// Gap is what is missing in one conversation, of what one account sent, or
// among the numbers of a service.
type Gap struct {
	Service string `json:"service"`
	// Conversation is set for one, Account for one; neither for a service.
	// Longer names than 256 bytes are cut.
	Conversation string `json:"conversation,omitempty"`
	Account      string `json:"account,omitempty"`
	Missing      uint64 `json:"attachments_missing,omitempty"`
	// Unseen of the numbers from First to Last are not seen.
	Unseen uint64 `json:"numbers_unseen,omitempty"`
	First  uint64 `json:"first_number,omitempty"`
	Last   uint64 `json:"last_number,omitempty"`
	// Only is the account that speaks in a conversation of one side. OneSided
	// counts the conversations in which an account is that.
	Only      string `json:"only,omitempty"`
	OneSided  uint64 `json:"conversations_one_sided,omitempty"`
	Backwards uint64 `json:"steps_against_time,omitempty"`
	Replies   uint64 `json:"replies_missing,omitempty"`
}

// Gaps counts conversations and accounts with something missing.
type Gaps struct {
	Conversations uint64 `json:"conversations,omitempty"`
	Accounts      uint64 `json:"accounts,omitempty"`
}

// mostGaps is how many conversations, and how many accounts, are named.
const mostGaps = 100

// mostName is how much of a name is kept, in bytes.
const mostName = 256

// size is how much is missing.
func (g *Gap) size() uint64 {
	n := g.Missing + g.Unseen + g.OneSided + g.Backwards + g.Replies
	if g.Only != "" {
		n++
	}
	return n
}

// StatedCount is how many records a source says that it has.
type StatedCount struct {
	// File is its path in the delivery, with the path in it if it is an archive.
	File string `json:"file"`
	// What is the source's own word for it: "count of smses".
	What string `json:"what"`
	// Stated is what it says, Found what was read: messages and quarantined
	// pieces.
	Stated uint64 `json:"stated"`
	Found  uint64 `json:"found"`
}

// mostLooked is how many conversations and accounts are looked at, mostServices
// how many services, so that memory stays bounded.
const (
	mostLooked   = 1 << 16
	mostServices = 1 << 10
)

// look looks at the messages of a delivery for what is not there.
type look struct {
	seed     maphash.Seed
	threads  map[uint64]*thread
	accounts map[uint64]*sender
	services map[uint64]*service
	found    Completeness

	piece Where  // the file of the last record
	items uint64 // read of it
}

// item counts what was read of a file.
func (l *look) item(at Where) {
	if at.Original != l.piece.Original || at.Path != l.piece.Path {
		l.piece, l.items = at, 0
	}
	l.items++
}

// stated compares what a file says with what was read of it before.
func (l *look) stated(s *Stated, at Where, file string) {
	l.found.Stated++
	found := l.items
	if at.Original != l.piece.Original || at.Path != l.piece.Path {
		found = 0
	}
	found -= min(found, s.Besides)
	if s.Count == found {
		return
	}
	if l.found.Differs++; l.found.Differs > mostDiffering {
		return
	}
	if at.Path != "" {
		file += "!/" + at.Path
	}
	l.found.Differing = append(l.found.Differing, StatedCount{File: file, What: s.What, Stated: s.Count, Found: found})
}

// series is what is remembered of running numbers.
type series struct{ seen, least, most uint64 }

func (s *series) add(n uint64) {
	if s.seen++; s.seen == 1 {
		s.least, s.most = n, n
	}
	s.least, s.most = min(s.least, n), max(s.most, n)
}

// unseen is how many numbers are missing, if it is a series.
func (s *series) unseen() (n uint64, ok bool) {
	all := s.most - s.least + 1
	return all - min(s.seen, all), s.seen > 1 && s.seen > all/2
}

// service is what is remembered of one.
type service struct {
	name    string
	numbers series
	// twice says that a number came twice. latest remembers some, each in the
	// place that it hashes to.
	twice  bool
	latest [1024]uint64
	// whole says that the numbers run through all of it.
	whole bool
}

func (s *service) add(n uint64) {
	s.numbers.add(n)
	at := &s.latest[n*0x9E3779B97F4A7C15>>54]
	s.twice = s.twice || *at == n
	*at = n
}

// sender is what is remembered of an account.
type sender struct {
	service *service
	name    string
	numbers series
	missing uint64
}

// thread is what is remembered of a conversation.
type thread struct {
	service  *service
	name     string
	messages uint64
	from     *sender // the only one so far; nil when it is not looked at
	fromKey  uint64
	several  bool // more than one sends
	heard    bool // somebody else is named
	missing  uint64
	numbers  series
	file     fileKey // in which the last message stood
	last     Time
	up, down uint64
	// stated counts the answers that messages say they have, answers those seen.
	stated, answers uint64
}

type fileKey struct {
	original uint64
	path     uint64
}

// add looks at a message. again says that the delivery has it already, maybe
// as another copy.
func (l *look) add(r *Record, again bool) {
	m := r.Message
	if l.threads == nil {
		l.seed, l.threads, l.accounts, l.services = maphash.MakeSeed(), map[uint64]*thread{}, map[uint64]*sender{}, map[uint64]*service{}
	}
	missing := uint64(0)
	for i := range m.Attachments {
		if m.Attachments[i].Missing() {
			missing++
		}
	}
	l.found.Named += uint64(len(m.Attachments))
	l.found.Missing += missing
	serviceKey := maphash.String(l.seed, m.Service)
	in := l.service(serviceKey, m.Service)
	fromKey := serviceKey ^ maphash.String(l.seed, m.From)*5
	from := l.sender(fromKey, in, m.From)
	if from != nil {
		from.missing += missing
	}
	number := !again && m.Sequence > 0
	if number && in != nil {
		in.add(m.Sequence)
	}
	if number && from != nil {
		from.numbers.add(m.Sequence)
	}
	t := l.thread(serviceKey^maphash.String(l.seed, m.Conversation)*3, in, m.Conversation)
	if t == nil {
		return
	}
	t.missing += missing
	if again {
		return // no step either: reports show each message of a chat once more
	}
	t.step(m.Sent, fileKey{r.Where.Original, maphash.String(l.seed, r.Where.Path)})
	if m.State&StateSystem == 0 {
		t.messages++
		t.several = t.several || t.messages > 1 && fromKey != t.fromKey
		t.from, t.fromKey = from, fromKey
		for _, to := range m.To {
			t.heard = t.heard || to != m.From
		}
		stated, answer := replies(m)
		t.stated += stated
		if answer {
			t.answers++
		}
	}
	if number {
		t.numbers.add(m.Sequence)
	}
}

// replies is how many answers a message says it has, in the words of Slack and of
// Rocket.Chat, and whether it is one. With Rocket.Chat an answer to a message of
// its own choice is a quote; one in a thread has tmid.
func replies(m *Message) (stated uint64, answer bool) {
	threaded := m.Service != "rocketchat"
	for i := range m.Extra {
		switch x := &m.Extra[i]; x.Name {
		case "reply_count", "tcount":
			stated, _ = strconv.ParseUint(x.Value, 10, 32)
		case "tmid":
			threaded = true
		}
	}
	return stated, threaded && m.ReplyTo != "" && m.State&StateEdited == 0
}

// service returns what is remembered of a service; nil if there are too many.
func (l *look) service(key uint64, name string) *service {
	s := l.services[key]
	if s == nil && len(l.services) < mostServices {
		s = &service{name: beginning(name)}
		l.services[key] = s
	}
	return s
}

// sender returns what is remembered of an account; nil where nobody is named,
// or for one too many.
func (l *look) sender(key uint64, in *service, name string) *sender {
	a := l.accounts[key]
	switch {
	case a != nil || name == "":
		return a
	case len(l.accounts) >= mostLooked || in == nil:
		l.found.AccountsBeyond++
		return nil
	}
	if strings.HasPrefix(name, OwnerOf) {
		l.found.Unnamed++
	}
	a = &sender{service: in, name: beginning(name)}
	l.accounts[key] = a
	return a
}

// thread returns what is remembered of a conversation; nil where none is named,
// or for one too many.
func (l *look) thread(key uint64, in *service, name string) *thread {
	t := l.threads[key]
	switch {
	case t != nil || name == "":
		return t
	case len(l.threads) >= mostLooked || in == nil:
		l.found.BeyondLook++
		return nil
	}
	t = &thread{service: in, name: beginning(name)}
	l.threads[key] = t
	return t
}

// beginning returns a copy of a name, which may be part of a long record, or of
// its beginning.
func beginning(name string) string {
	if len(name) <= mostName {
		return strings.Clone(name)
	}
	return strings.ToValidUTF8(name[:mostName], "") + "…"
}

// step notes whether time goes on or back in a file.
func (t *thread) step(sent Time, in fileKey) {
	if !sent.Known() {
		return
	}
	if t.last.Known() && t.file == in {
		switch {
		case sent.Micros > t.last.Micros:
			t.up++
		case sent.Micros < t.last.Micros:
			t.down++
		}
	}
	t.last, t.file = Time{Micros: sent.Micros, Precision: sent.Precision}, in
}

// result sums up.
func (l *look) result() Completeness {
	c := l.found
	c.Conversations, c.Accounts = uint64(len(l.threads)), uint64(len(l.accounts))
	var services, conversations, accounts []Gap
	for _, s := range l.services {
		_, s.whole = s.numbers.unseen()
		if s.whole = s.whole && !s.twice; s.whole {
			services = append(services, c.gap(Gap{Service: s.name}, &s.numbers))
		}
	}
	oneSided := map[*sender]uint64{}
	within := map[*service]bool{} // those whose numbers run through conversations
	for _, t := range l.threads {
		g := Gap{Service: t.service.name, Conversation: t.name, Missing: t.missing, Backwards: min(t.up, t.down)}
		c.Backwards += g.Backwards
		g.Replies = t.stated - min(t.stated, t.answers)
		c.Replies += g.Replies
		if t.messages > 1 && t.heard && !t.several {
			c.OneSided++
			if t.from != nil {
				g.Only = t.from.name
				oneSided[t.from]++
			}
		}
		if _, ok := t.numbers.unseen(); ok && !t.service.whole {
			within[t.service] = true
			g = c.gap(g, &t.numbers)
		}
		conversations = append(conversations, g)
	}
	for _, a := range l.accounts {
		g := Gap{Service: a.service.name, Account: a.name, Missing: a.missing, OneSided: oneSided[a]}
		if _, ok := a.numbers.unseen(); ok && !a.service.whole && !within[a.service] {
			g = c.gap(g, &a.numbers)
		}
		accounts = append(accounts, g)
	}
	conversations, c.More.Conversations = most(conversations)
	accounts, c.More.Accounts = most(accounts)
	services, _ = most(services)
	c.In = slices.Concat(services, conversations, accounts)
	return c
}

// gap adds what is missing in a series.
func (c *Completeness) gap(g Gap, s *series) Gap {
	c.Series++
	n, _ := s.unseen()
	if n > 0 {
		c.Unseen += n
		g.Unseen, g.First, g.Last = n, s.least, s.most
	}
	return g
}

// most returns those of some gaps in which most is missing, and how many
// others there are.
func most(gaps []Gap) ([]Gap, uint64) {
	gaps = slices.DeleteFunc(gaps, func(g Gap) bool { return g.size() == 0 })
	slices.SortFunc(gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Conversation, b.Conversation), cmp.Compare(a.Account, b.Account))
	})
	n := min(len(gaps), mostGaps)
	return slices.Clip(gaps[:n]), uint64(len(gaps) - n)
}
