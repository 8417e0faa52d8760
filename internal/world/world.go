// Package world invents a case for demonstrations, tests and benchmarks.
//
// It makes a phone service and those who use it: organisations with cells, roles
// and words of their own, the people around them, and many who have nothing to
// do with crime; who talks to whom, when and in which languages; plots with
// their innocent look-alikes. What is true of it is written beside the messages
// (docs/format/truth.md).
//
// The same options give the same bytes on any machine: chance comes from whole
// numbers only. A day is a function of the world and its number, so that days
// are made side by side and in constant memory. A larger world holds the same
// people and more.
//
// Nobody and nothing in it exists: phone numbers come from a range kept free for
// fiction (Ofcom's 07700 900xxx), container numbers carry an owner code that
// nobody holds with a right check digit (ISO 6346), bank accounts a bank that
// does not exist, crypto addresses hashes of nothing, coordinates lie in the
// open Atlantic, number plates hold a letter that is never given out where they
// have that form, and places and names are made up. Nothing in it says how a
// crime is done.
package world

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how large a world is and what it looks like.
type Options struct {
	// Seed is what everything follows from.
	Seed uint64
	// Service is what most use: "sky" or "encrochat". Default "sky".
	Service string
	// Accounts is how many there are. Default 200.
	Accounts int
	// Messages is about how many are sent. Default 20,000.
	Messages int
	// Days is how long it lasts. Default 130.
	Days int
	// Locked is how many of a hundred keys were not handed over; 0 for all
	// handed over.
	Locked int
	// Feed is how many of the last days are no part of the deliveries that
	// [World.WriteDeliveries] makes: they go into [FeedFolder]. Default none.
	Feed int
}

// Presets are worlds by name, without their seed: the demonstration, and two of
// the size of the cases that were. The sizes of skyecc are those of the reports
// on Sky ECC: 70,000 accounts, 80 million messages, half of them not readable;
// those of encrochat of the reports on EncroChat: 60,000 accounts, 20 million
// messages.
var Presets = map[string]Options{
	"demo":      {Service: "sky", Accounts: 200, Messages: 20_000, Days: 130, Locked: 33},
	"encrochat": {Service: "encrochat", Accounts: 60_000, Messages: 20_000_000, Days: 90, Locked: 5},
	"skyecc":    {Service: "sky", Accounts: 70_000, Messages: 80_000_000, Days: 730, Locked: 50},
}

// shortDays is how long the demonstration lasts.
const shortDays = 130

// World is a world before anybody has said anything.
type World struct {
	o     Options
	start time.Time // of day 0
	moved int32     // the day by which everybody has left encrochat
	late  int32     // the day on which the last 130 begin, those of the plots made by hand
	speech
	people   []person
	accounts []account
	links    []link
	blocks   []*block
	plots    []plot
	// moments are the steps of plots and the like, by day.
	moments [][]moment
	months  []int32          // the month of each day, from 0
	byHand  map[string]int32 // persons made by hand
	chats   map[string]int32 // and their chats

	// Only while it is made:
	handles, pins uint64
	taken         map[string]bool    // identifiers made by hand
	known         map[[2]int32]bool  // pairs that are linked
	topics        map[string][]topic // shared by the links of a kind
}

