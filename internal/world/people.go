package world

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// The services of the world, as messages name them.
const (
	sky = iota
	encrochat
	whatsapp
	xmpp
	irc
)

var services = [...]string{"sky", "encrochat", "whatsapp", "xmpp", "irc"}

// country is a country in which people live: their languages, the offset of their clocks from
// UTC, and how many blocks in a thousand are in that country.
type country struct {
	code     string
	langs    []uint8
	offset   int // hours
	thousand int
}

var countries = []country{
	{"NL", []uint8{0, 1, 5, 7}, 1, 157},
	{"GB", []uint8{1}, 0, 150},
	{"ES", []uint8{2, 1, 7}, 1, 140},
	{"FR", []uint8{3, 7, 1}, 1, 120},
	{"DE", []uint8{4, 5, 1}, 1, 130},
	{"TR", []uint8{5, 1}, 3, 85},
	{"AL", []uint8{6, 1}, 1, 78},
	{"MA", []uint8{7, 3}, 1, 60},
	{"PT", []uint8{8, 1}, 0, 50},
	{"CO", []uint8{2, 1}, -5, 30},
}

// countryAt returns the country that contains the given thousandth of the blocks.
func countryAt(thousandth int) uint8 {
	for i, c := range countries {
		if thousandth -= c.thousand; thousandth < 0 {
			return uint8(i)
		}
	}
	return 0
}

// person is a human being in the world.
type person struct {
	name, nick string
	block      int32
	role, cell string
	boss       int32 // the person's commander, or -1
	country    uint8
	langs      [2]uint8
	style      style
	rhythm     int8 // delay of the day's beginning, in hours
	// accounts are the indexes of the person's accounts, in chronological order.
	accounts []int32
	later    []tenure // later roles, in chronological order
	arrested int32    // the day, or never
}

// tenure is a role that begins on a certain day.
type tenure struct {
	from       int32
	role, cell string
	boss       int32
}

// on returns the role of a person on a day.
func (p *person) on(day int32) tenure {
	is := tenure{0, p.role, p.cell, p.boss}
	for _, t := range p.later {
		if t.from <= day {
			is = t
		}
	}
	return is
}

// account is an identifier on a service, with the days of its use.
type account struct {
	id, nick    string
	service     uint8
	from, until int32
	person      int32
	shared      int32 // a second person who uses it, or -1
	replaces    int32 // the account that it replaces, or -1
	second      bool  // an additional phone of a person who already has one
}

const never = 1 << 30

// link is a thread, either between two persons, whatever accounts they have on a day, or in a
// group.
type link struct {
	a, b      int32 // persons, if members is empty
	members   []int32
	id, title string // of a group
	service   uint8  // sky means sky or encrochat, depending on the day
	topics    []topic
	tense     []topic // the topics around events, if any
	weight    uint32
	block     int32
	// rate is the number of scenes on a day of pace 1, times 2^32.
	rate uint64
}

// topic is a possible topic of a thread.
type topic struct {
	scenes []scene
	lang   uint8
	mean   uint64 // lines of a scene, times 256
	// stride is the step through the scenes; it keeps repetitions far apart.
	stride int
	// directed means that the first member of a thread begins a scene, and chatty means that
	// the members may greet each other.
	directed, chatty bool
	// protected is the reason why talk about the topic is privileged, or "" if it is not.
	protected string
}

// block is an organisation and the people around it. It depends only on the seed
// and its number, so that a larger world has the same blocks and more.
type block struct {
	number  uint64
	name    string
	country uint8
	langs   [2]uint8
	first   int32   // of its persons
	end     int32   // the first person of the next block
	members []int32 // of the organisation
	others  []int32 // bystanders
	boss    int32
	lead    int32
	caught  int32 // a member, not a boss, who is arrested, or -1
	terms   []period
	group   int32 // the index of the organisation's group among the links, or -1
	club    int32 // a group of bystanders, or -1
	busy    []bool
	// paces holds, for each day, the sum of the paces of the days before it, times 256.
	paces []uint64
}

// period is a time in which the organisation uses the same words.
type period struct {
	from int32
	rows []uint8
}

