package world

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

// Deliveries are the folders that [World.WriteDeliveries] makes, in the order
// of their hand-over:
//
//   - server-archive: the service's own archive by month, partly locked, with
//     three days missing;
//   - live-feed: three weeks of the same service, captured in transit; it has the texts
//     that the archive holds locked, and some copies differ;
//   - phone-of-a-courier: two WhatsApp backups of one phone that overlap;
//   - jabber-server: a room, with an object broken in the middle;
//   - harbour-channel: a month of an IRC channel;
//   - sheet-from-abroad: a sheet of one group, with locked rows, a row that is too long and an
//     impossible date;
//   - encrochat-sheets: messages of an older service, in sheets by month;
//   - phone-of-tilde: a sheet of one device's own copy of its chats;
//   - phone-of-wielen: the same from another device, as an extraction report in XML, with
//     recovered deleted messages;
//   - usb-stick: an export that ends in the middle, and a file that is not a chat.
var Deliveries = []string{"server-archive", "live-feed", "phone-of-a-courier", "jabber-server",
	"harbour-channel", "sheet-from-abroad", "encrochat-sheets", "phone-of-tilde", "phone-of-wielen", "usb-stick"}

// Written returns the [Deliveries] that exist in dir: a small world does not have all of them.
func Written(dir string) []string {
	return slices.DeleteFunc(slices.Clone(Deliveries), func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// FeedFolder is a further folder with the final days of a world, if requested. It has a file
// for every few hours, named by time, like a live feed that is handed over while it continues.
const FeedFolder = "feed"

// feedHours is the number of hours that one file of the feed covers.
const feedHours = 4

// The places where a message can be. Those up to usbStick are deliveries.
const (
	serverArchive = iota
	liveFeed
	courierPhone
	jabberServer
	harbourChannel
	abroadSheet
	encroSheets
	tildePhone
	wielenPhone
	usbStick
	firstCopy // of the courier's phone
	feed
)

// placeName is the name of a place in the truth.
func placeName(place uint8) string {
	switch place {
	case firstCopy:
		return Deliveries[courierPhone] + "/backup-1"
	case courierPhone:
		return Deliveries[courierPhone] + "/backup-2"
	case feed:
		return FeedFolder
	}
	return Deliveries[place]
}

// The days, out of the last 130, on which the live feed ran, and those that the archive
// lacks; each range ends before its second day.
var (
	liveDays    = [2]int32{34, 58}
	missingDays = [2]int32{60, 63}
)

// firstBackup is the day, out of the last 130, before which the first backup of the
// courier's phone was made.
const firstBackup = 60

// Write makes the deliveries of a world as subfolders of dir, which must exist, and
// writes the truth about them to dir.truth.jsonl.
func Write(ctx context.Context, dir string, o Options) error {
	w, err := New(o)
	if err != nil {
		return err
	}
	truth, err := os.Create(filepath.Clean(dir) + ".truth.jsonl")
	if err != nil {
		return fmt.Errorf("write an invented world: %w", err)
	}
	out := bufio.NewWriter(truth)
	err = w.WriteDeliveries(ctx, dir, out)
	return errors.Join(err, out.Flush(), truth.Close())
}

// WriteLines writes all messages in chronological order to out as Argus JSON lines, locked if
// their keys were not handed over, and the truth about them to truth.
func (w *World) WriteLines(ctx context.Context, out, truth io.Writer) error {
	about := truthDelivery{What: "delivery", Name: "messages.jsonl", About: "all messages in chronological order, partly locked"}
	lines := func(d *day, emit func(chunk)) {
		text := d.buffer()
		for _, i := range d.order {
			if text = d.appendJSON(text, &d.said[i], onServer); len(text) >= pieceSize {
				emit(chunk{"messages.jsonl", text})
				text = d.buffer()
			}
		}
		emit(chunk{"messages.jsonl", text})
		d.truthDay(emit, func([]uint8, *said) []uint8 { return nil })
	}
	take := func(c chunk) error {
		to := out
		if c.file == "" {
			to = truth
		}
		if _, err := to.Write(c.text); err != nil {
			return fmt.Errorf("write an invented world: %w", err)
		}
		return nil
	}
	return w.tell(ctx, []truthDelivery{about}, lines, take)
}

// tell writes the parts of the truth that are known before, during and after all days.
func (w *World) tell(ctx context.Context, deliveries []truthDelivery, render renderer, take func(chunk) error) error {
	if err := take(chunk{"", w.truthHead(deliveries)}); err != nil {
		return err
	}
	if err := w.each(ctx, render, take); err != nil {
		return err
	}
	return w.truthKeys(take)
}

// WriteDeliveries writes the messages as they were handed over: the folders of [Deliveries] in
// dir, which must exist, and the truth about them to truth.
func (w *World) WriteDeliveries(ctx context.Context, dir string, truth io.Writer) error {
	f := &folder{dir: dir, truth: truth, open: map[string]*file{}, made: map[string]bool{}}
	err := w.tell(ctx, w.deliveries(), w.handOver, f.take)
	if err == nil {
		err = w.damage(f)
	}
	return errors.Join(err, f.close())
}

func (w *World) deliveries() []truthDelivery {
	last := int32(w.o.Days - w.o.Feed)
	live, lacks, all := w.days(w.late+liveDays[0], w.late+liveDays[1]), w.days(w.late+missingDays[0], w.late+missingDays[1]), w.days(0, last)
	first := w.days(0, w.late+firstBackup)
	about := func(i int, text string, span *Span, services ...string) truthDelivery {
		return truthDelivery{What: "delivery", Name: Deliveries[i], About: text, Service: services, Span: span}
	}
	list := []truthDelivery{
		about(0, "the archive of the service, partly locked", &all, "sky"),
		about(1, "captured in transit", &live, "sky"),
		about(2, "two backups of a phone, the first until "+first.Until, &all, "whatsapp"),
		about(3, "a room", &all, "xmpp"),
		about(4, "a channel in February 2021", nil, "irc"),
		about(5, "one group, as another country sent it", &all, w.o.Service),
		about(6, "the archive of an older service, partly locked", &all, "encrochat"),
		about(7, "one device's own copy", &all, w.o.Service),
		about(8, "one device's own copy, with its deleted messages", &all, w.o.Service),
		about(9, "the beginning of the last month of the archive, damaged", nil, "sky"),
	}
	list[0].Lacks = &lacks
	list[5].Chats, list[7].Account, list[8].Account = []string{"G-3390"}, w.handmadeAccount(tilde), w.handmadeAccount(wielen)
	if w.o.Feed > 0 {
		span := w.days(last, int32(w.o.Days))
		list = append(list, truthDelivery{What: "delivery", Name: FeedFolder, About: "continues after the archives, captured in transit, one file for every four hours",
			Service: services[:whatsapp], Span: &span})
	}
	return slices.DeleteFunc(list, func(one truthDelivery) bool {
		return w.o.Service == "encrochat" && slices.Equal(one.Service, []string{"sky"})
	})
}

// tilde and wielen are the owners of the devices that were found.
const tilde, wielen = "P6LD3V", "H5T0YJ"

// handmadeAccount returns the account of a handmade person, who may be on a different
// service in this world.
func (w *World) handmadeAccount(name string) string {
	return w.accounts[w.people[w.byHand[name]].accounts[0]].id
}

// handOver adds a day to each delivery.
func (w *World) handOver(d *day, emit func(chunk)) {
	files := files{}
	var in [12]uint8
	for at, i := range d.order {
		if at%4096 == 4095 {
			files.emit(emit)
		}
		for _, place := range d.places(in[:0], &d.said[i]) {
			d.copy(files, &d.said[i], place)
		}
	}
	if d.n-d.late == 12 {
		files.add("jabber-server/dock.json", `{"ts":"2021-01-2`+"\n")
	}
	files.emit(emit)
	d.truthDay(emit, d.places)
}

// places appends the places where a message of the day can be found.
func (d *day) places(in []uint8, m *said) []uint8 {
	n := d.n - d.late
	within := func(days [2]int32) bool { return n >= days[0] && n < days[1] }
	service := d.accounts[m.from].service
	if d.feeds() {
		if service > encrochat {
			return in
		}
		return append(in, feed)
	}
	switch service {
	case sky:
		if !within(missingDays) {
			in = append(in, serverArchive)
		}
		if within(liveDays) {
			in = append(in, liveFeed)
		}
	case encrochat:
		in = append(in, encroSheets)
	case whatsapp:
		if n < firstBackup {
			in = append(in, firstCopy)
		}
		return append(in, courierPhone)
	case xmpp:
		return append(in, jabberServer)
	case irc:
		if d.date[:7] == "2021-02" {
			in = append(in, harbourChannel)
		}
		return in
	}
	if m.state&argus.StateSystem != 0 {
		return in
	}
	if m.to < 0 && d.links[m.link].id == "G-3390" {
		in = append(in, abroadSheet)
	}
	if d.passes(m, d.byHand[tilde]) && m.state == 0 {
		in = append(in, tildePhone)
	}
	if d.passes(m, d.byHand[wielen]) {
		in = append(in, wielenPhone)
	}
	return in
}

// feeds reports whether the day belongs to the feed.
func (d *day) feeds() bool { return int(d.n) >= d.o.Days-d.o.Feed }

// copy writes a message in the form used at a place.
func (d *day) copy(files files, m *said, place uint8) {
	switch place {
	case serverArchive:
		name := "server-archive/sky-" + d.date[:len("2021-02")] + ".jsonl"
		files[name] = d.appendJSON(files[name], m, onServer)
	case liveFeed:
		name := "live-feed/" + d.date + ".jsonl"
		files[name] = d.appendJSON(files[name], m, inTransit)
	case feed:
		name := fmt.Sprintf("%s/%sT%02d.jsonl", FeedFolder, d.date, m.second/3600/feedHours*feedHours)
		files[name] = d.appendJSON(files[name], m, inTransit)
	case encroSheets:
		files.row(sheetNames[encro]+d.date[:len("2021-02")]+".csv", d.encroRow(m))
	case firstCopy, courierPhone:
		files.add(placeName(place)+"/WhatsApp Chat with "+d.links[m.link].title+".txt", d.whatsapp(m))
	case jabberServer:
		files.add("jabber-server/dock.json", d.jabber(m))
	case harbourChannel:
		text := fmt.Sprintf("[%s] <%s> %s\n", appendClock(nil, m.second)[:5], d.accounts[m.from].id, d.body(m, inTransit))
		files.add("harbour-channel/"+d.date+".harbour.txt", text)
	case abroadSheet:
		files.row(sheetNames[abroad], d.abroadRow(m))
	case tildePhone:
		files.row(sheetNames[device], d.deviceRow(m))
	case wielenPhone:
		files[reportName] = d.appendReport(files[reportName], m)
	}
}

// files holds the parts of files that a day adds, keyed by path.
type files map[string][]byte

func (f files) add(name, text string) { f[name] = append(f[name], text...) }

// emit passes on all parts.
func (f files) emit(emit func(chunk)) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		emit(chunk{name, f[name]})
		delete(f, name)
	}
}

