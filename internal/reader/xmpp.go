package reader

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// xmppFormat is described in docs/readers-xml-mail.md.
var xmppFormat = &Format{
	Name:    "xmpp",
	Version: 2,
	About:   "XMPP stanzas as XML: archives (XEP-0313), forwarded messages (XEP-0297), a server's data (XEP-0227)",
	Checked: "invented examples only",
	Detect:  detectXMPP,
	Read:    readXMPP,
}

// xmppRoots are the elements that such a file begins with; message and result
// are too common without their namespace.
var xmppRoots = []string{"server-data", "host", "archive", "stream", "message", "result", "forwarded", "iq", "messages"}

func detectXMPP(s Sample) int {
	root := xmlRoot(s)
	found := 0
	for _, namespace := range []string{"jabber:client", "jabber:server", "urn:xmpp:"} {
		if bytes.Contains(s.Text, []byte(`"`+namespace)) || bytes.Contains(s.Text, []byte("'"+namespace)) {
			found++
		}
	}
	switch {
	case root.name == "" || found == 0 || !bytes.Contains(s.Text, []byte("<message")) && root.attr("xmlns") != "urn:xmpp:pie:0":
		return 0
	case slices.Contains(xmppRoots, root.name):
		return 90
	}
	return 60
}

// beginsXMPP knows what a message may be wrapped in, and a contact.
func beginsXMPP(tag []byte) bool {
	switch string(localName(xmlName(tag))) {
	case "message", "result", "forwarded":
		return tag[1] != '/'
	}
	return false
}

func readXMPP(ctx context.Context, in Input) iter.Seq2[Item, error] {
	r := xmlReading{
		isRecord: func(t xmlTag) bool {
			return beginsXMPP(t.raw) || string(t.name) == "item" && t.element().attr("subscription") != ""
		},
		begins: beginsXMPP,
		parse: func(e *xmlElement) (*argus.Message, error) {
			m := &argus.Message{Service: cmp.Or(in.Service, "xmpp")}
			if e.name == "item" {
				return rosterItem(m, e)
			}
			return xmppMessage(m, e, in.Options)
		},
	}
	return r.read(ctx, in)
}

// rosterItem reads a contact (RFC 6121, 2.1.2).
func rosterItem(m *argus.Message, e *xmlElement) (*argus.Message, error) {
	account, _ := bareJID(e.attr("jid"))
	if account == "" {
		return nil, errors.New("want a contact with its jid, found one without")
	}
	for _, a := range e.attrs {
		keepExtra(m, a.name, a.value)
	}
	for i := range e.inside {
		keepExtra(m, e.inside[i].name, e.inside[i].value())
	}
	contact(m, "contact", []string{account}, e.attr("name"))
	return m, valid(m)
}

// xmppMessage reads a message and what it is wrapped in: the archive's result,
// a forward, a carbon copy (XEP-0280).
func xmppMessage(m *argus.Message, e *xmlElement, o Options) (*argus.Message, error) {
	archiveID, stamp := "", ""
	for {
		inner := (*xmlElement)(nil)
		for i := range e.inside {
			c := &e.inside[i]
			switch {
			case c.name == "delay" && c.attr("stamp") != "":
				stamp = c.attr("stamp") // the innermost is the message's own
			case c.name == "result" || c.name == "forwarded" || e.name == "forwarded" && c.name == "message":
				inner = c
			case (c.name == "sent" || c.name == "received") && c.attr("xmlns") == "urn:xmpp:carbons:2":
				inner = c
				keepExtra(m, "carbon", c.name)
			}
		}
		if e.name == "result" {
			archiveID = e.attr("id")
			keepExtra(m, "archive id", archiveID)
		}
		if inner == nil {
			break
		}
		e = inner
	}
	if e.name != "message" {
		return nil, errors.New("want a message in what is forwarded, found none")
	}
	for _, a := range e.attrs {
		if name := a.name; name != "from" && name != "to" && name != "id" && name != "xmlns" && name != "xml:lang" {
			keepExtra(m, name, a.value)
		}
	}
	m.Lang = e.attr("xml:lang")
	m.ServiceID = cmp.Or(e.attr("id"), archiveID)
	if stamp != "" {
		sent, ok := parseISO(stamp, o)
		if !ok {
			return nil, errors.New("want a delay with a time like 2021-02-14T12:03:11Z, found other text")
		}
		m.Sent = sent
	}
	xmppContent(m, e)
	if m.State&argus.StateEdited != 0 {
		m.Edited = m.Sent // the message is the edit
	}
	xmppParties(m, e)
	return m, valid(m)
}

