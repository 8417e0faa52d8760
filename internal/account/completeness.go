package account

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// mostDiffering is the maximum number of files with a differing count that are named.
const mostDiffering = 100

// mostGaps is the maximum number of conversations, and of accounts, that are named.
const mostGaps = 100

// mostName is the maximum number of bytes of a name that are kept.
const mostName = 256

// size weighs a gap.
func size(g *argus.Gap) uint64 {
	n := g.Missing + g.Unseen + g.OneSided + g.Backwards + g.Replies
	if g.Only != "" {
		n++
	}
	return n
}

// mostLooked is the maximum number of conversations and accounts that are checked, and
// mostServices that of services. They bound the memory.
const (
	mostLooked   = 1 << 16
	mostServices = 1 << 10
)

// look finds the gaps in the messages of a delivery.
type look struct {
	seed     maphash.Seed
	threads  map[uint64]*thread
	accounts map[uint64]*sender
	services map[uint64]*service
	answered map[uint64]*answered // by conversation and id of the message replied to
	last     struct {             // the service of the last message
		name string
		key  uint64
		in   *service
	}
	found argus.Completeness

	piece argus.Where // the file of the last record
	items uint64      // records read from it
}

// item counts an item read from a file.
func (l *look) item(at argus.Where) {
	if at.Original != l.piece.Original || at.Path != l.piece.Path {
		l.piece, l.items = at, 0
	}
	l.items++
}

// stated compares a number that a file states with the items read from it so far.
func (l *look) stated(s *argus.Stated, at argus.Where, file string) {
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
	l.found.Differing = append(l.found.Differing, argus.StatedCount{File: file, What: s.What, Stated: s.Count, Found: found})
}

// series remembers running numbers.
type series struct{ seen, least, most uint64 }

func (s *series) add(n uint64) {
	if s.seen++; s.seen == 1 {
		s.least, s.most = n, n
	}
	s.least, s.most = min(s.least, n), max(s.most, n)
}

// unseen returns the number of missing numbers, if this is a series.
func (s *series) unseen() (n uint64, ok bool) {
	all := s.most - s.least + 1
	return all - min(s.seen, all), s.seen > 1 && s.seen > all/2
}

// service remembers a service.
type service struct {
	name    string
	numbers series
	// twice is set once a number has occurred twice. latest remembers some numbers, each at the
	// index given by its hash.
	twice  bool
	latest [1024]uint64
	// whole is set if the numbers run through the whole service, not through each conversation.
	whole bool
}

func (s *service) add(n uint64) {
	s.numbers.add(n)
	at := &s.latest[n*0x9E3779B97F4A7C15>>54]
	s.twice = s.twice || *at == n
	*at = n
}

// sender remembers an account.
type sender struct {
	service *service
	name    string
	shown   string // its name in messages
	numbers series
	missing uint64
}

// thread remembers a conversation.
type thread struct {
	service  *service
	name     string
	title    string
	messages uint64
	from     *sender // the only sender so far; nil if it is not checked
	fromKey  uint64
	several  bool // more than one account sends
	heard    bool // another account is named
	missing  uint64
	numbers  series
	file     fileKey // file of the last message
	last     argus.Time
	up, down uint64
}

// answered remembers a message with replies: how many are stated and how many were seen.
type answered struct {
	in           *thread
	stated, seen uint64
}

type fileKey struct {
	original uint64
	path     uint64
}

// add checks a message. again is set if the delivery already has a copy of it. For an item
// that is neither a message nor a call, only the running number counts.
func (l *look) add(r *argus.Record, again bool) {
	m := r.Message
	turn, number := m.Type.IsTurn(), !again && m.Sequence > 0
	if !turn && !number {
		return
	}
	if l.threads == nil {
		l.seed, l.threads, l.accounts, l.services = maphash.MakeSeed(), map[uint64]*thread{}, map[uint64]*sender{}, map[uint64]*service{}
		l.answered = map[uint64]*answered{}
	}
	missing := uint64(0)
	if turn && !again {
		for i := range m.Attachments {
			if m.Attachments[i].Missing() {
				missing++
			}
		}
		l.found.Named += uint64(len(m.Attachments))
		l.found.Missing += missing
	}
	serviceKey, in := l.service(m.Service)
	fromKey := serviceKey ^ maphash.String(l.seed, m.From)*5
	from := l.sender(fromKey, in, m.From)
	if from != nil {
		from.missing += missing
		if from.shown == "" && m.FromName != m.From {
			from.shown = beginning(m.FromName)
		}
	}
	if number && in != nil {
		in.add(m.Sequence)
	}
	if number && from != nil {
		from.numbers.add(m.Sequence)
	}
	threadKey := serviceKey ^ maphash.String(l.seed, m.Conversation)*3
	t := l.thread(threadKey, in, m.Conversation)
	if t == nil {
		return
	}
	t.missing += missing
	if t.title == "" && m.Title != m.Conversation {
		t.title = beginning(m.Title)
	}
	if number {
		t.numbers.add(m.Sequence)
	}
	if again || !turn {
		return // not a step: a report shows each message of a chat a second time
	}
	t.step(m.Sent, fileKey{r.Where.Original, maphash.String(l.seed, r.Where.Path)})
	if m.State&argus.StateSystem != 0 {
		return
	}
	t.messages++
	t.several = t.several || t.messages > 1 && fromKey != t.fromKey
	t.from, t.fromKey = from, fromKey
	for _, to := range m.To {
		t.heard = t.heard || to != m.From
	}
	if m.Facts != nil && m.Facts.Replies > 0 {
		if a := l.answers(threadKey, t, m.ServiceID); a != nil {
			a.stated = max(a.stated, m.Facts.Replies)
		}
	}
	if m.ReplyTo != "" && m.State&argus.StateEdited == 0 {
		if a := l.answers(threadKey, t, m.ReplyTo); a != nil {
			a.seen++
		}
	}
}