// termsOn returns the names used for things on a day.
func (b *block) termsOn(day int32) []uint8 {
	rows := b.terms[0].rows
	for _, p := range b.terms {
		if p.from <= day {
			rows = p.rows
		}
	}
	return rows
}

// builder makes one block.
type builder struct {
	*World
	*block
	r *rand.Rand
	n uint64 // persons so far
}

func (w *World) full() bool { return len(w.accounts) >= w.o.Accounts }

// addBlock makes the next block, or as much of it as fits.
func (w *World) addBlock() error {
	k := uint64(len(w.blocks))
	w.blocks = append(w.blocks, &block{number: k, boss: -1, lead: -1, caught: -1, group: -1, club: -1, busy: make([]bool, w.o.Days)})
	b := &builder{World: w, block: w.blocks[k], r: stream(w.o.Seed, forBlock, k)}
	// A stride that has no common factor with 1000 visits every thousandth once, so that even a
	// few blocks are spread evenly.
	b.country = countryAt(int((mix(w.o.Seed, forBlock) + k*619) % 1000))
	if k == 0 {
		b.country = 0
	}
	b.first = int32(len(w.people))
	home := countries[b.country]
	b.langs = [2]uint8{home.langs[0], pick(b.r, home.langs)}
	b.vocabulary()
	if k == 0 {
		if err := b.handmade(); err != nil {
			return err
		}
	} else {
		b.organisation()
	}
	b.surroundings()
	b.end = int32(len(w.people))
	return nil
}

// vocabulary chooses the words for each thing, and when they change.
func (b *builder) vocabulary() {
	for day := int32(0); day < int32(b.o.Days); day += int32(60 + b.r.IntN(160)) {
		rows := make([]uint8, len(b.speech.things))
		for i, t := range b.speech.things {
			rows[i] = uint8(b.r.IntN(len(t.words)))
		}
		b.terms = append(b.terms, period{day, rows})
	}
}

// add makes a person with accounts, and returns -1 when the world is full.
func (b *builder) add(role, cell string, boss int32, until int32) int32 {
	if b.full() {
		return -1
	}
	r := stream(b.o.Seed, forPerson, b.number, b.n)
	b.n++
	p := person{role: role, cell: cell, boss: boss, block: int32(b.number), country: b.country, langs: b.block.langs, arrested: never}
	if r.IntN(6) == 0 {
		p.country = countryAt(r.IntN(1000))
		p.langs = [2]uint8{countries[p.country].langs[0], english}
	}
	given := pick(r, givenNames[p.langs[0]%uint8(len(givenNames))])
	p.name = given + " " + pick(r, surnameFirst) + pick(r, surnameLast)
	p.nick = pick(r, nicks)
	if r.IntN(3) == 0 {
		p.nick += strconv.Itoa(1 + r.IntN(99))
	}
	p.style = style{typo: uint8(r.IntN(40)), lower: uint8(r.IntN(2) * r.IntN(240)), dots: uint8(r.IntN(2) * r.IntN(60)),
		emoji: uint8(r.IntN(130)), mixed: uint8(r.IntN(20)), short: uint8(r.IntN(2) * r.IntN(200)),
		split: uint8(r.IntN(3) * r.IntN(60)), plain: uint8(r.IntN(2) * 250), tail: uint8(r.IntN(90)), fond: uint8(r.IntN(len(emojis)))}
	if role == "lawyer" || role == "journalist" { // these people write properly
		p.style = style{typo: p.style.typo / 4, split: p.style.split / 2}
	}
	p.rhythm = int8(r.IntN(5) - 1)
	at := int32(len(b.people))
	from := int32(0)
	if role == "buyer" || role == "bystander" || role == "courier" {
		if r.IntN(3) == 0 && until == never {
			from = int32(r.IntN(b.o.Days * 3 / 4))
		}
		if r.IntN(6) == 0 {
			until = min(until, from+30+int32(r.IntN(b.o.Days)))
		}
	}
	b.people = append(b.people, p)
	b.phones(at, from, until, r)
	return at
}

