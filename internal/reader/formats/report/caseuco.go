package report

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// CASE reads graphs of CASE and UCO in JSON-LD (caseontology.org, unifiedcyberontology.org),
// the exchange format of forensic tools. It reads the graph twice: accounts, applications and
// threads first, then messages.
//
//   - Names of properties are identified by their last part, whatever their prefix.
//   - A message is a node whose type or facet is called Message, SMSMessage,
//     EmailMessage and so on; one with a CallFacet belongs to the service. Other nodes
//     are not messages and give no item; a graph without a message or an account gives
//     one problem.
//   - A node with a facet of an account or a contact is a contact.
//   - From and To: the account's phone number or address, otherwise its identifier, otherwise
//     its login, otherwise its node's @id.
//   - Service: the application, otherwise sms, email or phone by the kind of node.
//   - Conversation: of two accounts, the two; otherwise the identifier of the thread or
//     session, otherwise the accounts. Title: the thread's name.
//   - ServiceID: messageID. The @id of a node is in Extra: each tool makes its own.
//   - Text of an e-mail: its subject, an empty line, its body.
var CASE = &reader.Format{
	Name:    "case",
	Version: 3,
	About:   "CASE/UCO graphs in JSON-LD: messages, e-mails, calls",
	Checked: "the CASE and UCO example graphs: 10 messages, 5 calls, 24 accounts, 2 refused, graphs without any: 1",
	Kept: []string{
		"@id", "drafting:*", "rdfs:*", "to", "uco-action:*", "uco-core:*", "uco-identity:*", "uco-location:*", "uco-observable:*", "uco-tool:*",
		"uco-types:*",
	},
	Detect: detectCase,
	Read:   readCase,
}

// detectCase looks for nodes and for the context that names the ontology.
func detectCase(s reader.Sample) int {
	if !strings.Contains(string(s.Text[:min(len(s.Text), 8<<10)]), "unifiedcyberontology.org") &&
		!strings.Contains(string(s.Text[:min(len(s.Text), 8<<10)]), "caseontology.org") {
		return 0
	}
	return jsondoc.SureOfRecord(s, `"@context"`, 90, func(b []byte) bool { return jsondoc.HasKeys(b, "@id") || jsondoc.HasKeys(b, "@type") })
}

// beginsCase recognises a node that is not the whole graph.
func beginsCase(b []byte) bool {
	whole := false
	jsondoc.HasMember(b, func(key, value []byte) bool {
		whole = string(key) == `"@context"` || string(key) == `"@type"` && strings.Contains(string(value), "Bundle")
		return whole
	})
	return !whole && jsondoc.HasKeys(b, "@id", "@type")
}

func readCase(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		lists := func(key string) bool { return key == "" || key == "@graph" || caseName(key) == "object" }
		s := jsondoc.Shape{Lists: lists, Begins: beginsCase}
		g := caseGraph{things: map[string]caseThing{}, threads: map[string]string{}, attached: map[string][]string{}, others: map[string]int{}, options: in.Options}
		d := jsondoc.New(in, s)
		for _, err := range d.Items(ctx, func(raw string) (*argus.Message, error) {
			g.learn(raw)
			return nil, nil
		}) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
		}
		d = jsondoc.New(in, s)
		found, nodes := false, 0
		for item, err := range d.Items(ctx, func(raw string) (*argus.Message, error) {
			nodes++
			return g.message(raw)
		}) {
			found = true
			if !yield(item, err) || err != nil {
				return
			}
		}
		if g.size > caseLimit && !yield(reader.Item{Problem: fmt.Sprintf(
			"the names of accounts and threads in the graph have more than %d bytes; the later ones appear with their @id", caseLimit)}, nil) {
			return
		}
		switch {
		case !found:
			yield(reader.Item{Problem: fmt.Sprintf("want messages or accounts, found a graph of %d nodes of other kinds", nodes)}, nil)
		case len(g.others) > 0:
			yield(reader.Item{Problem: "want messages, accounts and the nodes that they name, found nodes of other kinds, which are not read: " + g.otherKinds()}, nil)
		}
	}
}

// caseGraph holds the nodes that messages refer to.
type caseGraph struct {
	things   map[string]caseThing
	threads  map[string]string   // from a message to its thread
	attached map[string][]string // from a message to its files
	size     int                 // the size the size of all three, approximately
	key      string              // the key for accounts that only their nodes name, computed on demand
	// others counts the nodes of other kinds, by kind.
	others  map[string]int
	options reader.Options
}

// caseKindLimit is how many other kinds of nodes are told apart.
const caseKindLimit = 200

