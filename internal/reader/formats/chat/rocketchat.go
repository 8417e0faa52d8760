package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// RocketChat reads messages of Rocket.Chat in the form of its REST interface and its database:
// in a list, under messages, or one per line.
//
//   - Conversation: rid; each server calls its first room GENERAL, so that a short id
//     gets a key of the server. Title: its name in rooms.json next to the file. The rid
//     of a direct conversation is its two users' ids, which gives To.
//   - From: u._id, FromName u.username.
//   - t names events of the service (joins, departures, additions, removals, new names,
//     topics, calls), except e2e, which is locked: its first twelve characters are
//     the id of the room's key.
//   - An attachment with message_link is a quote, one with a title_link or a
//     *_url a file. The descriptions of files, and the words of any other attachment,
//     are lines of the text.
//   - tmid is the message that starts the thread.
//   - A user (of users.json, or under users) is a contact: the account's name and
//     user name. services is not shown: it holds hashes of passwords and tokens.
//   - A room (of rooms.json, or under update, rooms, channels, groups, ims) is a
//     room: its name (otherwise its id), topic and description, from its creator at the
//     time of creation.
//   - count after the messages is the REST interface's own count of its answer.
var RocketChat = &reader.Format{
	Name:    "rocketchat",
	Version: 5,
	About:   "Rocket.Chat messages, users and rooms as JSON, from its REST interface or its database",
	Checked: "invented examples only",
	Ignored: map[string]string{"services": "passwords and tokens; their size is kept", "joinCode": "lets people in; its size is kept", "success": "of the answer of the server", "offset": "of the answer of the server", "total": "of the answer of the server"},
	Kept: []string{
		"_hidden", "_id", "_updatedAt", "active", "alias", "announcement", "archived", "attachments", "avatar", "avatarETag", "avatarOrigin", "avatarUrl",
		"bio", "blocks", "bot", "broadcast", "callStatus", "channels", "content.*", "createdAt", "customFields", "default", "description", "displayName",
		"drid", "e2eKeyId", "e2eMentions", "editedAt", "editedBy", "emails", "emoji", "encrypted", "federated", "file", "fileUpload", "files", "fname",
		"groupable", "groups", "jitsiTimeout", "joinCode", "language", "lastLogin", "lastMessage", "lm", "location", "md", "mentions", "msgs", "muted",
		"name", "nickname", "open", "parseUrls", "pinned", "pinnedAt", "pinnedBy", "prid", "private", "reactionHash", "reactions", "ref", "replies",
		"requirePasswordChange", "retention", "ro", "role", "roles", "sandstormId", "sentByEmail", "services", "settings", "slackBotId", "slackTs", "sort",
		"starred", "status", "statusConnection", "statusDefault", "statusLivechat", "statusText", "success", "sysMes", "t", "tcount", "teamId", "teamMain",
		"temporal", "tlm", "tmid", "tmsg", "topic", "ts", "tshow", "type", "typed", "u.*", "uids", "unread", "unreadNotLoaded", "urls", "userMuted",
		"username", "usernames", "usersCount", "utcOffset", "visitor", "webRtcCallEndTs",
	},
	Detect: detectRocketchat,
	Read:   readRocketchat,
}

// detectRocketchat looks for a message, a user or a room.
func detectRocketchat(s reader.Sample) int {
	if sure := jsondoc.SureOfRecord(s, "{", 80, func(b []byte) bool { return beginsRocketchatUser(b) || beginsRocketchatRoom(b) }); sure > 0 {
		return sure
	}
	return jsondoc.SureOfRecord(s, "{", 92, func(b []byte) bool { return jsondoc.HasKeys(b, "_id", "rid") && jsondoc.HasKeys(b, "ts", "u") })
}

func beginsRocketchatMessage(b []byte) bool { return jsondoc.HasKeys(b, "_id", "rid") }

// beginsRocketchatUser recognises a user by members that the short form of one in a message
// lacks.
func beginsRocketchatUser(b []byte) bool {
	return jsondoc.HasKeys(b, "_id", "username") && (jsondoc.HasKeys(b, "active") || jsondoc.HasKeys(b, "roles") || jsondoc.HasKeys(b, "createdAt"))
}

// beginsRocketchatRoom recognises a room by the letter of its kind and by its counts or lists.
func beginsRocketchatRoom(b []byte) bool {
	room, counts := isRocketchatRoom(b)
	return room && counts
}