// phones gives a person its accounts from one day to another.
func (b *builder) phones(at, from, until int32, r *rand.Rand) {
	p := &b.people[at]
	until = min(until, int32(b.o.Days))
	least, most := 600, 2400
	if p.cell != "" {
		least, most = 120, 600
	}
	life := 10 + r.IntN(most) // the first phone is not new
	early := b.o.Service == "encrochat" || p.cell != "" && b.number%3 == 1
	last := int32(-1)
	for day := from; day < until && (last < 0 || !b.full()); {
		a := account{nick: p.nick, service: sky, from: day, until: min(until, day+int32(life)), person: at, shared: -1, replaces: last}
		if early && day < b.moved {
			a.service = encrochat
			a.until = min(a.until, b.moved)
		}
		last = b.addAccount(a)
		p.accounts = append(p.accounts, last)
		day = a.until
		life = least + r.IntN(most-least)
	}
	if (p.role == "boss" || p.role == "lead" || p.role == "courier") && r.IntN(3) == 0 && !b.full() {
		first := b.accounts[p.accounts[0]]
		if first.service == sky {
			p.accounts = append(p.accounts, b.addAccount(account{nick: p.nick, from: first.from, until: until, person: at, shared: -1, replaces: -1, second: true}))
		}
	}
	if last >= 0 && b.full() {
		b.accounts[last].until = until
	}
}

func (w *World) addAccount(a account) int32 {
	n := uint64(len(w.accounts))
	switch {
	case a.id != "":
	case a.service == encrochat:
		a.id = handle(w.handles)
		w.handles++
	default:
		for a.id == "" || w.taken[a.id] {
			a.id = pin(w.o.Seed, w.pins)
			w.pins++
		}
	}
	w.accounts = append(w.accounts, a)
	return int32(n)
}

// organisation makes a hierarchy with cells.
func (b *builder) organisation() {
	b.name = pick(b.r, nicks) + " " + pick(b.r, places)
	arrest, caught := int32(never), int32(never)
	day := int32(b.o.Days/3 + b.r.IntN(b.o.Days/2))
	switch b.r.IntN(3) {
	case 0:
		arrest = day
	case 1:
		caught = day
	}
	seized := pick(b.r, []string{"port", "transport", "courier"})
	size := 1 + heavy(b.r, 3)
	b.boss = b.member("boss", "lead", -1, arrest)
	b.lead = b.member("lead", "lead", b.boss, never)
	heads := map[string]int32{}
	for _, cell := range []struct {
		name  string
		roles []string
	}{
		{"supply", []string{"supplier"}},
		{"import", []string{"importer"}},
		{"harbour", []string{"port", "port"}},
		{"transport", []string{"transport", "transport", "cousin"}},
		{"money", []string{"money", "courier"}},
		{"force", []string{"enforcer", "enforcer"}},
		{"street", []string{"courier", "courier", "cousin"}},
		{"", []string{"broker"}},
	} {
		first := int32(-1)
		var inside []int32
		for _, role := range cell.roles {
			for range 1 + b.r.IntN(size) {
				above, until := b.lead, int32(never)
				if first >= 0 {
					above = first
				}
				if first >= 0 && role == seized && b.caught < 0 {
					until = caught
				}
				p := b.member(role, cmp.Or(cell.name, "lead"), above, until)
				if p < 0 {
					continue
				}
				if until != never {
					b.caught, b.people[p].arrested = p, until
				}
				inside = append(inside, p)
				if first < 0 {
					first = p
				}
			}
		}
		if first < 0 {
			continue
		}
		heads[cell.name] = first
		b.pair("member", b.lead, first)
		if cell.name == "force" || cell.name == "money" {
			b.pair("member", b.boss, first)
		}
		for i, p := range inside {
			for _, q := range inside[:i] {
				b.pair("member", p, q)
			}
			if i > 0 && b.r.IntN(3) == 0 { // skips the head of the cell
				b.pair("member", b.lead, p)
			}
		}
		if len(inside) >= 3 {
			b.addGroup("crew", inside, pick(b.r, crewTitles))
		}
	}
	b.pair("member", b.boss, b.lead)
	b.brokers()
	b.succeed(arrest, heads)
	b.group = b.addGroup("crew", slices.Clone(b.members[:min(len(b.members), 16)]), b.name)
	b.share()
}

