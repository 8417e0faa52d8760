// Package table reads lists of messages of no known program: sheets, lists of JSON objects,
// and any source for which there is a map.
package table

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Sheet is described in docs/format/sheet.md.
var Sheet = &reader.Format{
	Name:    "sheet",
	Version: 3,
	About:   "sheets of messages (CSV, TSV, XLSX): of crypto-phone services, of reviews, returns of Snapchat, exports of DiscordChatExporter and Viber",
	Checked: "invented examples only, in layouts of public programs; of crypto-phone services no public sample exists",
	Detect:  detectSheet,
	Read:    readSheet,
}

// headerRows is the number of rows searched for a header.
const headerRows = 20

func detectSheet(s reader.Sample) int {
	if slices.Contains(s.Entries, sheetdoc.WorkbookPart) {
		return 60 // a workbook; its sheets will show whether it holds messages
	}
	if s.Text == nil {
		return 0
	}
	if _, header := sniffSheet(s.Text, nil); header == nil {
		return 0
	}
	return 80
}

// sniffSheet finds the delimiter with which a sheet has a header, preferring the widest
// header.
func sniffSheet(text []byte, mapped map[string]string) (delimiter byte, header *sheetHeader) {
	words := sheetHeaders()
	for _, d := range []byte(",;\t|") {
		n := 0
		for row, err := range sheetdoc.CSV(context.Background(), textInput(text), d, sheetdoc.HeaderCells, 0) {
			if n++; err != nil || n > headerRows {
				break
			}
			h := newSheetHeader(row.Cells, words, mapped)
			if h == nil && n == 1 {
				h = chatLog(row.Cells)
			}
			if h == nil {
				continue
			}
			if header == nil || len(h.names) > len(header.names) {
				delimiter, header = d, h
			}
			break
		}
	}
	return delimiter, header
}

func textInput(text []byte) reader.Input {
	return reader.Input{Size: int64(len(text)), File: bytes.NewReader(text)}
}

// sheetPlan is the information that a whole sheet gives about its rows.
type sheetPlan struct {
	messages build.Messages
	*sheetHeader
	// at is the index of the header row.
	at int
	// begins is the first message, which keys ids that are running numbers.
	begins string
	order  dates.Order
	// accounts counts the values in account columns; pins and handles count those that look
	// like one. mixed counts PINs with both letters and digits, and encro handles in a domain
	// that EncroChat itself used.
	accounts, pins, mixed, handles, encro int
	from1904                              bool
	// is holds the service, once the sheet has been surveyed; assumed is set if only the
	// accounts indicate it.
	is      string
	assumed bool
	// people are the writers in a chat without a header, at most build.ParticipantLimit.
	people []string
}

// readSheet reads the file twice, because the meaning of a date like 3/4/2021 and the form of
// accounts are decided over a whole sheet. Record is the line on which a row begins, or in a
// workbook the row, counted over all sheets.
func readSheet(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		rows, err := openSheet(ctx, in)
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		plans, err := surveySheets(rows, in.Map)
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		n, sheet := 0, -1
		for row, err := range rows {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if row.Sheet != sheet {
				n, sheet = 0, row.Sheet
			}
			item, some := plans[sheet].item(n, row, in)
			n++
			if some && !yield(item, nil) {
				return
			}
		}
	}
}

// openSheet returns the rows of a workbook or of a text file; they can be iterated any number
// of times.
func openSheet(ctx context.Context, in reader.Input) (iter.Seq2[*sheetdoc.Row, error], error) {
	if err := checkMap(in.Map); err != nil {
		return nil, err
	}
	head := make([]byte, min(in.Size, reader.HeadSize))
	if n, err := in.File.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("read the beginning of the sheet: %w", err)
	}
	if reader.IsZip(head) {
		return sheetdoc.Workbook(ctx, in)
	}
	delimiter, header := sniffSheet(textdoc.SampleText(head), in.Map)
	if header == nil {
		return sheetdoc.CSV(ctx, in, cmp.Or(delimiter, ','), sheetdoc.HeaderCells, 0), nil
	}
	literal := 0
	if delimiter == '\t' {
		literal = len(header.names)
	}
	return sheetdoc.CSV(ctx, in, delimiter, len(header.names)+sheetdoc.SpareCells, literal), nil
}

