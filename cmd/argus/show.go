package main

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/language"
)

func (a *app) showCommand() *cobra.Command {
	var trace bool
	c := &cobra.Command{
		Use:   "show REF",
		Short: "Show one message, its copies and where each copy was found",
		Long: `Show one message. REF is its id, or at least the first six digits of it. --trace
adds each place where the message was found: delivery, original with its SHA-256,
record and bytes, reader and version, the statements in which that copy differs,
and the raw record, unless it holds something outside your scope.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				shown, err := d.Show(ctx, who, args[0], trace)
				if err != nil {
					return err
				}
				return say(a.out, "message", shown, func(o *output, s *desk.Shown) { printShown(o, s, trace) })
			})
		},
	}
	c.Flags().BoolVar(&trace, "trace", false, "show where each copy was found, and the raw records")
	return c
}

func printShown(o *output, s *desk.Shown, trace bool) {
	o.linef("message %s", o.bold(s.Ref.String()))
	o.linef("")
	printFacts(o, s.Message)
	printOtherTimes(o, s)
	if len(s.Versions) > 1 {
		o.linef("")
		o.linef("It has %s.", count(uint64(len(s.Versions)), "version", "versions"))
	}
	for i, v := range s.Versions {
		o.linef("")
		if len(s.Versions) > 1 {
			o.linef("%s  %s%s", o.bold(fmt.Sprintf("version %d", i+1)), v.Version, states(desk.Hit{Message: v.Message}))
			o.linef("")
		}
		for line := range strings.Lines(plain(cmp.Or(v.Message.Text, text(o, v.Message, nil)))) {
			o.linef("    %s", strings.TrimSuffix(line, "\n"))
		}
		o.linef("")
		printed := map[string]bool{}
		for _, e := range v.Entities {
			if !printed[e.Normal] {
				printed[e.Normal] = true
				o.linef("  %-14s %s", e.Kind, oneLine(e.Normal))
			}
		}
		if v.Language != "" && v.Language != language.Unknown {
			printed[v.Language] = true
			o.linef("  %-14s %s (found by Argus, not stated)", "language", language.Name(v.Language))
		}
		if len(printed) > 0 {
			o.linef("")
		}
		if !trace {
			o.linef("  %s (--trace shows where)", count(uint64(len(v.Sightings)), "sighting", "sightings"))
			continue
		}
		for _, sighting := range v.Sightings {
			printSighting(o, sighting, s.Message)
		}
	}
}

// printOtherTimes prints the sent times of copies that differ from the sent time
// of the message.
func printOtherTimes(o *output, s *desk.Shown) {
	printed := []argus.Time{s.Message.Sent}
	for _, v := range s.Versions {
		for _, sighting := range v.Sightings {
			if sent := sighting.States.Sent; !slices.Contains(printed, sent) {
				printed = append(printed, sent)
				o.linef("  %-14s %s", "other copy sent", moment(sent))
			}
		}
	}
}

// moment formats a time with its precision, zone and clock.
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
func printFacts(o *output, m *argus.Message) {
	fact := func(name, value string) {
		if value != "" {
			o.linef("  %-14s %s", name, oneLine(value))
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
			about = fmt.Sprintf("%s, SHA-256 %s", size(at.Size), at.Hash)
		}
		fact("attachment", fmt.Sprintf("%s (%s)", at.Name, about))
	}
	if m.Facts != nil {
		printRecorded(fact, m.Facts)
	}
	for _, x := range m.Extra {
		fact(oneLine(x.Name), x.Value)
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
			fact(oneLine(x.Name), x.Value)
		}
	}
	if p := f.Poll; p != nil {
		fact("question", p.Question)
		list("options", p.Options)
	}
	number("replies", f.Replies, "")
}

// printSighting prints the place of a copy and the statements in which it differs
// from the message as a whole.
func printSighting(o *output, s desk.Sighting, of *argus.Message) {
	printPlace(o, s)
	if own := beyond(*s.States, of); !reflect.DeepEqual(own, argus.Message{}) {
		o.linef("    this copy states:")
		printFacts(o, &own)
	}
	if s.RawWithheld {
		o.linef("    raw        withheld: it holds something outside the scope")
	}
	if len(s.Raw) > 0 {
		o.linef("    raw")
		printRaw(o, s.Raw)
	}
}

// printRaw prints bytes of an original as text.
func printRaw(o *output, raw []byte) {
	for line := range strings.Lines(plain(strings.ToValidUTF8(string(raw), "\uFFFD"))) {
		o.linef("      │ %s", strings.TrimRight(line, "\r\n"))
	}
}

func printPlace(o *output, s desk.Sighting) {
	read := ""
	if s.ReadIn != 0 {
		read = ", read again in " + s.ReadIn.String()
	}
	if s.Unsealed {
		read += ", which is not sealed"
	}
	o.linef("  found as record %d of the evidence, in delivery %s%s", s.Seq, s.Delivery, read)
	o.linef("    original   %s", oneLine(s.Original.Path))
	o.linef("    SHA-256    %s (%s)", s.Original.Hash, size(s.Original.Size))
	if s.Where.Path != "" {
		o.linef("    in it      %s", oneLine(s.Where.Path))
	}
	at := fmt.Sprintf("record %d", s.Where.Record)
	if s.Where.Length > 0 {
		at += fmt.Sprintf(", bytes %d to %d", s.Where.Offset, s.Where.Offset+s.Where.Length)
	}
	o.linef("    at         %s", at)
	o.linef("    reader     %s", cmp.Or(s.Reader, "none"))
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