func (f files) row(name string, cells []string) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Comma = ';'
	_ = w.Write(cells) // writing to memory cannot fail
	w.Flush()
	f[name] = append(f[name], text.Bytes()...)
}

// The sheets, identified by the beginning of their paths, and their headers.
const (
	abroad = iota
	encro
	device
)

var (
	sheetNames = [...]string{"sheet-from-abroad/ruta-sur.csv", "encrochat-sheets/encro-", "phone-of-tilde/chats.csv"}
	sheetHeads = [...]string{
		"Message ID;Chat ID;Sender PIN;Nickname;Sent (UTC);Message;Attachment;Key ID;Locked payload\n",
		"Bericht ID;Gesprek;Afzender;Bijnaam;Ontvanger;Verzonden op (UTC);Bericht;Bijlage;Sleutel ID;Versleuteld\n",
		"Device PIN;Contact PIN;Direction;Chat ID;Chat name;Message ID;Sent (UTC);Message;Attachment\n",
	}
)

// head returns the text with which a file begins.
func head(name string) string {
	if strings.HasPrefix(name, "phone-of-a-courier/") {
		return "11/01/2021, 00:00 - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.\n"
	}
	if name == reportName {
		return reportHead
	}
	for i, beginning := range sheetNames {
		if strings.HasPrefix(name, beginning) {
			return sheetHeads[i]
		}
	}
	return ""
}

