package table

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
)

// JSON reads JSON of unknown programs: a list of objects, each with a sender, a time and a
// text. The words of sheets (docs/format/sheet.md) identify their members, or --map names
// them: from=party.
//
//   - It is used only if no other format recognises the file. No record is guessed: an
//     object of the list without a sender is a problem.
//   - A member outside the list that names a field applies to every record in the list
//     if it comes before them: chat_id next to messages.
//   - Times are those of sheets. "", null and 0 mean none.
//   - Accounts and conversations other than numbers, addresses and long ids carry the key
//     of their export if it states an id: a member outside the list or in the record whose
//     name is one of jsonExportIDs. Without an id they are kept unchanged, with the reach
//     export, because the scope of an unknown program's ids is unknown.
//   - Service: a member, otherwise Options.Service, otherwise unknown.
var JSON = &reader.Format{
	Name:    "json",
	Version: 5,
	About:   "JSON of any program that is a list of objects with sender, time and text, whose members --map names",
	Checked: "invented examples only",
	Detect:  func(s reader.Sample) int { return detectJSONRecords(s) },
	Read:    readJSONRecords,
}

// jsonFields maps the name of a member to its field.
type jsonFields map[string]string

// of returns the field of a member: the operator's choice, or the field that a sheet header of
// that name would have.
func (f jsonFields) of(key string) sheetField {
	for name, member := range f {
		if strings.EqualFold(strings.TrimSpace(member), key) {
			return sheetField(max(0, slices.IndexFunc(sheetWords[:], func(w struct{ name, words string }) bool { return w.name == name })))
		}
	}
	field := sheetHeaders()[plainHeader(apartAtCapitals(key))]
	if _, named := f[sheetWords[field].name]; named {
		return fieldOther // --map gives the field to another member
	}
	return field
}

// apartAtCapitals turns senderName into sender Name.
func apartAtCapitals(key string) string {
	var out strings.Builder
	lower := false
	for _, r := range key[:min(len(key), 80)] {
		if unicode.IsUpper(r) && lower {
			out.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		out.WriteRune(r)
	}
	return out.String()
}

// begins reports whether an object has a sender, a time and a text.
func (f jsonFields) begins(b []byte) bool {
	var has [sheetFields]bool
	return jsondoc.HasMember(b, func(key, _ []byte) bool {
		has[f.of(string(key[1:len(key)-1]))] = true
		return has[fieldText] && (has[fieldFrom] || has[fieldFromName] || has[fieldContact]) && (has[fieldSent] || has[fieldDate] || has[fieldTime])
	})
}

func detectJSONRecords(s reader.Sample) int {
	return jsondoc.SureOfRecord(s, "[", 10, jsonFields(s.Map).begins)
}

// readJSONRecords finds the list that contains the first record, and reads it and every list
// under the same key.
func readJSONRecords(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		if err := checkMap(in.Map); err != nil {
			yield(reader.Item{}, err)
			return
		}
		fields := jsonFields(in.Map)
		list, found := "", false
		look := jsondoc.New(in, jsondoc.Shape{Lists: func(string) bool { return false }, Begins: fields.begins})
		for item, err := range look.Items(ctx, func(string) (*argus.Message, error) { return &argus.Message{}, nil }) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if n := len(look.Open); item.Message != nil && n > 0 && look.Open[n-1].List {
				list, found = look.Open[n-1].Key, true
				break
			}
		}
		s := jsondoc.Shape{Lists: func(key string) bool { return found && key == list }, Begins: fields.begins, Many: true}
		d := jsondoc.New(in, s)
		export := sync.OnceValue(func() string { return keyOfJSON(ctx, in, s) })
		d.Items(ctx, func(raw string) (*argus.Message, error) {
			m, own, err := jsonRecord(d, in, fields, raw)
			if err == nil {
				build.Keyed(m, own, export)
			}
			return m, err
		})(yield)
	}
}

// jsonExportIDs are the members that name the server or export in which ids are unique, in the
// form of plainHeader.
var jsonExportIDs = map[string]bool{
	"export id": true, "backup id": true, "archive id": true, "server id": true, "workspace id": true, "team id": true, "guild id": true, "instance id": true,
}