// isRocketchatRoom reports whether an object is a room (unlike a message or a user, a room is
// not in a room), and whether it has the counts or lists that Rocket.Chat's rooms have.
func isRocketchatRoom(b []byte) (room, counts bool) {
	id, kind, inside := false, false, false
	jsondoc.HasMember(b, func(key, value []byte) bool {
		switch string(key) {
		case `"_id"`:
			id = true
		case `"t"`:
			kind = len(value) == 3 && strings.IndexByte("cdlpv", value[1]) >= 0
		case `"msgs"`, `"usersCount"`, `"usernames"`, `"uids"`:
			counts = true
		case `"rid"`:
			inside = true
		}
		return inside
	})
	return id && kind && !inside, counts
}

// rocketchatLists are the keys of lists that hold messages, users or rooms.
var rocketchatLists = map[string]bool{
	"": true, "messages": true, "users": true, "update": true, "rooms": true, "channels": true, "groups": true, "ims": true,
}

// readRocketchat reads the messages, users or rooms of a file.
func readRocketchat(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		titles := rocketchatRooms(ctx, in)
		ids := rocketchatIDs{server: sync.OnceValue(func() string { return rocketchatServer(ctx, in) })}
		count, rooms := "", false // rooms is set if the last record was a room, which contains its last message
		d := jsondoc.New(in, jsondoc.Shape{
			Lists: func(key string) bool { return rocketchatLists[key] },
			Begins: func(b []byte) bool {
				return beginsRocketchatUser(b) || beginsRocketchatRoom(b) || !rooms && beginsRocketchatMessage(b)
			},
			Take: func(name, text string) bool {
				switch name {
				case "count":
					count = text
				case "success", "offset", "total": // ignored
				default:
					return false
				}
				return true
			},
		})
		d.StatedItems(ctx, func(raw string) (*argus.Message, error) {
			if rooms, _ = isRocketchatRoom(d.Buf); rooms { // at the start of the record
				return rocketchatRoom(d, in.Options, ids, raw)
			}
			return rocketchatMessage(d, in.Options, titles, ids, raw)
		}, "count", &count)(yield)
	}
}

// rocketchatIDs makes ids unique. Ids that a server draws, of users, rooms and messages,
// already are. Ids that every server has (GENERAL, rocket.cat) and user names are not unique,
// and get a key of the server.
type rocketchatIDs struct{ server func() string }

func (i rocketchatIDs) account(m *argus.Message, id string) string {
	if id == "" || len(id) >= argus.LongID {
		return id
	}
	build.AccountsReach(m, argus.ReachServer)
	return argus.Within(id, i.server())
}

func (i rocketchatIDs) room(m *argus.Message, id string) string {
	if id == "" || len(id) >= argus.LongID {
		return id
	}
	m.ConversationReach = argus.ReachServer
	return argus.Within(id, i.server())
}

// rocketchatServer names the server of a file by the lowest id of its users: those of
// users.json next to it, otherwise the users in the file. A larger export gets the same
// server unless it has a lower id.
func rocketchatServer(ctx context.Context, in reader.Input) (least string) {
	see := func(id string) {
		if len(id) >= argus.LongID && (least == "" || id < least) {
			least = strings.Clone(id)
		}
	}
	for raw := range jsondoc.SiblingRecords(ctx, in, "users.json", "_id") {
		if beginsRocketchatUser([]byte(raw)) {
			see(jsondoc.InsideText(raw, "_id"))
		}
	}
	if least != "" {
		return least
	}
	d := jsondoc.New(in, jsondoc.Shape{Lists: func(key string) bool { return rocketchatLists[key] }, Begins: func(b []byte) bool {
		return beginsRocketchatUser(b) || beginsRocketchatRoom(b) || beginsRocketchatMessage(b)
	}})
	for _, err := range d.Items(ctx, func(raw string) (*argus.Message, error) {
		see(jsondoc.InsideText(raw, "u", "_id"))
		see(jsondoc.InsideText(raw, "lastMessage", "u", "_id"))
		if beginsRocketchatUser([]byte(raw[:min(len(raw), textdoc.PeekSize)])) {
			see(jsondoc.InsideText(raw, "_id"))
		}
		return nil, nil
	}) {
		if err != nil {
			break // the reading itself meets the error too
		}
	}
	return least
}

// rocketchatRooms returns the names of rooms.
func rocketchatRooms(ctx context.Context, in reader.Input) map[string]string {
	titles := map[string]string{}
	for raw := range jsondoc.SiblingRecords(ctx, in, "rooms.json", "_id") {
		id, name, shown := "", "", ""
		err := jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "_id":
				id, err = jsondoc.String(raw)
			case "name":
				name, err = jsondoc.String(raw)
			case "fname":
				shown, err = jsondoc.String(raw)
			}
			return err
		})
		if err == nil && len(titles) < rocketchatRoomLimit {
			titles[strings.Clone(id)] = strings.Clone(argus.CleanName(cmp.Or(shown, name)))
		}
	}
	return titles
}

const rocketchatRoomLimit = 1 << 20