// passes reports whether a message comes from or goes to a person.
func (d *day) passes(m *said, person int32) bool {
	if d.accounts[m.from].person == person {
		return true
	}
	for to := range d.receivers(m) {
		if d.accounts[to].person == person {
			return true
		}
	}
	return false
}

func (d *day) deviceRow(m *said) []string {
	out := d.message(m, onPhone)
	owner, contact, direction := d.handmadeAccount(tilde), out.From, "in"
	if contact == owner {
		contact, direction = "", "out"
		if m.to >= 0 {
			contact = out.To[0]
		}
	}
	return []string{owner, contact, direction, out.Conversation, out.Title, out.ServiceID, sheetTime(out), out.Text, fileName(out)}
}

// The report of an extraction, like Cellebrite's report.xml: its path, and
// the text around the messages.
const (
	reportName = "phone-of-wielen/report.xml"
	reportHead = `<?xml version="1.0" encoding="utf-8"?>
<project id="00000000-0000-4000-8000-000000000001" name="Phone of Wielen" reportVersion="5.4.0.0" xmlns="http://pa.cellebrite.com/report/2.0">
<decodedData><modelType type="InstantMessage">
`
	reportTail = "</modelType></decodedData></project>\n"
)

// appendReport appends a message in the form of the report.
func (d *day) appendReport(buf []byte, m *said) []byte {
	v, state := onPhone, "Intact"
	if m.state&argus.StateDeleted != 0 {
		v, state = inTransit, "Deleted"
	}
	out := d.message(m, v)
	field := func(name, kind, text string) {
		buf = fmt.Appendf(buf, `<field name="%s" type="%s"><value type="%s">`, name, kind, kind)
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(text)) // writing to memory cannot fail
		buf = append(append(buf, escaped.Bytes()...), "</value></field>"...)
	}
	party := func(account, name string) {
		buf = append(buf, `<model type="Party">`...)
		field("Identifier", "String", account)
		if name != "" {
			field("Name", "String", name)
		}
		buf = append(buf, "</model>"...)
	}
	buf = fmt.Appendf(buf, `<model type="InstantMessage" id="%s" deleted_state="%s" decoding_confidence="High" extractionId="0">`, out.ServiceID, state)
	field("Source", "String", out.Service)
	field("Identifier", "String", out.ServiceID)
	field("ChatId", "String", out.Conversation)
	buf = append(buf, `<modelField name="From" type="Party">`...)
	party(out.From, out.FromName)
	buf = append(buf, `</modelField><multiModelField name="To" type="Party">`...)
	for _, to := range out.To {
		party(to, "")
	}
	buf = append(buf, "</multiModelField>"...)
	field("Body", "String", out.Text)
	field("TimeStamp", "TimeStamp", out.Sent.String())
	if name := fileName(out); name != "" {
		buf = append(buf, `<multiModelField name="Attachments" type="Attachment"><model type="Attachment">`...)
		field("Filename", "String", name)
		buf = append(buf, "</model></multiModelField>"...)
	}
	return append(buf, "</model>\n"...)
}

