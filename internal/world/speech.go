package world

import (
	"bytes"
	"embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// scenes holds everything that can be said, with a file for each language: a scene begins with
// "==", its language and its topic; each line has a speaker (a, b, c: members of the chat),
// perhaps with a language of its own ("b:tr"), and a text in the form of [template].
//
//go:embed scenes
var scenes embed.FS

//go:embed terms.txt
var termsText string

// languages are the spoken languages; ary is Moroccan Arabic in Latin letters.
var languages = [...]string{"nl", "en", "es", "fr", "de", "tr", "sq", "ary", "pt", "ar", "xx"}

const english = 1

func language(name string) (uint8, bool) {
	for i, l := range languages {
		if l == name {
			return uint8(i), true
		}
	}
	return 0, false
}

// template is a line of a scene, ready to be said.
type template struct {
	parts []part
	// attachment is set if the line is an attachment: 'p' photo, 'v' voice note.
	attachment byte
}

// part is a text, a choice between templates, or a slot to fill in; if at is set, the part is
// the phrase for being there.
type part struct {
	text   string
	choice []template
	slot   slot
	at     bool
}

// slot is the meaning of a {word} in a template. Slots up to lastFact are facts of a plot,
// which are the same in all of its messages. Slots from firstTerm on are veiled: they become
// the organisation's current word for the thing.
type slot uint8

const (
	slotNone slot = iota
	slotBox
	slotShip
	slotPort
	slotSpot
	slotCoords
	slotWeight
	slotPrice
	slotCode
	slotIBAN
	slotBitcoin
	slotNote
	slotVictim
	slotStreet
	slotDate
	slotHour
	slotPlate
	slotCount
	slotBoss
	slotLead
	slotNew
	slotFirstName
	slotAlias
	slotFirm
	slotPlace
	slotOutcome
	lastFact
	slotClock
	slotName
	slotFood
	slotDay
	slotAmount
	slotCash
	slotDigit
	slotDigits
	slotNick
	slotOldGoods
	firstTerm
)

var slots = map[string]slot{
	"box": slotBox, "ship": slotShip, "port": slotPort, "spot": slotSpot, "coords": slotCoords, "weight": slotWeight,
	"price": slotPrice, "code": slotCode, "iban": slotIBAN, "bitcoin": slotBitcoin, "note": slotNote, "victim": slotVictim,
	"street": slotStreet, "date": slotDate, "hour": slotHour, "plate": slotPlate, "count": slotCount, "boss": slotBoss,
	"lead": slotLead, "new": slotNew, "first": slotFirstName, "alias": slotAlias, "firm": slotFirm, "outcome": slotOutcome,
	"oldgoods": slotOldGoods,
	"clock":    slotClock, "place": slotPlace, "name": slotName, "food": slotFood, "day": slotDay, "amount": slotAmount, "cash": slotCash,
	"digit": slotDigit, "digits": slotDigits, "nick": slotNick,
}

// compile reads a template: [x|y] is a choice, {word} is a slot or the name of a veiled thing,
// and {@word} is the phrase for being there.
func (s *speech) compile(text string) (template, error) {
	switch text {
	case "{photo}":
		return template{attachment: 'p'}, nil
	case "{voice}":
		return template{attachment: 'v'}, nil
	}
	var t template
	for text != "" {
		i := strings.IndexAny(text, "[{")
		if i < 0 {
			i = len(text)
		}
		if i > 0 {
			t.parts = append(t.parts, part{text: text[:i]})
			text = text[i:]
			continue
		}
		closing := "]"
		if text[0] == '{' {
			closing = "}"
		}
		inner, rest, ok := strings.Cut(text[1:], closing)
		if !ok {
			return t, fmt.Errorf("read template %q: no %s", text, closing)
		}
		text = rest
		p, err := s.part(closing, inner)
		if err != nil {
			return t, err
		}
		t.parts = append(t.parts, p)
	}
	return t, nil
}

func (s *speech) part(closing, inner string) (part, error) {
	if closing == "}" {
		if found, ok := slots[inner]; ok {
			return part{slot: found}, nil
		}
		name, at := strings.CutPrefix(inner, "@")
		for i, t := range s.things {
			if t.name == name && (!at || t.at != nil) {
				return part{slot: firstTerm + slot(i), at: at}, nil
			}
		}
		return part{}, fmt.Errorf("read template: unknown word {%s}", inner)
	}
	var p part
	for option := range strings.SplitSeq(inner, "|") {
		one, err := s.compile(option)
		if err != nil {
			return p, err
		}
		p.choice = append(p.choice, one)
	}
	return p, nil
}

// line is a template with its speaker: 0 for a, 1 for b.
type line struct {
	speaker int
	lang    uint8 // its own, or asScene
	template
}

// asScene means the language of the scene.
const asScene = 255

// scene is a piece of talk.
type scene []line

// thing is an object or a place that is never called by its name, with the words for it. Each
// row has one word in each of the languages of terms.txt, and if the thing is a place, the same
// word with "at" or "in".
type thing struct {
	name, meaning string
	words, at     [][]string
}

// speech is everything that can be said.
type speech struct {
	things []thing
	// scenes are by topic and language.
	scenes map[string]*[len(languages)][]scene
	// mean is the number of lines of a topic's scenes, times 256, by language.
	mean map[string]*[len(languages)]uint64
}

func newSpeech() (*speech, error) {
	s := &speech{scenes: map[string]*[len(languages)][]scene{}, mean: map[string]*[len(languages)]uint64{}}
	if err := s.readTerms(); err != nil {
		return nil, err
	}
	text, err := scenesText()
	if err != nil {
		return nil, err
	}
	for head, lines := range blocks(text) {
		lang, topic, _ := strings.Cut(head, " ")
		l, ok := language(lang)
		if !ok {
			return nil, fmt.Errorf("read scene %q: unknown language", head)
		}
		one, err := s.scene(lines)
		if err != nil {
			return nil, fmt.Errorf("read scene %q: %w", head, err)
		}
		if s.scenes[topic] == nil {
			s.scenes[topic] = new([len(languages)][]scene)
		}
		s.scenes[topic][l] = append(s.scenes[topic][l], one)
	}
	s.fall()
	return s, nil
}

// scenesText is the content of all files of scenes.
func scenesText() (string, error) {
	var all strings.Builder
	list, err := scenes.ReadDir("scenes")
	for _, file := range list {
		text, err := scenes.ReadFile("scenes/" + file.Name())
		if err != nil {
			return "", fmt.Errorf("read the scenes: %w", err)
		}
		_, text, _ = bytes.Cut(text, []byte("\n== "))
		all.WriteString("\n== ")
		all.Write(text)
	}
	return all.String(), err
}

// fall makes a topic that a language lacks use the English scenes, and a topic that English
// lacks use the scenes in a language that has it.
func (s *speech) fall() {
	for topic, pools := range s.scenes {
		other := pools[english]
		for _, pool := range pools {
			if len(other) == 0 {
				other = pool
			}
		}
		s.mean[topic] = new([len(languages)]uint64)
		for l := range pools {
			if len(pools[l]) == 0 {
				pools[l] = other
			}
			lines := 0
			for _, one := range pools[l] {
				lines += len(one)
			}
			s.mean[topic][l] = uint64(lines * 256 / len(pools[l]))
		}
	}
}

// blocks yields the lines under each "== HEAD" in a text.
func blocks(text string) func(yield func(head string, lines []string) bool) {
	return func(yield func(string, []string) bool) {
		_, text, _ := strings.Cut(text, "\n== ")
		for block := range strings.SplitSeq(text, "\n== ") {
			lines := strings.Split(strings.TrimSpace(block), "\n")
			if !yield(lines[0], lines[1:]) {
				return
			}
		}
	}
}

func (s *speech) scene(lines []string) (scene, error) {
	var one scene
	for _, text := range lines {
		who, said, _ := strings.Cut(text, " ")
		who, name, foreign := strings.Cut(who, ":")
		if len(who) != 1 || who[0] < 'a' || who[0] > 'f' || said == "" {
			return nil, fmt.Errorf("line %q has no speaker", text)
		}
		lang, known := uint8(asScene), true
		if foreign {
			lang, known = language(name)
		}
		if !known {
			return nil, fmt.Errorf("line %q: unknown language", text)
		}
		t, err := s.compile(said)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", text, err)
		}
		one = append(one, line{int(who[0] - 'a'), lang, t})
	}
	if len(one) == 0 {
		return nil, fmt.Errorf("the scene has no lines")
	}
	return one, nil
}