// other counts a node that is not read.
func (g *caseGraph) other(kind string) {
	kind, _, _ = strings.Cut(strings.TrimSpace(kind), " ") // the node's own kind, before those of its facets
	kind = strings.Clone(argus.CleanName(kind))
	if kind = strings.ToValidUTF8(kind[:min(len(kind), 64)], ""); len(g.others) >= caseKindLimit && g.others[kind] == 0 {
		kind = "others"
	}
	g.others[kind]++
}

func (g *caseGraph) otherKinds() string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(g.others)) {
		list = append(list, fmt.Sprintf("%s %d", cmp.Or(kind, "none"), g.others[kind]))
	}
	return strings.Join(list, ", ")
}

// keep clones texts, so that they do not retain the node that contained them.
func (g *caseGraph) keep(texts ...string) []string {
	kept := make([]string, len(texts))
	for i, text := range texts {
		kept[i] = strings.Clone(text)
		g.size += len(text) + caseEntry
	}
	return kept
}

// caseThing is an account, address, application, thread or file.
type caseThing struct {
	// The first of these that is set identifies the account.
	number, address, identifier, login, name string
	participants                             []string
}

// caseLimit limits the memory for nodes that messages refer to, in bytes. caseEntry is the
// cost of an entry in addition to its text.
const (
	caseLimit = 256 << 20
	caseEntry = 128
)

// caseName returns a name without its prefix.
func caseName(key string) string {
	for i := len(key) - 1; i >= 0; i-- {
		if c := key[i]; c == ':' || c == '/' || c == '#' {
			return key[i+1:]
		}
	}
	return key
}

// caseValues returns the texts, numbers and references in a value.
func caseValues(raw string) []string {
	switch raw[0] {
	case '"':
		text, _ := jsondoc.Unquote(raw)
		return []string{text}
	case '[':
		var values []string
		m := jsondoc.Scanner[string]{Text: raw}
		for m.Next() && len(values) < jsondoc.ListLimit {
			values = append(values, caseValues(m.Value)...)
		}
		return values
	case '{':
		m := jsondoc.Scanner[string]{Text: raw}
		reference := ""
		for m.Next() {
			switch m.Key {
			case `"@value"`:
				return caseValues(m.Value)
			case `"@id"`:
				reference = m.Value
			}
		}
		if reference != "" {
			return caseValues(reference)
		}
		return nil
	case 'n':
		return nil
	}
	return []string{raw}
}

func caseValue(raw string) string {
	if raw[0] == '"' {
		text, _ := jsondoc.Unquote(raw)
		return text
	}
	if values := caseValues(raw); len(values) > 0 {
		return values[0]
	}
	return ""
}

// caseFacets calls set for each member of each facet of a node, and for each
// member of the node itself with an empty facet.
func caseFacets(raw string, set func(facet, key, raw string) error) error {
	return jsondoc.Members(raw, func(key, raw string) error {
		if name := caseName(key); name != "hasFacet" && name != "facets" {
			return set("", key, raw)
		}
		facet := func(raw string) error {
			kind := ""
			m := jsondoc.Scanner[string]{Text: raw}
			for raw[0] == '{' && m.Next() {
				if m.Key == `"@type"` {
					kind = caseName(caseValue(m.Value))
				}
			}
			return jsondoc.Members(raw, func(key, raw string) error { return set(cmp.Or(kind, "facet"), key, raw) })
		}
		if raw[0] == '[' {
			return jsondoc.Elements(raw, facet)
		}
		return facet(raw)
	})
}

// learn keeps a node that other nodes may refer to.
func (g *caseGraph) learn(raw string) {
	if strings.Contains(raw, "MessageFacet") && !strings.Contains(raw, "messageThread") {
		return // a message, which nothing refers to by name
	}
	var t caseThing
	id, kind, source, relation := "", "", "", ""
	var elements, targets []string
	err := caseFacets(raw, func(facet, key, raw string) error {
		switch name := caseName(key); name {
		case "@id":
			if facet == "" {
				id = caseValue(raw)
			}
		case "@type":
			if facet == "" {
				kind = strings.Join(caseValues(raw), " ")
			}
		case "phoneNumber", "MSISDN":
			if facet != "ContactFacet" {
				t.number = cmp.Or(caseValue(raw), t.number)
			}
		case "addressValue", "emailAddress":
			t.address = cmp.Or(t.address, caseValue(raw))
		case "accountIdentifier", "applicationIdentifier", "identifier":
			t.identifier = cmp.Or(t.identifier, caseValue(raw))
		case "accountLogin":
			t.login = caseValue(raw)
		case "displayName", "fileName":
			t.name = cmp.Or(caseValue(raw), t.name)
		case "name":
			t.name = cmp.Or(t.name, caseValue(raw))
		case "participant":
			t.participants = caseValues(raw)
		case "messageThread":
			return jsondoc.Members(raw, func(key, raw string) error {
				if caseName(key) == "element" {
					elements = caseValues(raw)
				}
				return nil
			})
		case "kindOfRelationship":
			relation = strings.ToLower(caseValue(raw))
		case "source":
			source = caseValue(raw)
		case "target":
			targets = caseValues(raw)
		}
		return nil
	})
	if err != nil || id == "" || g.size > caseLimit {
		return // the second reading reports its error
	}
	id = g.keep(id)[0]
	for _, e := range g.keep(elements...) {
		g.threads[e] = id
	}
	if strings.HasPrefix(relation, "attach") {
		source = g.keep(source)[0]
		for _, message := range g.keep(targets...) {
			g.attached[message] = append(g.attached[message], source)
		}
	}
	if strings.Contains(kind, "Message") && len(elements) == 0 && t.participants == nil {
		return
	}
	texts := g.keep(t.number, t.address, t.identifier, t.login, t.name)
	t = caseThing{texts[0], texts[1], texts[2], texts[3], texts[4], g.keep(t.participants...)}
	if strings.Join(texts, "") != "" || len(t.participants) > 0 {
		g.things[id] = t
	}
}