// answers returns the counters for the replies to a message, or nil beyond the limit.
func (l *look) answers(threadKey uint64, in *thread, id string) *answered {
	key := threadKey ^ maphash.String(l.seed, id)*7
	a := l.answered[key]
	if a == nil && len(l.answered) < mostLooked {
		a = &answered{in: in}
		l.answered[key] = a
	}
	return a
}

// service returns the key and the state of a service; the state is nil beyond the limit.
func (l *look) service(name string) (key uint64, in *service) {
	if l.last.in != nil && l.last.name == name {
		return l.last.key, l.last.in // the same as that of most messages
	}
	key = maphash.String(l.seed, name)
	in = l.services[key]
	if in == nil && len(l.services) < mostServices {
		in = &service{name: beginning(name)}
		l.services[key] = in
	}
	l.last.name, l.last.key, l.last.in = name, key, in
	return key, in
}

// sender returns the state of an account, or nil if no account is named or beyond the limit.
func (l *look) sender(key uint64, in *service, name string) *sender {
	a := l.accounts[key]
	switch {
	case a != nil || name == "":
		return a
	case len(l.accounts) >= mostLooked || in == nil:
		l.found.AccountsBeyond++
		return nil
	}
	if strings.HasPrefix(name, argus.OwnerOf) {
		l.found.Unnamed++
	}
	a = &sender{service: in, name: beginning(name)}
	l.accounts[key] = a
	return a
}

// thread returns the state of a conversation, or nil if none is named or beyond the limit.
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

// beginning returns a copy of a name, truncated to mostName bytes: the name may be part of a
// long record.
func beginning(name string) string {
	if len(name) <= mostName {
		return strings.Clone(name)
	}
	return strings.ToValidUTF8(name[:mostName], "") + "…"
}

// step counts a step back in time within a file.
func (t *thread) step(sent argus.Time, in fileKey) {
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
	t.last, t.file = argus.Time{Micros: sent.Micros, Precision: sent.Precision}, in
}

// result returns the gaps found.
func (l *look) result() argus.Completeness {
	c := l.found
	c.Conversations, c.Accounts = uint64(len(l.threads)), uint64(len(l.accounts))
	var services, conversations, accounts []argus.Gap
	for _, s := range l.services {
		_, s.whole = s.numbers.unseen()
		if s.whole = s.whole && !s.twice; s.whole {
			services = append(services, gap(&c, argus.Gap{Service: s.name}, &s.numbers))
		}
	}
	unanswered := map[*thread]uint64{}
	for _, a := range l.answered {
		if a.stated > a.seen {
			unanswered[a.in] += a.stated - a.seen
		}
	}
	oneSided := map[*sender]uint64{}
	within := map[*service]bool{} // services whose numbers run through conversations
	for _, t := range l.threads {
		g := argus.Gap{Service: t.service.name, Conversation: t.name, Name: t.title, Missing: t.missing, Backwards: min(t.up, t.down)}
		c.Backwards += g.Backwards
		g.Replies = unanswered[t]
		c.Replies += g.Replies
		if t.messages > 1 && t.heard && !t.several {
			c.OneSided++
			if t.from != nil {
				g.Only, g.OnlyName = t.from.name, t.from.shown
				oneSided[t.from]++
			}
		}
		if _, ok := t.numbers.unseen(); ok && !t.service.whole {
			within[t.service] = true
			g = gap(&c, g, &t.numbers)
		}
		conversations = append(conversations, g)
	}
	for _, a := range l.accounts {
		g := argus.Gap{Service: a.service.name, Account: a.name, Name: a.shown, Missing: a.missing, OneSided: oneSided[a]}
		if _, ok := a.numbers.unseen(); ok && !a.service.whole && !within[a.service] {
			g = gap(&c, g, &a.numbers)
		}
		accounts = append(accounts, g)
	}
	conversations, c.More.Conversations = most(conversations)
	accounts, c.More.Accounts = most(accounts)
	services, _ = most(services)
	c.In = slices.Concat(services, conversations, accounts)
	return c
}

// gap adds the missing numbers of a series.
func gap(c *argus.Completeness, g argus.Gap, s *series) argus.Gap {
	c.Series++
	n, _ := s.unseen()
	if n > 0 {
		c.Unseen += n
		g.Unseen, g.First, g.Last = n, s.least, s.most
	}
	return g
}

// most returns the largest gaps, and the number of the remaining ones.
func most(gaps []argus.Gap) ([]argus.Gap, uint64) {
	gaps = slices.DeleteFunc(gaps, func(g argus.Gap) bool { return size(&g) == 0 })
	slices.SortFunc(gaps, func(a, b argus.Gap) int {
		return cmp.Or(cmp.Compare(size(&b), size(&a)), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Conversation, b.Conversation), cmp.Compare(a.Account, b.Account))
	})
	n := min(len(gaps), mostGaps)
	return slices.Clip(gaps[:n]), uint64(len(gaps) - n)
}