// readTerms reads terms.txt: under "== NAME MEANING", each line has one row of words.
func (s *speech) readTerms() error {
	for head, lines := range blocks(termsText) {
		name, meaning, _ := strings.Cut(head, " ")
		t := thing{name: name, meaning: meaning}
		for _, text := range lines {
			words := strings.Split(text, "|")
			if len(words) != termLanguages {
				return fmt.Errorf("read terms for %s: %d words in %q, want %d", name, len(words), text, termLanguages)
			}
			var there []string
			for i, word := range words {
				word, at, ok := strings.Cut(word, "~")
				if words[i] = word; ok {
					there = append(there, at)
				}
			}
			t.words = append(t.words, words)
			if len(there) == termLanguages {
				t.at = append(t.at, there)
			}
		}
		if len(t.at) != 0 && len(t.at) != len(t.words) {
			return fmt.Errorf("read terms for %s: some words are places and some are not", name)
		}
		s.things = append(s.things, t)
	}
	return nil
}

// termLanguages is the number of languages for which terms.txt has words: the first ones in
// languages.
const termLanguages = 9

// speaker is a person, with the things to talk about.
type speaker struct {
	r     *rand.Rand
	s     *speech
	lang  uint8
	facts *facts
	// terms is the current row of words for each thing, and old the previous row; nil means the
	// first row of each thing.
	terms, old []uint8
	nick       string
	box        string // the container in a scene
	// habit is the person's seed: everybody prefers some words.
	habit uint64
	// answer is the first choice made in the previous line, and the number of its options: the
	// next line mostly answers it. fresh is set at the beginning of a line.
	answer, of int
	fresh      bool
	// names are the people who may be mentioned.
	names []int32
	name  func(person int32, r *rand.Rand) string
}

