package world

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

//go:embed plots.txt
var plotsText string

// script is the course of a plot.
type script struct {
	kind  string
	like  bool // innocent, but looks like a plot of its kind
	lang  uint8
	day   int32 // of the plot that happens once, or -1
	steps []scriptStep
	// given are the facts that the script itself decides.
	given   facts
	decides [lastFact]bool
}

// scriptStep is the conversation at one moment of a plot.
type scriptStep struct {
	day, minute int32
	who         []string
	group       bool
	chat        string // of the plot that happens once
	lang        uint8
	scene       scene
}

func readScripts(s *speech) (all []*script, err error) {
	for head, lines := range blocks(plotsText) {
		one := &script{day: -1}
		fields := strings.Fields(head)
		if len(fields) < 2 {
			return nil, fmt.Errorf("read plot %q: a kind and a language are needed", head)
		}
		one.kind, one.like = strings.CutPrefix(fields[0], "like-")
		var ok bool
		if one.lang, ok = language(fields[1]); !ok {
			return nil, fmt.Errorf("read plot %q: unknown language", head)
		}
		if len(fields) == 3 {
			if _, err := fmt.Sscanf(fields[2], "@%d", &one.day); err != nil {
				return nil, fmt.Errorf("read plot %q: %w", head, err)
			}
		}
		for len(lines) > 0 && lines[0][0] == '=' {
			name, value, _ := strings.Cut(lines[0][1:], " ")
			fact, ok := slots[name]
			if !ok || fact >= lastFact {
				return nil, fmt.Errorf("read plot %q: %s is not a fact", head, name)
			}
			one.given[fact], one.decides[fact] = value, true
			lines = lines[1:]
		}
		for i := 0; i < len(lines); {
			end := i + 1
			for end < len(lines) && lines[end][0] != '+' {
				end++
			}
			step, err := s.step(lines[i], lines[i+1:end], one.lang)
			if err != nil {
				return nil, fmt.Errorf("read plot %q: %w", head, err)
			}
			one.steps = append(one.steps, step)
			i = end
		}
		all = append(all, one)
	}
	return all, nil
}

// uses marks the facts that a template mentions and, if choices is set, also those that it may
// mention.
func (t *template) uses(list *[lastFact]bool, choices bool) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.slot < lastFact && p.slot != slotNone {
			list[p.slot] = true
		}
		for j := range p.choice {
			if choices {
				p.choice[j].uses(list, true)
			}
		}
	}
}

func (s *speech) step(head string, lines []string, lang uint8) (scriptStep, error) {
	step := scriptStep{lang: lang}
	var hour, minute int32
	var who, other string
	if n, _ := fmt.Sscanf(head, "+%d %d:%d %s %s", &step.day, &hour, &minute, &who, &other); n < 4 {
		return step, fmt.Errorf("read step %q: a day, a time and the people are needed", head)
	}
	if other != "" {
		var ok bool
		if step.lang, ok = language(other); !ok {
			return step, fmt.Errorf("read step %q: unknown language", head)
		}
	}
	step.minute = hour*60 + minute
	if rest, ok := strings.CutPrefix(who, "#"); ok {
		step.group, step.who = true, strings.Split(rest, ",")
	} else if a, b, ok := strings.Cut(who, ">"); ok {
		step.who = []string{a, b}
	} else if a, b, ok := strings.Cut(who, "|"); ok {
		step.chat, step.who = argus.DirectConversation(a, b), []string{a, b}
	} else {
		step.chat = who
	}
	var err error
	step.scene, err = s.scene(lines)
	return step, err
}

// plot is a script as it happens to certain people.
type plot struct {
	script *script
	block  int32
	start  int32 // day
	// delay is the number of days by which its later steps are postponed, and shift the number
	// of minutes by which all steps are.
	delay, shift int32
	cast         []role
	facts        facts
	victim       int32     // the person threatened, or -1
	due          time.Time // the day of {date}
}

// day returns the day of a step.
func (p *plot) day(step *scriptStep) int32 {
	if step.day >= 6 {
		return p.start + step.day + p.delay
	}
	return p.start + step.day
}

// last returns the day of the last step.
func (p *plot) last() int32 { return p.day(&p.script.steps[len(p.script.steps)-1]) }

type role struct {
	name   string
	person int32
}

func (p *plot) played(name string) int32 {
	for _, c := range p.cast {
		if c.name == name {
			return c.person
		}
	}
	return -1
}

// facts are the values that all messages of a plot share.
type facts [lastFact]string

func (f *facts) text(s slot) string { return f[s] }

// moment is a step of a plot, or one of the events below instead of its
// number.
type moment struct {
	plot    int32
	step    int32
	account int32 // the new one, or the one that leaves
	to      int32 // the link in which it is announced
}

const (
	newAccount = -1 - iota // somebody announces it
	joined                 // the service says that an account is in a group
	left                   // or no longer
	newWords               // the organisation is told to use other words
)

