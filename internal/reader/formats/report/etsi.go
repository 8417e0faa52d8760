package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// ETSI is described in docs/readers-xml-mail.md.
var ETSI = &reader.Format{
	Name:    "etsi",
	Version: 2,
	About:   "Messaging hand-over items as ETSI TS 103 707 describes them, alone or in TS 103 120 messages",
	Checked: "invented examples only",
	Kept: []string{
		"AssociatedObjects", "CountryCode", "ExternalIdentifier", "Generation", "LIID", "LastChanged", "LastSequence", "Manifest",
		"NationalHandlingParameters", "ObjectIdentifier", "OwnerIdentifier", "content that is not base64", "content url", "cspDefinedIdentifier",
		"cspDefinedParameters", "header", "payload type", "receiver identifier", "receiver isTargetedParty", "sender identifier", "sender isTargetedParty",
		"sequence number",
	},
	Detect: detectETSI,
	Read:   readETSI,
}

func detectETSI(s reader.Sample) int {
	if root := xmldoc.Root(s); root.Name == "" {
		return 0
	}
	if bytes.Contains(s.Text, []byte("http://uri.etsi.org/03707/")) {
		return 95
	}
	return 0
}

// beginsETSI recognises an item, and the object of TS 103 120 that contains it.
func beginsETSI(tag []byte) bool {
	switch string(xmldoc.LocalName(xmldoc.TagName(tag))) {
	case "handoverItem", "HI1Object":
		return tag[1] != '/'
	}
	return false
}

// etsiStreams is the maximum number of numbered interceptions in a file.
const etsiStreams = 1024

// etsiFile tracks the numbers of a file's items.
type etsiFile struct {
	options reader.Options
	// last is the last number of each interception.
	last map[string]uint64
	gap  string
}

// readETSI yields one item for each hand-over item, and one for each gap in
// their numbers.
func readETSI(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		f := etsiFile{options: in.Options, last: map[string]uint64{}}
		r := xmldoc.Reading{
			IsRecord: func(t xmldoc.Tag) bool { return beginsETSI(t.Raw) },
			Begins:   beginsETSI,
			Parse:    f.item,
			Found: func() string {
				gap := f.gap
				f.gap = ""
				return gap
			},
		}
		r.Read(ctx, in)(yield)
	}
}

// find returns the first element with the given name in an element, at any depth, or nil if
// there is none. Names are compared ignoring case: LIID, lIID.
func find(e *xmldoc.Element, name string) *xmldoc.Element {
	if strings.EqualFold(e.Name, name) {
		return e
	}
	for i := range e.Inside {
		if found := find(&e.Inside[i], name); found != nil {
			return found
		}
	}
	return nil
}

// findValue returns the value of the first element with the given name, or "" if there is
// none.
func findValue(e *xmldoc.Element, name string) string {
	if found := find(e, name); found != nil {
		return found.Value()
	}
	return ""
}

// item reads a hand-over item. An object without one concerns the warrant.
func (f *etsiFile) item(e *xmldoc.Element) (*argus.Message, error) {
	item := find(e, "handoverItem")
	if item == nil {
		return nil, nil
	}
	payload := find(item, "payload")
	if payload == nil {
		return nil, errors.New("want an item with its payload, found one without")
	}
	m := &argus.Message{Service: cmp.Or(f.options.Service, "etsi")}
	liid := cmp.Or(findValue(e, "LIID"), findValue(e, "LDID"))
	f.number(m, e, liid)
	build.KeepExtra(m, "LIID", liid)
	for _, a := range payload.Attrs {
		if xmldoc.LocalName(a.Name) == "type" {
			build.KeepExtra(m, "payload type", xmldoc.LocalName(a.Value))
		}
	}
	core := find(payload, "coreParameters")
	if core == nil {
		core = payload
	}
	if err := f.core(m, core); err != nil {
		return nil, err
	}
	for i := range payload.Inside {
		if c := &payload.Inside[i]; c != core && core != payload {
			build.KeepExtra(m, c.Name, c.Raw)
		}
	}
	etsiRest(m, "", e, "Reference", "SequenceNumber", "Delivery", "handoverItem", "header", "payload")
	if item != e {
		etsiRest(m, "", item, "header", "payload")
	}
	if header := item.Child("header"); header.Raw != "" {
		build.KeepExtra(m, "header", header.Raw)
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
	return m, m.Valid()
}

// etsiRest keeps everything in an element except its known parts.
func etsiRest(m *argus.Message, prefix string, e *xmldoc.Element, known ...string) {
	for _, a := range e.Attrs {
		if name := xmldoc.LocalName(a.Name); name != "type" && !strings.HasPrefix(a.Name, "xmlns") {
			build.KeepExtra(m, prefix+name, a.Value)
		}
	}
	for i := range e.Inside {
		if c := &e.Inside[i]; !slices.Contains(known, c.Name) {
			build.KeepExtra(m, prefix+c.Name, cmp.Or(c.Value(), c.Raw))
		}
	}
}

// number takes the item's sequence number and checks for a gap before it.
func (f *etsiFile) number(m *argus.Message, e *xmldoc.Element, liid string) {
	text := cmp.Or(findValue(e, "SequenceNumber"), findValue(e, "applicationSequenceNumber"))
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		build.KeepExtra(m, "sequence number", text)
		return
	}
	m.Sequence = n
	last, known := f.last[liid]
	switch {
	case known && n > last+1:
		f.gap = fmt.Sprintf("the numbers of interception %.80q jump from %d to %d: %d items are missing", liid, last, n, n-last-1)
	case known && n <= last:
		f.gap = fmt.Sprintf("the numbers of interception %.80q go from %d back to %d", liid, last, n)
	}
	if known || len(f.last) < etsiStreams {
		f.last[strings.Clone(liid)] = n
	}
}

