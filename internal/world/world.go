// Package world invents a case for demonstrations, tests and benchmarks.
//
// It makes a phone service and its users: organisations with cells, roles and words of their
// own, the people around them, and many who have nothing to do with crime. It decides who talks
// to whom, when and in which languages, and makes plots and innocent look-alikes. The truth
// about the case is written to a separate file (docs/format/truth.md).
//
// The same options give the same bytes on any machine: randomness is computed only from whole
// numbers. A day is a function of the world and the day's number, so that days can be made in
// parallel and in constant memory. A larger world contains the same people and more.
//
// No person or thing in it exists: phone numbers come from a range kept free for fiction
// (Ofcom's 07700 900xxx), container numbers have a correct check digit (ISO 6346) but an owner
// code that is not assigned, bank accounts are at a bank that does not exist, crypto addresses
// are hashes of nothing, coordinates are in the open Atlantic, number plates have a letter that
// is never issued in their form, and places and names are made up. Nothing in it explains how
// to commit a crime.
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

// Options set the size and the shape of a world.
type Options struct {
	// Seed determines everything that the other options leave open.
	Seed uint64
	// Service is the main service: "sky" or "encrochat". Default "sky".
	Service string
	// Accounts is the number of accounts. Default 200.
	Accounts int
	// Messages is the approximate number of messages. Default 20,000.
	Messages int
	// Days is the length of the world. Default 130.
	Days int
	// Locked is the percentage of keys that were not handed over; 0 means that all keys were
	// handed over.
	Locked int
	// Feed is the number of final days that are not in the deliveries of
	// [World.WriteDeliveries] but in [FeedFolder]. Default: none.
	Feed int
}

// Presets are named worlds, without their seeds: the demonstration, and two that are as large
// as real cases. The sizes of skyecc are from the reports on Sky ECC: 70,000 accounts, 80
// million messages, half of them unreadable; those of encrochat from the reports on EncroChat:
// 60,000 accounts, 20 million messages.
var Presets = map[string]Options{
	"demo":      {Service: "sky", Accounts: 200, Messages: 20_000, Days: 130, Locked: 33},
	"encrochat": {Service: "encrochat", Accounts: 60_000, Messages: 20_000_000, Days: 90, Locked: 5},
	"skyecc":    {Service: "sky", Accounts: 70_000, Messages: 80_000_000, Days: 730, Locked: 50},
}

// shortDays is the length of the demonstration.
const shortDays = 130

// World is a world before the first message.
type World struct {
	o     Options
	start time.Time // of day 0
	moved int32     // the day by which everybody has left encrochat
	late  int32     // the day on which the last 130 begin, those of the handmade plots
	speech
	people   []person
	accounts []account
	links    []link
	blocks   []*block
	plots    []plot
	// moments are the steps of plots and similar events, by day.
	moments [][]moment
	months  []int32          // the month of each day, from 0
	byHand  map[string]int32 // persons made by hand
	chats   map[string]int32 // and their chats

	// Used only while it is made:
	handles, pins uint64
	taken         map[string]bool    // handmade identifiers
	known         map[[2]int32]bool  // pairs that are linked
	topics        map[string][]topic // shared by all links of a kind
}

// New makes a world. Its memory grows with accounts and days, not with messages.
func New(o Options) (*World, error) {
	o.Service = cmp.Or(o.Service, "sky")
	o.Accounts = cmp.Or(o.Accounts, 200)
	o.Messages = cmp.Or(o.Messages, 20_000)
	o.Days = cmp.Or(o.Days, shortDays)
	switch {
	case o.Service != "sky" && o.Service != "encrochat":
		return nil, fmt.Errorf("invent a world: the service is %q, but must be sky or encrochat", o.Service)
	case o.Accounts < 100 || o.Accounts > 2_000_000:
		return nil, fmt.Errorf("invent a world: %d accounts, want 100 to 2,000,000", o.Accounts)
	case o.Days < 60 || o.Days > 3650:
		return nil, fmt.Errorf("invent a world: %d days, want 60 to 3650", o.Days)
	case o.Messages < 0 || o.Messages > 1_000_000_000:
		return nil, fmt.Errorf("invent a world: %d messages, want 0 to 1,000,000,000", o.Messages)
	case o.Feed < 0 || o.Feed > o.Days/4:
		return nil, fmt.Errorf("invent a world: %d days of feed, but at most a quarter of all days is allowed", o.Feed)
	case o.Locked < 0 || o.Locked > 100:
		return nil, fmt.Errorf("invent a world: %d percent of keys missing, want 0 to 100", o.Locked)
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
	if o.Days > shortDays { // so that long and short worlds end on the same day
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

// measure sets the pace of each day and each link's share of the messages.
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
				pace += pace / 2 // people talk more around events
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
		// Messages per day of pace 1, as scenes, times 2^32; slightly more, because some weeks
		// are silent.
		l.rate = share(rest<<32, uint64(l.weight)*256, total) / mean * 256 * quiet / (quiet - 1)
	}
}

// span returns the total pace of all days on which a link can be used.
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

// planned counts the messages of plots and new accounts.
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

// accountOn returns the account on a service that a person uses on a day, or -1 if there is
// none. If a person has two phones, odd links use the second, which may be a shared one.
func (w *World) accountOn(p *person, service uint8, day int32, odd bool) int32 {
	found := int32(-1)
	for _, i := range p.accounts {
		a := &w.accounts[i]
		second := a.second || &w.people[a.person] != p // another person's
		if a.service == service && a.from <= day && day < a.until && (found < 0 || second == odd) {
			found = i
		}
	}
	return found
}

// serviceOn returns the account that a person uses on the phone service on a day.
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

// chunk is the part of a file that a day adds, or a piece of that part. Its text is reused
// after take returns.
type chunk struct {
	file string
	text []byte
}

// pieceSize is the approximate size in bytes of the pieces of a day, and pieces is the maximum
// number of pieces that may wait for take.
const (
	pieceSize = 1 << 20
	pieces    = 16
)

// renderer turns a day into output.
type renderer func(d *day, emit func(chunk))

// each makes every day, several in parallel, renders it, and passes the output
// to take in order. Several goroutines call render concurrently; take is called on the
// caller's goroutine.
func (w *World) each(ctx context.Context, render renderer, take func(chunk) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	var next atomic.Int64
	room := make(chan struct{}, 2*workers) // days that were made but not yet taken
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

// drain passes the output of a day to take.
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
