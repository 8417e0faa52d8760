package world

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/argus-evidence/argus"
)

// view is the form in which a source holds a message.
type view uint8

const (
	// inTransit: as sent, before any change, and readable.
	inTransit view = iota
	// onServer: in its final form, encrypted if no key was handed over.
	onServer
	// onPhone: in its final form, readable.
	onPhone
)

// state returns the state of a message in a view.
func (d *day) state(m *said, v view) argus.State {
	switch {
	case v == inTransit:
		return m.state & argus.StateSystem
	case v == onServer && m.state&argus.StateSystem == 0 && m.state&argus.StateDeleted == 0 && d.missing(m.from, d.month):
		return m.state&argus.StateEdited | argus.StateLocked
	}
	return m.state
}

// body returns the text of a message in a view, before encryption.
func (d *day) body(m *said, v view) []byte {
	switch {
	case v == inTransit:
		return d.text[m.sent[0]:m.sent[1]]
	case m.state&argus.StateDeleted != 0:
		return nil
	}
	return d.text[m.text[0]:m.text[1]]
}

// conversation appends the service's name for the thread.
func (d *day) conversation(buf []byte, m *said) []byte {
	if m.to < 0 {
		return append(buf, d.links[m.link].id...)
	}
	a, b := d.accounts[m.from].id, d.accounts[m.to].id
	if b < a {
		a, b = b, a
	}
	return append(append(append(buf, a...), '|'), b...)
}

// receivers yields the accounts that receive a message.
func (d *day) receivers(m *said) func(yield func(int32) bool) {
	return func(yield func(int32) bool) {
		if m.to >= 0 {
			yield(m.to)
			return
		}
		l := &d.links[m.link]
		for _, p := range l.members {
			var to int32
			if l.service == sky {
				to = d.serviceOn(p, d.n)
			} else {
				to = d.accountOn(&d.World.people[p], l.service, d.n, false)
			}
			if to >= 0 && (to != m.from || m.state&argus.StateSystem != 0) && !yield(to) {
				return
			}
		}
	}
}

// id returns the service's own id of a message, or "" if it has none.
func id(m *said) string {
	if m.sequence == 0 {
		return ""
	}
	return string(appendID(nil, m))
}

func appendID(buf []byte, m *said) []byte {
	number := 0x51A00000 + m.sequence
	for shift := 28; shift >= 0; shift -= 4 {
		buf = append(buf, "0123456789ABCDEF"[number>>shift&15])
	}
	return buf
}

// attachment returns the file of a photo or a voice note, if the message has one.
func (d *day) attachment(m *said, v view) (name, media string, size uint64, ok bool) {
	if m.attachment == 0 || v != inTransit && m.state&argus.StateDeleted != 0 {
		return "", "", 0, false
	}
	h := mix(d.o.Seed, uint64(d.n), uint64(m.second), uint64(m.from))
	if m.attachment == 'v' {
		return fmt.Sprintf("VN-%04d.ogg", h%10000), "audio/ogg", 9_000 + h>>32%200_000, true
	}
	return fmt.Sprintf("IMG-%04d.jpg", h%10000), "image/jpeg", 80_000 + h>>32%900_000, true
}

// message returns a message in Argus' own form.
func (d *day) message(m *said, v view) *argus.Message {
	from := &d.accounts[m.from]
	out := &argus.Message{Service: services[from.service], Conversation: string(d.conversation(nil, m)), From: from.id, FromName: from.nick,
		ServiceID: id(m), Sequence: m.sequence, State: d.state(m, v), Text: string(d.body(m, v)),
		Sent: argus.At(d.start.AddDate(0, 0, int(d.n)).Add(time.Duration(m.second)*time.Second), "", argus.ZoneStated, argus.Second)}
	if m.to < 0 {
		out.Title = d.links[m.link].title
	}
	if m.state&argus.StateSystem != 0 {
		out.From, out.FromName = "", ""
	}
	for to := range d.receivers(m) {
		out.To = append(out.To, d.accounts[to].id)
	}
	if m.answers >= 0 {
		out.ReplyTo = id(&d.said[m.answers])
	}
	if name, media, size, ok := d.attachment(m, v); ok {
		out.Attachments = []argus.Attachment{{Name: name, Type: media, Size: int64(size)}}
	}
	if out.State&argus.StateLocked != 0 {
		key, payload := d.cipher.seal(d, m)
		out.Locked = &argus.Locked{KeyID: key, Algorithm: algorithm, Payload: append([]byte(nil), payload...)}
		out.Text, out.Attachments = "", nil
	}
	return out
}

