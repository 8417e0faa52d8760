package transcript

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
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// XMPP is described in docs/readers-xml-mail.md.
var XMPP = &reader.Format{
	Name:    "xmpp",
	Version: 3,
	About:   "XMPP stanzas as XML: archives (XEP-0313), forwarded messages (XEP-0297), a server's data (XEP-0227)",
	Checked: "invented examples only",
	Kept: []string{
		"active", "addresses", "apply-to", "approved", "archive id", "ask", "body *", "c", "carbon", "composing", "delay from", "displayed", "encryption",
		"error", "event", "fallback", "forwarded", "from", "gone", "group", "groups", "header", "html", "inactive", "jid", "lang", "markable", "moderated",
		"name", "nick", "no-copy", "no-permanent-store", "no-store", "occupant-id", "origin-id", "paused", "priority", "private", "reactions", "received",
		"replace", "reply to", "request", "result", "retracted", "show", "stanza-id", "status", "store", "subject", "subscription", "thread", "to", "type",
		"x",
	},
	Detect: detectXMPP,
	Read:   readXMPP,
}

// xmppRoots are the first elements of such files; message and result are too common without
// their namespace.
var xmppRoots = []string{"server-data", "host", "archive", "stream", "message", "result", "forwarded", "iq", "messages"}

func detectXMPP(s reader.Sample) int {
	root := xmldoc.Root(s)
	found := 0
	for _, namespace := range []string{"jabber:client", "jabber:server", "urn:xmpp:"} {
		if bytes.Contains(s.Text, []byte(`"`+namespace)) || bytes.Contains(s.Text, []byte("'"+namespace)) {
			found++
		}
	}
	switch {
	case root.Name == "" || found == 0 || !bytes.Contains(s.Text, []byte("<message")) && root.Attr("xmlns") != "urn:xmpp:pie:0":
		return 0
	case slices.Contains(xmppRoots, root.Name):
		return 90
	}
	return 60
}

// beginsXMPP recognises the wrappers of a message, and a contact.
func beginsXMPP(tag []byte) bool {
	switch string(xmldoc.LocalName(xmldoc.TagName(tag))) {
	case "message", "result", "forwarded":
		return tag[1] != '/'
	}
	return false
}

func readXMPP(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	r := xmldoc.Reading{
		IsRecord: func(t xmldoc.Tag) bool {
			return beginsXMPP(t.Raw) || string(t.Name) == "item" && t.Element().Attr("subscription") != ""
		},
		Begins: beginsXMPP,
		Parse: func(e *xmldoc.Element) (*argus.Message, error) {
			m := &argus.Message{Service: cmp.Or(in.Service, "xmpp")}
			if e.Name == "item" {
				return rosterItem(m, e)
			}
			return xmppMessage(m, e, in.Options)
		},
	}
	return r.Read(ctx, in)
}

// rosterItem reads a contact (RFC 6121, 2.1.2).
func rosterItem(m *argus.Message, e *xmldoc.Element) (*argus.Message, error) {
	account, _ := bareJID(e.Attr("jid"))
	if account == "" {
		return nil, errors.New("want a contact with its jid, found one without")
	}
	for _, a := range e.Attrs {
		build.KeepExtra(m, a.Name, a.Value)
	}
	for i := range e.Inside {
		build.KeepExtra(m, e.Inside[i].Name, e.Inside[i].Value())
	}
	build.Contact(m, "contact", []string{account}, e.Attr("name"))
	return m, build.Valid(m)
}