// rocketchatKeyID is the number of characters of locked content that name its key.
const rocketchatKeyID = 12

func rocketchatMessage(d *jsondoc.Document, options reader.Options, titles map[string]string, ids rocketchatIDs, raw string) (*argus.Message, error) {
	kind, text, described, ciphertext, algorithm, username, name := "", "", "", "", "", "", ""
	noTime := false
	m, err := d.Begin(cmp.Or(options.Service, "rocketchat"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "_id":
			m.ServiceID, err = jsondoc.ScalarMember(raw)
		case "rid":
			m.Conversation, err = jsondoc.ScalarMember(raw)
		case "msg":
			text, err = jsondoc.TextOf(m, key, raw)
		case "ts":
			m.Sent, err = mongoTime(raw, options)
			noTime = !m.Sent.Known()
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "t":
			kind, err = jsondoc.String(raw)
		case "u":
			err = rocketchatSender(m, raw)
		case "username", "name": // of a user
			if named, err := jsondoc.String(raw); err == nil && key == "name" {
				name = named
			} else if err == nil {
				username = named
			}
			jsondoc.KeepMember(m, key, raw)
		case "services":
			build.Keep(m, key, fmt.Sprintf("%d bytes, not shown", len(raw)))
		case "tmid":
			m.ReplyTo, err = jsondoc.ScalarMember(raw)
			jsondoc.KeepMember(m, key, raw)
		case "editedAt":
			at, _ := mongoTime(raw, options)
			jsondoc.EditedAt(m, key, raw, at)
		case "tcount":
			build.Replied(m, raw)
			jsondoc.KeepMember(m, key, raw)
		case "location": // GeoJSON: longitude first
			jsondoc.KeepMember(m, key, raw)
			if point := slices.Collect(jsondoc.Listed(jsondoc.Inside(raw, "coordinates"))); len(point) >= 2 {
				build.SentPlace(m, argus.Location{Longitude: point[0], Latitude: point[1]})
			}
		case "attachments":
			jsondoc.KeepMember(m, key, raw)
			err = jsondoc.Elements(raw, func(raw string) error {
				description, err := addRocketchatFile(m, raw)
				described = strings.TrimSpace(described + "\n" + description)
				return err
			})
		case "content":
			err = jsondoc.Members(raw, func(key, raw string) (err error) {
				switch key {
				case "ciphertext":
					ciphertext, err = jsondoc.String(raw)
				case "algorithm":
					algorithm, err = jsondoc.String(raw)
				default:
					jsondoc.KeepMember(m, "content."+key, raw)
				}
				return err
			})
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if username != "" && m.Conversation == "" {
		build.Contact(m, "user", []string{ids.account(m, m.ServiceID)}, name, username)
		return m, build.Valid(m)
	}
	switch locked := cmp.Or(ciphertext, text); {
	case kind == "e2e" && locked != "":
		m.State |= argus.StateLocked
		m.Locked = &argus.Locked{KeyID: locked[:min(len(locked), rocketchatKeyID)], Algorithm: cmp.Or(algorithm, "rc.v1.aes-sha2"), Payload: []byte(locked)}
	case kind == "e2e" || kind == "":
		m.Text = text
		build.AlsoSaid(m, described)
	default:
		rocketchatHappened(m, kind, text)
	}
	if !m.Sent.Known() && !noTime {
		return nil, fmt.Errorf("want ts, found none")
	}
	m.Title = titles[m.Conversation]
	if other := rocketchatOther(m.Conversation, m.From); other != "" {
		m.To = []string{other}
	}
	m.From, m.Conversation = ids.account(m, cmp.Or(m.From, m.FromName)), ids.room(m, m.Conversation)
	return m, build.Valid(m)
}

// rocketchatHappened makes an event of the server. Its text is the object of the event.
func rocketchatHappened(m *argus.Message, kind, text string) {
	switch kind {
	case "uj", "ujt", "uir": // into a room, a team
		build.Joined(m, "join", nil, kind, text)
	case "ul", "ult":
		build.Joined(m, "leave", nil, kind, text)
	case "au", "added-user-to-team":
		build.Joined(m, "add", build.OneOf(text), kind, text)
	case "ru", "removed-user-from-team":
		build.Joined(m, "remove", build.OneOf(text), kind, text)
	case "subscription-role-added":
		build.Joined(m, "promote", build.OneOf(text), kind, text)
	case "subscription-role-removed":
		build.Joined(m, "demote", build.OneOf(text), kind, text)
	case "r":
		build.Renamed(m, text, kind, text)
	case "room_changed_topic", "room_changed_description":
		build.SetTopic(m, text, kind, text)
	case "videoconf", "jitsi_call_started":
		build.Called(m, argus.Call{Video: true}, kind, text)
	default:
		build.Notice(m, kind, text)
		if kind == "rm" {
			m.State |= argus.StateDeleted
		}
	}
}

// rocketchatSender reads the writer of a message or the creator of a room.
func rocketchatSender(m *argus.Message, raw string) error {
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "_id":
			m.From, err = jsondoc.ScalarMember(raw)
		case "username":
			m.FromName, err = jsondoc.TextMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, "u."+key, raw)
		}
		return err
	})
}

