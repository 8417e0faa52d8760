package voice

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
)

// PrintHit prints a message: one line about it, then its text.
func PrintHit(o *Output, h desk.Hit, zone *time.Location, here bool) {
	m := h.Message
	marker := " "
	if here {
		marker = o.Bold("▶")
	}
	head := fmt.Sprintf("%s  %s  %s  %s", when(m.Sent, zone), printable.OneLine(m.Service), o.Bold(sender(m)), place(m))
	o.Linef("%s%s  %s%s", marker, head, o.Dim(h.Ref.String()[:16]), states(h))
	for line := range strings.Lines(text(o, m, h.Marks)) {
		o.Linef("    %s", strings.TrimSuffix(line, "\n"))
	}
	for _, at := range m.Attachments {
		held := ""
		if at.Missing() {
			held = ", missing"
		}
		o.Linef("    [%s%s]", printable.OneLine(cmp.Or(at.Name, "attachment")), held)
	}
}

// when formats a time in a zone. A time whose zone is unknown is not converted, and is
// marked with a question mark.
func when(t argus.Time, zone *time.Location) string {
	if t.Known() && t.Zone == argus.ZoneAssumed {
		return strings.TrimSuffix(t.String(), "Z") + "?"
	}
	return t.In(zone)
}

func sender(m *argus.Message) string {
	switch {
	case m.From == "":
		return printable.OneLine(m.Service)
	case m.FromName != "" && m.FromName != m.From:
		return printable.OneLine(m.FromName + " (" + m.From + ")")
	}
	return printable.OneLine(m.From)
}

func place(m *argus.Message) string {
	name := cmp.Or(m.Title, m.Conversation)
	if name == "" {
		return ""
	}
	return "→ " + printable.OneLine(name)
}

// states formats the type of a hit, unless it is a text, its states, and the remarks
// about its copies.
func states(h desk.Hit) string {
	words := h.Message.State.Words()
	if h.Message.Type != argus.TypeText {
		words = append([]string{h.Message.Type.String()}, words...)
	}
	if h.AlsoLocked {
		words = append(words, "also held locked")
	}
	if h.Versions > 1 {
		words = append(words, fmt.Sprintf("%d versions", h.Versions))
	}
	if h.SameContent > 1 {
		words = append(words, "one of "+printable.Group(h.SameContent)+" with the same content")
	}
	for _, n := range h.Unsealed {
		words = append(words, n.String()+" is not sealed")
	}
	if len(words) == 0 {
		return ""
	}
	return "  [" + strings.Join(words, ", ") + "]"
}

// maxText is the maximum size in bytes of each text in a list; longer texts are cut.
const maxText = 2000

// text returns the text of a message, with the matches in bold on a terminal.
func text(o *Output, m *argus.Message, marks [][2]int) string {
	text := m.Text
	if text == "" && m.State&argus.StateLocked != 0 {
		return printable.OneLine(fmt.Sprintf("(locked: %s of %s, key %s)", printable.Size(int64(len(m.Locked.Payload))),
			cmp.Or(m.Locked.Algorithm, "an unnamed cipher"), cmp.Or(m.Locked.KeyID, "not named")))
	}
	more := ""
	if len(text) > maxText {
		text, more = strings.ToValidUTF8(text[:maxText], ""), fmt.Sprintf("\n… %s more (argus show)", printable.Size(int64(len(m.Text)-maxText)))
	}
	var b strings.Builder
	at := 0
	for _, mark := range marks {
		if mark[0] < at || mark[1] > len(text) {
			break
		}
		b.WriteString(printable.Plain(text[at:mark[0]]))
		b.WriteString(o.Bold(printable.Plain(text[mark[0]:mark[1]])))
		at = mark[1]
	}
	b.WriteString(printable.Plain(text[at:]))
	return b.String() + more
}
