package reader

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
)

// rsmfFormat is described in docs/readers-xml-mail.md.
var rsmfFormat = &Format{
	Name:    "rsmf",
	Version: 3,
	About:   "Relativity Short Message Format 1.0 and 2.0: a mail with rsmf.zip, or its rsmf_manifest.json",
	Checked: "invented examples only",
	Detect:  detectRSMF,
	Read:    readRSMF,
}

const rsmfManifest = "rsmf_manifest.json"

// Limits of a file.
const (
	// rsmfUnfold is the most that rsmf.zip may hold, packed or not, in bytes.
	rsmfUnfold = 16 << 30
	// rsmfEntries is how many files of it are found by name.
	rsmfEntries = 1 << 17
	// rsmfLists is how many participants and conversations are known.
	rsmfLists = 1 << 17
)

func detectRSMF(s Sample) int {
	if sure := detectRSMFManifest(s); sure > 0 {
		return sure
	}
	h, err := sampleHeader(s.Text)
	if err != nil || h.Get("X-RSMF-Version") == "" {
		return 0
	}
	return 95
}

func detectRSMFManifest(s Sample) int {
	if start := jsonSpace(s.Text, 0); start == len(s.Text) || s.Text[start] != '{' {
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

// readRSMF yields one item for each event. In a mail, an event has no place but
// its number: it is packed and encoded there.
func readRSMF(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		sample, err := NewSample(in.Name, in.File, in.Size)
		if err != nil {
			yield(Item{}, err)
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
				yield(Item{}, err)
				return
			}
			yield(Item{Problem: bad.Error(), Raw: bytes.Clone(sample.Head[:min(len(sample.Head), argus.QuarantineRaw)])}, nil)
		}
	}
}

// readRSMFMail reads the archive in a mail. Its error is a badMail when it is
// the mail that is wrong.
func readRSMFMail(ctx context.Context, in Input, yield func(Item, error) bool) error {
	content, facts, err := rsmfContent(ctx, in)
	if err != nil {
		return err
	}
	defer content.close()
	a, err := openArchive(ctx, content, rsmfUnfold, rsmfEntries)
	if err != nil {
		return badMail{fmt.Errorf("open rsmf.zip: %w", err)}
	}
	if !a.has(rsmfManifest) {
		return badMail{errors.New("want " + rsmfManifest + " in rsmf.zip, found none")}
	}
	manifest, err := openRSMF(a, rsmfManifest)
	if err != nil {
		return err
	}
	defer manifest.close()
	inside := Input{Name: rsmfManifest, Size: manifest.size, File: manifest.reader(), Options: in.Options}
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
			yield(Item{Stated: &argus.Stated{What: fact.Name, Count: n, Besides: f.contacts}, Where: argus.Where{Record: last + 1}}, nil)
		}
	}
	return nil
}

// rsmfContent takes rsmf.zip out of the mail, and what the header says of it.
func rsmfContent(ctx context.Context, in Input) (*spool, []argus.Field, error) {
	source := &mailSource{ctx: ctx, r: in.Reader()}
	r := bufio.NewReaderSize(source, 256<<10)
	h, err := readMailHeader(r, in.maxRecord())
	if source.err != nil {
		return nil, nil, source.err
	}
	if err != nil {
		return nil, nil, badMail{err}
	}
	var about argus.Message
	for _, field := range h {
		if strings.HasPrefix(strings.ToUpper(field.Name), "X-RSMF-") && len(about.Extra) < factLimit {
			keepExtra(&about, field.Name, words(field.Value[:min(len(field.Value), factSize)]))
		}
	}
	s := newSpool(in.Temp)
	w := mimeWalk{visit: func(p *mimePart) error {
		isArchive := strings.EqualFold(path.Ext(p.name), ".zip") || p.media == "application/zip"
		if s.size > 0 || !isArchive {
			return nil
		}
		return s.fill(io.LimitReader(p.body, rsmfUnfold))
	}}
	err = cmp.Or(w.walk(h, r, 0, false), source.err)
	if err == nil && s.size == 0 {
		err = badMail{errors.New("want a part rsmf.zip in the mail, found none")}
	}
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, about.Extra, nil
}

// openRSMF unfolds a file of rsmf.zip. Its error is a badMail when it is the archive
// that is wrong.
func openRSMF(a *archive, name string) (*spool, error) {
	s, err := a.open(name)
	if _, ok := errors.AsType[*entryError](err); ok {
		return nil, badMail{fmt.Errorf("open %.80q in rsmf.zip: %w", name, err)}
	}
	return s, err
}

// rsmfFile is what a manifest says besides its events.
type rsmfFile struct {
	options      Options
	participants map[string]rsmfParticipant
	chats        map[string]rsmfChat
	// archive holds the attachments; nil where they lie beside the manifest.
	archive *archive
	// facts are the fields of the mail's header that begin with X-RSMF.
	facts []argus.Field
	// contacts counts the items that are participants.
	contacts uint64
	// key is that of ids of the file: of all participants.
	key string
}

// rsmfParticipant is one; account is empty where its id counts in the file only.
type rsmfParticipant struct{ account, name string }

type rsmfChat struct {
	platform, title string
	members         []string // ids of participants
	facts           []argus.Field
}

func newRSMF(o Options, archive *archive) *rsmfFile {
	return &rsmfFile{options: o, participants: map[string]rsmfParticipant{}, chats: map[string]rsmfChat{}, archive: archive}
}

