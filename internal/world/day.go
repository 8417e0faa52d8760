package world

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

const secondsADay = 24 * 3600

// quiet is the number of weeks in which a thread is silent once.
const quiet = 12

// said is one message of a day.
type said struct {
	second   int32
	link     int32
	from, to int32 // accounts; to is -1 in a group
	// text is its final text, sent the text as first sent; both are
	// positions in the day's buffer.
	text, sent [2]uint32
	attachment byte // 'p' photo, 'v' voice note
	state      argus.State
	lang       uint8
	plot, step int32 // plot -1 for none
	announces  int32 // the account announced, -1 for none
	renames    bool  // it announces that something has a new name from now on
	answers    int32 // the message of the day that it answers, -1 for none
	protected  string
	sequence   uint64
}

// day is everything that is said on one day, in chronological order. It is reused for further
// days.
type day struct {
	*World
	n      int32
	date   string // 2021-02-14
	month  int32
	said   []said
	order  []int32 // indexes into said, in chronological order
	text   []byte
	times  []int32
	keys   []uint64
	people []int32
	lines  scene
	rest   []byte
	cipher lock
	spare  <-chan []byte
	hasher argus.Hasher
	pcg    rand.PCG
	r      *rand.Rand
}

// buffer returns memory for a piece of the day's output.
func (d *day) buffer() []byte {
	select {
	case used := <-d.spare:
		return used
	default:
		return make([]byte, 0, pieceSize+pieceSize/8)
	}
}

// make lets everybody talk for a day.
func (d *day) make(n int32) {
	d.n, d.date, d.month = n, d.start.AddDate(0, 0, int(n)).Format(time.DateOnly), d.months[n]
	d.said, d.text = d.said[:0], d.text[:0]
	if d.r == nil {
		d.r = rand.New(&d.pcg)
	}
	if n == 0 {
		d.found()
	}
	salt, week := mix(d.o.Seed, forTalk, uint64(n)), mix(d.o.Seed, forQuiet, uint64(n/7))
	for i := range d.links {
		l := &d.links[i]
		h := scramble(salt ^ uint64(i)*0x9E3779B97F4A7C15)
		paces := d.blocks[l.block].paces
		rate := l.rate * (paces[n+1] - paces[n]) >> 8
		// Most days have few messages, and some have many; the mean is as planned.
		rate *= [...]uint64{0, 0, 0, 0, 1, 1, 2, 4}[h&7]
		scenes := rate >> 32
		if h>>32 < rate&(1<<32-1) {
			scenes++
		}
		if scenes == 0 || scramble(week^uint64(i))%quiet == 0 {
			continue
		}
		d.pcg.Seed(h, salt)
		for nth := range int(scenes) {
			d.talk(int32(i), nth)
		}
	}
	for _, m := range d.moments[n] {
		d.pcg.Seed(mix(d.o.Seed, forTalk, uint64(n), uint64(m.plot), uint64(m.step), uint64(m.account), uint64(m.to)), salt)
		d.happen(m)
	}
}

// found lets the service announce who created the groups.
func (d *day) found() {
	for i := range d.links {
		l := &d.links[i]
		if len(l.members) == 0 || l.service != sky {
			continue
		}
		from := d.serviceOn(l.members[0], 0)
		if from < 0 {
			continue
		}
		start := len(d.text)
		d.text = append(d.text, d.accounts[from].nick...)
		d.text = append(d.text, " created the group "...)
		d.text = append(d.text, l.title...)
		d.add(said{second: int32(mix(d.o.Seed, uint64(i)) % (6 * 3600)), link: int32(i), from: from, to: -1, plot: -1, announces: -1,
			state: argus.StateSystem}, start)
	}
}

// add appends a message whose text begins at start and ends the buffer.
func (d *day) add(m said, start int) *said {
	m.text = [2]uint32{uint32(start), uint32(len(d.text))}
	m.sent = m.text
	m.answers = -1
	d.said = append(d.said, m)
	return &d.said[len(d.said)-1]
}

// hours is the share of a person's messages in each hour of the day.
var hours = hourTable([24]int{3, 2, 1, 1, 1, 2, 4, 8, 11, 12, 11, 10, 12, 11, 10, 10, 11, 13, 14, 15, 16, 15, 11, 6})

