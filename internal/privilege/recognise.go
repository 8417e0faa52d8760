package privilege

import (
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// A Recogniser applies the three matchers to copies of messages. Each goroutine needs its
// own, and only one recogniser may use a state at a time.
//
// The three methods are [Recogniser.Survey], which learns who talks where and how;
// [Recogniser.Judge], whose answer depends only on the copy and the state; and
// [Recogniser.Live], which does both for a new copy.
type Recogniser struct {
	matcher *Matcher
	rules   *Rules
	state   *State
	tags    *tagger
	scan    scanner
	quoted  scanner
	names   scanner
	// scanned is the message whose text is in scan, and found holds its matches.
	scanned *argus.Message
	found   []match
	people  []string
	// roles remembers names that have a role.
	roles map[string]int32
}

// NewRecogniser returns a recogniser that uses the given state.
func NewRecogniser(m *Matcher, rules *Rules, state *State) *Recogniser {
	r := &Recogniser{matcher: m, rules: rules, state: state, tags: &tagger{mac: m.set.key.mac("state")}, roles: map[string]int32{}}
	r.scan.rules, r.quoted.rules, r.names.rules = rules, rules, rules
	r.names.names = true
	return r
}

// Live surveys and judges a new copy. [Recogniser.Backwards] finds earlier copies that
// only later turn out to be protected.
func (r *Recogniser) Live(s Sighting) Finding {
	r.Survey(s)
	return r.Judge(s)
}

// Backwards judges copies that may have arrived before the ones that reveal that they are
// protected. It reads all copies several times, until nothing new is learned; all must
// yield the same copies each time. It calls found once for each suspected copy. The
// suspected copies and their classes depend on the copies, the set and the rules. They do
// not depend on the order of the copies, nor on the initial state if it was learned from
// some of them. There is one exception: if a group was judged live when it was small and
// is large now, the state has learned its messages.
func (r *Recogniser) Backwards(all iter.Seq2[Sighting, error], found func(Sighting, Finding) error) error {
	for s, err := range all {
		if err != nil {
			return err
		}
		r.Survey(s)
	}
	var reported []uint64 // one bit per copy
	for grew := true; grew; grew = r.state.Grew() {
		r.state.Grew()
		n := 0
		for s, err := range all {
			if err != nil {
				return err
			}
			if n/64 == len(reported) {
				reported = append(reported, 0)
			}
			f := r.Judge(s)
			if bit := uint64(1) << (n % 64); f.Suspected() && reported[n/64]&bit == 0 {
				reported[n/64] |= bit
				if err := found(s, f); err != nil {
					return err
				}
			}
			n++
		}
	}
	return nil
}

// communicates reports whether records of a type are communication. Address books,
// descriptions of rooms and devices, and statements by a service are not.
func communicates(t argus.Type) bool {
	switch t {
	case argus.TypeText, argus.TypePoll, argus.TypeCall, argus.TypeReaction, argus.TypeLocation, argus.TypeDraft, argus.TypeNote:
		return true
	case argus.TypeContact, argus.TypeRoom, argus.TypeMembership, argus.TypeDevice, argus.TypeNotice:
	}
	return false
}

// directPair returns the two accounts of a direct conversation, if its name contains
// them.
func directPair(m *argus.Message) (a, b string, ok bool) {
	if a, b, ok = strings.Cut(m.Conversation, "|"); !ok || a == "" || b == "" || strings.Contains(b, "|") {
		return "", "", false
	}
	return a, b, m.From == "" || m.From == a || m.From == b
}

// direct returns the other account of a direct conversation. A conversation is direct if its
// name shows that, or if it has no name of its own and one receiver.
func direct(m *argus.Message) (other string, ok bool) {
	if a, b, ok := directPair(m); ok {
		if m.From == a {
			return b, true
		}
		return a, true
	}
	if len(m.To) == 1 && (m.Conversation == "" || m.Conversation == m.To[0] || m.Conversation == m.From) {
		return m.To[0], true
	}
	return "", false
}

// place returns the tag of a message's conversation. ok is false if the message has no
// conversation.
func (r *Recogniser) place(m *argus.Message) (conv tag, ok bool) {
	a, b, pair := directPair(m)
	if !pair {
		a = m.From
		b, pair = direct(m)
	}
	switch {
	case pair && a != "":
		return r.tags.tag("conversation", m.Service, argus.DirectConversation(accountForm(a), accountForm(b))), true
	case m.Conversation == "":
		return tag{}, false
	}
	return r.tags.tag("conversation", m.Service, m.Conversation), true
}

// Survey learns from a copy who is in its conversation, and which relation its words and
// names show. This does not depend on earlier copies, so the order of copies does not
// matter.
func (r *Recogniser) Survey(s Sighting) {
	m := s.Message
	conv, placed := r.place(m)
	r.surveyPeople(m, conv, placed)
	r.surveyNames(m, conv, placed)
	if !placed || m.Text == "" || !communicates(m.Type) {
		return
	}
	r.surveyWords(m, conv, r.words(m))
}

// words returns the matches in the text of a message, and leaves its words in scan.
func (r *Recogniser) words(m *argus.Message) []match {
	if r.scanned != m {
		r.scan.read(m.Text)
		r.scanned, r.found = m, r.scan.scan()
	}
	return r.found
}

func (r *Recogniser) surveyPeople(m *argus.Message, conv tag, placed bool) {
	if _, ok := direct(m); !placed || ok && m.From != "" {
		return
	}
	member := func(account string) {
		p := r.matcher.party(m.Service, account)
		r.state.addMember(conv, p.tag)
		if _, ok := p.protectedOn(m.Sent); ok {
			if c := r.state.conversation(conv); !c.listed {
				c.listed, r.state.grew = true, true
			}
		}
	}
	if m.From != "" && m.State&argus.StateSystem == 0 {
		member(m.From)
	}
	for _, to := range m.To {
		member(to)
	}
	if m.Type == argus.TypeRoom || m.Type == argus.TypeMembership {
		for account := range m.Facts.Accounts {
			member(account)
		}
	}
}

// surveyNames looks for roles in the names of the sender, of contacts, and of the
// conversation.
func (r *Recogniser) surveyNames(m *argus.Message, conv tag, placed bool) {
	if m.From != "" && r.role(m.FromName) != noRole {
		r.state.addNamed(r.matcher.party(m.Service, m.From).tag)
	}
	if placed && r.role(m.Title) != noRole {
		r.state.addKnown(conv, tag{})
	}
	if m.Type != argus.TypeContact || m.Facts == nil || m.Facts.Contact == nil {
		return
	}
	for _, name := range m.Facts.Contact.Names {
		if r.role(name) == noRole {
			continue
		}
		for _, account := range m.Facts.Contact.Accounts {
			r.state.addNamed(r.matcher.party(m.Service, account).tag)
		}
	}
}

const noRole = int32(-1)

// role returns the rule for the role in a name, or noRole if there is none.
func (r *Recogniser) role(name string) int32 {
	if name == "" {
		return noRole
	}
	if found, ok := r.roles[name]; ok {
		return found
	}
	if len(r.roles) >= mostAccounts {
		clear(r.roles)
	}
	found := noRole
	if len(name) <= 256 {
		r.names.read(name)
		for _, one := range r.names.scan() {
			if r.rules.rules[one.rule].kind == named {
				found = one.rule
			}
		}
	}
	r.roles[name] = found
	return found
}

func (r *Recogniser) surveyWords(m *argus.Message, conv tag, found []match) {
	var counsels []uint32
	hasProfession, hasMatter := false, false
	for _, one := range found {
		switch rule := r.rules.rules[one.rule]; rule.kind {
		case protects:
			r.state.addKnown(conv, tag{})
		case addresses:
			who := tag{}
			if other, ok := direct(m); ok && m.From != "" {
				who = r.matcher.party(m.Service, other).tag
			}
			r.state.addKnown(conv, who)
		case speaks:
			who := tag{}
			if m.From != "" {
				who = r.matcher.party(m.Service, m.From).tag
			}
			r.state.addKnown(conv, who)
		case counsel:
			counsels = append(counsels, rule.tag)
		case profession:
			hasProfession = true
		case matter:
			hasMatter = true
		case frame, reports, named:
		}
	}
	if len(counsels) == 0 && !hasProfession && !hasMatter {
		return
	}
	day := noDay
	if m.Sent.Known() {
		day = int32(floorDiv(m.Sent.Micros, 86400*1e6))
	}
	if r.state.addSigns(conv, day, counsels, hasProfession, hasMatter) {
		r.state.addKnown(conv, tag{})
	}
}

// Judge returns the finding of the matchers for a copy, given the current state, and
// remembers the hashes of the copy if it is suspected.
func (r *Recogniser) Judge(s Sighting) Finding {
	m := s.Message
	var f Finding
	if !communicates(m.Type) {
		return f
	}
	conv, placed := r.place(m)
	r.judgePeople(m, &f)
	if placed {
		r.judgeConversation(conv, &f)
	}
	if m.Text != "" {
		r.judgeWords(r.words(m), &f)
	}
	if !f.Suspected() {
		r.judgeRepeats(s, conv, &f)
	}
	if f.Suspected() {
		r.learn(s, conv)
	}
	return f
}

// judgePeople looks up each party in the directory and in the state.
func (r *Recogniser) judgePeople(m *argus.Message, f *Finding) {
	r.people = appendParties(r.people[:0], m)
	for _, account := range r.people {
		if account == "" || account != m.From && len(m.To) > maxGroup {
			continue // it is one of many receivers
		}
		p := r.matcher.party(m.Service, account)
		if profession, ok := p.protectedOn(m.Sent); ok {
			f.add(ByDirectory, "a party: "+profession.String(), account)
		}
		if a := r.state.accounts[p.tag]; a != nil && a.known() {
			f.add(ByContext, "a party was recognised by words or names", account)
		}
	}
	if m.ForwardedFrom != "" {
		p := r.matcher.party(m.Service, m.ForwardedFrom)
		if _, ok := p.protectedOn(argus.Time{}); ok || r.role(m.ForwardedFrom) != noRole {
			f.add(ByPropagation, "forwarded from a protected person", m.ForwardedFrom)
		}
	}
}

func (r *Recogniser) judgeConversation(conv tag, f *Finding) {
	c := r.state.conversations[conv]
	if c == nil {
		return
	}
	if len(c.members) > maxGroup {
		return // only the parties of a message count
	}
	if c.listed {
		f.add(ByDirectory, "a member of the conversation", "")
	}
	if c.known {
		f.add(ByContext, "the conversation", "")
	}
	if !c.listed && slices.ContainsFunc(c.members, func(t tag) bool { a := r.state.accounts[t]; return a != nil && a.known() }) {
		f.add(ByContext, "a member of the conversation was recognised by words or names", "")
	}
}

// judgeWords looks only at the words of the message.
func (r *Recogniser) judgeWords(found []match, f *Finding) {
	counsels := map[uint32]match{}
	for _, one := range found {
		rule := r.rules.rules[one.rule]
		switch rule.kind {
		case protects, addresses, speaks, reports:
			f.add(ByContext, rule.name, r.scan.quote(one))
		case counsel:
			counsels[rule.tag] = one
		case frame, profession, matter, named:
		}
	}
	if len(counsels) >= 2 {
		for _, one := range found {
			if rule := r.rules.rules[one.rule]; rule.kind == counsel {
				f.add(ByContext, rule.name, r.scan.quote(one))
			}
		}
	}
}

const (
	// leastCopied is the minimum number of words in a text for its copy elsewhere to count;
	// shorter texts may be equal by chance.
	leastCopied = 8
	// leastQuoted is the same limit for a text or a sentence that is quoted or forwarded.
	leastQuoted = 4
	// smallImage is the size in bytes up to which an image is ignored, because every mail from
	// a firm has its logos and icons.
	smallImage = 32 << 10
)

// judgeRepeats looks for copies, answers, quotations and attachments of protected messages.
func (r *Recogniser) judgeRepeats(s Sighting, conv tag, f *Finding) {
	m := s.Message
	for _, id := range s.IDs {
		if r.state.has(r.tags.tag("id", string(id[:]))) {
			f.add(ByPropagation, "another copy is protected", "")
			break
		}
	}
	if m.ReplyTo != "" && r.state.has(r.serviceID(m, conv, m.ReplyTo)) {
		f.add(ByPropagation, "answers a protected message", "")
	}
	for _, h := range s.Within {
		if r.state.has(r.tags.tag("file", string(h[:]))) {
			f.add(ByPropagation, "is inside a protected file", "")
			break
		}
	}
	for i := range m.Attachments {
		if a := &m.Attachments[i]; telling(a) && r.state.has(r.tags.tag("file", string(a.Hash[:]))) {
			f.add(ByPropagation, "has a protected attachment", a.Name)
		}
	}
	if m.Text == "" {
		return
	}
	own, quoted := split(m.Text)
	least := leastCopied
	if m.ForwardedFrom != "" {
		least = leastQuoted
	}
	if r.copied(&r.scan, least) {
		f.add(ByPropagation, "has the same text as a protected message", "")
	}
	if quoted != "" {
		r.quoted.read(own)
		if r.copied(&r.quoted, leastCopied) {
			f.add(ByPropagation, "has the same text as a protected message", "")
		}
		r.judgeQuotation(quoted, f)
	}
}

// judgeQuotation compares a quotation as a whole, and then sentence by sentence: at least
// half of its words must be in protected sentences, so that a footer alone is not enough.
func (r *Recogniser) judgeQuotation(quoted string, f *Finding) {
	r.quoted.read(quoted)
	if r.copied(&r.quoted, leastQuoted) {
		f.add(ByPropagation, "quotes a protected message", "")
		return
	}
	words, protected := 0, 0
	for sentence := range sentences(quoted) {
		r.quoted.read(sentence)
		n := len(r.quoted.words())
		words += n
		if n >= leastQuoted && r.state.has(r.sentence(&r.quoted)) {
			protected += n
		}
	}
	if protected > 0 && 2*protected >= words {
		f.add(ByPropagation, "quotes sentences of a protected message", "")
	}
}

// copied reports whether a text has at least the given number of words and equals a
// protected text word for word.
func (r *Recogniser) copied(s *scanner, least int) bool {
	return len(s.words()) >= least && r.state.has(r.text(s))
}

func (r *Recogniser) text(s *scanner) tag     { return r.tags.tag("text", s.words()...) }
func (r *Recogniser) sentence(s *scanner) tag { return r.tags.tag("sentence", s.words()...) }

func (r *Recogniser) serviceID(m *argus.Message, conv tag, id string) tag {
	return r.tags.tag("service id", m.Service, string(conv[:]), id)
}

// telling reports whether the hash of an attachment is specific enough to identify it.
func telling(a *argus.Attachment) bool {
	return !a.Missing() && a.Size != 0 && (a.Size > smallImage || !image(a))
}

func image(a *argus.Attachment) bool {
	return strings.HasPrefix(a.Type, "image/") || slices.Contains([]string{".png", ".gif", ".jpg", ".jpeg", ".bmp", ".svg", ".ico", ".webp"}, strings.ToLower(path.Ext(a.Name)))
}

// learn remembers a protected copy.
func (r *Recogniser) learn(s Sighting, conv tag) {
	m := s.Message
	for _, id := range s.IDs {
		r.state.addSeen(r.tags.tag("id", string(id[:])))
	}
	if m.ServiceID != "" {
		r.state.addSeen(r.serviceID(m, conv, m.ServiceID))
	}
	for i := range m.Attachments {
		if a := &m.Attachments[i]; telling(a) {
			r.state.addSeen(r.tags.tag("file", string(a.Hash[:])))
		}
	}
	if m.Text == "" {
		return
	}
	if len(r.scan.words()) >= leastQuoted {
		r.state.addSeen(r.text(&r.scan))
	}
	// Learn only the sender's own words, so that a newspaper article that a client quotes
	// does not become protected everywhere.
	own, quoted := split(m.Text)
	if quoted != "" {
		if r.quoted.read(own); len(r.quoted.words()) >= leastQuoted {
			r.state.addSeen(r.text(&r.quoted))
		}
	}
	for sentence := range sentences(own) {
		if r.quoted.read(sentence); len(r.quoted.words()) >= leastQuoted {
			r.state.addSeen(r.sentence(&r.quoted))
		}
	}
}

// forwardMarks are the lines, in lower case, with which programs begin a forwarded or an
// answered message.
var forwardMarks = map[string]bool{
	"original message":                      true,
	"forwarded message":                     true,
	"begin forwarded message":               true,
	"oorspronkelijk bericht":                true,
	"doorgestuurd bericht":                  true,
	"begin doorgestuurd bericht":            true,
	"message d'origine":                     true,
	"message transféré":                     true,
	"début du message réexpédié":            true,
	"début du message transféré":            true,
	"ursprüngliche nachricht":               true,
	"weitergeleitete nachricht":             true,
	"anfang der weitergeleiteten nachricht": true,
	"mensaje original":                      true,
	"mensaje reenviado":                     true,
	"inicio del mensaje reenviado":          true,
	"messaggio originale":                   true,
	"messaggio inoltrato":                   true,
	"inizio messaggio inoltrato":            true,
	"mensagem original":                     true,
	"mensagem encaminhada":                  true,
	"início da mensagem reencaminhada":      true,
	"orijinal ileti":                        true,
	"özgün ileti":                           true,
	"iletilen ileti":                        true,
	"iletilmiş mesaj":                       true,
	"wiadomość oryginalna":                  true,
	"wiadomość przekazana":                  true,
	"początek przekazywanej wiadomości":     true,
	"исходное сообщение":                    true,
	"пересылаемое сообщение":                true,
	"начало переадресованного сообщения": true,
	"الرسالة الأصلية":                    true,
	"رسالة معاد توجيهها":                 true,
	"mesazhi origjinal":                  true,
}

// split separates the sender's own words from those that a program marks as quoted: lines
// that begin with >, and everything after a line that begins an original or forwarded
// message.
func split(text string) (own, quoted string) {
	if !strings.Contains(text, "\n") && !strings.HasPrefix(text, ">") {
		return text, ""
	}
	var mine, theirs strings.Builder
	behind, head := false, false
	for line := range strings.Lines(text) {
		shown := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(shown, ">"):
			theirs.WriteString(strings.TrimLeft(shown, "> \t|"))
			theirs.WriteByte('\n')
		case !behind && marks(shown):
			behind, head = true, true
		case !behind:
			mine.WriteString(line)
		case head && (shown == "" || header(shown)):
			head = shown != "" || theirs.Len() == 0
		default:
			head = false
			theirs.WriteString(line)
		}
	}
	return mine.String(), theirs.String()
}

// marks reports whether a line begins a forwarded or answered message: it is one of
// forwardMarks, or the line of underscores that Outlook draws.
func marks(line string) bool {
	if len(line) > 100 {
		return false
	}
	bare := strings.Trim(line, "-_=* :\t")
	return bare == "" && strings.HasPrefix(line, "__________") || forwardMarks[strings.ToLower(bare)]
}

// header reports whether a line is a field of a quoted header, such as "From: somebody".
func header(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	return ok && len(name) <= 24 && strings.Count(name, " ") <= 2
}

// sentences yields the sentences of a text. Line ends do not end sentences, because
// programs rewrap quoted lines.
func sentences(text string) iter.Seq[string] {
	return strings.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune(".!?…؟;", c) })
}