// succeed gives the role of an arrested person to another person: that of the boss to the lead,
// that of the lead to the head of a cell, and any other to a courier or a cousin. In half of
// the organisations, one more person is promoted.
func (b *builder) succeed(arrest int32, heads map[string]int32) {
	days := int32(b.o.Days)
	if arrest < days && b.boss >= 0 && b.lead >= 0 {
		b.people[b.boss].arrested = arrest
		b.rise(b.lead, tenure{arrest, "boss", "lead", -1})
		if head, ok := heads["transport"]; ok {
			b.rise(head, tenure{arrest, "lead", "lead", b.lead})
		}
	}
	if b.caught >= 0 {
		was := &b.people[b.caught]
		b.rise(b.helper(was.arrested), tenure{was.arrested, was.role, was.cell, was.boss})
	}
	if above, ok := heads["transport"]; ok && b.r.IntN(2) == 0 {
		day := days/4 + b.r.Int32N(days/2)
		b.rise(b.helper(day), tenure{day, "transport", "transport", above})
	}
}

// helper returns a courier or a cousin who heads nothing, is active on a day and for a while
// after it, and has not been promoted yet, or -1 if there is none.
func (b *builder) helper(day int32) int32 {
	for _, p := range slices.Backward(b.members) {
		one := &b.people[p]
		if (one.role == "courier" || one.role == "cousin") && one.arrested == never && len(one.later) == 0 && one.boss != b.lead && b.canTalk(p, day) {
			return p
		}
	}
	return -1
}

func (b *builder) rise(p int32, to tenure) {
	if p >= 0 {
		b.people[p].later = append(b.people[p].later, to)
	}
}

func (b *builder) member(role, cell string, boss, until int32) int32 {
	p := b.add(role, cell, boss, until)
	if p >= 0 {
		b.members = append(b.members, p)
	}
	return p
}

// brokers introduces the brokers to the heads of earlier organisations.
func (b *builder) brokers() {
	for _, p := range b.members {
		if b.people[p].role != "broker" || b.number < 2 {
			continue
		}
		for range 1 + b.r.IntN(3) {
			other := b.blocks[b.r.Uint64N(b.number)]
			b.pair("member", p, other.lead)
		}
	}
}

// share lets the last courier use the first courier's phone as well.
func (b *builder) share() {
	var couriers []int32
	for _, p := range b.members {
		if b.people[p].role == "courier" {
			couriers = append(couriers, p)
		}
	}
	if len(couriers) < 2 || b.r.IntN(2) == 0 {
		return
	}
	owner, user := couriers[0], couriers[len(couriers)-1]
	first := b.people[owner].accounts[0]
	b.accounts[first].shared = user
	b.people[user].accounts = append(b.people[user].accounts, first)
}

// surroundings adds buyers, lawyers, journalists, neighbours, and people who know nothing.
func (b *builder) surroundings() {
	dealers := slices.DeleteFunc(slices.Clone(b.members), func(p int32) bool {
		role := b.people[p].role
		return role != "courier" && role != "cousin" && role != "transport"
	})
	if partner := b.add("family", "", -1, never); partner >= 0 {
		b.pair("family", partner, b.boss)
		child := b.add("family", "", -1, never)
		b.pair("family", partner, child)
		b.pair("family", b.boss, child)
		if b.r.IntN(2) == 0 {
			b.pair("love", b.lead, b.add("family", "", -1, never))
		}
	}
	if b.number%2 == 1 {
		if lawyer := b.add("lawyer", "", -1, never); lawyer >= 0 {
			b.pair("lawyer", b.boss, lawyer)
			b.pair("lawyer", b.lead, lawyer)
			if b.boss >= 0 && b.lead >= 0 && b.number%4 == 1 { // the person who asks comes first, the person who answers second
				b.addGroup("lawyer", []int32{b.boss, lawyer, b.lead}, pick(b.r, crewTitles))
			}
		}
	}
	var buyers []int32
	for range 10 + b.r.IntN(12) {
		p := b.add("buyer", "", -1, never)
		if p < 0 {
			break
		}
		if len(dealers) > 0 {
			// A product of two random numbers makes some dealers sell far more than others.
			b.pair("buy", p, dealers[b.r.IntN(len(dealers))*b.r.IntN(len(dealers))/len(dealers)])
			if b.r.IntN(3) == 0 {
				b.pair("buy", p, pick(b.r, dealers))
			}
		}
		b.acquaint("friends", p, buyers)
		buyers = append(buyers, p)
	}
	tongue := b.block.langs[0] % uint8(len(friendTitles))
	b.addGroup("friends", buyers[:min(len(buyers), 8)], friendTitles[tongue]+" "+pick(b.r, places))
	for i := range 8 + b.r.IntN(10) {
		p := b.add("bystander", "", -1, never)
		if p < 0 {
			break
		}
		kind := [...]string{"mates", "trade", "family", "film", "job", "love", "mates"}[i%7]
		b.acquaint(kind, p, b.others)
		b.others = append(b.others, p)
	}
	b.club = b.addGroup("club", slices.Clone(b.others[:min(len(b.others), 7)]), clubTitles[tongue]+" "+pick(b.r, places))
	if b.number%4 == 0 && len(b.others) > 0 {
		if p := b.add("journalist", "", -1, never); p >= 0 {
			b.pair("press", p, pick(b.r, b.others))
		}
	}
}