// hourTable lists each hour as many times as its weight.
func hourTable(weights [24]int) (table []int8) {
	for hour, n := range weights {
		for range n {
			table = append(table, int8(hour))
		}
	}
	return table
}

// talk plays a scene in a thread, the n-th of the day.
func (d *day) talk(i int32, nth int) {
	l, r := &d.links[i], d.r
	b := d.blocks[l.block]
	t := &l.topics[r.IntN(len(l.topics))]
	if len(l.tense) > 0 && b.busy[d.n] && r.IntN(4) == 0 {
		t = &l.tense[r.IntN(len(l.tense))]
	}
	// The scenes of a topic rotate; each thread begins at a different one.
	turn := func(list []scene) scene {
		at := scramble(uint64(i)) + uint64(int(d.n)*t.stride+nth)
		return list[at%uint64(len(list))]
	}
	d.lines = append(d.lines[:0], turn(t.scenes)...)
	if t.chatty {
		hello, bye := d.speech.scenes["hello"][t.lang], d.speech.scenes["bye"][t.lang]
		luck := r.Uint64()
		if luck&3 == 0 {
			d.lines = append(append(d.lines[:0], pick(r, hello)...), turn(t.scenes)...)
		}
		if luck>>2%3 == 0 {
			nth += len(t.scenes) / 2
			d.lines = append(d.lines, turn(t.scenes)...)
		}
		if luck>>32%5 == 0 {
			d.lines = append(d.lines, pick(r, bye)...)
		}
	}
	d.people = d.people[:0]
	if len(l.members) == 0 {
		d.people = append(d.people, l.a, l.b)
	} else {
		d.people = append(d.people, l.members...)
	}
	if !t.directed {
		d.shuffle(d.people)
		d.whoSpeaks(t.lang)
	}
	p := &d.World.people[d.people[0]]
	hour := int(pick(r, hours)) + int(p.rhythm) - countries[p.country].offset
	second := (hour*3600+r.IntN(3600))%secondsADay + secondsADay
	names := b.members
	if len(l.tense) == 0 {
		names = b.others
	}
	d.play(i, d.lines, int32(second%secondsADay), scenePart{lang: t.lang, terms: b.termsOn(d.n), names: names, protected: t.protected, plot: -1, announces: -1})
}

// whoSpeaks picks speakers, preferring those who know the language.
func (d *day) whoSpeaks(lang uint8) {
	first := 0
	for i, p := range d.people {
		if langs := d.World.people[p].langs; first < 2 && (langs[0] == lang || langs[1] == lang) {
			d.people[first], d.people[i] = p, d.people[first]
			first++
		}
	}
}

// called returns the name by which a person is mentioned: a nickname or a first name, or
// another person's first name if the person mentioned is in the thread.
func (d *day) called(person int32, r *rand.Rand) string {
	p := &d.World.people[person]
	if slices.Contains(d.people, person) {
		return pick(r, givenNames[p.langs[0]%uint8(len(givenNames))])
	}
	if first, _, _ := strings.Cut(p.name, " "); p.nick == "" || r.IntN(2) == 0 {
		return first
	}
	return p.nick
}