// abroadRow returns a row from another country, which had different keys.
func (d *day) abroadRow(m *said) []string {
	out := d.message(m, onPhone)
	key, payload := "", ""
	if mix(d.o.Seed, forAbroad, m.sequence)%7 == 0 {
		name, sealed := d.cipher.seal(d, m)
		key, payload, out.Text, out.Attachments = name, hex.EncodeToString(sealed), "", nil
	}
	return []string{out.ServiceID, out.Conversation, out.From, out.FromName, sheetTime(out), out.Text, fileName(out), key, payload}
}

func (d *day) encroRow(m *said) []string {
	out := d.message(m, onServer)
	key, payload := "", ""
	if out.Locked != nil {
		key, payload = out.Locked.KeyID, hex.EncodeToString(out.Locked.Payload)
	}
	from := out.From
	if from == "" { // the sheet has no column for statements made by the service
		from = d.accounts[m.from].id
	}
	return []string{out.ServiceID, out.Conversation, from, out.FromName, strings.Join(out.To, ","), sheetTime(out), out.Text, fileName(out), key, payload}
}

func sheetTime(m *argus.Message) string { return m.Sent.UTC().Format("02/01/2006 15:04:05") }

func fileName(m *argus.Message) string {
	for _, a := range m.Attachments {
		return a.Name
	}
	return ""
}

func (d *day) whatsapp(m *said) string {
	text := string(d.body(m, inTransit))
	if name, _, _, ok := d.attachment(m, inTransit); ok {
		text = name + " (file attached)"
	}
	at := d.start.AddDate(0, 0, int(d.n)).Add(time.Duration(m.second) * time.Second)
	return fmt.Sprintf("%s - %s: %s\n", at.Format("02/01/2006, 15:04"), d.accounts[m.from].nick, text)
}

