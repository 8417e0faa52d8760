package same

import (
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

func mailed(change func(*argus.Message)) *argus.Message {
	m := &argus.Message{
		Service: "email", Conversation: "c", Title: "Schedule", From: "ann@x.example", To: []string{"bo@x.example"}, ServiceID: "30965995.1@x.example",
		Sent: argus.At(time.Date(2000, 12, 14, 2, 41, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second), Text: "the café\nis open",
	}
	change(m)
	return m
}

func TestKey(t *testing.T) {
	var a Hasher
	first := a.Key(mailed(func(*argus.Message) {}))
	held, other := argus.Attachment{Name: "a.pdf", Hash: argus.Hash{1}}, argus.Attachment{Name: "a.pdf", Hash: argus.Hash{2}}
	for name, change := range map[string]func(*argus.Message){
		"another id":           func(m *argus.Message) { m.ServiceID = "7391389.9@x.example" },
		"another conversation": func(m *argus.Message) { m.Conversation = "d" },
		"other receivers":      func(m *argus.Message) { m.To = nil },
		"another name":         func(m *argus.Message) { m.FromName = "Ann" },
		"another zone":         func(m *argus.Message) { m.Sent.Zone, m.Sent.Raw = argus.ZoneAssumed, "raw" },
		"a letter of two":      func(m *argus.Message) { m.Text = "the cafe\u0301\nis open" },
		"line ends":            func(m *argus.Message) { m.Text = "the café\r\nis open\r\n" },
		"old line ends":        func(m *argus.Message) { m.Text = "the café\ris open\r" },
		"blanks":               func(m *argus.Message) { m.Text = "\n \nthe café \t\nis open\u00a0\n\n" },
		"a state":              func(m *argus.Message) { m.State = argus.StateEdited | argus.StateDeleted },
		"further facts":        func(m *argus.Message) { m.Extra = []argus.Field{{Name: "X-Folder", Value: "sent"}} },
		"no attachment":        func(m *argus.Message) { m.Attachments = []argus.Attachment{} },
	} {
		if key := a.Key(mailed(change)); key != first {
			t.Errorf("%s is another content", name)
		}
	}
	seen := map[Key]string{first: "the first"}
	for name, change := range map[string]func(*argus.Message){
		"another service":    func(m *argus.Message) { m.Service = "sms" },
		"another sender":     func(m *argus.Message) { m.From = "bo@x.example" },
		"another second":     func(m *argus.Message) { m.Sent.Micros += 1e6 },
		"another precision":  func(m *argus.Message) { m.Sent.Precision = argus.Minute },
		"another subject":    func(m *argus.Message) { m.Title = "RE: Schedule" },
		"no subject":         func(m *argus.Message) { m.Title = "" },
		"subject in text":    func(m *argus.Message) { m.Title, m.Text = "", "Schedule\nthe café\nis open" },
		"other text":         func(m *argus.Message) { m.Text = "the café\nis closed" },
		"another case":       func(m *argus.Message) { m.Text = "The café\nis open" },
		"an accent less":     func(m *argus.Message) { m.Text = "the cafe\nis open" },
		"blanks in front":    func(m *argus.Message) { m.Text = " the café\nis open" },
		"an empty line":      func(m *argus.Message) { m.Text = "the café\n\nis open" },
		"an attachment":      func(m *argus.Message) { m.Attachments = []argus.Attachment{held} },
		"another attachment": func(m *argus.Message) { m.Attachments = []argus.Attachment{other} },
		"one that is a name": func(m *argus.Message) { m.Attachments = []argus.Attachment{{Name: "a.pdf"}} },
		"two attachments":    func(m *argus.Message) { m.Attachments = []argus.Attachment{held, other} },
		"only a file":        func(m *argus.Message) { m.Text, m.Attachments = "", []argus.Attachment{held} },
		"a poll":             func(m *argus.Message) { m.Type = argus.TypePoll },
		"no id":              func(m *argus.Message) { m.ServiceID, m.Text = "", "one of two" },
		"no id, the second":  func(m *argus.Message) { m.ServiceID, m.Text, m.Repeat = "", "one of two", 1 },
	} {
		key := a.Key(mailed(change))
		if before := seen[key]; before != "" || key == (Key{}) {
			t.Errorf("%s is the same content as %q", name, before)
		}
		seen[key] = name
	}
	for name, change := range map[string]func(*argus.Message){
		"no text":      func(m *argus.Message) { m.Text = "" },
		"blank text":   func(m *argus.Message) { m.Text = " \r\n\t" },
		"only a name":  func(m *argus.Message) { m.Text, m.Attachments = "", []argus.Attachment{{Name: "a.pdf"}} },
		"no sender":    func(m *argus.Message) { m.From, m.State = "", argus.StateSystem },
		"unknown time": func(m *argus.Message) { m.Sent = argus.Time{} },
		"locked":       func(m *argus.Message) { m.State, m.Locked = argus.StateLocked, &argus.Locked{Payload: []byte("x")} },
		"a call":       func(m *argus.Message) { m.Type = argus.TypeCall },
	} {
		if key := a.Key(mailed(change)); key != (Key{}) {
			t.Errorf("%s has a content to compare", name)
		}
	}
	if again, ok := Parse(first.String()); !ok || again != first {
		t.Errorf("%s is read as %v", first.String(), again)
	}
}

func FuzzKey(f *testing.F) {
	f.Add("a \n", "a")
	f.Add("\r\n x\r", "")
	f.Fuzz(func(t *testing.T, text, title string) {
		var a Hasher
		m := mailed(func(m *argus.Message) { m.Text, m.Title = text, title })
		key := a.Key(m)
		padded := mailed(func(m *argus.Message) { m.Text, m.Title = "\n"+text+" \r\n", title+"  " })
		if a.Key(padded) != key {
			t.Errorf("white space after %q makes it another", text)
		}
		if back, ok := Parse(key.String()); key != (Key{}) && (!ok || back != key) {
			t.Errorf("%s is read as %v", key.String(), back)
		}
	})
}