func (d *day) shuffle(list []int32) {
	for i := len(list) - 1; i > 0; i-- {
		j := d.r.IntN(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// happen plays the events scheduled for the day.
func (d *day) happen(m moment) {
	switch m.plot {
	case newAccount:
		d.tellAccount(m)
		return
	case joined, left:
		d.tellGroup(m)
		return
	case newWords:
		d.tellWords(m)
		return
	}
	plot := &d.plots[m.plot]
	step := &plot.script.steps[m.step]
	b := d.blocks[plot.block]
	part := scenePart{lang: step.lang, terms: b.termsOn(d.n), facts: &plot.facts, plot: m.plot, step: m.step, announces: -1}
	d.people = d.people[:0]
	for _, name := range step.who {
		d.people = append(d.people, plot.played(name))
	}
	chat := int32(-1)
	switch {
	case step.chat != "":
		chat = d.chats[step.chat]
		if d.people = d.people[:0]; len(step.who) == 0 {
			d.people = append(d.people, d.links[chat].members...)
		}
		for _, name := range step.who {
			d.people = append(d.people, d.byHand[name])
		}
	case step.group && plot.script.like:
		chat = b.club
	case step.group:
		chat = b.group
	}
	if plot.script.kind == "counsel" {
		part.protected = "lawyer and client"
	}
	first := &d.World.people[d.people[0]]
	d.play(chat, step.scene, int32(d.secondOf(first, step.minute+plot.shift)), part)
}

// tellAccount lets a person announce a new account.
func (d *day) tellAccount(m moment) {
	l, a := &d.links[m.to], &d.accounts[m.account]
	other := l.a
	if other == a.person {
		other = l.b
	}
	topic := "new"
	if a.service != d.accounts[a.replaces].service {
		topic = "move"
	}
	lang := l.topics[0].lang
	d.people = append(d.people[:0], a.person, other)
	d.play(m.to, pick(d.r, d.speech.scenes[topic][lang]), int32(9*3600+d.r.IntN(10*3600)),
		scenePart{lang: lang, nick: d.World.people[a.person].nick, plot: -1, announces: m.account})
}

// tellGroup lets the service announce who has joined or left a group.
func (d *day) tellGroup(m moment) {
	l, a := &d.links[m.to], &d.accounts[m.account]
	by := int32(-1)
	for _, p := range l.members {
		if p != a.person && by < 0 {
			by = d.serviceOn(p, d.n)
		}
	}
	if by < 0 || a.from == 0 && m.plot == joined {
		return
	}
	start := len(d.text)
	d.text = append(d.text, d.accounts[by].nick...)
	if m.plot == joined {
		d.text = append(d.text, " added "...)
	} else {
		d.text = append(d.text, " removed "...)
	}
	d.text = append(d.text, a.nick...)
	d.add(said{second: int32(8*3600 + d.r.IntN(12*3600)), link: m.to, from: by, to: -1, plot: -1, announces: -1, state: argus.StateSystem}, start)
}

// tellWords lets a commander announce the new names of things.
func (d *day) tellWords(m moment) {
	l := &d.links[m.to]
	b := d.blocks[l.block]
	now, before := b.termsOn(d.n), b.termsOn(d.n-1)
	if now[0] == before[0] {
		return // the goods keep their name
	}
	lang := b.langs[0]
	d.people = append(d.people[:0], l.members...)
	d.play(m.to, pick(d.r, d.speech.scenes["switch"][lang]), int32(10*3600+d.r.IntN(10*3600)),
		scenePart{lang: lang, terms: now, old: before, renames: true, plot: -1, announces: -1})
}

// scenePart is the context of a scene.
type scenePart struct {
	lang       uint8
	terms, old []uint8
	names      []int32
	renames    bool
	facts      *facts
	nick       string
	protected  string
	plot, step int32
	announces  int32
}

// play adds the lines of a scene; d.people are its speakers. chat is
// -1 between two people without a thread of their own.
func (d *day) play(chat int32, one scene, second int32, part scenePart) {
	var service uint8
	group := false
	if chat >= 0 {
		service, group = d.links[chat].service, len(d.links[chat].members) > 0
	}
	var from, to int32
	if !group {
		var ok bool
		if from, to, ok = d.between(&d.World.people[d.people[0]], &d.World.people[d.people[1]], service, d.n, chat&1 == 1); !ok {
			return
		}
		if part.announces >= 0 && from != part.announces {
			return
		}
	}
	d.times = d.times[:0]
	at := second
	for i := range one {
		if i > 0 {
			at += d.pause(one[i].speaker == one[i-1].speaker)
		}
		d.times = append(d.times, at)
	}
	late := max(0, at-secondsADay+1)
	before := int32(-1)
	voice := speaker{r: d.r, s: &d.speech, facts: part.facts, terms: part.terms, old: part.old, nick: part.nick, names: part.names, name: d.called}
	for i := range one {
		who := d.people[one[i].speaker%len(d.people)]
		voice.habit, voice.lang = scramble(uint64(who)), part.lang
		if one[i].lang != asScene {
			voice.lang = one[i].lang
		}
		m := said{second: max(0, d.times[i]-late), link: chat, from: from, to: to, lang: voice.lang, plot: part.plot, step: part.step,
			announces: part.announces, renames: part.renames, protected: part.protected, attachment: one[i].attachment}
		switch {
		case group:
			m.to = -1
			if service == sky {
				m.from = d.serviceOn(who, d.n)
			} else {
				m.from = d.accountOn(&d.World.people[who], service, d.n, false)
			}
			if m.from < 0 {
				continue
			}
		case one[i].speaker%2 == 1:
			m.from, m.to = to, from
		}
		before = d.utter(m, &one[i].template, &voice, &d.World.people[who].style, before)
	}
}

// pause is the time until an answer, in seconds: half come within about half a
// minute, one in a hundred takes more than a quarter of an hour.
func (d *day) pause(same bool) int32 {
	if same {
		return int32(4 + d.r.IntN(15))
	}
	return int32(5 + 10_000/(1+d.r.IntN(1000)))
}

// utter adds one message and returns its index in said. before is the message that it may
// answer.
func (d *day) utter(m said, t *template, voice *speaker, y *style, before int32) int32 {
	start := len(d.text)
	voice.fresh = true
	d.text = voice.say(d.text, t)
	for len(d.text) > start && d.text[len(d.text)-1] == ' ' {
		d.text = d.text[:len(d.text)-1]
	}
	if len(d.text) == start && m.attachment == 0 {
		return before
	}
	luck := d.r.Uint64()
	if m.plot < 0 && uint8(luck>>24) < y.split {
		if cut := pauseIn(d.text[start:]); cut > 0 { // sent in two pieces
			d.rest = append(d.rest[:0], bytes.TrimLeft(d.text[start+cut:], ", ")...)
			d.text = d.text[:start+cut]
			before = d.keep(m, start, y, luck, before)
			m.second = min(m.second+3, secondsADay-1)
			start, luck = len(d.text), scramble(luck)
			d.text = append(d.text, d.rest...)
		}
	}
	return d.keep(m, start, y, luck, before)
}

// keep adds a message as typed by hand, perhaps deleted or edited afterwards, and returns its
// index in said.
func (d *day) keep(m said, start int, y *style, luck uint64, before int32) int32 {
	ordinary := m.plot < 0 && !m.renames && len(d.text) > start
	if ordinary {
		d.text = y.wear(d.text, start, m.lang, d.r)
	}
	one := d.add(m, start)
	service := d.accounts[m.from].service
	switch {
	case !ordinary || service > encrochat:
	case luck&127 == 0:
		one.state = argus.StateDeleted
	case luck>>8&127 == 0:
		one.state = argus.StateEdited
		start := len(d.text)
		d.text = append(d.text, d.text[one.sent[0]:one.sent[1]]...)
		d.text = append(d.text, pick(d.r, corrections)...)
		one.text = [2]uint32{uint32(start), uint32(len(d.text))}
	}
	if luck>>16&31 == 0 && service <= encrochat {
		one.answers = before
	}
	return int32(len(d.said) - 1)
}

// pauseIn returns the offset at which a person would split a text into two messages, or 0 if
// there is none.
func pauseIn(text []byte) int {
	for i := 8; i+6 < len(text); i++ {
		if (text[i] == ',' || text[i] == '.' || text[i] == '?' || text[i] == '!') && text[i+1] == ' ' {
			if text[i] == ',' {
				return i
			}
			return i + 1
		}
	}
	return 0
}

var corrections = []string{" *", " (!)", " ok", " nvm", " ...", " x"}

// number sorts the messages by time and numbers those of the phone service, continuing from the
// last number of the previous day. It returns the last number of this day. The service leaves
// gaps.
func (d *day) number(last uint64) uint64 {
	d.keys = d.keys[:0]
	for i := range d.said {
		d.keys = append(d.keys, uint64(d.said[i].second)<<32|uint64(i))
	}
	slices.Sort(d.keys)
	d.order = d.order[:0]
	salt := mix(d.o.Seed, forSequence, uint64(d.n))
	for i, key := range d.keys {
		m := &d.said[uint32(key)]
		d.order = append(d.order, int32(uint32(key)))
		if d.accounts[m.from].service <= encrochat {
			last += 1 + scramble(salt^uint64(i))%3
			m.sequence = last
		}
	}
	return last
}