// surveySheets goes through all rows and makes the plan of each sheet.
func surveySheets(rows iter.Seq2[*sheetdoc.Row, error], mapped map[string]string) ([]*sheetPlan, error) {
	var plans []*sheetPlan
	words := sheetHeaders()
	n := 0
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		for len(plans) <= row.Sheet {
			plans = append(plans, &sheetPlan{})
			n = 0
		}
		p := plans[row.Sheet]
		if p.sheetHeader != nil {
			p.look(row.Cells)
		} else if n < headerRows {
			p.sheetHeader, p.at, p.from1904 = newSheetHeader(row.Cells, words, mapped), n, row.From1904
			if p.sheetHeader == nil && n == 0 && mapped == nil {
				if p.sheetHeader = chatLog(row.Cells); p.sheetHeader != nil {
					p.at = -1
					p.look(row.Cells)
				}
			}
			row.Only = p.looksAt()
		}
		n++
	}
	return plans, nil
}

// looksAt returns the columns that look needs.
func (p *sheetPlan) looksAt() []bool {
	if p.sheetHeader == nil {
		return nil
	}
	only := make([]bool, len(p.fields))
	for i, f := range p.fields {
		switch f {
		case fieldSent, fieldDate, fieldTime, fieldReceived, fieldRead, fieldFrom, fieldTo, fieldOwner, fieldContact:
			only[i] = true
		}
	}
	return only
}

// look takes one row into account.
func (p *sheetPlan) look(cells []sheetdoc.Cell) {
	for i, c := range cells[:min(len(cells), len(p.fields))] {
		switch p.fields[i] {
		case fieldSent, fieldDate, fieldTime, fieldReceived, fieldRead:
			if beginsWithYear(c.Text) {
				continue
			}
			if d, ok := dates.SplitDate(strings.TrimSpace(c.Text)); ok {
				p.order = p.order.With(d.Order())
			}
		case fieldFrom, fieldTo, fieldOwner, fieldContact:
			account := argus.CleanName(c.Text)
			if account == "" {
				continue
			}
			p.accounts++
			if isPIN(account) {
				p.pins++
				if isMixed(account) {
					p.mixed++
				}
			} else if at := strings.IndexByte(account, '@'); at > 0 {
				p.handles++
				if strings.Contains(strings.ToLower(account[at:]), "encro") {
					p.encro++
				}
			}
			if p.log && len(p.people) < build.ParticipantLimit && !slices.Contains(p.people, build.AccountOf(account)) {
				p.people = append(p.people, build.AccountOf(account))
			}
		}
	}
}

// beginsWithYear reports whether a date is unambiguous because it begins with the year.
func beginsWithYear(s string) bool { return len(s) > 4 && s[4] == '-' && textdoc.DigitsEnd(s, 0) == 4 }

// service names the service by the header of a program, or by the form of most accounts, in
// which case assumed is true. It returns unknown if neither shows it.
func (p *sheetPlan) service() (name string, assumed bool) {
	switch {
	case slices.Equal(p.names, discordHeader):
		return "discord", false
	case p.havePINs() && p.mixed*2 > p.pins:
		return "sky", true
	case p.handles*2 > p.accounts && p.encro*2 > p.handles:
		return "encrochat", true
	}
	return "unknown", false
}

// discordHeader is the header that DiscordChatExporter writes.
var discordHeader = []string{"AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"}

// discordFile matches the channel in the name of its file: Guild - channel [901].csv.
var discordFile = regexp.MustCompile(`([^/]*) \[(\d+)\]\.csv$`)