// read reads a manifest twice: for who takes part, then for what happened.
func (f *rsmfFile) read(ctx context.Context, in Input) iter.Seq2[Item, error] {
	lists := func(key string) bool { return key == "participants" || key == "conversations" || key == "events" }
	shape := shape{lists: lists, begins: func(b []byte) bool { return hasKeys(b, "type", "conversation") }}
	return func(yield func(Item, error) bool) {
		first := newDocument(in, shape)
		for _, err := range first.items(ctx, func(raw string) (*argus.Message, error) { return nil, f.learn(first.under(lists), raw) }) {
			if err != nil {
				yield(Item{}, err)
				return
			}
		}
		var all []string
		for id, p := range f.participants {
			all = append(all, cmp.Or(p.account, p.name, id))
		}
		slices.Sort(all)
		f.key = argus.ReachKey(all...)
		second := newDocument(in, shape)
		second.items(ctx, func(raw string) (*argus.Message, error) {
			switch list := second.under(lists); list {
			case "participants":
				f.contacts++
				return f.participant(raw)
			case "conversations":
				return nil, f.learn(list, raw)
			}
			m, err := f.event(raw)
			if err == nil {
				m.Extra = append(append(m.Extra, second.facts...), f.facts...)
			}
			return m, err
		})(yield)
	}
}

// learn takes a participant or a conversation, without the record around it.
func (f *rsmfFile) learn(list, raw string) error {
	var id, account, email, display, platform string
	var chat rsmfChat
	err := members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			id, err = jsonString(raw)
		case "account_id":
			account, err = jsonString(raw)
		case "email":
			email, err = jsonString(raw)
		case "display":
			display, err = jsonString(raw)
		case "platform":
			platform, err = jsonString(raw)
		case "participants":
			chat.members, err = jsonList(raw, jsonString)
		default: // custodian, type, icon: kept with each event
			if list == "conversations" && len(chat.facts) < factLimit && len(raw) <= factSize {
				var m argus.Message
				keepMember(&m, strings.Clone("conversation."+key), strings.Clone(raw))
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
		account = accountOf(argus.CleanName(cmp.Or(account, email)))
		f.participants[strings.Clone(id)] = rsmfParticipant{strings.Clone(account), strings.Clone(argus.CleanName(display))}
	case list == "conversations" && len(f.chats) < rsmfLists:
		chat.platform, chat.title = strings.Clone(strings.ToLower(platform)), strings.Clone(argus.CleanName(display))
		chat.members = others(chat.members, "")
		for i := range chat.members {
			chat.members[i] = strings.Clone(chat.members[i])
		}
		f.chats[strings.Clone(id)] = chat
	}
	return nil
}

// participant makes a contact of a participant: its names and addresses.
func (f *rsmfFile) participant(raw string) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(f.options.Service, "rsmf")}
	var id string
	err := members(raw, func(key, raw string) error {
		if key == "id" {
			id, _ = jsonString(raw)
		}
		addExtra(m, key, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p := f.participants[id]
	contact(m, "participant", []string{f.account(m, id)}, p.name)
	return m, valid(m)
}

// account returns the account of a participant: what names it beyond the file, else
// its id with a key of who takes part.
func (f *rsmfFile) account(m *argus.Message, id string) string {
	if account := f.participants[id].account; account != "" || id == "" {
		return account
	}
	accountsReach(m, argus.ReachFile)
	return id + "@" + f.key
}

// conversation returns the id of a conversation, with a key of who is in it unless
// it is long enough to be no number of the file.
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
	err := members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsonString(raw)
		case "type":
			kind, err = jsonString(raw)
		case "participant":
			who, err = jsonString(raw)
		case "conversation":
			chatID, err = jsonString(raw)
		case "body":
			m.Text, err = textMember(m, key, raw)
			m.Text = withLineFeeds(m.Text)
		case "parent":
			m.ReplyTo, err = jsonString(raw)
		case "timestamp":
			m.Sent, err = isoMember(raw, f.options)
			atZero(m, key, raw, m.Sent)
		case "deleted":
			if raw == "true" {
				m.State |= argus.StateDeleted
			}
		case "edits":
			edited(m, f.lastEdit(raw))
			addExtra(m, key, raw)
		case "attachments":
			m.Attachments, err = jsonList(raw, func(raw string) (argus.Attachment, error) { return f.attachment(m, raw) })
			addExtra(m, key, raw)
		default:
			addExtra(m, key, raw)
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
	for _, id := range others(chat.members, who) {
		m.To = append(m.To, f.account(m, id))
	}
	switch text := m.Text; {
	case kind == "join" || kind == "leave":
		joined(m, kind, nil, kind, text)
	case kind != "message":
		notice(m, cmp.Or(kind, "event"), text)
	case m.From == "":
		m.State |= argus.StateSystem
	}
	return m, valid(m)
}

// lastEdit returns the latest time in a list of edits.
func (f *rsmfFile) lastEdit(raw string) (last argus.Time) {
	list := jsonMembers[string]{s: raw}
	for strings.HasPrefix(raw, "[") && list.next() {
		if t, ok := parseISO(insideText(list.value, "timestamp"), f.options); ok && (!last.Known() || t.Micros > last.Micros) {
			last = t
		}
	}
	return last
}

// attachment reads a file that an event names. Its id is its name in the
// archive.
func (f *rsmfFile) attachment(m *argus.Message, raw string) (a argus.Attachment, err error) {
	err = members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			a.Name, err = jsonString(raw)
		case "size":
			a.Size, err = sizeMember(raw)
		}
		return err
	})
	if err != nil || f.archive == nil || !f.archive.has(a.Name) {
		return a, err
	}
	content, err := openRSMF(f.archive, a.Name)
	if _, bad := errors.AsType[badMail](err); bad {
		keepExtra(m, "damage", err.Error())
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer content.close()
	sum := sha256.New()
	a.Size, err = io.Copy(sum, io.NewSectionReader(content.reader(), 0, content.size))
	sum.Sum(a.Hash[:0])
	return a, err
}
