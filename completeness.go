package argus

import "hash/maphash"

// Completeness is what the records of a delivery say about what is not among
// them. Each number is a finding to ask the source about, not an error: a
// message may have been deleted, an export may be meant to hold one side.
// (L25)
type Completeness struct {
	// Conversations counts those that are looked at: at most 65,536.
	// BeyondLook counts the messages of the others.
	Conversations uint64 `json:"conversations"`
	BeyondLook    uint64 `json:"messages_beyond_look,omitempty"`

	// Named counts the attachments that messages name, Missing those of them
	// whose bytes are not held.
	Named   uint64 `json:"attachments_named"`
	Missing uint64 `json:"attachments_missing"`

	// Series counts the running numbers of services, through a conversation or
	// through the whole service, and Unseen the numbers between the first and
	// the last of each that no message has. A series is one of which more
	// numbers are seen than not: others run through more than was handed over.
	Series uint64 `json:"number_series"`
	Unseen uint64 `json:"numbers_unseen"`

	// OneSided counts the conversations of two or more messages, with somebody
	// to hear them, in which only one account speaks.
	OneSided uint64 `json:"conversations_one_sided"`

	// Backwards counts the steps from one message to the next of the same
	// conversation in the same file that go against the time order which most
	// steps in the conversation have.
	Backwards uint64 `json:"steps_against_time"`

	// Stated counts the files that say how many records they have, and Differs
	// those in which another number was found. Differing are the first of them.
	Stated    uint64        `json:"files_stating_a_count"`
	Differs   uint64        `json:"files_of_another_count"`
	Differing []StatedCount `json:"differing,omitempty"`
}

// mostDiffering is how many files of another count are named.
const mostDiffering = 100

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

// mostLooked is how many conversations are looked at, so that memory stays
// bounded.
const mostLooked = 1 << 16

// look looks at the messages of a delivery for what is not there.
type look struct {
	seed     maphash.Seed
	threads  map[uint64]*thread
	services map[uint64]*series
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

// thread is what is remembered of a conversation.
type thread struct {
	messages uint64
	from     uint64 // the only sender so far
	several  bool   // more than one sends
	heard    bool   // somebody else is named
	service  uint64
	numbers  series
	file     fileKey // in which the last message stood
	last     Time
	up, down uint64
}

type fileKey struct {
	original uint64
	path     uint64
}

// add looks at a message. again says that the delivery has it already, maybe
// as another copy.
func (l *look) add(r *Record, again bool) {
	m := r.Message
	for i := range m.Attachments {
		l.found.Named++
		if m.Attachments[i].Missing() {
			l.found.Missing++
		}
	}
	if m.Conversation == "" {
		return
	}
	if l.threads == nil {
		l.seed, l.threads, l.services = maphash.MakeSeed(), map[uint64]*thread{}, map[uint64]*series{}
	}
	service := maphash.String(l.seed, m.Service)
	if n := m.Sequence; n > 0 && !again {
		s := l.services[service]
		if s == nil && len(l.services) < mostLooked {
			s = &series{}
			l.services[service] = s
		}
		if s != nil {
			s.add(n)
		}
	}
	key := service ^ maphash.String(l.seed, m.Conversation)*3
	t := l.threads[key]
	if t == nil {
		if len(l.threads) >= mostLooked {
			l.found.BeyondLook++
			return
		}
		t = &thread{service: service}
		l.threads[key] = t
	}
	t.step(m.Sent, fileKey{r.Where.Original, maphash.String(l.seed, r.Where.Path)})
	if again {
		return
	}
	if m.State&StateSystem == 0 {
		t.messages++
		from := maphash.String(l.seed, m.From)
		t.several = t.several || t.messages > 1 && from != t.from
		t.from = from
		for _, to := range m.To {
			t.heard = t.heard || to != m.From
		}
	}
	if m.Sequence > 0 {
		t.numbers.add(m.Sequence)
	}
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
	c.Conversations = uint64(len(l.threads))
	through := map[uint64]bool{} // services whose numbers run through conversations
	for _, t := range l.threads {
		c.Backwards += min(t.up, t.down)
		if t.messages > 1 && t.heard && !t.several {
			c.OneSided++
		}
		if c.count(&t.numbers) {
			through[t.service] = true
		}
	}
	for service, s := range l.services {
		if !through[service] {
			c.count(s)
		}
	}
	return c
}

func (c *Completeness) count(s *series) bool {
	n, ok := s.unseen()
	if ok {
		c.Series++
		c.Unseen += n
	}
	return ok
}