// acquaint introduces a person to some of the earlier ones, and more often to the earliest
// ones.
func (b *builder) acquaint(kind string, p int32, before []int32) {
	for range min(len(before), heavy(b.r, 12)) {
		i := b.r.IntN(len(before)) * b.r.IntN(len(before)) / len(before)
		b.pair(kind, p, before[i])
	}
}

// pair links two persons, if both exist.
func (b *builder) pair(kind string, p, q int32) {
	weight := uint32(4 + heavy(b.r, 120))
	if p < 0 || q < 0 || p == q || b.known[[2]int32{min(p, q), max(p, q)}] {
		return
	}
	b.known[[2]int32{min(p, q), max(p, q)}] = true
	langs := [2]uint8{b.people[p].langs[0], b.people[q].langs[0]}
	if langs[0] == langs[1] && weight%2 == 0 {
		langs[1] = b.people[p].langs[1] // their other language slips in
	}
	b.links = append(b.links, link{a: p, b: q, topics: b.topicsOf(kind, langs), tense: b.tenseOf(kind, langs), weight: weight, block: int32(b.number)})
}

// tenseOf returns the topics that members talk about around events.
func (b *builder) tenseOf(kind string, langs [2]uint8) []topic {
	if kind != "member" && kind != "crew" {
		return nil
	}
	return b.topicsOf("tense", langs)
}

// addGroup makes a group of at least three members and returns its index, or -1.
func (b *builder) addGroup(kind string, members []int32, title string) int32 {
	weight := uint32(20 + heavy(b.r, 200))
	number := b.r.IntN(10)
	if len(members) < 3 {
		return -1
	}
	b.links = append(b.links, link{members: members, id: fmt.Sprintf("G-%d", 10000+10*len(b.links)+number), title: title,
		topics: b.topicsOf(kind, b.block.langs), tense: b.tenseOf(kind, b.block.langs), weight: weight, block: int32(b.number)})
	return int32(len(b.links) - 1)
}

// kinds are the topics of each kind of thread; a repeated topic is twice as
// frequent.
var kinds = map[string]string{
	"member": "work work work money daily daily", "crew": "work work money daily", "tense": "tense", "buy": "buy buy buy daily",
	"friends": "daily daily daily buy", "mates": "daily daily daily job", "family": "family family daily", "love": "love love daily family",
	"lawyer": "lawyer lawyer lawyer daily", "press": "press press daily", "trade": "trade trade daily job", "club": "club club daily",
	"film": "film film daily", "job": "job job daily",
}

func (b *builder) topicsOf(kind string, langs [2]uint8) []topic {
	key := kind + " " + strconv.Itoa(int(langs[0])) + " " + strconv.Itoa(int(langs[1]))
	if b.topics[key] == nil {
		for name := range strings.FieldsSeq(kinds[kind]) {
			for _, lang := range []uint8{langs[0], langs[0], langs[1]} {
				b.topics[key] = append(b.topics[key], b.topic(name, lang))
			}
		}
	}
	return b.topics[key]
}