// say appends the text of a template.
func (k *speaker) say(buf []byte, t *template) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.choice != nil:
			buf = k.say(buf, &p.choice[k.choose(i, len(p.choice))])
		case p.slot >= firstTerm:
			buf = append(buf, k.s.word(int(p.slot-firstTerm), k.terms, k.lang, p.at)...)
		case p.slot != slotNone:
			buf = k.fill(buf, p.slot)
		case len(buf) > 0 && buf[len(buf)-1] == ' ' && (p.text[0] == ',' || p.text[0] == ' '):
			buf = append(buf[:len(buf)-1], p.text...) // the text before it was left out
		case len(buf) > 0 && buf[len(buf)-1] == '?' && p.text[0] == ',':
			buf = append(buf, p.text[1:]...)
		default:
			buf = append(buf, p.text...)
		}
	}
	return buf
}

// choose chooses one of n options. At the beginning of a line, it is mostly the option that
// answers the previous line, which has the same index, and often the speaker's usual option.
func (k *speaker) choose(place, n int) int {
	luck := k.r.Uint64()
	if luck%3 == 0 {
		luck = scramble(k.habit + uint64(31*n+place))
	}
	chosen := int(luck >> 32 * uint64(n) >> 32)
	if k.fresh {
		if k.of == n && luck&3 != 0 {
			chosen = k.answer
		}
		k.answer, k.of, k.fresh = chosen, n, false
	}
	return chosen
}

