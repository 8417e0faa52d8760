package reader

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/argus-evidence/argus"
)

// jabberFormat is described in docs/format/jabber.md.
var jabberFormat = &Format{
	Name:    "jabber",
	Version: 2,
	About:   "Jabber (XMPP) logs as JSON objects {ts, from, to, body}, one behind the other",
	Checked: "invented examples only",
	Detect:  detectJabber,
	Read:    readJabber,
}

// detectJabber wants an object with all of ts, from and body.
func detectJabber(s Sample) int {
	text := s.Text
	for range 20 {
		start := strings.IndexByte(string(text[:min(len(text), peekSize)]), '{')
		if start < 0 {
			return 0
		}
		text = text[start:]
		found := 0
		m := jsonMembers[[]byte]{s: text}
		for m.next() {
			switch string(m.key) {
			case `"ts"`, `"from"`, `"body"`:
				found++
			case `"service"`:
				return 0
			}
		}
		if found == 3 && m.err == nil {
			return 85
		}
		text = text[1:]
	}
	return 0
}

// beginsJabber looks for one of the keys that every record has.
func beginsJabber(b []byte) bool {
	return hasMember(b, func(key, _ []byte) bool {
		k := string(key)
		return k == `"ts"` || k == `"from"` || k == `"body"`
	})
}

// readJabber yields one item for each object and one for each stretch that is
// none; Record counts both.
func readJabber(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		o := newObjects(in.Reader(), in.maxRecord(), beginsJabber)
		for record := uint64(1); ; record++ {
			item, err := nextJabber(ctx, o, in.Options)
			if err != nil {
				yield(Item{}, err)
				return
			}
			if item.Message == nil && item.Problem == "" {
				return
			}
			item.Where.Record = record
			if !yield(item, nil) {
				return
			}
		}
	}
}

// nextJabber returns the next item, or none at the end of the file.
func nextJabber(ctx context.Context, o *objects, options Options) (Item, error) {
	if err := ctx.Err(); err != nil {
		return Item{}, err
	}
	found, err := o.pass("[],")
	if !found || err != nil {
		return Item{}, err
	}
	if o.buf[0] != '{' {
		return o.resume("want a JSON object, found something else")
	}
	end, broken, err := o.value()
	if err != nil {
		return Item{}, err
	}
	if broken != nil {
		return o.resume(broken.Error())
	}
	return o.record(end, func(raw string) (*argus.Message, error) { return parseJabber(raw, options) }), nil
}

// parseJabber makes a message of one object.
func parseJabber(raw string, options Options) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(options.Service, "xmpp")}
	var from, to string
	found := 0
	var keys jsonKeys
	_, err := keys.each(raw, 0, func(key, raw string) (err error) {
		switch key {
		case "ts":
			found++
			m.Sent, err = jabberTime(raw, options)
		case "from":
			found++
			from, err = textMember(m, key, raw)
		case "to":
			to, err = textMember(m, key, raw)
		case "body":
			found++
			m.Text, err = textMember(m, key, raw)
			m.Text = withLineFeeds(m.Text)
		case "id":
			m.ServiceID, err = textMember(m, key, raw)
		default:
			addExtra(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if found != 3 {
		return nil, errors.New("want an object with ts, from and body, found one without")
	}
	setParties(m, from, to, false)
	return m, m.Valid()
}

func jabberTime(raw string, options Options) (argus.Time, error) {
	text, err := jsonString(raw)
	if err != nil {
		return argus.Time{}, err
	}
	t, ok := parseISO(text, options)
	if !ok {
		return t, errors.New("want a time like 2021-02-14T12:03:11.123456, found other text")
	}
	return t, nil
}

// setParties sets the accounts and the conversation from two Jabber ids
// (local@domain/resource, RFC 7622). In a room the resource is who speaks, and each
// member gets a copy. What goes to one who is in a room, or is private by its type,
// is between the two and not said in the room (XEP-0045, 7.5).
func setParties(m *argus.Message, from, to string, private bool) {
	sender, resource := bareJID(from)
	receiver, whom := bareJID(to)
	private = (private && isRoom(sender) || isRoom(receiver) && whom != "") && (resource != "" || !isRoom(sender)) && receiver != ""
	switch {
	case isRoom(sender) && !private:
		m.Conversation = sender
		m.FromName = resource
		if resource != "" {
			m.From = sender + "/" + resource
		} else {
			m.State |= argus.StateSystem // the room itself says it
		}
		if receiver != "" && receiver != sender {
			m.To = []string{receiver}
		}
	case isRoom(receiver) && !private:
		m.Conversation, m.From = receiver, sender
	default:
		m.From = sender
		if isRoom(sender) {
			m.From, m.FromName = sender+"/"+resource, resource
		}
		if receiver != "" {
			one := receiver
			if isRoom(receiver) {
				one += "/" + whom
			}
			m.To = []string{one}
			m.Conversation = argus.DirectConversation(m.From, one)
		}
	}
	if from != m.From {
		m.Extra = append(m.Extra, argus.Field{Name: "from", Value: from})
	}
	if to != receiver {
		m.Extra = append(m.Extra, argus.Field{Name: "to", Value: to})
	}
}

// bareJID returns an id without its resource and in lower case, in which
// servers compare them, and the resource as it is.
func bareJID(jid string) (bare, resource string) {
	bare, resource, _ = strings.Cut(argus.CleanName(jid), "/")
	return strings.ToLower(bare), resource
}

// roomDomains are the first labels of domains that servers give to rooms by
// default (XEP-0045 names none).
var roomDomains = map[string]bool{
	"conference": true, "muc": true, "conf": true, "rooms": true, "room": true, "groupchat": true, "chatrooms": true,
}

func isRoom(bare string) bool {
	_, domain, _ := strings.Cut(bare, "@")
	label, _, _ := strings.Cut(domain, ".")
	return roomDomains[label]
}