func (w *World) topic(name string, lang uint8) topic {
	t := topic{scenes: w.speech.scenes[name][lang], lang: lang,
		chatty:   slices.Contains([]string{"daily", "work", "money", "tense", "family", "love", "job"}, name),
		directed: slices.Contains([]string{"buy", "lawyer", "press", "garage"}, name)}
	t.mean = w.speech.mean[name][lang]
	if t.chatty { // as in talk
		t.mean += t.mean/3 + w.speech.mean["hello"][lang]/4 + w.speech.mean["bye"][lang]/5
	}
	// Close to the golden ratio, without a common factor.
	for t.stride = max(1, len(t.scenes)*618/1000); gcd(t.stride, len(t.scenes)) != 1; t.stride++ {
	}
	switch name {
	case "lawyer":
		t.protected = "lawyer and client"
	case "press":
		t.protected = "journalist and source"
	}
	return t
}

// handmade makes the people whom plots.txt names by their accounts.
func (b *builder) handmade() error {
	b.name = "Kade 9"
	for _, h := range handmadePeople {
		a := account{id: h.account, nick: h.nick, service: h.service, until: int32(b.o.Days), shared: -1, replaces: -1}
		if b.o.Service == "encrochat" && a.service == sky {
			a.id, a.service = "", encrochat
		}
		boss := int32(-1)
		if h.boss != "" {
			boss = b.byHand[h.boss]
		}
		p := person{name: h.name, nick: h.nick, role: h.role, cell: h.cell, boss: boss, langs: [2]uint8{h.lang, english}, arrested: never,
			style: style{typo: 8, lower: 20, emoji: 30, mixed: 3, split: 12, tail: 25, fond: uint8(len(b.people))}}
		at := int32(len(b.people))
		a.person = at
		if h.account == "Q3XK9A" && b.o.Days > 83 {
			a.until = b.late + 82 // "Weg met deze toestellen. Nu"
		}
		p.accounts = []int32{b.addAccount(a)}
		if a.until < int32(b.o.Days) {
			next := a
			next.id, next.from, next.until, next.replaces = "", a.until, int32(b.o.Days), p.accounts[0]
			p.accounts = append(p.accounts, b.addAccount(next))
		}
		b.people = append(b.people, p)
		b.byHand[h.account] = at
		if h.cell != "" {
			b.members = append(b.members, at)
		}
	}
	b.boss, b.lead = b.byHand["7B2FAA"], b.byHand["Q3XK9A"]
	b.rise(b.byHand["J0K5WB"], tenure{b.late + 90, "transport", "transport", b.byHand["H5T0YJ"]})
	for _, c := range handmadeChats {
		l := link{id: c.id, title: c.title, service: c.service, weight: 8 * c.weight}
		for id := range strings.FieldsSeq(c.members) {
			p, ok := b.byHand[id]
			if !ok {
				return fmt.Errorf("make the chat %s: no account %s", c.title, id)
			}
			l.members = append(l.members, p)
		}
		for kind := range strings.SplitSeq(c.kinds, ",") {
			lang, name, _ := strings.Cut(kind, " ")
			spoken, ok := language(lang)
			if !ok || b.speech.scenes[name] == nil {
				return fmt.Errorf("make the chat %s: no scene for %q", c.title, kind)
			}
			l.topics = append(l.topics, b.topic(name, spoken))
		}
		if c.service == sky && strings.Contains(c.kinds, "work") {
			lang, _, _ := strings.Cut(c.kinds, " ")
			spoken, _ := language(lang)
			l.tense = b.topicsOf("tense", [2]uint8{spoken, spoken})
		}
		if c.id == "" {
			l.a, l.b, l.members = l.members[0], l.members[1], nil
			b.known[[2]int32{min(l.a, l.b), max(l.a, l.b)}] = true
		}
		name := c.id
		if name == "" {
			name = argus.DirectConversation(strings.Fields(c.members)[0], strings.Fields(c.members)[1])
		}
		b.chats[name] = int32(len(b.links))
		b.links = append(b.links, l)
	}
	b.group = b.chats["G-4471"]
	return nil
}

