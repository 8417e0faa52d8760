package voice

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/language"
	"github.com/argus-evidence/argus/internal/printable"
)

// PrintShown prints a message, its versions and, if trace is set, where each copy was
// found.
func PrintShown(o *Output, s *desk.Shown, trace bool) {
	o.Linef("message %s", o.Bold(s.Ref.String()))
	o.Linef("")
	printFacts(o, s.Message)
	printOtherTimes(o, s)
	if len(s.Versions) > 1 {
		o.Linef("")
		o.Linef("It has %s.", printable.Count(uint64(len(s.Versions)), "version", "versions"))
	}
	if s.SameContent > 1 {
		o.Linef("")
		o.Linef("It is one of %s with the same content (argus search same:%s). The others:", printable.Count(s.SameContent, "message", "messages"), s.Ref.String()[:16])
		for _, ref := range s.Same {
			o.Linef("  %s", ref)
		}
		if more := s.SameContent - 1 - uint64(len(s.Same)); more > 0 {
			o.Linef("  and %s", printable.Count(more, "more", "more"))
		}
	}
	for i, v := range s.Versions {
		o.Linef("")
		if len(s.Versions) > 1 {
			o.Linef("%s  %s%s", o.Bold(fmt.Sprintf("version %d", i+1)), v.Version, states(desk.Hit{Message: v.Message}))
			o.Linef("")
		}
		for line := range strings.Lines(printable.Plain(cmp.Or(v.Message.Text, text(o, v.Message, nil)))) {
			o.Linef("    %s", strings.TrimSuffix(line, "\n"))
		}
		o.Linef("")
		printed := map[string]bool{}
		for _, e := range v.Entities {
			if !printed[e.Normal] {
				printed[e.Normal] = true
				o.Linef("  %-14s %s", e.Kind, printable.OneLine(e.Normal))
			}
		}
		if v.Language != "" && v.Language != language.Unknown {
			printed[v.Language] = true
			o.Linef("  %-14s %s (found by Argus, not stated)", "language", language.Name(v.Language))
		}
		for _, c := range v.Countries {
			reason := "the source states it"
			if c.Number != "" {
				reason = "the number " + c.Number + " was given out there"
			}
			if line := fmt.Sprintf("  %-14s %s (%s)", "country", c.Country, printable.OneLine(reason)); !printed[line] {
				printed[line] = true
				o.Linef("%s", line)
			}
		}
		if len(printed) > 0 {
			o.Linef("")
		}
		if !trace {
			o.Linef("  %s (--trace shows where)", printable.Count(uint64(len(v.Sightings)), "sighting", "sightings"))
			continue
		}
		for _, sighting := range v.Sightings {
			printSighting(o, sighting, s.Message)
		}
	}
}

// printOtherTimes prints the sent times of copies that differ from the sent time
// of the message.
func printOtherTimes(o *Output, s *desk.Shown) {
	printed := []argus.Time{s.Message.Sent}
	for _, v := range s.Versions {
		for _, sighting := range v.Sightings {
			if sent := sighting.States.Sent; !slices.Contains(printed, sent) {
				printed = append(printed, sent)
				o.Linef("  %-14s %s", "other copy sent", moment(sent))
			}
		}
	}
}

// moment formats a time with its precision, its zone and the clock that it comes from.
func moment(t argus.Time) string {
	about := "to the " + t.Precision.String()
	if t.Known() {
		about += ", zone " + t.Zone.String()
	}
	if t.Clock != argus.ClockService {
		about += ", clock of the " + t.Clock.String()
	}
	if t.Raw != "" {
		about += fmt.Sprintf(", written %q", t.Raw)
	}
	return fmt.Sprintf("%s (%s)", t, about)
}

// printFacts prints the fields of a message except its text.
func printFacts(o *Output, m *argus.Message) {
	fact := func(name, value string) {
		if value != "" {
			o.Linef("  %-14s %s", name, printable.OneLine(value))
		}
	}
	at := func(name string, t argus.Time) {
		if t != (argus.Time{}) {
			fact(name, moment(t))
		}
	}
	if m.Type != argus.TypeText {
		fact("type", m.Type.String())
	}
	fact("service", m.Service)
	fact("conversation", m.Conversation)
	fact("title", m.Title)
	fact("from", sender(m))
	fact("to", strings.Join(m.To, ", "))
	at("sent", m.Sent)
	at("received", m.Received)
	at("read", m.Read)
	at("edited", m.Edited)
	fact("service id", m.ServiceID)
	if m.Sequence > 0 {
		fact("sequence", fmt.Sprint(m.Sequence))
	}
	fact("reply to", m.ReplyTo)
	fact("forwarded from", m.ForwardedFrom)
	fact("language", m.Lang)
	fact("state", strings.Join(m.State.Words(), ", "))
	for _, at := range m.Attachments {
		about := "missing"
		if !at.Missing() {
			about = fmt.Sprintf("%s, SHA-256 %s", printable.Size(at.Size), at.Hash)
		}
		fact("attachment", fmt.Sprintf("%s (%s)", at.Name, about))
	}
	if m.Facts != nil {
		printRecorded(fact, m.Facts)
	}
	for _, x := range m.Extra {
		fact(printable.OneLine(x.Name), x.Value)
	}
}