func (k *speaker) fill(buf []byte, s slot) []byte {
	r := k.r
	if s < lastFact && k.facts != nil {
		return append(buf, k.facts.text(s)...)
	}
	switch s {
	case slotBox:
		if k.box == "" {
			k.box = container(r)
		}
		return append(buf, k.box...)
	case slotIBAN:
		return append(buf, iban(r)...)
	case slotPlace:
		return append(buf, pick(r, places)...)
	case slotOldGoods:
		return append(buf, k.s.word(0, k.old, k.lang, false)...)
	case slotName, slotVictim, slotBoss, slotLead, slotNew, slotFirstName, slotAlias:
		if len(k.names) > 0 && r.IntN(3) > 0 {
			return append(buf, k.name(pick(r, k.names), r)...)
		}
		return append(buf, pick(r, givenNames[k.lang%uint8(len(givenNames))])...)
	case slotFood:
		return append(buf, pick(r, foods)...)
	case slotDay, slotDate:
		return append(buf, pick(r, weekdays[k.lang%uint8(len(weekdays))])...)
	case slotClock, slotHour:
		buf = strconv.AppendInt(buf, int64(6+r.IntN(17)), 10)
		buf = append(buf, ':')
		five := 5 * r.IntN(12)
		return append(buf, byte('0'+five/10), byte('0'+five%10))
	case slotDigit:
		return append(buf, byte('0'+r.IntN(10)))
	case slotCash:
		return strconv.AppendInt(append(buf, "€ "...), int64(15+5*r.IntN(30)), 10)
	case slotNick:
		return append(buf, k.nick...)
	case slotAmount, slotPrice:
		if r.IntN(2) == 0 {
			return append(strconv.AppendInt(buf, int64(2+r.IntN(90)), 10), 'k')
		}
		buf = append(buf, "€ "...)
		buf = strconv.AppendInt(buf, int64(1+r.IntN(24)), 10)
		return append(buf, '.', byte('1'+r.IntN(9)), '0', '0')
	}
	return strconv.AppendInt(buf, int64(10000+r.IntN(90000)), 10)
}

// word returns the word for a thing in a language.
func (s *speech) word(thing int, rows []uint8, lang uint8, at bool) string {
	row := uint8(0)
	if rows != nil {
		row = rows[thing]
	}
	if lang >= termLanguages {
		lang = english
	}
	if at {
		return s.things[thing].at[row][lang]
	}
	return s.things[thing].words[row][lang]
}

// style describes how a person writes, in probabilities of 1/256; fond selects the emoji.
type style struct{ typo, lower, dots, emoji, mixed, short, split, plain, tail, fond uint8 }

var emojis = []string{"👍", "🙏", "😂", "😅", "💪", "🤝", "🔥", "❤️", "😎", "🤲", "👌", "😴", "🙄", "🤣", "😬", "👀", "💯", "🤷", "🫡", "😇", "🎯", "🥶",
	"😤", "🤫", "🐟", "☕", "🚬", "😘", "🤦", "✅", "🙈", "💀", "🎉", "😭"}

// interjections slip from one language into the other.
var interjections = []string{"bro", "wallah", "abi", "hermano", "inshallah", "habibi", "mate", "jefe", "vëlla", "mano", "khoya", "man", "frère", "digga"}

