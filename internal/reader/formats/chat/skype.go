package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
)

// Skype reads messages.json of the data that Skype hands an account ("Export files and chat
// history").
//
//   - From: the account as Skype writes it, with the number of its kind: 8:live:rik.
//   - Conversation: the two accounts, or the id of a thread (19:…@thread.skype). The
//     account's own is userId.
//   - ServiceID: the message's id. Sent: originalarrivaltime, in UTC.
//   - Text: the text shown by the markup of content. A quote's messageid is ReplyTo; files,
//     cards and places are kept as such; the markup stays in Extra if it has more.
//   - Calls and changes of a thread's members and title have their own types. Every type
//     other than those of skypeSpoken is the service's.
//   - Newer exports omit empty members.
var Skype = &reader.Format{
	Name:    "skype",
	Version: 2,
	About:   "Skype's messages.json",
	Checked: "invented examples in the layout that public readers describe; no export of a real account",
	Kept: []string{
		"amsreferences", "content", "conversations.*", "exportDate", "from", "messagetype", "originalarrivaltime", "properties", "quote", "userId",
		"version",
	},
	Detect: detectSkype,
	Read:   readSkype,
}

func detectSkype(s reader.Sample) int {
	return jsondoc.SureOfRecord(s, `"MessageList"`, 95, beginsSkype)
}

func beginsSkype(b []byte) bool { return jsondoc.HasKeys(b, "originalarrivaltime", "messagetype") }

// readSkype reads one conversation after the other.
func readSkype(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	d := jsondoc.New(in, jsondoc.Shape{Lists: func(key string) bool { return key == "MessageList" }, Begins: beginsSkype, Many: true})
	return d.Items(ctx, func(raw string) (*argus.Message, error) { return skypeMessage(d, in.Options, raw) })
}

// skypeSpoken reports whether accounts write messages of this type.
func skypeSpoken(kind string) bool {
	return kind == "" || kind == "Text" || kind == "RichText" || strings.HasPrefix(kind, "RichText/")
}