// printRecorded prints the facts that a message records, such as a call.
func printRecorded(fact func(name, value string), f *argus.Facts) {
	list := func(name string, values []string) { fact(name, strings.Join(values, ", ")) }
	number := func(name string, n uint64, unit string) {
		if n > 0 {
			fact(name, fmt.Sprintf("%d%s", n, unit))
		}
	}
	if c := f.Call; c != nil {
		fact("direction", c.Direction)
		fact("answered", c.Answered)
		number("spoken", c.Seconds, " s")
		if c.Video {
			fact("video", "yes")
		}
		list("participants", c.Participants)
	}
	if c := f.Contact; c != nil {
		list("names", c.Names)
		list("accounts", c.Accounts)
	}
	if r := f.Room; r != nil {
		fact("room", r.Name)
		fact("topic", r.Topic)
		list("members", r.Members)
	}
	if m := f.Membership; m != nil {
		fact("action", m.Action)
		list("members", m.Members)
		fact("new name", m.Name)
	}
	if r := f.Reaction; r != nil {
		fact("reaction to", r.To)
		fact("sign", r.Sign)
		if r.Removed {
			fact("removed", "yes")
		}
	}
	if l := f.Location; l != nil {
		fact("position", strings.Trim(l.Latitude+", "+l.Longitude, ", "))
		if l.Accuracy != "" {
			fact("accuracy", l.Accuracy+" m")
		}
		fact("position from", l.Source)
		fact("place", l.Name)
	}
	if d := f.Device; d != nil {
		fact("device", d.Name)
		fact("model", d.Model)
		for _, x := range d.Identifiers {
			fact(printable.OneLine(x.Name), x.Value)
		}
	}
	if p := f.Poll; p != nil {
		fact("question", p.Question)
		list("options", p.Options)
	}
	number("replies", f.Replies, "")
}

// printSighting prints where a copy was found, and the statements in which it differs
// from the message as a whole.
func printSighting(o *Output, s desk.Sighting, of *argus.Message) {
	PrintPlace(o, s)
	if own := beyond(*s.States, of); !reflect.DeepEqual(own, argus.Message{}) {
		o.Linef("    this copy states:")
		printFacts(o, &own)
	}
	if s.RawWithheld {
		o.Linef("    raw        withheld: it holds something outside the scope")
	}
	if len(s.Raw) > 0 {
		o.Linef("    raw")
		PrintRaw(o, s.Raw)
	}
}

// PrintRaw prints bytes of an original as text.
func PrintRaw(o *Output, raw []byte) {
	for line := range strings.Lines(printable.Plain(strings.ToValidUTF8(string(raw), "\uFFFD"))) {
		o.Linef("      │ %s", strings.TrimRight(line, "\r\n"))
	}
}

// PrintPlace prints where a copy was found.
func PrintPlace(o *Output, s desk.Sighting) {
	read := ""
	if s.ReadIn != 0 {
		read = ", read again in " + s.ReadIn.String()
	}
	if s.Unsealed {
		read += ", which is not sealed"
	}
	o.Linef("  found as record %d of the evidence, in delivery %s%s", s.Seq, s.Delivery, read)
	o.Linef("    original   %s", printable.OneLine(s.Original.Path))
	o.Linef("    SHA-256    %s (%s)", s.Original.Hash, printable.Size(s.Original.Size))
	if s.Where.Path != "" {
		o.Linef("    in it      %s", printable.OneLine(s.Where.Path))
	}
	at := fmt.Sprintf("record %d", s.Where.Record)
	if s.Where.Length > 0 {
		at += fmt.Sprintf(", bytes %d to %d", s.Where.Offset, s.Where.Offset+s.Where.Length)
	}
	o.Linef("    at         %s", at)
	o.Linef("    reader     %s", cmp.Or(s.Reader, "none"))
}

// beyond returns the statements in which a copy differs from the message as a whole.
func beyond(m argus.Message, of *argus.Message) argus.Message {
	own := argus.Message{}
	for i, at := 0, reflect.ValueOf(&own).Elem(); i < at.NumField(); i++ {
		if states, whole := reflect.ValueOf(m).Field(i), reflect.ValueOf(*of).Field(i); !states.IsZero() && !reflect.DeepEqual(states.Interface(), whole.Interface()) {
			at.Field(i).Set(states)
		}
	}
	own.State, own.Attachments, own.Locked, own.Facts, own.Text = 0, nil, nil, nil, "" // these are content, which the version shows
	return own
}