// tails are phrases at the end of a message.
var tails = [len(languages)][]string{
	{"man", "hoor", "echt waar", "weet je", "snap je", "ik zweer het", "maar goed", "zeg maar", "geen grap", "je kent het", "toch?", "vertel het niet verder", "dat zei ik vorige week ook al"},
	{"mate", "tbh", "you know what I mean", "I swear", "no joke", "just saying", "innit", "to be fair", "anyway", "if that makes sense", "keep it to yourself", "like I said last week"},
	{"la verdad", "te lo juro", "¿me entiendes?", "hermano", "en serio", "pero bueno", "ya sabes cómo es", "no le digas a nadie",
		"como te dije el otro día"},
	{"je te jure", "tu vois", "franchement", "sérieux", "mais bon", "t'as compris", "comme d'hab", "garde ça pour toi",
		"comme je te disais l'autre jour"},
	{"ehrlich", "weißt du", "ich schwör", "kein Witz", "na ja", "verstehst du", "behalt das für dich", "wie ich letzte Woche schon sagte"},
	{"vallahi", "yani", "ciddiyim", "anladın mı", "neyse", "biliyorsun", "kimseye söyleme", "geçen hafta da dedim"},
	{"të betohem", "e di ti", "seriozisht", "e kupton", "hajt se", "mos i thuaj kujt", "siç të thashë javën e kaluar"},
	{"wallah", "fhemti", "bse7", "3refti", "l7assoul", "ma tgoulha l 7ta wa7ed", "b7al ma goulna dik nhar"},
	{"juro", "percebes?", "a sério", "sabes como é", "enfim", "não digas a ninguém", "como te disse na semana passada"},
	{"والله", "يا أخي", "تعرف", "على كل حال"},
	{"lol", "fyi", "afaik", "anyway"},
}

// shortForms are words and their abbreviations, by language.
var shortForms = [len(languages)][][2]string{
	{{"morgen", "mrgn"}, {"vandaag", "vndg"}, {"even", "ff"}, {"niet", "nt"}, {"weekend", "wknd"}},
	{{"you", "u"}, {"tomorrow", "tmrw"}, {"your", "ur"}, {"weekend", "wknd"}, {"are", "r"}},
	{{"que", "q"}, {"también", "tb"}, {"por", "x"}, {"mañana", "mñn"}},
	{{"pas", "ps"}, {"demain", "dem1"}, {"combien", "cb"}, {"vous", "vs"}},
	{{"nicht", "ned"}, {"morgen", "mrgn"}, {"wieder", "wdr"}, {"noch", "nch"}},
	{{"tamam", "tmm"}, {"yarın", "yrn"}, {"selam", "slm"}, {"nasılsın", "nslsn"}},
	{{"mirë", "mr"}, {"nesër", "nsr"}, {"tung", "tng"}},
	{{"ghedda", "ghda"}, {"safi", "sf"}, {"hamdullah", "hmd"}},
	{{"que", "q"}, {"também", "tb"}, {"amanhã", "amnh"}, {"obrigado", "obg"}},
}

// shorten abbreviates the first word of the text from start on that has a short
// form.
func shorten(buf []byte, start int, lang uint8) []byte {
	letter := func(i int) bool {
		return i >= start && i < len(buf) && (buf[i] >= 0x80 || buf[i] >= 'a' && buf[i] <= 'z' || buf[i] >= 'A' && buf[i] <= 'Z')
	}
	for _, form := range shortForms[lang] {
		i := start + bytes.Index(buf[start:], []byte(form[0]))
		end := i + len(form[0])
		if i >= start && !letter(i-1) && !letter(end) {
			return append(append(buf[:i], form[1]...), buf[end:]...)
		}
	}
	return buf
}

// wear adds the marks of typing by hand to the sentence that begins at start in buf.
func (y *style) wear(buf []byte, start int, lang uint8, r *rand.Rand) []byte {
	luck := r.Uint64()
	roll := func(shift uint, chance uint8) bool { return uint8(luck>>shift) < chance }
	if roll(0, y.lower) && buf[start] >= 'A' && buf[start] <= 'Z' {
		buf[start] += 'a' - 'A'
	}
	if roll(40, y.short) {
		buf = shorten(buf, start, lang)
	}
	if roll(8, y.typo) {
		buf = typo(buf, start, r)
	}
	if roll(48, y.plain) {
		buf = plain(buf, start)
	}
	if len(buf) > start && roll(16, y.dots) && buf[len(buf)-1] >= 'a' && buf[len(buf)-1] <= 'z' {
		buf = append(buf, ".."...)
	}
	if len(buf) > start+8 && roll(56, y.tail) {
		buf = append(append(buf, ' '), pick(r, tails[lang])...)
	}
	if roll(24, y.mixed) {
		buf = append(append(buf, ' '), pick(r, interjections)...)
	}
	if roll(32, y.emoji) {
		buf = append(append(buf, ' '), emojis[(int(y.fond)+r.IntN(4))%len(emojis)]...)
	}
	return buf
}