// core reads the parameters that TS 103 707 defines for every messaging payload.
func (f *etsiFile) core(m *argus.Message, core *xmldoc.Element) error {
	for i := range core.Inside {
		c := &core.Inside[i]
		switch c.Name {
		case "messageSender":
			if ids := etsiParty(m, c, "sender"); len(ids) > 0 {
				m.From = ids[0]
			}
		case "messageReceiver":
			if ids := etsiParty(m, c, "receiver"); len(ids) > 0 {
				m.To = append(m.To, ids[0])
			}
		case "timestamp":
			sent, ok := dates.ISO(c.Value(), f.options)
			if !ok {
				var err error
				if sent, err = dates.Android(c.Value()); err != nil {
					return errors.New("timestamp: want a time like 2021-02-14T12:03:11Z, found other text")
				}
			}
			m.Sent = sent
		case "associatedBinaryData":
			for j := range c.Inside {
				etsiBinary(m, &c.Inside[j])
			}
		default:
			build.KeepExtra(m, c.Name, cmp.Or(c.Value(), c.Raw))
		}
	}
	if m.From != "" && len(m.To) == 1 {
		m.Conversation = argus.DirectConversation(m.From, m.To[0])
	} else {
		m.Conversation = build.ConversationOf(append([]string{m.From}, m.To...))
	}
	return nil
}

// etsiParty returns the identifiers of a party. The first is its account; all are kept.
func etsiParty(m *argus.Message, e *xmldoc.Element, role string) []string {
	var ids []string
	list := e.Child("identifiers")
	for i := range list.Inside {
		if id := list.Inside[i].Value(); id != "" {
			ids = append(ids, build.AccountOf(argus.CleanName(id)))
			build.KeepExtra(m, role+" identifier", id)
		}
	}
	build.KeepExtra(m, role+" isTargetedParty", e.Child("isTargetedParty").Value())
	etsiRest(m, role+" ", e, "identifiers", "isTargetedParty")
	return ids
}

// etsiBinary reads content: text becomes the message's text, anything else an attachment,
// whose content may be elsewhere.
func etsiBinary(m *argus.Message, e *xmldoc.Element) {
	kind := findValue(e, "contentType")
	id := findValue(e, "cspDefinedIdentifier")
	if m.ServiceID == "" {
		m.ServiceID = id
	}
	etsiRest(m, "content ", e, "contentType", "cspDefinedIdentifier", "url", "filename", "contentLength", "binaryData", "data")
	build.KeepExtra(m, "content url", findValue(e, "url"))
	build.KeepExtra(m, "cspDefinedIdentifier", id)
	a := argus.Attachment{Name: cmp.Or(findValue(e, "filename"), findValue(e, "url"), id), Type: kind}
	a.Size, _ = strconv.ParseInt(findValue(e, "contentLength"), 10, 64)
	data := cmp.Or(findValue(e, "binaryData"), findValue(e, "data"))
	if data != "" {
		content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(data), ""))
		if err != nil {
			build.KeepExtra(m, "content that is not base64", data)
		} else {
			build.Hold(&a, content)
		}
		if text, ok := textdoc.MediaText(kind, content); err == nil && ok && m.Text == "" {
			m.Text = text
			return
		}
	}
	a.Size = max(a.Size, 0)
	m.Attachments = append(m.Attachments, a)
}
