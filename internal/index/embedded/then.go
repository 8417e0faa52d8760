package embedded

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus/internal/query"
)

// thens caches the results of the Thens in a search, so that each is swept only once.
type thens struct {
	mu     sync.Mutex
	sweeps map[string]func() (map[*segment]*roaring.Bitmap, error)
}

// then returns the documents that match a Then. Conversations extend over several
// segments, so it is evaluated for all segments of the snapshot at once.
func (q *search) then(s *segment, n query.Then) (*roaring.Bitmap, error) {
	key := fmt.Sprintf("%#v", n)
	q.thens.mu.Lock()
	sweep := q.thens.sweeps[key]
	if sweep == nil {
		sweep = sync.OnceValues(func() (map[*segment]*roaring.Bitmap, error) { return q.sweep(n) })
		q.thens.sweeps[key] = sweep
	}
	q.thens.mu.Unlock()
	found, err := sweep()
	if err != nil {
		return nil, err
	}
	return found[s], nil
}

// A turns is one segment's input to a sweep.
type turns struct {
	*segment
	inside *roaring.Bitmap // turns in the scope
	// The members of inside that match the first and the second node.
	first, second dense
	// For each conversation of the segment, its number in the sweep, from 1, or 0 if it
	// has no possible hits. The same for each sender, with 0 for none.
	conversations, senders []uint32

	// docs iterates over inside; next are the documents that it returned last.
	docs  roaring.ManyIntIterable
	buf   [patience]uint32
	next  []uint32
	known int    // the first document with a known time
	doc   int    // the current document
	time  uint64 // its sort key
}

// A dense set has a bit for each document.
type dense []uint64

func (d dense) has(doc int) bool { return doc/64 < len(d) && d[doc/64]>>(doc%64)&1 != 0 }

// earlier is a message that matches the first node.
type earlier struct {
	at     uint32 // its number within its conversation
	sender uint32
}

// sweep reads the messages in the scope once, oldest first, in the conversations that have
// matches of both nodes. For each conversation it keeps a count and the last few matches of the
// first node.
func (q *search) sweep(n query.Then) (map[*segment]*roaring.Bitmap, error) {
	segments := q.snapshot.newestFirst()
	slices.Reverse(segments)
	all := make([]*turns, len(segments))
	for i, s := range segments {
		var err error
		if all[i], err = q.turnsOf(s, n); err != nil {
			return nil, damaged(s.name, 0, err)
		}
	}
	count := number(all, n)
	// Indexed by the number of the conversation, in two slices: all messages are counted,
	// but few are kept.
	messages, kept := make([]uint32, count+1), make([][]earlier, count+1)
	found := map[*segment]*roaring.Bitmap{}
	var line queue
	for _, t := range all {
		found[t.segment] = roaring.New()
		if t.advance() {
			line = append(line, t)
		}
	}
	heap.Init(&line)
	for seen := 0; len(line) > 0; seen++ {
		if seen%patience == 0 && q.ctx.Err() != nil {
			return nil, q.ctx.Err()
		}
		t := line[0]
		number := t.conversations[t.conversation.at(t.doc)]
		messages[number]++
		if first, second := t.first.has(t.doc), t.second.has(t.doc); first || second {
			before := &kept[number]
			this := earlier{messages[number], t.senderOf(t.doc)}
			*before = slices.DeleteFunc(*before, func(e earlier) bool { return this.at-e.at > uint32(n.Within) })
			if second && slices.ContainsFunc(*before, func(e earlier) bool { return e.answeredBy(this, n.Other) }) {
				found[t.segment].Add(uint32(t.doc))
			}
			if first {
				*before = append(*before, this)
			}
		}
		if t.advance() {
			heap.Fix(&line, 0)
		} else {
			heap.Pop(&line)
		}
	}
	return found, nil
}

