// Package build puts messages together: their facts, their owners, and the fields kept
// beside them.
//
// Readers of all formats share it. It knows no format and reads nothing.
package build

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Keep keeps a text for which Argus has no field, unless it is empty.
func Keep(m *argus.Message, name, text string) {
	if text != "" {
		m.Extra = append(m.Extra, argus.Field{Name: name, Value: text})
	}
}

// Others returns the participants of a conversation except one, at most
// ParticipantLimit.
func Others(participants []string, one string) []string {
	var list []string
	for _, p := range participants {
		if p != one && p != "" && len(list) < ParticipantLimit && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// ParticipantLimit is how many participants are listed as receivers.
const ParticipantLimit = 256

// Valid returns an error if a message cannot be stored. A message that is not text and has
// no sender, such as a call from a hidden number, is assigned to the service.
func Valid(m *argus.Message) error {
	owned(m)
	if m.From == "" && m.Type != argus.TypeText {
		m.State |= argus.StateSystem
	}
	return m.Valid()
}

// Hold sets the hash of an attachment whose bytes are part of the original.
func Hold(a *argus.Attachment, content []byte) {
	a.Hash, a.Size = sha256.Sum256(content), int64(len(content))
}

// ExtraLimit is how many bytes of a value are kept beside a message if Argus has no field
// for it.
const ExtraLimit = 8 << 10

// KeepField adds a field, truncated to ExtraLimit.
func KeepField(m *argus.Message, name, value string) {
	if len(value) > ExtraLimit {
		value = strings.ToValidUTF8(value[:ExtraLimit], "") + "…"
	}
	if m.Extra == nil {
		m.Extra = make([]argus.Field, 0, 6)
	}
	m.Extra = append(m.Extra, argus.Field{Name: name, Value: value})
}

// NotUnderstood keeps the value of a field that does not make sense. The receipt counts it
// by field and reader.
func NotUnderstood(m *argus.Message, field, stood string) {
	KeepField(m, argus.ExtraUnread, field+": "+stood)
}

// OneOf returns a list that holds one text, or an empty list if the text is empty.
func OneOf(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// DirectionOf returns -1 for incoming, 1 for outgoing and 0 for other words.
func DirectionOf(word string) int {
	if word == "" {
		return 0
	}
	switch textdoc.Accents.Replace(strings.ToLower(word)) {
	case "in", "incoming", "inbound", "received", "inkomend", "binnenkomend", "ontvangen", "entrant", "recu", "eingehend", "eingang", "ein", "empfangen", "entrante", "entrada", "recibido", "recibida", "in entrata", "entrata", "ricevuto",
		"recebido", "recebida", "gelen", "przychodzace", "przychodzaca", "otrzymane", "prijate", "mottagen", "modtaget", "входящее", "входящий", "входящие", "rx", "recv", "incoming message":
		return -1
	case "out", "outgoing", "outbound", "sent", "uit", "uitgaand", "verzonden", "verstuurd", "gestuurd", "sortant", "envoye", "emis", "ausgehend", "ausgang", "aus", "gesendet", "saliente", "salida", "enviado", "enviada", "in uscita", "uscita", "inviato",
		"saida", "giden", "wychodzace", "wychodzaca", "wyslane", "odeslane", "skickat", "sendt", "исходящее", "исходящий", "исходящие", "tx", "outgoing message":
		return 1
	}
	return 0
}

// ConversationOf names the conversation between two accounts, or between the members of a
// group that has no other name.
func ConversationOf(accounts []string) string {
	slices.Sort(accounts)
	return strings.TrimPrefix(strings.Join(slices.Compact(accounts), "|"), "|")
}

// IsGroupID reports whether a conversation's id is that of a WhatsApp group.
func IsGroupID(id string) bool { return strings.HasSuffix(id, "@g.us") }

// AppAccount writes an identifier as the other readers do: WhatsApp's
// 31612345678@s.whatsapp.net is the number +31612345678.
func AppAccount(shown string) string {
	shown = argus.CleanName(shown)
	if number, ok := strings.CutSuffix(shown, "@s.whatsapp.net"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return "+" + number
	}
	return AccountOf(shown)
}

// AccountOf writes a phone number without the separators between its digits, and any other
// name as it is, with plain spaces.
func AccountOf(shown string) string {
	if shown == "" || shown[0] >= 'a' && shown[0] <= 'z' && !strings.ContainsFunc(shown, unicode.IsSpace) {
		return shown
	}
	number := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\u00A0', '\u202F', '-', '‑', '(', ')':
			return -1
		}
		return r
	}, shown)
	if len(number) >= 8 && number[0] == '+' && strings.Trim(number[1:], "0123456789") == "" {
		return number
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, shown)
}

// KeepExtra adds a value for which Argus has no field, truncated to ExtraLimit.
func KeepExtra(m *argus.Message, name, value string) {
	if value != "" {
		KeepField(m, name, value)
	}
}
