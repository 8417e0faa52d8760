package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// RSMF is described in docs/readers-xml-mail.md.
var RSMF = &reader.Format{
	Name:    "rsmf",
	Version: 4,
	About:   "Relativity Short Message Format 1.0 and 2.0: a mail with rsmf.zip, or its rsmf_manifest.json",
	Checked: "invented examples only",
	Kept: []string{
		"Subject", "X-RSMF-*", "account_id", "attachments", "avatar", "block_id", "bubble", "conversation.*", "custodian", "custom", "damage", "deleted",
		"direction", "display", "edits", "email", "eventcollectionid", "id", "importance", "isdeleted", "language", "parent", "reactions", "read_receipts",
		"type", "version",
	},
	Detect: detectRSMF,
	Read:   readRSMF,
}

const rsmfManifest = "rsmf_manifest.json"

// Limits of a file.
const (
	// rsmfUnfold is the maximum size of rsmf.zip, packed or not, in bytes.
	rsmfUnfold = 16 << 30
	// rsmfEntries is the maximum number of files in rsmf.zip that are found by name.
	rsmfEntries = 1 << 17
	// rsmfLists is the maximum number of known participants and conversations.
	rsmfLists = 1 << 17
)

func detectRSMF(s reader.Sample) int {
	if sure := detectRSMFManifest(s); sure > 0 {
		return sure
	}
	h, err := sampleHeader(s.Text)
	if err != nil || h.Get("X-RSMF-Version") == "" {
		return 0
	}
	return 95
}

func detectRSMFManifest(s reader.Sample) int {
	if start := jsondoc.Space(s.Text, 0); start == len(s.Text) || s.Text[start] != '{' {
		return 0
	}
	for _, key := range []string{`"version"`, `"participants"`, `"conversations"`, `"display"`} {
		if !bytes.Contains(s.Text, []byte(key)) {
			return 0
		}
	}
	if path.Base(s.Name) == rsmfManifest {
		return 96
	}
	return 80
}

// readRSMF yields one item for each event. In a mail, an event has no position except its
// number, because it is packed and encoded there.
func readRSMF(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		sample, err := reader.NewSample(in.Name, in.File, in.Size)
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		if detectRSMFManifest(sample) > 0 {
			f := newRSMF(in.Options, nil)
			f.read(ctx, in)(yield)
			return
		}
		if err := readRSMFMail(ctx, in, yield); err != nil {
			var bad badMail
			if !errors.As(err, &bad) {
				yield(reader.Item{}, err)
				return
			}
			yield(reader.Item{Problem: bad.Error(), Raw: bytes.Clone(sample.Head[:min(len(sample.Head), argus.QuarantineRaw)])}, nil)
		}
	}
}

// readRSMFMail reads the archive in a mail. Its error is a badMail if the mail is at fault.
func readRSMFMail(ctx context.Context, in reader.Input, yield func(reader.Item, error) bool) error {
	content, facts, err := rsmfContent(ctx, in)
	if err != nil {
		return err
	}
	defer content.Close()
	a, err := reader.OpenArchive(ctx, content, rsmfUnfold, rsmfEntries)
	if err != nil {
		return badMail{fmt.Errorf("open rsmf.zip: %w", err)}
	}
	if !a.Has(rsmfManifest) {
		return badMail{errors.New("want " + rsmfManifest + " in rsmf.zip, found none")}
	}
	manifest, err := openRSMF(a, rsmfManifest)
	if err != nil {
		return err
	}
	defer manifest.Close()
	inside := reader.Input{Name: rsmfManifest, Size: manifest.Size, File: manifest.ReaderAt(), Options: in.Options}
	f := newRSMF(in.Options, a)
	f.facts = facts
	last := uint64(0)
	for item, err := range f.read(ctx, inside) {
		item.Where.Offset, item.Where.Length = 0, 0
		last = item.Where.Record
		if !yield(item, err) || err != nil {
			return nil
		}
	}
	for _, fact := range facts {
		if n, err := strconv.ParseUint(fact.Value, 10, 64); err == nil && strings.EqualFold(fact.Name, "X-RSMF-EventCount") {
			yield(reader.Item{Stated: &argus.Stated{What: fact.Name, Count: n, Besides: f.contacts}, Where: argus.Where{Record: last + 1}}, nil)
		}
	}
	return nil
}