type handmadePerson struct {
	account, nick, name, role, cell, boss string
	lang                                  uint8
	service                               uint8
}

// handmadePeople are in an order in which nobody comes before their boss.
var handmadePeople = []handmadePerson{
	{"7B2FAA", "Schipper", "Gerlof Brakessen", "boss", "lead", "", 0, sky},
	{"Q3XK9A", "Noord", "Noud Verminta", "lead", "lead", "7B2FAA", 0, sky},
	{"Z4M1ND", "Stille", "Wim Osthouck", "enforcer", "force", "7B2FAA", 0, sky},
	{"K90TRW", "El Faro", "Aurelio Montezetti", "supplier", "supply", "", 2, sky},
	{"P6LD3V", "Tilde", "Tilde Corwelm", "port", "harbour", "Q3XK9A", 0, sky},
	{"B8W2KE", "Poort 9", "Sjors Lamdarro", "port", "harbour", "P6LD3V", 0, sky},
	{"H5T0YJ", "Wielen", "Harm Volkessen", "transport", "transport", "Q3XK9A", 0, sky},
	{"J0K5WB", "Kleine Jan", "Jan Ferloveck", "cousin", "transport", "H5T0YJ", 0, sky},
	{"R1C0H7", "Rico", "Rico Halvers", "courier", "transport", "H5T0YJ", 0, sky},
	{"2TL6PF", "Nachtploeg", "Piet Norsarnd", "port", "harbour", "P6LD3V", 0, sky},
	{"N7Q4XS", "Boekhouder", "Casper Quinpalvo", "money", "money", "7B2FAA", 0, sky},
	{"E2U4QV", "Zwaan", "Elke Salgredo", "courier", "money", "N7Q4XS", 0, sky},
	{"4KD7NT", "Oom", "Bert Tortilder", "broker", "lead", "7B2FAA", 0, sky},
	{"C3E9RP", "Sur", "Celio Ravzetti", "supplier", "supply", "K90TRW", 2, sky},
	{"D1V8LM", "Camionneur", "Didier Belfarque", "transport", "transport", "Q3XK9A", 3, sky},
	{"F6G2HU", "Spedition", "Falk Drawelm", "transport", "transport", "Q3XK9A", 4, sky},
	{"V0B3ZK", "Lighthouse", "Vic Halquist", "money", "money", "N7Q4XS", 1, sky},
	{"ADV0C8", "Mr. V", "mr. Varendonck", "lawyer", "", "", 0, sky},
	{"L9S3TQ", "Mavi", "Levent Yanbura", "bystander", "", "", 5, sky},
	{"M2X7CA", "Kaptan", "Murat Gulnoak", "bystander", "", "", 5, sky},
	{"S8R1FD", "أبو سالم", "Abu Salem Rafdarro", "bystander", "", "", 9, sky},
	{"T4Y6GN", "ناصر", "Nasser Tesminta", "bystander", "", "", 9, sky},
	{"W7H5JP", "Ferry", "Wendy Perxander", "bystander", "", "", 1, sky},
	{"X1N9DE", "Rey", "Xavi Monthuy", "buyer", "", "", 2, sky},
	{"Y6C2MR", "Paloma", "Yara Ferpalvo", "buyer", "", "", 2, sky},
	{"A5F8TL", "Bruno", "Bruno Zimkessen", "bystander", "", "", 4, sky},
	{"G9J7SW", "Krabbe", "Gijs Ostloveck", "bystander", "", "", 0, sky},
	{"U3P0BX", "Lino", "Lino Corzetti", "buyer", "", "", 2, sky},
	{"8Z1RCE", "Vis", "Ilse Wilsarnd", "bystander", "", "", 0, sky},
	{"5XW9HA", "Marée", "Maël Lamfarque", "buyer", "", "", 3, sky},
	{"+447700900112", "Sanne", "Sanne Tordarro", "family", "", "", 0, whatsapp},
	{"+447700900140", "Joris", "Joris Tordarro", "family", "", "", 0, whatsapp},
	{"+447700900155", "Mam", "Lies Tordarro", "family", "", "", 0, whatsapp},
	{"+447700900163", "Oma Bea", "Bea Norwelm", "family", "", "", 0, whatsapp},
	{"+447700900171", "Garage Veldzicht", "Ton Verhouck", "bystander", "", "", 0, whatsapp},
	{"+447700900188", "Coach Amir", "Amir Belminta", "bystander", "", "", 1, whatsapp},
	{"+447700900194", "Femke", "Femke Tordarro", "family", "", "", 0, whatsapp},
	{"+447700900199", "Daan", "Daan Quinwelm", "bystander", "", "", 0, whatsapp},
	{"lamp@jabber.example", "", "unknown", "bystander", "", "", 1, xmpp},
	{"mole@jabber.example", "", "unknown", "bystander", "", "", 1, xmpp},
	{"tern@jabber.example", "", "unknown", "bystander", "", "", 1, xmpp},
	{"gull", "", "unknown", "bystander", "", "", 1, irc},
	{"bosun", "", "unknown", "bystander", "", "", 1, irc},
	{"maree", "", "unknown", "bystander", "", "", 1, irc},
	{"tide", "", "unknown", "bystander", "", "", 1, irc},
}