// xmppMessage reads a message and its wrappers: the archive's result, a forward, a carbon copy
// (XEP-0280).
func xmppMessage(m *argus.Message, e *xmldoc.Element, o reader.Options) (*argus.Message, error) {
	archiveID, stamp := "", ""
	for {
		inner := (*xmldoc.Element)(nil)
		for i := range e.Inside {
			c := &e.Inside[i]
			switch {
			case c.Name == "delay" && c.Attr("stamp") != "":
				stamp = c.Attr("stamp") // the innermost one belongs to the message
			case c.Name == "result" || c.Name == "forwarded" || e.Name == "forwarded" && c.Name == "message":
				inner = c
			case (c.Name == "sent" || c.Name == "received") && c.Attr("xmlns") == "urn:xmpp:carbons:2":
				inner = c
				build.KeepExtra(m, "carbon", c.Name)
			}
		}
		if e.Name == "result" {
			archiveID = e.Attr("id")
			build.KeepExtra(m, "archive id", archiveID)
		}
		if inner == nil {
			break
		}
		xmppWrapper(m, e, inner)
		e = inner
	}
	if e.Name != "message" {
		return nil, errors.New("want a message inside the forwarded element, found none")
	}
	for _, a := range e.Attrs {
		if name := a.Name; name != "from" && name != "to" && name != "id" && name != "xmlns" && name != "xml:lang" {
			build.KeepExtra(m, name, a.Value)
		}
	}
	m.Lang = e.Attr("xml:lang")
	m.ServiceID = cmp.Or(e.Attr("id"), archiveID)
	if stamp != "" {
		sent, ok := dates.ISO(stamp, o)
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
	return m, build.Valid(m)
}

// xmppWrapper keeps the rest of a wrapper, apart from the message in it.
func xmppWrapper(m *argus.Message, e, inner *xmldoc.Element) {
	for _, a := range e.Attrs {
		switch a.Name {
		case "xmlns", "id", "queryid", "from", "to", "type", "xml:lang":
		default:
			build.KeepExtra(m, a.Name, a.Value)
		}
	}
	for i := range e.Inside {
		if c := &e.Inside[i]; c != inner && c.Name != "delay" {
			build.KeepExtra(m, c.Name, c.Raw)
		}
	}
}

// xmppContent reads the content of a message. A message without a body reports something
// about another message, such as a receipt, a reaction or a retraction, or it has a subject.
func xmppContent(m *argus.Message, e *xmldoc.Element) {
	var about []*xmldoc.Element
	body := false
	for i := range e.Inside {
		switch c := &e.Inside[i]; c.Name {
		case "body":
			if !body {
				body, m.Text, m.Lang = true, c.Text, cmp.Or(c.Attr("xml:lang"), m.Lang)
				continue
			}
			build.KeepExtra(m, "body "+c.Attr("xml:lang"), c.Text)
		case "delay":
			build.KeepExtra(m, "delay from", c.Attr("from"))
		case "encrypted", "openpgp":
			xmppLocked(m, c)
		case "reply":
			m.ReplyTo = c.Attr("id")
			build.KeepExtra(m, "reply to", c.Attr("to"))
		case "replace":
			m.State |= argus.StateEdited
			m.ReplyTo = c.Attr("id")
		case "retracted", "moderated":
			m.State |= argus.StateDeleted
			build.KeepExtra(m, c.Name, c.Raw)
		case "x":
			switch url := c.Child("url").Value(); {
			case c.Attr("xmlns") == "jabber:x:oob" && url != "":
				m.Attachments = append(m.Attachments, argus.Attachment{Name: url})
			case c.Attr("xmlns") == "jabber:x:encrypted":
				xmppLocked(m, c)
			default:
				build.KeepExtra(m, "x", c.Raw)
			}
		default:
			build.KeepExtra(m, c.Name, c.Raw)
			about = append(about, c)
		}
	}
	if body || m.Locked != nil {
		return
	}
	if len(about) == 0 {
		build.Notice(m, "message", "")
		return
	}
	word, told := about[0].Name, about[0].Value()
	m.ReplyTo = cmp.Or(m.ReplyTo, about[0].Attr("id"))
	switch word {
	case "reactions": // XEP-0444: all reactions of the sender to a message
		var signs []string
		for i := range about[0].Inside {
			signs = append(signs, about[0].Inside[i].Value())
		}
		sign := strings.Join(signs, " ")
		build.Reacted(m, argus.Reaction{To: about[0].Attr("id"), Sign: sign, Removed: sign == ""}, word, told)
	case "subject":
		build.SetTopic(m, told, word, told)
	default:
		build.Notice(m, word, told)
	}
}

// xmppLocked keeps encrypted content: OMEMO (XEP-0384), OpenPGP (XEP-0373, XEP-0027).
func xmppLocked(m *argus.Message, e *xmldoc.Element) {
	payload := cmp.Or(e.Child("payload").Value(), e.Value())
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(payload), ""))
	if err != nil || payload == "" {
		raw = []byte(e.Raw) // a key exchange, or an unknown form: kept as written
	}
	m.State |= argus.StateLocked
	m.Locked = &argus.Locked{Algorithm: e.Attr("xmlns"), KeyID: e.Child("header").Attr("sid"), Payload: raw}
	build.KeepExtra(m, "header", e.Child("header").Raw)
}

// xmppParties sets the accounts. A groupchat message comes from a room or goes to one,
// whatever the room's domain is called.
func xmppParties(m *argus.Message, e *xmldoc.Element) {
	from, to := e.Attr("from"), e.Attr("to")
	room, nick := bareJID(from)
	receiver, _ := bareJID(to)
	if e.Attr("type") != "groupchat" || isRoom(room) || isRoom(receiver) {
		setParties(m, from, to, e.Attr("type") == "chat")
	} else {
		m.Conversation, m.FromName = room, nick
		if nick != "" {
			m.From = room + "/" + nick
		}
		build.KeepExtra(m, "to", to)
		if receiver != "" && receiver != room {
			m.To = []string{receiver}
		}
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}