// rsmfContent extracts rsmf.zip from the mail, and returns the header's facts about it.
func rsmfContent(ctx context.Context, in reader.Input) (*reader.Spool, []argus.Field, error) {
	source := &mailSource{ctx: ctx, r: in.Reader()}
	r := bufio.NewReaderSize(source, 256<<10)
	h, err := readMailHeader(r, in.RecordLimit())
	if source.err != nil {
		return nil, nil, source.err
	}
	if err != nil {
		return nil, nil, badMail{err}
	}
	var about argus.Message
	for _, field := range h {
		if strings.HasPrefix(strings.ToUpper(field.Name), "X-RSMF-") && len(about.Extra) < jsondoc.FactLimit {
			build.KeepExtra(&about, field.Name, words(field.Value[:min(len(field.Value), jsondoc.FactSize)]))
		}
	}
	s := reader.NewSpool(in.Temp)
	w := mimeWalk{visit: func(p *mimePart) error {
		isArchive := strings.EqualFold(path.Ext(p.name), ".zip") || p.media == "application/zip"
		if s.Size > 0 || !isArchive {
			return nil
		}
		return s.Fill(io.LimitReader(p.body, rsmfUnfold))
	}}
	err = cmp.Or(w.walk(h, r, 0, false), source.err)
	if err == nil && s.Size == 0 {
		err = badMail{errors.New("want a part rsmf.zip in the mail, found none")}
	}
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, about.Extra, nil
}

// openRSMF unpacks a file of rsmf.zip. Its error is a badMail if the archive is at fault.
func openRSMF(a *reader.Archive, name string) (*reader.Spool, error) {
	s, err := a.Open(name)
	if _, ok := errors.AsType[*reader.EntryError](err); ok {
		return nil, badMail{fmt.Errorf("open %.80q in rsmf.zip: %w", name, err)}
	}
	return s, err
}

// rsmfFile is the content of a manifest other than its events.
type rsmfFile struct {
	options      reader.Options
	participants map[string]rsmfParticipant
	chats        map[string]rsmfChat
	// archive holds the attachments. It is nil if they are next to the manifest.
	archive *reader.Archive
	// facts are the fields of the mail's header that begin with X-RSMF.
	facts []argus.Field
	// contacts counts the items that are participants.
	contacts uint64
	// key is the key for ids of the file, computed from all participants.
	key string
}

// rsmfParticipant is a participant; account is empty if its id is valid only in the file.
type rsmfParticipant struct{ account, name string }

type rsmfChat struct {
	platform, title string
	members         []string // ids of participants
	facts           []argus.Field
}

func newRSMF(o reader.Options, archive *reader.Archive) *rsmfFile {
	return &rsmfFile{options: o, participants: map[string]rsmfParticipant{}, chats: map[string]rsmfChat{}, archive: archive}
}

// read reads a manifest twice: first the participants, then the events.
func (f *rsmfFile) read(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	lists := func(key string) bool { return key == "participants" || key == "conversations" || key == "events" }
	shape := jsondoc.Shape{Lists: lists, Begins: func(b []byte) bool { return jsondoc.HasKeys(b, "type", "conversation") }}
	return func(yield func(reader.Item, error) bool) {
		first := jsondoc.New(in, shape)
		for _, err := range first.Items(ctx, func(raw string) (*argus.Message, error) { return nil, f.learn(first.Under(lists), raw) }) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
		}
		var all []string
		for id, p := range f.participants {
			all = append(all, cmp.Or(p.account, p.name, id))
		}
		slices.Sort(all)
		f.key = argus.ReachKey(all...)
		second := jsondoc.New(in, shape)
		second.Items(ctx, func(raw string) (*argus.Message, error) {
			switch list := second.Under(lists); list {
			case "participants":
				f.contacts++
				return f.participant(raw)
			case "conversations":
				return nil, f.learn(list, raw)
			}
			m, err := f.event(raw)
			if err == nil {
				m.Extra = append(append(m.Extra, second.Facts...), f.facts...)
			}
			return m, err
		})(yield)
	}
}

// learn takes a participant or a conversation, without retaining the record around it.
func (f *rsmfFile) learn(list, raw string) error {
	var id, account, email, display, platform string
	var chat rsmfChat
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			id, err = jsondoc.String(raw)
		case "account_id":
			account, err = jsondoc.String(raw)
		case "email":
			email, err = jsondoc.String(raw)
		case "display":
			display, err = jsondoc.String(raw)
		case "platform":
			platform, err = jsondoc.String(raw)
		case "participants":
			chat.members, err = jsondoc.List(raw, jsondoc.String)
		default: // custodian, type, icon: kept with each event
			if list == "conversations" && len(chat.facts) < jsondoc.FactLimit && len(raw) <= jsondoc.FactSize {
				var m argus.Message
				jsondoc.KeepMember(&m, strings.Clone("conversation."+key), strings.Clone(raw))
				chat.facts = append(chat.facts, m.Extra...)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case list == "participants" && len(f.participants) < rsmfLists:
		account = build.AccountOf(argus.CleanName(cmp.Or(account, email)))
		f.participants[strings.Clone(id)] = rsmfParticipant{strings.Clone(account), strings.Clone(argus.CleanName(display))}
	case list == "conversations" && len(f.chats) < rsmfLists:
		chat.platform, chat.title = strings.Clone(strings.ToLower(platform)), strings.Clone(argus.CleanName(display))
		chat.members = build.Others(chat.members, "")
		for i := range chat.members {
			chat.members[i] = strings.Clone(chat.members[i])
		}
		f.chats[strings.Clone(id)] = chat
	}
	return nil
}