// xmppContent reads what is in a message. One without a body says what happened
// to another: a receipt, a reaction, a retraction; or a subject.
func xmppContent(m *argus.Message, e *xmlElement) {
	var about []*xmlElement
	body := false
	for i := range e.inside {
		switch c := &e.inside[i]; c.name {
		case "body":
			if !body {
				body, m.Text, m.Lang = true, c.text, cmp.Or(c.attr("xml:lang"), m.Lang)
				continue
			}
			keepExtra(m, "body "+c.attr("xml:lang"), c.text)
		case "delay":
			keepExtra(m, "delay from", c.attr("from"))
		case "encrypted", "openpgp":
			xmppLocked(m, c)
		case "reply":
			m.ReplyTo = c.attr("id")
			keepExtra(m, "reply to", c.attr("to"))
		case "replace":
			m.State |= argus.StateEdited
			m.ReplyTo = c.attr("id")
		case "retracted", "moderated":
			m.State |= argus.StateDeleted
			keepExtra(m, c.name, c.raw)
		case "x":
			switch url := c.child("url").value(); {
			case c.attr("xmlns") == "jabber:x:oob" && url != "":
				m.Attachments = append(m.Attachments, argus.Attachment{Name: url})
			case c.attr("xmlns") == "jabber:x:encrypted":
				xmppLocked(m, c)
			default:
				keepExtra(m, "x", c.raw)
			}
		default:
			keepExtra(m, c.name, c.raw)
			about = append(about, c)
		}
	}
	if body || m.Locked != nil {
		return
	}
	if len(about) == 0 {
		notice(m, "message", "")
		return
	}
	word, told := about[0].name, about[0].value()
	m.ReplyTo = cmp.Or(m.ReplyTo, about[0].attr("id"))
	switch word {
	case "reactions": // XEP-0444: all that the sender has put to a message
		var signs []string
		for i := range about[0].inside {
			signs = append(signs, about[0].inside[i].value())
		}
		sign := strings.Join(signs, " ")
		reacted(m, argus.Reaction{To: about[0].attr("id"), Sign: sign, Removed: sign == ""}, word, told)
	case "subject":
		setTopic(m, told, word, told)
	default:
		notice(m, word, told)
	}
}

// xmppLocked keeps encrypted content: OMEMO (XEP-0384), OpenPGP (XEP-0373,
// XEP-0027).
func xmppLocked(m *argus.Message, e *xmlElement) {
	payload := cmp.Or(e.child("payload").value(), e.value())
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(payload), ""))
	if err != nil || payload == "" {
		raw = []byte(e.raw) // a key exchange, or not as described: kept as it stood
	}
	m.State |= argus.StateLocked
	m.Locked = &argus.Locked{Algorithm: e.attr("xmlns"), KeyID: e.child("header").attr("sid"), Payload: raw}
	keepExtra(m, "header", e.child("header").raw)
}

// xmppParties sets the accounts. A message of type groupchat comes from a room
// or goes to one, whatever the room's domain is called.
func xmppParties(m *argus.Message, e *xmlElement) {
	from, to := e.attr("from"), e.attr("to")
	room, nick := bareJID(from)
	receiver, _ := bareJID(to)
	if e.attr("type") != "groupchat" || isRoom(room) || isRoom(receiver) {
		setParties(m, from, to, e.attr("type") == "chat")
	} else {
		m.Conversation, m.FromName = room, nick
		if nick != "" {
			m.From = room + "/" + nick
		}
		keepExtra(m, "to", to)
		if receiver != "" && receiver != room {
			m.To = []string{receiver}
		}
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}