var handmadeChats = []struct {
	service                   uint8
	id, title, members, kinds string
	weight                    uint32
}{
	{sky, "G-4471", "Kade 9", "Q3XK9A B8W2KE H5T0YJ P6LD3V J0K5WB 2TL6PF", "nl daily,nl work,nl work", 16},
	{sky, "G-2208", "Kas", "7B2FAA N7Q4XS E2U4QV Q3XK9A", "nl money,nl money,nl daily", 9},
	{sky, "G-3390", "Ruta Sur", "C3E9RP D1V8LM F6G2HU K90TRW", "es work,fr work,de work,es daily,en work", 11},
	{sky, "", "", "Q3XK9A 7B2FAA", "nl work,nl daily", 9},
	{sky, "", "", "Q3XK9A K90TRW", "es work,es money,en work,es daily", 8},
	{sky, "", "", "7B2FAA Z4M1ND", "nl daily", 3},
	{sky, "", "", "P6LD3V R1C0H7", "nl daily,nl work", 4},
	{sky, "", "", "Q3XK9A ADV0C8", "nl lawyer", 2},
	{sky, "", "", "H5T0YJ J0K5WB", "nl work,nl money,nl daily", 6},
	{sky, "", "", "N7Q4XS V0B3ZK", "en money,en daily", 6},
	{sky, "", "", "L9S3TQ M2X7CA", "tr daily,tr family", 6},
	{sky, "", "", "S8R1FD T4Y6GN", "ar daily,ar work", 6},
	{sky, "", "", "X1N9DE Y6C2MR", "es daily,es buy", 5},
	{sky, "", "", "D1V8LM 5XW9HA", "fr daily,fr work,fr buy", 5},
	{sky, "", "", "F6G2HU A5F8TL", "de daily,de work,de trade", 5},
	{sky, "", "", "V0B3ZK W7H5JP", "en daily,en trade", 5},
	{sky, "", "", "G9J7SW 8Z1RCE", "nl daily", 4},
	{sky, "", "", "C3E9RP U3P0BX", "es daily,es buy", 4},
	{sky, "", "", "E2U4QV 4KD7NT", "nl money,nl daily", 3},
	{sky, "", "", "M2X7CA B8W2KE", "tr daily,nl daily", 3},
	{whatsapp, "Familie", "Familie", "+447700900112 +447700900155 +447700900163 +447700900194", "nl family", 9},
	{whatsapp, "+447700900112|+447700900140", "Joris", "+447700900112 +447700900140", "nl daily,nl family", 5},
	{whatsapp, "Garage Veldzicht", "Garage Veldzicht", "+447700900171 +447700900112", "nl garage", 1},
	{whatsapp, "Zaterdag 4", "Zaterdag 4", "+447700900188 +447700900199 +447700900112", "en club,nl daily", 4},
	{xmpp, "dock@rooms.example", "dock", "lamp@jabber.example mole@jabber.example tern@jabber.example", "en work,en money,xx radio", 4},
	{irc, "#harbour", "#harbour", "gull bosun maree tide", "xx radio,en daily", 4},
}