// typo swaps two neighbouring letters of a word, drops one or doubles one; numbers and words in
// capitals stay unchanged.
func typo(buf []byte, start int, r *rand.Rand) []byte {
	small := func(c byte) bool { return c >= 'a' && c <= 'z' }
	for range 4 {
		i := start + r.IntN(len(buf)-start)
		if i+2 >= len(buf) || !small(buf[i]) || !small(buf[i+1]) || !small(buf[i+2]) || buf[i] == buf[i+1] {
			continue
		}
		switch r.IntN(4) {
		case 0:
			return slices.Delete(buf, i+1, i+2)
		case 1:
			return slices.Insert(buf, i+1, buf[i+1])
		}
		buf[i], buf[i+1] = buf[i+1], buf[i]
		return buf
	}
	return buf
}

// bare maps accented letters to those that people type who do not use accents.
var bare = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "î", "i", "ï", "i",
	"ı", "i", "ó", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "ù", "u", "û", "u", "ü", "u", "ñ", "n", "ç", "c", "ş", "s", "ğ", "g", "ß", "ss",
	"Ö", "O", "Ü", "U", "Ş", "S", "İ", "I", "Ç", "C", "É", "E", "À", "A", "Á", "A", "¿", "", "¡", "", "œ", "oe")

// plain removes the accents.
func plain(buf []byte, start int) []byte {
	for _, c := range buf[start:] {
		if c >= 0x80 {
			return append(buf[:start], bare.Replace(string(buf[start:]))...)
		}
	}
	return buf
}