// isExportID reports whether a fact is the id of an export or a server.
func isExportID(name string) bool {
	return jsonExportIDs[plainHeader(apartAtCapitals(name[strings.LastIndexByte(name, '.')+1:]))]
}

// keyOfJSON computes the key of a file from the id that it states outside its records. It
// returns "" if there is none.
func keyOfJSON(ctx context.Context, in reader.Input, s jsondoc.Shape) string {
	own := ""
	s.Take = func(name, text string) bool {
		if own == "" && isExportID(name) {
			own = text
		}
		return false
	}
	for _, err := range jsondoc.New(in, s).Items(ctx, func(string) (*argus.Message, error) { return &argus.Message{}, nil }) {
		if err != nil {
			break // the reading itself will meet the same error
		}
	}
	if own == "" {
		return ""
	}
	return argus.ReachKey(own)
}

// jsonRecord reads one object as a message whose ids have no key yet. It also returns the id
// of its export, if the record or its surroundings state one.
func jsonRecord(d *jsondoc.Document, in reader.Input, fields jsonFields, raw string) (m *argus.Message, own string, err error) {
	r := record{options: in.Options, owner: ownerOf(in), time: func(_ sheetField, s string) (argus.Time, error) { return jsonRecordTime(s, in.Options) }}
	taken := map[sheetField]bool{}
	m, err = d.Begin("", raw, func(m *argus.Message, key, raw string) (err error) {
		field := fields.of(key)
		if field == fieldOther || taken[field] {
			jsondoc.KeepMember(m, key, raw)
			return nil
		}
		taken[field] = true
		r.names[field] = key
		switch {
		case field == fieldText:
			r.said[field], err = jsondoc.TextOf(m, key, raw)
		case raw[0] == '{' && (field == fieldFrom || field == fieldContact):
			id := cmp.Or(jsondoc.InsideText(raw, "id"), jsondoc.InsideText(raw, "username"))
			r.said[fieldFromName] = jsondoc.InsideText(raw, "name")
			r.said[field] = cmp.Or(id, r.said[fieldFromName])
			jsondoc.KeepMember(m, key, raw)
		case raw[0] == '[' && (field == fieldTo || field == fieldAttachment):
			r.said[field] = strings.Join(jsondoc.TextsIn(raw), "\n")
			jsondoc.KeepMember(m, key, raw)
		case raw[0] == '{' || raw[0] == '[':
			jsondoc.KeepMember(m, key, raw)
		default:
			r.said[field] = jsondoc.ScalarText(raw)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for _, fact := range d.Facts { // around the list
		key := fact.Name[strings.LastIndexByte(fact.Name, '.')+1:]
		if field := fields.of(key); field != fieldOther && r.said[field] == "" {
			r.said[field], r.names[field] = fact.Value, key
		}
	}
	r.to = strings.FieldsFunc(r.said[fieldTo], isSeparator)
	r.attachments = strings.FieldsFunc(r.said[fieldAttachment], func(r rune) bool { return r == '\n' })
	r.service = cmp.Or(in.Service, strings.ToLower(argus.CleanName(r.said[fieldService])), "unknown")
	if err := r.message(m); err != nil {
		return nil, "", err
	}
	return m, ownExport(m), build.Valid(m)
}

// isSeparator reports whether a character separates several values in one text.
func isSeparator(r rune) bool { return strings.ContainsRune(";,|\n", r) }

// jsonRecordTime reads a time in the forms of sheets; "" and 0 mean none.
func jsonRecordTime(s string, o reader.Options) (argus.Time, error) {
	if s = strings.TrimSpace(s); s == "" || strings.Trim(s, "0.") == "" {
		return argus.Time{}, nil
	}
	if t, ok := dates.ISO(s, o); ok {
		return t, nil
	}
	zone, source := o.ZoneOrUTC()
	t, err := dates.Cell(s, dates.Assumed, zone, source, false)
	if err != nil {
		return t, errors.New("time: " + err.Error())
	}
	return t, nil
}