// schedule decides which plots happen, when, and to whom.
func (w *World) schedule(all []*script) {
	w.moments = make([][]moment, w.o.Days)
	byKind := map[string][]*script{}
	for _, s := range all {
		switch {
		case s.day >= 0:
			w.addPlot(s, w.blocks[0], w.late+s.day, stream(w.o.Seed, forPlot, 1<<40, uint64(s.day)))
		case s.like:
			byKind["like"] = append(byKind["like"], s)
		default:
			byKind[s.kind] = append(byKind[s.kind], s)
		}
	}
	for _, b := range w.blocks {
		r := stream(w.o.Seed, forPlot, b.number)
		var deck []string
		if b.group >= 0 {
			for _, p := range b.terms[1:] {
				if int(p.from) < w.o.Days {
					w.moments[p.from] = append(w.moments[p.from], moment{plot: newWords, account: -1, to: b.group})
				}
			}
		}
		if b.caught >= 0 {
			w.addPlot(w.chooseScript(byKind["caught"], b, r), b, w.people[b.caught].arrested, r)
		}
		if b.boss >= 0 && w.people[b.boss].arrested != never && len(b.members) > 8 {
			w.addPlot(w.chooseScript(byKind["arrest"], b, r), b, w.people[b.boss].arrested, r)
		}
		for day := r.IntN(8); day < w.o.Days; day += 6 + r.IntN(14) {
			if len(deck) == 0 {
				deck = slices.Clone(plotKinds)
				r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			}
			kind := deck[0]
			deck = deck[1:]
			if b.number > 0 && len(b.members) > 8 {
				w.addPlot(w.chooseScript(byKind[kind], b, r), b, int32(day), r)
			}
			if r.IntN(2) == 0 && len(b.others) > 3 {
				w.addPlot(w.chooseScript(byKind["like"], b, r), b, int32(day+r.IntN(5)), r)
			}
		}
	}
	w.announce()
}

// plotKinds are distributed among the organisations in turn, repeatedly.
var plotKinds = []string{"shipment", "shipment", "shipment", "payment", "payment", "payment", "meeting", "weapons", "kidnapping", "killing", "corruption"}

// chooseScript chooses a script in a language of the organisation; if there is none, one in
// English; if there is none, any.
func (w *World) chooseScript(list []*script, b *block, r *rand.Rand) *script {
	for _, lang := range []uint8{b.langs[0], english} {
		fits := slices.DeleteFunc(slices.Clone(list), func(s *script) bool { return s.lang != lang })
		if len(fits) > 0 {
			return pick(r, fits)
		}
	}
	return pick(r, list)
}

// addPlot chooses the people for a script and schedules its steps. Steps after the end of the
// world are dropped; a role without a holder goes to another person.
func (w *World) addPlot(s *script, b *block, day int32, r *rand.Rand) {
	p := plot{script: s, block: int32(b.number), start: day, victim: -1}
	if s.day < 0 {
		p.delay, p.shift = r.Int32N(6), r.Int32N(80)-40
	}
	for _, step := range s.steps {
		for _, name := range step.who {
			if p.played(name) >= 0 {
				continue
			}
			person := w.castRole(b, s, name, day, &p, r)
			if person < 0 {
				return
			}
			p.cast = append(p.cast, role{name, person})
		}
	}
	w.invent(&p, r)
	at := int32(len(w.plots))
	w.plots = append(w.plots, p)
	for i := range s.steps {
		on := int(p.day(&s.steps[i]))
		if on >= w.o.Days {
			break
		}
		w.moments[on] = append(w.moments[on], moment{plot: at, step: int32(i), account: -1})
		if on > 0 {
			b.busy[on-1] = true
		}
		b.busy[on] = true
	}
}

// castRole returns a person for a role, or -1 if there is none.
func (w *World) castRole(b *block, s *script, name string, day int32, p *plot, r *rand.Rand) int32 {
	if s.day >= 0 {
		return w.byHand[name]
	}
	from := b.members
	if s.like {
		from = b.others
	}
	free := func(i int32) bool {
		return !slices.ContainsFunc(p.cast, func(c role) bool { return c.person == i }) && w.canTalk(i, day)
	}
	start := r.IntN(len(from))
	for _, any := range []bool{false, true} {
		for i := range from {
			one := from[(start+i)%len(from)]
			if (any || w.people[one].on(day).role == name) && free(one) {
				return one
			}
		}
	}
	return -1
}

// canTalk reports whether a person has an account from a day until a month later, or until
// the end of the world.
func (w *World) canTalk(i, day int32) bool {
	last := min(day+30, int32(w.o.Days)-1)
	service := w.serviceOn(i, day)
	return service >= 0 && w.serviceOn(i, last) >= 0
}