// New makes a world. Its memory grows with accounts and days, not with messages.
func New(o Options) (*World, error) {
	o.Service = cmp.Or(o.Service, "sky")
	o.Accounts = cmp.Or(o.Accounts, 200)
	o.Messages = cmp.Or(o.Messages, 20_000)
	o.Days = cmp.Or(o.Days, shortDays)
	switch {
	case o.Service != "sky" && o.Service != "encrochat":
		return nil, fmt.Errorf("invent a world: service %q, want sky or encrochat", o.Service)
	case o.Accounts < 100 || o.Accounts > 2_000_000:
		return nil, fmt.Errorf("invent a world: %d accounts, want 100 to 2,000,000", o.Accounts)
	case o.Days < 60 || o.Days > 3650:
		return nil, fmt.Errorf("invent a world: %d days, want 60 to 3650", o.Days)
	case o.Messages < 0 || o.Messages > 1_000_000_000:
		return nil, fmt.Errorf("invent a world: %d messages, want 0 to 1,000,000,000", o.Messages)
	case o.Feed < 0 || o.Feed > o.Days/4:
		return nil, fmt.Errorf("invent a world: %d days of feed, want 0 to a quarter of all", o.Feed)
	case o.Locked < 0 || o.Locked > 100:
		return nil, fmt.Errorf("invent a world: %d of 100 keys missing, want 0 to 100", o.Locked)
	}
	spoken, err := newSpeech()
	if err != nil {
		return nil, fmt.Errorf("invent a world: %w", err)
	}
	scripts, err := readScripts(spoken)
	if err != nil {
		return nil, fmt.Errorf("invent a world: %w", err)
	}
	w := &World{o: o, start: time.Date(2021, 1, 11, 0, 0, 0, 0, time.UTC), moved: int32(o.Days / 5), speech: *spoken, taken: map[string]bool{},
		byHand: map[string]int32{}, chats: map[string]int32{}, known: map[[2]int32]bool{}, topics: map[string][]topic{}}
	if o.Days > shortDays { // so that a long world ends when a short one does
		w.late = int32(o.Days - shortDays)
		w.start = w.start.AddDate(0, 0, -int(w.late))
	}
	if o.Service == "encrochat" {
		w.moved = int32(o.Days)
	}
	for _, h := range handmadePeople {
		w.taken[h.account] = true
	}
	for !w.full() {
		if err := w.addBlock(); err != nil {
			return nil, fmt.Errorf("invent a world: %w", err)
		}
	}
	w.schedule(scripts)
	w.measure()
	w.taken, w.known, w.topics = nil, nil, nil
	return w, nil
}

// measure sets the pace of each day and how much each link says of it.
func (w *World) measure() {
	first := w.start.Month()
	for d := range w.o.Days {
		at := w.start.AddDate(0, 0, d)
		w.months = append(w.months, int32((at.Year()-w.start.Year())*12+int(at.Month()-first)))
	}
	for _, b := range w.blocks {
		b.paces = make([]uint64, w.o.Days+1)
		for d := range w.o.Days {
			pace := [...]uint64{180, 250, 260, 265, 270, 290, 220}[w.start.AddDate(0, 0, d).Weekday()]
			if b.busy[d] {
				pace += pace / 2 // more is said around what happens
			}
			b.paces[d+1] = b.paces[d] + pace
		}
	}
	total := uint64(1)
	for i := range w.links {
		total += uint64(w.links[i].weight) * w.span(&w.links[i])
	}
	planned := w.planned()
	rest := uint64(max(0, w.o.Messages-planned))
	for i := range w.links {
		l := &w.links[i]
		mean := uint64(0)
		for _, t := range l.topics {
			mean += t.mean
		}
		mean /= uint64(len(l.topics))
		// Messages a day of pace 1, as scenes, times 2^32; more, since there are
		// weeks without any.
		l.rate = share(rest<<32, uint64(l.weight)*256, total) / mean * 256 * quiet / (quiet - 1)
	}
}

// span is the pace of all days on which a link can be used.
func (w *World) span(l *link) uint64 {
	paces := w.blocks[l.block].paces
	from, until := int32(0), int32(w.o.Days)
	if len(l.members) == 0 {
		a, b := &w.people[l.a], &w.people[l.b]
		from, until = 0, 0
		for d := range int32(w.o.Days) {
			if d%8 == 0 && w.meet(a, b, l.service, d) {
				if until == 0 {
					from = d
				}
				until = d + 8
			}
		}
	}
	return paces[min(until, int32(w.o.Days))] - paces[from]
}