// jabber returns a message from a room.
func (d *day) jabber(m *said) string {
	text, err := json.Marshal(struct {
		TS   string `json:"ts"`
		From string `json:"from"`
		To   string `json:"to"`
		Body string `json:"body"`
	}{d.date + "T" + string(appendClock(nil, m.second)) + "Z", d.accounts[m.from].id, d.links[m.link].id, string(d.body(m, inTransit))})
	if err != nil {
		panic(err) // texts can be marshalled
	}
	return string(text) + "\n"
}

// folder writes the delivered data into files.
type folder struct {
	dir   string
	truth io.Writer
	open  map[string]*file
	made  map[string]bool // files made by this run
}

type file struct {
	*bufio.Writer
	f *os.File
}

// mostOpen is the maximum number of files that are kept open.
const mostOpen = 64

func (f *folder) take(c chunk) error {
	if c.file == "" {
		_, err := f.truth.Write(c.text)
		return err
	}
	to := f.open[c.file]
	if to == nil {
		if len(f.open) >= mostOpen {
			if err := f.close(); err != nil {
				return err
			}
		}
		var err error
		if to, err = f.reach(c.file); err != nil {
			return fmt.Errorf("write an invented world: %w", err)
		}
		f.open[c.file] = to
	}
	_, err := to.Write(c.text)
	return err
}

// reach opens a file for appending. The first call for a name empties the file and writes its
// header.
func (f *folder) reach(name string) (*file, error) {
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !f.made[name] {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	to, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	out := &file{bufio.NewWriterSize(to, 64<<10), to}
	if !f.made[name] {
		f.made[name] = true
		out.WriteString(head(name))
	}
	return out, nil
}

func (f *folder) close() error {
	var err error
	for name, to := range f.open {
		err = errors.Join(err, to.Flush(), to.f.Close())
		delete(f.open, name)
	}
	return err
}

// damage completes the files that need an end, and adds the invalid rows and the content of an
// old stick.
func (w *World) damage(f *folder) error {
	bad := files{}
	bad.row(sheetNames[abroad], []string{"51AFFFF0", "G-3390", "C3E9RP", "Sur", "31/02/2021 10:00:00", "Mañana hablamos", "", "", ""})
	bad.row(sheetNames[abroad], []string{"51AFFFF1", "G-3390", "C3E9RP", "Sur", "21/04/2021 10:00:00", "Mañana", "", "", "", "one cell too many"})
	err := errors.Join(f.take(chunk{sheetNames[abroad], bad[sheetNames[abroad]]}), f.take(chunk{reportName, []byte(reportTail)}), f.close())
	if err != nil {
		return err
	}
	copied, err := w.beginning(f.dir)
	if err != nil {
		return err
	}
	if err := f.take(chunk{"usb-stick/copy-of-the-archive.jsonl", copied}); err != nil {
		return err
	}
	picture := []byte{0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0}
	for i := range uint64(240) {
		h := mix(i)
		for range 8 {
			picture = append(picture, byte(h))
			h >>= 8
		}
	}
	return f.take(chunk{"usb-stick/IMG_0231.jpg", picture})
}

// beginning returns a damaged copy of the first lines of the archive's last month.
func (w *World) beginning(dir string) ([]byte, error) {
	month := w.date(int32(w.o.Days-w.o.Feed) - 1)[:len("2021-02")]
	from, err := os.Open(filepath.Join(dir, "server-archive", "sky-"+month+".jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return []byte("\x00\x00\x00 not a message \xff\xfe\n"), nil // nobody uses the service encrochat
	}
	if err != nil {
		return nil, fmt.Errorf("write an invented world: %w", err)
	}
	defer from.Close()
	var out []byte
	lines := bufio.NewScanner(from)
	for i := 0; i < 41 && lines.Scan(); i++ {
		if i == 20 {
			out = append(out, "\x00\x00\x00 not a message \xff\xfe\n"...)
		}
		line := lines.Bytes()
		if i == 40 {
			return append(out, line[:len(line)/2]...), nil
		}
		out = append(append(out, line...), '\n')
	}
	return out, lines.Err()
}