// participant makes a contact of a participant, with its names and addresses.
func (f *rsmfFile) participant(raw string) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(f.options.Service, "rsmf")}
	var id string
	err := jsondoc.Members(raw, func(key, raw string) error {
		if key == "id" {
			id, _ = jsondoc.String(raw)
		}
		jsondoc.AddExtra(m, key, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p := f.participants[id]
	build.Contact(m, "participant", []string{f.account(m, id)}, p.name)
	return m, build.Valid(m)
}

// account returns the account of a participant: an identifier valid beyond the file, otherwise
// the participant's id with a key made from the participants.
func (f *rsmfFile) account(m *argus.Message, id string) string {
	if account := f.participants[id].account; account != "" || id == "" {
		return account
	}
	build.AccountsReach(m, argus.ReachFile)
	return id + "@" + f.key
}

// conversation returns the id of a conversation. The id gets a key made from the members
// unless it is too long to be a number that is only valid in the file.
func (f *rsmfFile) conversation(m *argus.Message, id string) string {
	if id == "" || len(id) >= argus.LongID {
		return id
	}
	m.ConversationReach = argus.ReachFile
	var members []string
	for _, member := range f.chats[id].members {
		p := f.participants[member]
		members = append(members, cmp.Or(p.account, p.name, member))
	}
	slices.Sort(members)
	return argus.Within(id, members...)
}

// event makes a message of an event.
func (f *rsmfFile) event(raw string) (*argus.Message, error) {
	m := &argus.Message{}
	var kind, who, chatID string
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsondoc.String(raw)
		case "type":
			kind, err = jsondoc.String(raw)
		case "participant":
			who, err = jsondoc.String(raw)
		case "conversation":
			chatID, err = jsondoc.String(raw)
		case "body":
			m.Text, err = jsondoc.TextMember(m, key, raw)
			m.Text = textdoc.LineFeeds(m.Text)
		case "parent":
			m.ReplyTo, err = jsondoc.String(raw)
		case "timestamp":
			m.Sent, err = jsondoc.ISOMember(raw, f.options)
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "deleted":
			if raw == "true" {
				m.State |= argus.StateDeleted
			} else if raw != "false" && raw != "null" {
				build.NotUnderstood(m, key, jsondoc.Compact(raw))
			}
		case "edits":
			if raw != "[]" {
				jsondoc.EditedAt(m, key, raw, f.lastEdit(raw))
			}
		case "attachments":
			m.Attachments, err = jsondoc.List(raw, func(raw string) (argus.Attachment, error) { return f.attachment(m, raw) })
			jsondoc.AddExtra(m, key, raw)
		default:
			jsondoc.AddExtra(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	chat := f.chats[chatID]
	m.Service = cmp.Or(f.options.Service, chat.platform, "rsmf")
	m.Conversation, m.Title = f.conversation(m, chatID), chat.title
	m.Extra = append(m.Extra, chat.facts...)
	if who != "" {
		m.From, m.FromName = f.account(m, who), f.participants[who].name
	}
	for _, id := range build.Others(chat.members, who) {
		m.To = append(m.To, f.account(m, id))
	}
	switch text := m.Text; {
	case kind == "join" || kind == "leave":
		build.Joined(m, kind, nil, kind, text)
	case kind != "message":
		build.Notice(m, cmp.Or(kind, "event"), text)
	case m.From == "":
		m.State |= argus.StateSystem
	}
	return m, build.Valid(m)
}

// lastEdit returns the latest time in a list of edits.
func (f *rsmfFile) lastEdit(raw string) (last argus.Time) {
	list := jsondoc.Scanner[string]{Text: raw}
	for strings.HasPrefix(raw, "[") && list.Next() {
		if t, ok := dates.ISO(jsondoc.InsideText(list.Value, "timestamp"), f.options); ok && (!last.Known() || t.Micros > last.Micros) {
			last = t
		}
	}
	return last
}

// attachment reads a file that an event names. Its id is its name in the archive.
func (f *rsmfFile) attachment(m *argus.Message, raw string) (a argus.Attachment, err error) {
	err = jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			a.Name, err = jsondoc.String(raw)
		case "size":
			a.Size, err = jsondoc.SizeMember(raw)
		}
		return err
	})
	if err != nil || f.archive == nil || !f.archive.Has(a.Name) {
		return a, err
	}
	content, err := openRSMF(f.archive, a.Name)
	if _, bad := errors.AsType[badMail](err); bad {
		build.KeepExtra(m, "damage", err.Error())
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer content.Close()
	sum := sha256.New()
	a.Size, err = io.Copy(sum, io.NewSectionReader(content.ReaderAt(), 0, content.Size))
	sum.Sum(a.Hash[:0])
	return a, err
}