// Invented names and ordinary words.
var (
	places = []string{"Havermonde", "Port Calder", "Oudewaard", "Lindersee", "Saint-Aubec", "Villa Cardanel", "Kuzeyköy", "Brakmeer",
		"Zandrecht", "Marnestad", "Puerto Lirio", "Qendrova", "Ain Zefrou", "Vila Tormenta", "Eastmere", "Grünhafen"}
	ports = []string{"Port Calder", "Brakmeer", "Havermonde", "Puerto Lirio", "Vila Tormenta", "Grünhafen", "Saint-Aubec"}
	ships = []string{"Corvane Star", "Almira Bay", "Northern Quill", "Tessaly Grace", "Ostrava Wind", "Lady Verbena", "Pont d'Ambre",
		"Marisol Doce", "Kestrel Trader", "Yaldiz", "Brume d'Or", "Cape Halloran"}
	streets = []string{"Lisdoddepad", "Zoutkade", "Wilgenhof", "Calle Espliego", "Ropewalk Lane", "Rue du Vieux Sel", "Ahornstieg", "Defne Sokak",
		"Rruga e Pishave", "Derb Zitoun", "Rua das Salinas", "Turfsteeg"}
	firms = []string{"Halvinga Fruit", "Verdarro Tegels", "Brakessen Foods", "Corloveck Cerámica", "Aubec Primeurs", "Lindersee Fliesen", "Gulnoak Seramik",
		"Shkwelm Fruta", "Ravzetti Import", "Monthuy Frutas", "Quinpalvo Produce", "Ostloveck Trading", "Zimxander Flowers", "Karfarque Garden"}
	// Titles of groups: of people who have something to hide, and of friends and clubs in each
	// language.
	crewTitles = []string{"Bowling", "Uno", "Domino", "Fish", "Barbecue", "Family 2", "888", "Car wash", "Padel", "Coffee", "Night bus", "Lotto",
		"Choir", "Zumba", "Kiosk", "Book club", "X", "Tuesday", "The cousins", "🐟🐟", "..."}
	friendTitles = [...]string{"Borrel", "Pints", "Panas", "Apéro", "Stammtisch", "Kahve", "Kafja", "L9ahwa", "Copos"}
	clubTitles   = [...]string{"Club", "Club", "Peña", "Amicale", "Verein", "Dernek", "Klubi", "Nadi", "Clube"}
	foods        = []string{"pizza", "soep", "couscous", "börek", "paella", "stamppot", "baklava", "taart", "empanadas", "quiche", "tajine", "byrek"}
	givenNames   = [...][]string{
		{"Joost", "Marta", "Henk", "Tilde", "Sven", "Anouk", "Rens", "Fleur", "Bas", "Merel"},
		{"Lou", "Oscar", "Nell", "Toby", "Grace", "Callum", "Ivy", "Reece", "Maya", "Dean"},
		{"Nuria", "Bruno", "Rafa", "Lucía", "Iker", "Paloma", "Teo", "Alma", "Chema", "Vera"},
		{"Marcel", "Inès", "Loïc", "Manon", "Yanis", "Camille", "Théo", "Salomé", "Hugo", "Jade"},
		{"Jens", "Lina", "Kai", "Greta", "Malte", "Frieda", "Tarek", "Nele", "Uwe", "Ida"},
		{"Selim", "Defne", "Emre", "Zeynep", "Kaan", "Elif", "Mert", "Asya", "Okan", "Derya"},
		{"Arben", "Drita", "Ilir", "Teuta", "Besnik", "Vjosa", "Gent", "Era", "Luan", "Mira"},
		{"Amir", "Salma", "Yassin", "Hajar", "Karim", "Nadia", "Anwar", "Imane", "Reda", "Sofia"},
		{"Tiago", "Rita", "Nuno", "Inês", "Rui", "Marisa", "Vasco", "Leonor", "Caio", "Bia"},
	}
	weekdays = [...][]string{
		{"maandag", "dinsdag", "donderdag", "vrijdag", "zaterdag"},
		{"Monday", "Tuesday", "Thursday", "Friday", "the 14th"},
		{"el lunes", "el martes", "el jueves", "el viernes", "el sábado"},
		{"lundi", "mardi", "jeudi", "vendredi", "samedi"},
		{"Montag", "Dienstag", "Donnerstag", "Freitag", "Samstag"},
		{"pazartesi", "salı", "perşembe", "cuma", "cumartesi"},
		{"të hënën", "të martën", "të enjten", "të premten", "të shtunën"},
		{"nhar tnin", "nhar tlat", "nhar lkhmis", "nhar jem3a", "nhar sebt"},
		{"segunda", "terça", "quinta", "sexta", "sábado"},
	}
	surnameFirst = []string{"Hal", "Ver", "Bra", "Cor", "Mon", "Tes", "Dra", "Vol", "Kar", "Zim", "Per", "Ost", "Lam", "Fer", "Gul", "Shk", "Bel",
		"Rav", "Nor", "Quin", "Sal", "Tor", "Wil", "Yan"}
	surnameLast = []string{"vinga", "darro", "kessen", "loveck", "minta", "thuy", "sarnd", "palvo", "gredo", "xander", "welm", "quist", "bura", "zetti",
		"noak", "farque", "tilder", "houck"}
	nicks = []string{"Schipper", "Noord", "Kraan", "Lamp", "Krabbe", "Zwaan", "Faro", "Kaptan", "Paloma", "Rey", "Lighthouse", "Ferry", "Mavi",
		"Tilde", "Boekhouder", "Vis", "Oom", "Marée", "Sur", "Loup", "Falke", "Shqipe", "Tanger", "Onda", "Brisa", "Kestrel", "Bakker", "Nacht",
		"Ruiter", "Panda", "Gordo", "Flaco", "Tio", "Beşiktepe", "Kartal", "Deniz", "Nebel", "Anker", "Koral", "Mistral", "Azul", "Zorro", "Delfin",
		"Atlas", "Vento", "Rruga", "Lule", "Asfar", "Bahar", "Kasbah", "Dune", "Pilot", "Chef", "Doc", "Prof", "Neef", "Bud", "Ginger", "Slim", "Echo"}
)