// invent makes the facts of a plot.
func (w *World) invent(p *plot, r *rand.Rand) {
	p.due = w.start.AddDate(0, 0, int(p.last())+1)
	lang := int(p.script.lang) % len(givenNames)
	first := pick(r, givenNames[lang])
	name, alias := first+" "+pick(r, surnameFirst)+pick(r, surnameLast), pick(r, nicks)
	b := w.blocks[p.block]
	if kind := p.script.kind; !p.script.like && (kind == "killing" || kind == "kidnapping") {
		if p.victim = w.chooseVictim(p, b, r); p.victim >= 0 {
			name, alias = w.people[p.victim].name, w.people[p.victim].nick
			first, _, _ = strings.Cut(name, " ")
		}
	}
	boss, successor := "", pick(r, nicks)
	switch {
	case p.script.like:
		boss = name
	case p.script.kind == "caught":
		was := &w.people[b.caught]
		boss = was.nick
		for _, one := range b.members {
			if now := w.people[one].on(p.start); now.from == was.arrested {
				successor = w.people[one].nick
			}
		}
	case b.boss >= 0:
		boss = w.people[b.boss].nick
	}
	p.facts = facts{
		slotBox: container(r), slotShip: pick(r, ships), slotPort: pick(r, ports), slotSpot: pick(r, spots),
		slotCoords: fmt.Sprintf("%d.%04d, -%d.%04d", 40+r.IntN(4), r.IntN(10000), 33+r.IntN(6), r.IntN(10000)),
		slotWeight: strconv.Itoa(120 + 10*r.IntN(180)), slotPrice: strconv.Itoa(5+5*r.IntN(90)) + "k",
		slotCode: fmt.Sprintf("%c%c%05d", 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(100000)), slotIBAN: iban(r), slotBitcoin: bitcoin(r),
		slotNote: fmt.Sprintf("X%010d", r.Int64N(1e10)), slotVictim: name,
		slotFirstName: first, slotAlias: alias, slotNew: successor, slotFirm: pick(r, firms), slotPlace: pick(r, places), slotStreet: pick(r, streets) + " " + strconv.Itoa(1+r.IntN(180)), slotDate: p.due.Format("2/1"),
		slotHour: fmt.Sprintf("%d:%02d", 6+r.IntN(17), 15*r.IntN(4)), slotPlate: fmt.Sprintf("ZZ-%03d-Q", r.IntN(1000)),
		slotCount: strconv.Itoa(40 + r.IntN(900)), slotBoss: boss,
	}
	for fact, value := range p.script.given {
		if value != "" {
			p.facts[fact] = value
		}
	}
	for i := b.first; i < b.end && p.script.decides[slotVictim]; i++ {
		if w.people[i].name == p.facts[slotVictim] {
			p.victim = i
		}
	}
}

// chooseVictim returns the person whom the plot is about: a person in the block or its
// surroundings who has an account and no part in the plot. It returns -1 if there is none.
func (w *World) chooseVictim(p *plot, b *block, r *rand.Rand) int32 {
	for range 20 {
		one := b.first + r.Int32N(b.end-b.first)
		who := &w.people[one]
		switch who.role {
		case "courier", "cousin", "buyer", "transport", "money", "importer":
			if !slices.ContainsFunc(p.cast, func(c role) bool { return c.person == one }) && w.canTalk(one, p.start) {
				return one
			}
		}
	}
	return -1
}

var spots = []string{"Café De Lantaarn", "Hotel Zephyrine", "Bar Espuma", "Parking P4", "Tankstation Brakmeer", "Chez Odile", "Pide Salonu Gül",
	"Kafe Ylli", "Riad Zohra", "Pastelaria Lírio", "The Brass Otter", "Gasthof Erlenkrug"}

// announce makes everybody who has a new account announce it to some acquaintances, and makes
// the service announce which accounts then join and leave a group.
func (w *World) announce() {
	known := map[int32][]int32{}
	fresh := map[int32]bool{}
	for _, a := range w.accounts {
		if a.replaces >= 0 {
			fresh[a.person] = true
		}
	}
	note := func(day int32, m moment) {
		if int(day) < w.o.Days {
			w.moments[day] = append(w.moments[day], m)
		}
	}
	for i, l := range w.links {
		for _, p := range []int32{l.a, l.b} {
			if len(l.members) == 0 && fresh[p] && len(known[p]) < 4 {
				known[p] = append(known[p], int32(i))
			}
		}
		if l.service != sky {
			continue
		}
		for _, p := range l.members {
			for _, at := range w.people[p].accounts {
				if a := &w.accounts[at]; a.from > 0 && !a.second {
					note(a.from, moment{plot: joined, account: at, to: int32(i)})
				}
			}
			if day := w.people[p].arrested; day < never {
				note(day+1, moment{plot: left, account: w.people[p].accounts[0], to: int32(i)})
			}
		}
	}
	for i, a := range w.accounts {
		if a.replaces < 0 {
			continue
		}
		for _, l := range known[a.person] {
			note(a.from, moment{plot: newAccount, account: int32(i), to: l})
		}
	}
}

// secondOf returns the second of a day in UTC that corresponds to a minute of a person's own
// day.
func (w *World) secondOf(p *person, minute int32) int {
	second := (int(minute) - 60*countries[p.country].offset) * 60
	day := int(24 * time.Hour / time.Second)
	return (second%day + day) % day
}