// rocketchatRoom makes a message of the server's description of a room.
func rocketchatRoom(d *jsondoc.Document, options reader.Options, ids rocketchatIDs, raw string) (*argus.Message, error) {
	var name, shown, topic, description string
	var in []string
	m, err := d.Begin(cmp.Or(options.Service, "rocketchat"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "_id":
			m.ServiceID, err = jsondoc.ScalarMember(raw)
			return err
		case "ts":
			m.Sent, err = mongoTime(raw, options)
			return err
		case "u":
			return rocketchatSender(m, raw)
		case "joinCode": // lets people in
			build.Keep(m, key, fmt.Sprintf("%d bytes, not shown", len(raw)))
			return nil
		case "uids":
			if in, err = jsondoc.List(raw, jsondoc.String); len(in) <= build.ParticipantLimit {
				return err
			}
		case "name":
			name, err = jsondoc.TextMember(m, key, raw)
		case "fname":
			shown, err = jsondoc.TextMember(m, key, raw)
		case "topic":
			topic, err = jsondoc.TextOf(m, key, raw)
		case "description":
			description, err = jsondoc.TextOf(m, key, raw)
		}
		jsondoc.KeepMember(m, key, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Conversation, m.Title = ids.room(m, m.ServiceID), argus.CleanName(cmp.Or(shown, name))
	m.From = cmp.Or(m.From, m.FromName)
	m.To = build.Others(in, m.From)
	m.From = ids.account(m, m.From)
	for i := range m.To {
		m.To[i] = ids.account(m, m.To[i])
	}
	build.Room(m, "room", in, topic, description)
	return m, build.Valid(m)
}

// rocketchatOther returns the other user of a direct conversation. The conversation's id
// consists of the ids of both users, 17 characters each, in ascending order.
func rocketchatOther(room, user string) string {
	if len(room) != 34 || len(user) != 17 {
		return ""
	}
	if other, ok := strings.CutPrefix(room, user); ok {
		return other
	}
	other, _ := strings.CutSuffix(room, user)
	if len(other) != 17 {
		return ""
	}
	return other
}

// mongoTime reads a time in ISO 8601 or in milliseconds, alone or under $date, as in
// MongoDB.
func mongoTime(raw string, options reader.Options) (t argus.Time, err error) {
	switch raw[0] {
	case '"':
		return jsondoc.ISOMember(raw, options)
	case '{':
		err = jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "$date":
				t, err = mongoTime(raw, options)
			case "$numberLong":
				t, err = jsondoc.MillisMember(raw)
			default:
				err = errors.New("want $date or $numberLong, found another key")
			}
			return err
		})
		return t, err
	}
	return jsondoc.MillisMember(raw)
}

// addRocketchatFile adds a file and returns its description, or records a quote.
func addRocketchatFile(m *argus.Message, raw string) (description string, err error) {
	var a argus.Attachment
	title, link, quotes := "", "", false
	var said []string
	err = jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "title":
			title, err = jsondoc.TextMember(m, key, raw)
		case "description":
			description, err = jsondoc.TextOf(m, key, raw)
		case "title_link", "image_url", "audio_url", "video_url":
			link, err = jsondoc.TextMember(m, key, raw)
		case "image_type", "audio_type", "video_type":
			a.Type, err = jsondoc.String(raw)
		case "image_size", "audio_size", "video_size":
			a.Size, err = jsondoc.SizeMember(raw)
		case "text", "pretext", "author_name":
			said = append(said, textdoc.LineFeeds(jsondoc.ScalarText(raw)))
		case "fields":
			for field := range jsondoc.Listed(raw) {
				said = append(said, jsondoc.InsideText(field, "title"), jsondoc.InsideText(field, "value"))
			}
		case "message_link":
			quotes = true
			var quoted string
			quoted, err = jsondoc.String(raw)
			if _, id, ok := strings.Cut(quoted, "?msg="); ok && m.ReplyTo == "" {
				m.ReplyTo = id
			}
		}
		return err
	})
	if link == "" {
		if !quotes { // written by a program
			description = strings.TrimSpace(strings.Join(append([]string{title}, said...), "\n") + "\n" + description)
		}
		return description, err
	}
	a.Name = cmp.Or(title, path.Base(link))
	m.Attachments = append(m.Attachments, a)
	return description, err
}