// planned counts what plots and new accounts say.
func (w *World) planned() int {
	n := 0
	for _, today := range w.moments {
		for _, m := range today {
			switch m.plot {
			case newAccount, newWords:
				n += 3
			case joined, left:
				n++
			default:
				n += len(w.plots[m.plot].script.steps[m.step].scene)
			}
		}
	}
	return n
}

// accountOn is the account that a person uses of a service on a day, -1 for
// none. Of two phones, odd links use the second, which may be one that is shared.
func (w *World) accountOn(p *person, service uint8, day int32, odd bool) int32 {
	found := int32(-1)
	for _, i := range p.accounts {
		a := &w.accounts[i]
		second := a.second || &w.people[a.person] != p // of somebody else
		if a.service == service && a.from <= day && day < a.until && (found < 0 || second == odd) {
			found = i
		}
	}
	return found
}

// serviceOn is the account that somebody uses on the phone service on a day.
func (w *World) serviceOn(i, day int32) int32 {
	for service := range uint8(2) {
		if a := w.accountOn(&w.people[i], service, day, false); a >= 0 {
			return a
		}
	}
	return -1
}

// between returns the accounts with which two persons can talk on a day.
func (w *World) between(a, b *person, service uint8, day int32, odd bool) (from, to int32, ok bool) {
	last := service
	if service == sky {
		last = encrochat
	}
	for s := service; s <= last; s++ {
		from, to = w.accountOn(a, s, day, odd), w.accountOn(b, s, day, odd)
		if from >= 0 && to >= 0 && from != to {
			return from, to, true
		}
	}
	return -1, -1, false
}

func (w *World) meet(a, b *person, service uint8, day int32) bool {
	_, _, ok := w.between(a, b, service, day, false)
	return ok
}

// chunk is what a day adds to a file, or a piece of it. Its text is used again
// once it has been taken.
type chunk struct {
	file string
	text []byte
}

// pieceSize is about how long the pieces are in which a day is handed on, in
// bytes, and pieces how many of a day may wait to be taken.
const (
	pieceSize = 1 << 20
	pieces    = 16
)

// renderer makes of a day what is written of it.
type renderer func(d *day, emit func(chunk))

// each makes every day, several at a time, renders it, and hands what came of
// it on in order. render is called by several goroutines at a time, take by the
// caller's.
func (w *World) each(ctx context.Context, render renderer, take func(chunk) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	var next atomic.Int64
	room := make(chan struct{}, 2*workers) // days made and not yet taken
	spare := make(chan []byte, pieces)
	numbers := make([]chan uint64, w.o.Days+1)
	done := make([]chan chunk, w.o.Days)
	for i := range numbers {
		numbers[i] = make(chan uint64, 1)
	}
	for i := range done {
		done[i] = make(chan chunk, pieces)
	}
	numbers[0] <- 0
	for range workers {
		group.Go(func() {
			d := &day{World: w, spare: spare}
			for {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				i := int(next.Add(1) - 1)
				if i >= w.o.Days {
					return
				}
				d.make(int32(i))
				select {
				case before := <-numbers[i]:
					numbers[i+1] <- d.number(before)
				case <-ctx.Done():
					return
				}
				render(d, func(c chunk) {
					select {
					case done[i] <- c:
					case <-ctx.Done():
					}
				})
				close(done[i])
			}
		})
	}
	for i := range done {
		if err := drain(ctx, done[i], spare, take); err != nil {
			return err
		}
		<-room
	}
	return nil
}

// drain takes what comes of a day.
func drain(ctx context.Context, from <-chan chunk, spare chan<- []byte, take func(chunk) error) error {
	for {
		select {
		case c, more := <-from:
			if !more {
				return ctx.Err()
			}
			if err := take(c); err != nil {
				return err
			}
			select {
			case spare <- c.text[:0]:
			default:
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