func skypeMessage(d *jsondoc.Document, options reader.Options, raw string) (*argus.Message, error) {
	kind, content, conversation := "", "", ""
	m, err := d.Begin(cmp.Or(options.Service, "skype"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsondoc.ScalarMember(raw)
		case "originalarrivaltime":
			m.Sent, err = jsondoc.ISOMember(raw, reader.Options{})
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "messagetype":
			kind, err = jsondoc.String(raw)
		case "content":
			content, err = jsondoc.TextOf(m, key, raw)
		case "conversationid":
			conversation, err = jsondoc.TextMember(m, key, raw)
		case "from":
			m.From, err = jsondoc.TextMember(m, key, raw)
		case "displayName":
			m.FromName, err = jsondoc.TextMember(m, key, raw)
			m.FromName = argus.CleanName(m.FromName)
		case "properties":
			if when := jsondoc.InsideText(raw, "deletetime"); when != "" {
				m.State |= argus.StateDeleted
			}
			if edited := jsondoc.Inside(raw, "edittime"); edited != "" {
				when, ok := dates.Millis(jsondoc.ScalarText(edited))
				if build.Edited(m, when); !ok {
					build.NotUnderstood(m, "properties.edittime", jsondoc.Compact(edited))
				}
			}
			jsondoc.KeepMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	own := options.Owner
	for _, fact := range d.Facts {
		switch fact.Name {
		case "userId":
			own = cmp.Or(own, fact.Value)
		case "conversations.id":
			conversation = cmp.Or(conversation, fact.Value)
		case "conversations.displayName":
			m.Title = argus.CleanName(fact.Value)
		}
	}
	m.From = argus.CleanName(m.From)
	if m.Conversation = conversation; !strings.HasPrefix(conversation, "19:") && conversation != "" && own != "" {
		m.Conversation = argus.DirectConversation(own, conversation)
		m.To = build.OneOf(own)
		if m.From == own {
			m.To = build.OneOf(conversation)
		}
	}
	return m, cmp.Or(skypeContent(m, kind, content), build.Valid(m))
}

// skypeContent reads the content of a message, by its type.
func skypeContent(m *argus.Message, kind, content string) error {
	tree, err := html.Parse(strings.NewReader(strings.ReplaceAll(content, "\n", "<br>")))
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	var links []string
	shown := shownText(tree, &links)
	value := func(tag string) string { return shownText(findTag(tree, tag), nil) }
	var whom []string
	for target := range allTags(tree, "target") {
		whom = append(whom, shownText(target, nil))
	}
	if by := value("initiator"); by != "" {
		build.Keep(m, "from", m.From)
		m.From = by
	}
	switch word := strings.TrimPrefix(kind, "ThreadActivity/"); {
	case kind == "RichText/UriObject" || strings.HasPrefix(kind, "RichText/Media_"):
		file := findTag(tree, "uriobject")
		a := argus.Attachment{Name: cmp.Or(attrOf(findTag(file, "originalname"), "v"), value("title"), "file"), Type: attrOf(file, "type")}
		a.Size, _ = strconv.ParseInt(attrOf(findTag(file, "filesize"), "v"), 10, 64)
		m.Attachments = append(m.Attachments, a)
		build.Keep(m, "content", content)
	case kind == "RichText/Contacts":
		for c := range allTags(tree, "c") {
			build.SentCard(m, build.Card(build.OneOf(attrOf(c, "s")), attrOf(c, "f")))
		}
		build.Keep(m, "content", content)
	case kind == "RichText/Location":
		at := findTag(tree, "location")
		m.Text = shown
		build.SentPlace(m, argus.Location{Latitude: skypeDegrees(attrOf(at, "latitude")), Longitude: skypeDegrees(attrOf(at, "longitude")), Name: attrOf(at, "address")})
		build.Keep(m, "content", content)
	case kind == "Text": // without markup
		m.Text = content
	case skypeSpoken(kind):
		if quote := findTag(tree, "quote"); quote != nil {
			m.ReplyTo = attrOf(quote, "messageid")
			build.Keep(m, "quote", shownText(quote, nil))
			quote.Parent.RemoveChild(quote)
			shown = shownText(tree, nil)
		}
		if findTag(tree, "e_m") != nil {
			m.State |= argus.StateEdited
		}
		m.Text = shown
		build.AlsoSaid(m, links...)
	case kind == "Event/Call":
		c := argus.Call{}
		for part := range allTags(tree, "part") {
			if who := attrOf(part, "identity"); who != "" && !slices.Contains(c.Participants, who) && len(c.Participants) < build.ParticipantLimit {
				c.Participants = append(c.Participants, who)
			}
			seconds, err := strconv.ParseFloat(shownText(findTag(part, "duration"), nil), 64)
			if err == nil && seconds >= 0 && seconds < 1e9 {
				c.Seconds = max(c.Seconds, uint64(seconds))
			}
		}
		if c.Answered = build.AnsweredIn(c.Seconds); attrOf(findTag(tree, "partlist"), "type") == "missed" {
			c.Answered = "no"
		}
		build.Called(m, c, kind, strings.ReplaceAll(shown, "\n", " "))
	case word == "AddMember":
		build.Joined(m, "add", whom, kind, strings.Join(whom, " "))
	case word == "DeleteMember":
		if len(whom) == 1 && whom[0] == m.From {
			whom = nil
		}
		action := "remove"
		if whom == nil {
			action = "leave"
		}
		build.Joined(m, action, whom, kind, strings.Join(whom, " "))
	case word == "TopicUpdate":
		build.Renamed(m, argus.CleanName(value("value")), kind, value("value"))
	case content == "" && kind == "":
		return errors.New("want a type or content, found neither")
	default:
		build.Notice(m, kind, shown)
		build.Keep(m, "content", content)
	}
	if kind != "" && kind != "RichText" && kind != "Text" {
		build.Keep(m, "messagetype", kind)
	}
	return nil
}

// skypeDegrees writes millionths of a degree as degrees.
func skypeDegrees(millionths string) string {
	n, err := strconv.ParseInt(millionths, 10, 64)
	if err != nil {
		return millionths
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64)
}