// account returns the identifier and the name of a node.
func (g *caseGraph) account(id string) (account, name string) {
	t := g.things[id]
	address := t.address
	if at, ok := g.things[address]; ok {
		address = cmp.Or(at.address, address)
	}
	account = build.AppAccount(cmp.Or(t.number, address, t.identifier, t.login, id))
	if name = cmp.Or(t.name, t.identifier); name == account {
		name = ""
	}
	return account, argus.CleanName(name)
}

// accountOf returns the account and the name of a node in a message. An account that only its
// node names is known only in the file. It gets a key made from all nodes unless it is too
// long to be a number.
func (g *caseGraph) accountOf(m *argus.Message, id string) (account, name string) {
	account, name = g.account(id)
	if t := g.things[id]; cmp.Or(t.number, t.address, t.identifier, t.login) != "" || account == "" {
		return account, name
	}
	build.AccountsReach(m, argus.ReachFile)
	if len(account) >= argus.LongID {
		return account, name
	}
	if g.key == "" {
		g.key = argus.ReachKey(slices.Sorted(maps.Keys(g.things))...)
	}
	return account + "@" + g.key, name
}

// caseServices are the services of applications that are named by a package.
var caseServices = map[string]string{
	"com.whatsapp": "whatsapp", "org.telegram.messenger": "telegram", "org.thoughtcrime.securesms": "signal",
	"com.facebook.orca": "facebook", "com.instagram.android": "instagram", "com.viber.voip": "viber", "com.discord": "discord",
	"com.android.providers.telephony": "sms",
}

func (g *caseGraph) service(application, kind string) string {
	t := g.things[application]
	name := strings.ToLower(cmp.Or(t.name, t.identifier))
	if known := caseServices[t.identifier]; known != "" {
		name = known
	}
	if strings.HasPrefix(name, "native") { // the phone's own application application
		name = ""
	}
	return cmp.Or(g.options.Service, name, kind)
}

// caseKinds are the services of kinds of nodes and facets that belong to no
// application.
var caseKinds = []struct{ word, service string }{{"SMS", "sms"}, {"Email", "email"}, {"Facebook", "facebook"}, {"Call", "phone"}}