func (p *sheetPlan) havePINs() bool { return p.pins*2 > p.accounts }

// isPIN reports whether an account has the form of a Sky ECC PIN: 6 characters 0-9 A-Z.
func isPIN(s string) bool {
	if len(s) != 6 {
		return false
	}
	for i := range len(s) {
		if c := s[i] &^ 0x20; (s[i] < '0' || s[i] > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// item makes an item of the n-th row of a sheet. The header, its repetitions and empty rows
// yield none.
func (p *sheetPlan) item(n int, row *sheetdoc.Row, in reader.Input) (reader.Item, bool) {
	item := reader.Item{Problem: row.Problem, Raw: row.Raw, Where: row.Where}
	switch {
	case p.sheetHeader == nil:
		if n > 0 {
			return item, false
		}
		item.Problem = fmt.Sprintf("want a header that names a time, a sender and a text among the first %d rows, found none", headerRows)
		item.Raw = sheetdoc.Raw(row)
		if row.Where.Length > 0 {
			item.Where.Length = in.Size - row.Where.Offset
		}
	case row.Problem != "":
		item.Raw = sheetdoc.Raw(row)
	case n < p.at:
		if n == 0 && len(row.Cells) > 0 && strings.HasPrefix(row.Cells[0].Text, "sep=") {
			return item, false // tells a spreadsheet the delimiter
		}
		item.Problem, item.Raw = "want the header, found other cells above it", sheetdoc.Raw(row)
	case n == p.at || p.isHeader(row.Cells) || isBlank(row.Cells):
		return item, false
	default:
		m, err := p.message(row, in.Name, in.Options)
		if err != nil {
			item.Problem, item.Raw = err.Error(), sheetdoc.Raw(row)
		} else {
			item.Message = m
			// A row that names the device's owner belongs to that owner's copy.
			item.Device = cells{row.Cells, &p.column}.text(fieldOwner)
		}
	}
	return item, true
}

// isMixed reports whether a PIN has both digits and letters.
func isMixed(pin string) bool {
	digits := 0
	for i := range len(pin) {
		if textdoc.IsDigit(pin[i]) {
			digits++
		}
	}
	return digits > 0 && digits < len(pin)
}

func isBlank(cells []sheetdoc.Cell) bool {
	return !slices.ContainsFunc(cells, func(c sheetdoc.Cell) bool { return strings.TrimSpace(c.Text) != "" || c.Formula != "" })
}

func (p *sheetPlan) isHeader(cells []sheetdoc.Cell) bool {
	if len(cells) < len(p.names) {
		return false
	}
	for i, name := range p.names {
		if strings.TrimSpace(cells[i].Text) != name {
			return false
		}
	}
	return true
}

// sheetMessage is the message being read from a row.
type sheetMessage struct {
	*argus.Message
	plan *sheetPlan
	cells
	options reader.Options
}

// cells are the cells of a row, by field.
type cells struct {
	row    []sheetdoc.Cell
	column *[sheetFields]int
}

// cell returns the cell of a field, empty if there is none.
func (c cells) cell(f sheetField) sheetdoc.Cell {
	if i := c.column[f]; i >= 0 && i < len(c.row) {
		return c.row[i]
	}
	return sheetdoc.Cell{}
}

// text returns the text in a field's cell, without surrounding space.
func (c cells) text(f sheetField) string {
	if i := c.column[f]; i >= 0 && i < len(c.row) && c.row[i].Text != "" {
		return argus.CleanName(c.row[i].Text)
	}
	return ""
}

// message makes a message of a row.
func (p *sheetPlan) message(row *sheetdoc.Row, name string, options reader.Options) (*argus.Message, error) {
	if err := p.fits(row); err != nil {
		return nil, err
	}
	m := sheetMessage{Message: p.messages.Next(), plan: p, cells: cells{row.Cells, &p.column}, options: options}
	if row.Name != "" {
		m.extra("sheet", row.Name)
	}
	if m.Service = cmp.Or(strings.ToLower(m.text(fieldService)), options.Service); m.Service == "" {
		if p.is == "" {
			p.is, p.assumed = p.service()
		}
		if m.Service = p.is; p.assumed {
			m.extra(argus.ExtraAssumed, "service: by the form of most accounts")
		}
	}
	m.accounts()
	if word := m.text(fieldDirection); m.From == "" && word != "" && build.DirectionOf(word) == 0 {
		return nil, fmt.Errorf("want a word that says in or out, found %.40q", word)
	}
	m.Title = m.text(fieldTitle)
	m.Conversation = m.text(fieldConversation)
	if p.log {
		m.chat()
	} else if m.Service == "discord" && m.Conversation == "" {
		if at := discordFile.FindStringSubmatch(name); at != nil {
			m.Title, m.Conversation = at[1], at[2]
		}
	}
	if build.IsCounter(m.Conversation) && m.Service != "discord" {
		if p.begins == "" {
			p.begins = string(sheetdoc.Raw(row))
		}
		m.Title = cmp.Or(m.Title, m.Conversation)
		m.Conversation, m.ConversationReach = argus.Within(m.Conversation, p.begins), argus.ReachExport
	}
	if m.Conversation == "" && len(m.To) == 1 && m.From != "" {
		m.Conversation = argus.DirectConversation(m.From, m.To[0])
	}
	m.ServiceID, m.ReplyTo = m.text(fieldID), m.text(fieldReplyTo)
	if err := m.times(); err != nil {
		return nil, err
	}
	m.Text = textdoc.LineFeeds(m.cell(fieldText).Text)
	if name := m.text(fieldAttachment); name != "" {
		m.Attachments = []argus.Attachment{{Name: path.Base(strings.ReplaceAll(name, `\`, "/"))}}
		m.extraIf("attachment", name, m.Attachments[0].Name)
	}
	m.lock()
	switch strings.ToLower(m.text(fieldDeleted)) {
	case "", "0", "no", "nee", "non", "nein", "false", "falsch", "faux", "onwaar", "n":
	default:
		m.State |= argus.StateDeleted
		m.keep(fieldDeleted)
	}
	m.others()
	return m.Message, m.Valid()
}

// fits returns an error if the number of cells is wrong: an extra cell that is not empty, or
// so few cells that the text is missing. Empty cells at the end are often left out.
func (p *sheetPlan) fits(row *sheetdoc.Row) error {
	for _, c := range row.Cells[min(len(row.Cells), len(p.names)):] {
		if strings.TrimSpace(c.Text) != "" {
			return fmt.Errorf("want %d cells as the header has, found %d", len(p.names), len(row.Cells))
		}
	}
	reaches := func(f sheetField) bool { return p.column[f] >= 0 && p.column[f] < len(row.Cells) }
	if row.Where.Length > 0 && !reaches(fieldText) && !reaches(fieldPayload) {
		return fmt.Errorf("want %d cells as the header has, found %d, the text missing", len(p.names), len(row.Cells))
	}
	return nil
}

func (m *sheetMessage) extra(name, value string) {
	if m.Extra == nil {
		m.Extra = make([]argus.Field, 0, 4)
	}
	m.Extra = append(m.Extra, argus.Field{Name: name, Value: value})
}

// extraIf keeps the original value if it was changed.
func (m *sheetMessage) extraIf(name, stood, now string) {
	if stood != now {
		m.extra(name+"_raw", stood)
	}
}

// accounts sets sender and receivers from the columns, or from the direction, the device's
// owner and the contact.
func (m *sheetMessage) accounts() {
	from, to := m.text(fieldFrom), m.text(fieldTo)
	owner, contact := m.text(fieldOwner), m.text(fieldContact)
	if direction := build.DirectionOf(m.text(fieldDirection)); direction != 0 {
		if direction < 0 {
			owner, contact = contact, owner
		}
		from, to = cmp.Or(from, owner), cmp.Or(to, contact)
	} else if m.column[fieldFrom] < 0 && m.column[fieldTo] >= 0 {
		from = owner
	}
	receivers := to
	m.From = m.account("from", from)
	m.FromName = m.text(fieldFromName)
	for to != "" {
		one, rest := to, ""
		if i := accountEnd(to); i >= 0 {
			one, rest = to[:i], to[i+1:]
		}
		if one = argus.CleanName(one); one != "" {
			m.To = append(m.To, m.account("to", one))
		}
		to = rest
	}
	if word := m.text(fieldDirection); word != "" && build.DirectionOf(word) == 0 {
		build.NotUnderstood(m.Message, m.plan.names[m.column[fieldDirection]], word)
	} else {
		m.keep(fieldDirection)
	}
	for _, f := range []sheetField{fieldOwner, fieldContact} {
		if account := m.text(f); account != from && account != receivers {
			m.keep(f)
		}
	}
}

// chat sets the participants of a chat without a header, which a row alone does not show. The
// owner of the phone is called me, followed by the owner's number.
func (m *sheetMessage) chat() {
	if slices.Contains(ownerWords, strings.ToLower(m.FromName)) {
		m.extra("name", m.FromName)
		m.FromName = ""
	}
	m.From = build.AccountOf(m.From)
	m.To = build.Others(m.plan.people, m.From)
	m.Conversation = build.ConversationOf(slices.Clone(m.plan.people))
}

// ownerWords are the words that apps use for the owner of the phone in their exports.
var ownerWords = []string{"me", "you", "ik", "ich", "moi", "yo", "io", "eu", "ja", "ben", "я", "أنا"}

// accountEnd returns the place where the first of several accounts ends, or -1.
func accountEnd(s string) int {
	for i := range len(s) {
		if c := s[i]; c == ';' || c == ',' || c == '|' || c == '\n' {
			return i
		}
	}
	return -1
}

// keep keeps the cells of fields that the message shows nowhere else.
func (m *sheetMessage) keep(fields ...sheetField) {
	for _, f := range fields {
		if text := m.text(f); text != "" {
			m.extra(m.plan.names[m.column[f]], text)
		}
	}
}

// account returns an account in the service's form. If a spreadsheet took a PIN for a number,
// the leading zeros are restored where nothing else can be missing. Other damage (12E345 is a
// number too) cannot be undone, so the value is kept as written, with a remark.
func (m *sheetMessage) account(name, stood string) string {
	if !m.plan.havePINs() || stood == "" {
		return stood
	}
	if isPIN(stood) {
		pin := strings.ToUpper(stood)
		m.extraIf(name, stood, pin)
		return pin
	}
	if !looksLikeNumber(stood) {
		return stood
	}
	m.extra(name+"_raw", stood)
	// 12340 may have been 012340 or 1234E1, and 1234 may have been 1234E0.
	if len(stood) == 5 && textdoc.DigitsEnd(stood, 0) == 5 && stood[4] != '0' {
		return "0" + stood
	}
	m.extra(name+"_note", "not a PIN of 6 characters: a spreadsheet seems to have turned it into a number")
	return stood
}

// looksLikeNumber reports whether a spreadsheet would take a text for a number.
func looksLikeNumber(s string) bool {
	return strings.Trim(s, "0123456789.,+-eE") == "" && strings.ContainsAny(s, "0123456789")
}

// times sets sent, received and read.
func (m *sheetMessage) times() (err error) {
	sent := fieldSent
	if m.text(sent) == "" {
		sent = fieldDate
		if m.text(sent) == "" {
			sent = fieldTime
		}
	}
	if sent == fieldSent {
		m.keep(fieldDate, fieldTime)
	}
	stood := m.text(sent)
	if sent == fieldDate && m.text(fieldTime) != "" {
		stood += " " + m.text(fieldTime)
		if m.cell(fieldDate).Number && m.cell(fieldTime).Number {
			stood = dates.AddSerials(m.text(fieldDate), m.text(fieldTime))
		}
	}
	if stood == "" {
		return errors.New("want a sent time, found an empty cell")
	}
	if m.Sent, err = m.time(sent, stood); err != nil {
		return fmt.Errorf("sent: %w", err)
	}
	m.Received, m.Read = m.further(fieldReceived), m.further(fieldRead)
	return nil
}

// further reads an optional time; it returns 0 if there is none.
func (m *sheetMessage) further(f sheetField) argus.Time {
	stood := m.text(f)
	if strings.Trim(stood, "0.-") == "" {
		return argus.Time{}
	}
	t, err := m.time(f, stood)
	if err != nil {
		build.NotUnderstood(m.Message, m.plan.names[m.column[f]], stood)
		return argus.Time{}
	}
	return t
}

func (m *sheetMessage) time(f sheetField, stood string) (argus.Time, error) {
	zone, source := m.options.ZoneOrUTC()
	for _, column := range []int{m.column[f], m.column[fieldTime]} {
		if column >= 0 && m.plan.zones[column] != nil && (column == m.column[f] || f == fieldDate) {
			zone, source = m.plan.zones[column], argus.ZoneFile
		}
	}
	order := m.plan.order
	if order == dates.Assumed {
		order = dates.OrderOf(m.options)
	}
	return dates.Cell(stood, order, zone, source, m.plan.from1904)
}

// lock sets the encrypted content. If a row also has the text, the maker of the sheet
// decrypted it.
func (m *sheetMessage) lock() {
	payload := m.text(fieldPayload)
	if payload == "" {
		m.keep(fieldKeyID, fieldAlgorithm)
		return
	}
	m.Locked = &argus.Locked{KeyID: m.text(fieldKeyID), Algorithm: m.text(fieldAlgorithm)}
	var known bool
	if m.Locked.Payload, known = decodePayload(payload); !known {
		m.extra("payload_encoding", "text")
	}
	if strings.TrimSpace(m.Text) == "" {
		m.State |= argus.StateLocked
		m.Text = ""
	}
}

// decodePayload reads hexadecimal or base64 of either alphabet, with or without padding;
// anything else is kept as written.
func decodePayload(s string) (payload []byte, known bool) {
	if b, err := hex.DecodeString(strings.TrimPrefix(s, "0x")); err == nil {
		return b, true
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.DecodeString(plain); err == nil {
		return b, true
	}
	return []byte(s), false
}

// label is a column's name, or its position if the header has none.
func (h *sheetHeader) label(column int) string {
	if h.names[column] != "" {
		return h.names[column]
	}
	return fmt.Sprintf("column %d", column+1)
}

// others keeps the columns without a field, and the formulas.
func (m *sheetMessage) others() {
	for i, c := range m.row[:min(len(m.row), len(m.plan.names))] {
		if m.plan.fields[i] == fieldOther && strings.TrimSpace(c.Text) != "" {
			m.extra(m.plan.label(i), c.Text)
		}
		if c.Formula != "" {
			m.extra(m.plan.label(i)+" formula", "="+c.Formula)
		}
	}
	if m.plan.order == dates.Assumed && m.Sent.Raw != "" && !beginsWithYear(m.Sent.Raw) {
		if d, ok := dates.SplitDate(m.Sent.Raw); ok && !d.YearFirst && !d.Named && d.Separator != '.' && d.A != d.B {
			order := "day first"
			if dates.OrderOf(m.options) == dates.MonthFirst {
				order = "month first, as in " + strings.Join(m.options.Countries, ",")
			}
			m.extra("date_order", "assumed: "+order)
		}
	}
}