// appendJSON appends a message as a line of docs/format/jsonl.md. It writes the same content
// as [day.message], without building a message.
func (d *day) appendJSON(buf []byte, m *said, v view) []byte {
	from := &d.accounts[m.from]
	state := d.state(m, v)
	buf = append(buf, `{"service":"`...)
	buf = append(buf, services[from.service]...)
	buf = append(buf, `","conversation":"`...)
	buf = d.conversation(buf, m)
	if m.to < 0 && d.links[m.link].title != "" {
		buf = appendString(append(buf, `","title":`...), d.links[m.link].title)
	} else {
		buf = append(buf, '"')
	}
	if state&argus.StateSystem == 0 {
		buf = append(buf, `,"from":"`...)
		buf = append(append(buf, from.id...), '"')
		if from.nick != "" {
			buf = appendString(append(buf, `,"from_name":`...), from.nick)
		}
	}
	first := true
	for to := range d.receivers(m) {
		if first {
			buf = append(buf, `,"to":["`...)
			first = false
		} else {
			buf = append(buf, `,"`...)
		}
		buf = append(append(buf, d.accounts[to].id...), '"')
	}
	if !first {
		buf = append(buf, ']')
	}
	if m.sequence != 0 {
		buf = append(appendID(append(buf, `,"id":"`...), m), '"')
		buf = strconv.AppendUint(append(buf, `,"seq":`...), m.sequence, 10)
	}
	buf = append(append(buf, `,"sent":"`...), d.date...)
	buf = append(appendClock(append(buf, 'T'), m.second), `Z"`...)
	if state != 0 {
		buf = append(buf, `,"state":[`...)
		for i, word := range state.Words() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = append(append(append(buf, '"'), word...), '"')
		}
		buf = append(buf, ']')
	}
	if m.answers >= 0 {
		buf = append(appendID(append(buf, `,"reply_to":"`...), &d.said[m.answers]), '"')
	}
	if state&argus.StateLocked != 0 {
		key, payload := d.cipher.seal(d, m)
		buf = append(append(buf, `,"locked":{"key_id":"`...), key...)
		buf = append(buf, `","algorithm":"`+algorithm+`","payload":"`...)
		buf = base64.StdEncoding.AppendEncode(buf, payload)
		return append(buf, "\"}}\n"...)
	}
	if text := d.body(m, v); len(text) > 0 {
		buf = appendString(append(buf, `,"text":`...), text)
	}
	if name, media, size, ok := d.attachment(m, v); ok {
		buf = fmt.Appendf(buf, `,"attachments":[{"name":"%s","size":%d,"type":"%s"}]`, name, size, media)
	}
	return append(buf, "}\n"...)
}

// appendClock appends 12:03:11.
func appendClock(buf []byte, second int32) []byte {
	h, m, s := byte(second/3600), byte(second/60%60), byte(second%60)
	return append(buf, '0'+h/10, '0'+h%10, ':', '0'+m/10, '0'+m%10, ':', '0'+s/10, '0'+s%10)
}

// appendString appends JSON text; messages have no control characters.
func appendString[T string | []byte](buf []byte, text T) []byte {
	buf = append(buf, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			buf = append(buf, '\\')
		}
		buf = append(buf, text[i])
	}
	return append(buf, '"')
}

const algorithm = "AES-256-GCM"

// lock encrypts the messages of one account in one month.
type lock struct {
	account, month int32
	name           string
	aead           cipher.AEAD
	payload        []byte
}

// missing reports whether the key of an account for a month was not handed over.
// The keys of those who order the violence in plots.txt are always missing.
func (w *World) missing(account, month int32) bool {
	a := &w.accounts[account]
	if w.o.Locked == 0 || a.service > encrochat {
		return false
	}
	if a.person == w.byHand["7B2FAA"] || a.person == w.byHand["Z4M1ND"] {
		return true
	}
	return mix(w.o.Seed, forKey, uint64(account), uint64(month))%100 < uint64(w.o.Locked)
}

// keyOf returns the key of an account for a month, and the key's name.
func (w *World) keyOf(account, month int32) (name string, key [sha256.Size]byte) {
	var text []byte
	for _, n := range []uint64{w.o.Seed, forKey, uint64(account), uint64(month)} {
		text = binary.BigEndian.AppendUint64(text, n)
	}
	key = sha256.Sum256(text)
	of := sha256.Sum256(key[:])
	return "K-" + hex.EncodeToString(of[:6]), key
}

// seal encrypts the final form of a message: the payload is a nonce of 12 bytes,
// the ciphertext and the tag, with the service's id of the message as
// additional data. It is valid until the next call.
func (k *lock) seal(d *day, m *said) (name string, payload []byte) {
	if k.aead == nil || k.account != m.from || k.month != d.month {
		var key [sha256.Size]byte
		k.account, k.month = m.from, d.month
		k.name, key = d.keyOf(m.from, d.month)
		block, err := aes.NewCipher(key[:])
		if err == nil {
			k.aead, err = cipher.NewGCM(block)
		}
		if err != nil {
			panic(err) // cannot happen, because the key has 32 bytes
		}
	}
	nonce := mix(d.o.Seed, forNonce, m.sequence)
	k.payload = binary.BigEndian.AppendUint64(k.payload[:0], nonce)
	k.payload = binary.BigEndian.AppendUint32(k.payload, uint32(m.sequence))
	text := d.body(m, onServer)
	if name, _, _, ok := d.attachment(m, onServer); ok && len(text) == 0 {
		text = []byte("file:" + name)
	}
	var id [8]byte
	return k.name, k.aead.Seal(k.payload, k.payload[:12], text, appendID(id[:0], m))
}