// message makes a message of a node. It returns nil if the node is not a message.
func (g *caseGraph) message(raw string) (*argus.Message, error) {
	m := new(argus.Message)
	id, kind, from, application, subject, body, call, spoken := "", "", "", "", "", "", "", ""
	var to []string
	says := false // the node has more than a name and a kind
	err := caseFacets(raw, func(facet, key, raw string) (err error) {
		says = says || !strings.HasPrefix(key, "@")
		switch name := caseName(key); {
		case name == "@id":
			if facet == "" {
				id = caseValue(raw)
			}
		case name == "@type":
			kind += " " + strings.Join(caseValues(raw), " ")
		case facet == "":
			jsondoc.KeepMember(m, key, raw)
		case name == "from":
			from = caseValue(raw)
		case name == "to", name == "cc", name == "bcc", name == "participant":
			to = append(to, caseValues(raw)...)
			if name != "to" {
				jsondoc.KeepMember(m, key, raw)
			}
		case name == "messageText", name == "body":
			body = textdoc.LineFeeds(caseValue(raw))
		case name == "subject":
			subject = caseValue(raw)
		case name == "messageID":
			m.ServiceID = caseValue(raw)
		case name == "application":
			application = caseValue(raw)
		case name == "sessionID":
			m.Conversation = caseValue(raw)
		case name == "inReplyTo":
			m.ReplyTo = caseValue(raw)
		case name == "sentTime", name == "startTime":
			m.Sent, err = g.time(raw)
		case name == "receivedTime":
			at, problem := g.time(raw)
			m.Received = jsondoc.Further(m, key, raw, at, problem)
		case name == "openedTime":
			at, problem := g.time(raw)
			m.Read = jsondoc.Further(m, key, raw, at, problem)
		case name == "callType":
			call = caseValue(raw)
		case name == "duration" && strings.HasPrefix(facet, "Call"):
			spoken = caseValue(raw)
			jsondoc.KeepMember(m, key, raw)
		case name == "allocationStatus" && strings.EqualFold(caseValue(raw), "deleted"):
			m.State |= argus.StateDeleted
			jsondoc.AddExtra(m, key, raw)
		case name == "attachment":
			for _, file := range caseValues(raw) {
				m.Attachments = append(m.Attachments, argus.Attachment{Name: cmp.Or(g.things[file].name, file)})
			}
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	isMessage := strings.Contains(kind, "Message") || strings.Contains(kind, "CallFacet")
	isAccount := strings.Contains(kind, "AccountFacet") || strings.Contains(kind, "ContactFacet")
	if !isMessage && !isAccount || strings.Contains(kind, "MessageThread") {
		if _, named := g.things[id]; says && !named && !strings.Contains(kind, "Thread") && !strings.Contains(kind, "Relationship") {
			g.other(kind)
		}
		return nil, nil // not something that was sent
	}
	if err != nil {
		return nil, err
	}
	if !isMessage {
		return g.contact(m, id, application)
	}
	isCall := strings.Contains(kind, "CallFacet")
	if from == "" && !isCall {
		return nil, fmt.Errorf("want a message with a sender, found one without")
	}
	for _, file := range g.attached[id] {
		m.Attachments = append(m.Attachments, argus.Attachment{Name: cmp.Or(g.things[file].name, file)})
	}
	g.parties(m, id, from, to)
	service := "unknown"
	for _, k := range slices.Backward(caseKinds) {
		if strings.Contains(kind, k.word) {
			service = k.service
		}
	}
	m.Service = g.service(application, service)
	if m.Text = body; subject != "" {
		m.Text = subject + "\n\n" + body
	}
	if isCall {
		c := argus.Call{Seconds: build.ClockSeconds(spoken)}
		if build.DirectionOf(call) != 0 {
			c.Direction = map[int]string{-1: "in", 1: "out"}[build.DirectionOf(call)]
		}
		if c.Answered = build.AnsweredIn(c.Seconds); strings.EqualFold(call, "missed") {
			c.Answered = "no"
		}
		build.Called(m, c, "call", call)
	}
	build.Keep(m, "@id", id)
	return m, build.Valid(m)
}

// contact makes a contact of an account, if anything names it.
func (g *caseGraph) contact(m *argus.Message, id, application string) (*argus.Message, error) {
	t := g.things[id]
	address := t.address
	if at, ok := g.things[address]; ok {
		address = cmp.Or(at.address, at.number, address)
	}
	accounts := build.Others([]string{build.AppAccount(t.number), build.AppAccount(address), build.AppAccount(t.identifier), build.AppAccount(t.login)}, "")
	if len(accounts) == 0 {
		return nil, nil
	}
	m.Service = g.service(application, "case")
	build.Contact(m, "account", accounts, t.name)
	build.Keep(m, "@id", id)
	return m, build.Valid(m)
}

func (g *caseGraph) time(raw string) (argus.Time, error) {
	t, ok := dates.ISO(caseValue(raw), g.options)
	if !ok {
		return t, fmt.Errorf("want a time like 2021-02-14T12:03:11Z, found something else")
	}
	return t, nil
}

// parties sets sender, receivers and conversation.
func (g *caseGraph) parties(m *argus.Message, id, from string, to []string) {
	var all []string
	if from != "" { // a call may not name the caller
		m.From, m.FromName = g.accountOf(m, from)
		all = append(all, m.From)
	}
	for _, one := range to {
		account, name := g.accountOf(m, one)
		m.To = append(m.To, account)
		if name != "" {
			build.Keep(m, "to", account+" "+name)
		}
	}
	thread := g.things[g.threads[id]]
	m.Title = argus.CleanName(thread.name)
	all = append(all, m.To...)
	for _, p := range thread.participants {
		account, _ := g.accountOf(m, p)
		all = append(all, account)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) <= 2 && !build.IsGroupID(thread.identifier) {
		m.Conversation, m.ConversationReach = strings.Join(all, "|"), m.AccountReach
	} else if m.Conversation = cmp.Or(thread.identifier, m.Conversation); m.Conversation == "" {
		m.Conversation, m.ConversationReach = strings.Join(all[:min(len(all), build.ParticipantLimit)], "|"), m.AccountReach
	}
}