func (q *search) turnsOf(s *segment, n query.Then) (_ *turns, err error) {
	defer guard(s.name, &err, s)
	v, inside, err := q.inside(&piece{segment: s, end: s.docs}, q.asked)
	if err != nil {
		return nil, err
	}
	t := &turns{segment: s, inside: intersect(inside, v.lift(s.ofTypes(q.turns)))}
	for _, of := range []struct {
		node query.Node
		into *dense
	}{{n.First, &t.first}, {n.Second, &t.second}} {
		docs, err := q.evaluate(v, of.node, t.inside)
		if err != nil {
			return nil, err
		}
		*of.into = roaring.And(docs, t.inside).ToDense()
	}
	t.docs, t.known = t.inside.ManyIterator(), s.beforeTime(1)
	return t, nil
}

// number assigns numbers across segments to the conversations with matches of both nodes and,
// if senders matter, to the senders. It returns the number of conversations.
func number(all []*turns, n query.Then) (count uint32) {
	hasFirst, hasSecond := make([][]bool, len(all)), make([][]bool, len(all))
	var conversations, senders []*sorted
	for i, t := range all {
		hasFirst[i], hasSecond[i] = make([]bool, t.segment.conversations.count), make([]bool, t.segment.conversations.count)
		t.conversations = make([]uint32, t.segment.conversations.count)
		for _, of := range []struct {
			docs dense
			has  []bool
		}{{t.first, hasFirst[i]}, {t.second, hasSecond[i]}} {
			for at, word := range of.docs {
				for ; word != 0; word &= word - 1 {
					of.has[t.conversation.at(64*at+bits.TrailingZeros64(word))] = true
				}
			}
		}
		conversations = append(conversations, &t.segment.conversations)
		senders = append(senders, &t.segment.senders)
	}
	for key, places := range mergeSorted(conversations) {
		first, second := false, false
		for _, p := range places {
			first, second = first || hasFirst[p.list][p.ordinal], second || hasSecond[p.list][p.ordinal]
		}
		if !first || !second || bytes.HasPrefix(key, []byte{0, 0}) { // in no conversation
			continue
		}
		count++
		for _, p := range places {
			all[p.list].conversations[p.ordinal] = count
		}
	}
	if !n.Other {
		return count
	}
	for _, t := range all {
		t.senders = make([]uint32, t.segment.senders.count)
	}
	number := uint32(0)
	for key, places := range mergeSorted(senders) {
		if len(key) == 0 {
			continue
		}
		number++
		for _, p := range places {
			all[p.list].senders[p.ordinal] = number
		}
	}
	return count
}

// answeredBy reports whether a match of the second node may follow this one.
func (e earlier) answeredBy(this earlier, other bool) bool {
	return !other || e.sender != 0 && this.sender != 0 && e.sender != this.sender
}

func (t *turns) senderOf(doc int) uint32 {
	if t.senders == nil {
		return 0
	}
	return t.senders[t.sender.at(doc)]
}

// advance moves to the next document that counts: in the scope, sent at a known
// time, and in a conversation with possible hits.
func (t *turns) advance() bool {
	for {
		if len(t.next) == 0 {
			t.next = t.buf[:t.docs.NextMany(t.buf[:])]
		}
		if len(t.next) == 0 {
			return false
		}
		t.doc, t.next = int(t.next[0]), t.next[1:]
		if t.doc >= t.known && t.conversations[t.conversation.at(t.doc)] != 0 {
			t.time = t.times.at(t.doc)
			return true
		}
	}
}

// A queue has the segments ordered by their current document.
type queue []*turns

func (l queue) Len() int { return len(l) }
func (l queue) Less(i, j int) bool {
	if l[i].time != l[j].time {
		return l[i].time < l[j].time
	}
	a, b := l[i].cursor(l[i].doc), l[j].cursor(l[j].doc)
	return compareCursors(&a, &b) < 0
}
func (l queue) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *queue) Push(t any)   { *l = append(*l, t.(*turns)) }
func (l *queue) Pop() any {
	last := len(*l) - 1
	t := (*l)[last]
	*l = (*l)[:last]
	return t
}
