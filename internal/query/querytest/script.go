// Package querytest reads scripts of messages, queries and expected hits. Everything that
// answers queries must pass them.
//
// The scripts are in internal/query/testdata, one file per topic. A line is a word and
// its argument. Lines that begin with white space belong to the line above. Empty lines
// and lines that begin with # are comments.
//
//	message LABEL           a message, with these lines below it:
//		service whatsapp    default "test"
//		from Q3XK9A         default "someone"
//		name Alice Smith    FromName
//		to 7B2FAA           one line for each
//		in GROUP-1          Conversation
//		title The group     Title
//		sent 2021-02-14T12:03:11Z
//		lang pt-BR
//		text Hello          another one adds a line to the text
//		state deleted       one line for each
//		attachment a.jpg    one line for each
//		reply ID            ReplyTo
//		forward NAME        ForwardedFrom
//		type call
//		takes LAWYER        somebody who takes part in the call, one line for each
//		delivery 7          one line for each, default 1
//		differs             another copy has a text that no query finds
//		copy                the lines below it make another copy of the message,
//	                        with service, from, in, sent and text of the first
//	                        unless a line changes them
//	list NAME               a stored list, with these lines below it:
//		entry TEXT
//	zone Europe/Brussels    the time zone in which the following queries are read
//	scope TEXT              the scope in which the following queries are asked
//	query TEXT              a query on all messages in the file, with one of
//		want LABEL …        exactly these match, in any order; may be empty
//		error TEXT          it does not parse, and the error contains TEXT
//	                        and optionally:
//		at TEXT             the error points at this piece of the query
//		prints TEXT         how the query is printed back
//		marks LABEL A|B …   the pieces of the message's text that are marked
//
// An argument, or the pieces of marks, that begin and end with ` are a Go
// string in double quotes, written without them: `caf\u00e9`.
package querytest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// Script is a file of messages and of queries over all of them.
type Script struct {
	// Name is the name of the file without .txt.
	Name  string
	Docs  []Doc
	Cases []Case
}

// Doc is a message with its label and all its sightings. Labels are unique in a
// script.
type Doc struct {
	Label string
	query.Doc
	copies []copied
}

// copied is a copy of a message in the script.
type copied struct {
	message    argus.Message
	deliveries []argus.DeliveryNumber
	differs    bool
}

// Case is a query with its expected result.
type Case struct {
	Line    int // in the file
	Query   string
	Options query.Options
	// Scope is the scope in which the query is asked.
	Scope query.Node
	// Want are the labels of the messages that match.
	Want []string
	// Err, if not empty, is part of the error's message, and the query does not parse. At
	// is the piece that the error points at, if given.
	Err, At string
	// Prints is the query printed back, if given.
	Prints string
	// Marks are the marked pieces of texts by label.
	Marks map[string][]string
}

// Scripts reads all scripts. It looks for them in the directory of the running test and
// in those above it.
func Scripts(tb testing.TB) []*Script {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "internal", "query", "testdata", "*.txt"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no query scripts below %s (%v)", dir, err)
	}
	var scripts []*Script
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		s, err := Parse(strings.TrimSuffix(filepath.Base(path), ".txt"), string(text))
		if err != nil {
			tb.Fatal(err)
		}
		scripts = append(scripts, s)
	}
	return scripts
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Hits returns the labels of the messages that match in a scope.
func (s *Script) Hits(n, scope query.Node) (labels []string) {
	type one struct {
		label string
		doc   query.Doc
	}
	var seen []one
	covers := query.Compile(scope)
	for _, d := range s.Docs {
		if selected := covers.Select(d.Sightings); len(selected) > 0 {
			seen = append(seen, one{d.Label, query.Doc{Sightings: selected}})
		}
	}
	slices.SortStableFunc(seen, func(a, b one) int { return query.Compare(&a.doc, &b.doc) })
	var docs []*query.Doc
	for i := range seen {
		docs = append(docs, &seen[i].doc)
	}
	for i, matches := range query.MatchAll(n, docs) {
		if matches {
			labels = append(labels, seen[i].label)
		}
	}
	return labels
}

// Parse reads a script.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: name}
	labels := map[string]bool{}
	zone := time.UTC
	var scope query.Node = query.All{}
	lists := map[string]*query.WordList{}
	var list *query.WordList // the list being read
	find := func(name, hash string) (*query.WordList, error) {
		if l := lists[name]; l != nil && (hash == "" || hash == l.Hash) {
			return l, nil
		}
		return nil, argus.ErrNotFound
	}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		word, arg, _ := strings.Cut(trimmed, " ")
		arg, err := unquote(strings.TrimSpace(arg))
		switch {
		case err != nil:
		case trimmed != strings.TrimRight(line, " \t\r"): // indented
			if list != nil && word == "entry" {
				list.Entries = append(list.Entries, arg)
				*list, err = sealed(list)
			} else if len(s.Cases) > 0 {
				err = s.Cases[len(s.Cases)-1].set(word, arg, labels)
			} else if len(s.Docs) > 0 {
				err = s.Docs[len(s.Docs)-1].set(word, arg)
			} else {
				err = fmt.Errorf("an indented line begins the script")
			}
		case word == "message" && len(s.Cases) == 0 && !labels[arg]:
			labels[arg] = true
			s.Docs = append(s.Docs, Doc{Label: arg, copies: []copied{{}}})
		case word == "query":
			s.Cases = append(s.Cases, Case{Line: i + 1, Query: arg, Options: query.Options{Zone: zone, Lists: find}, Scope: scope})
			list = nil
		case word == "list" && len(s.Cases) == 0:
			list = &query.WordList{Name: arg}
			lists[arg] = list
		case word == "zone":
			zone, err = time.LoadLocation(arg)
		case word == "scope":
			scope, err = query.Parse(arg, query.Options{Zone: zone, Lists: find})
		default:
			err = fmt.Errorf("no place for %q here", word)
		}
		if err != nil {
			return nil, fmt.Errorf("read script %s line %d: %w", name, i+1, err)
		}
	}
	for i := range s.Docs {
		s.Docs[i].complete()
	}
	return s, nil
}

// sealed returns a list as it would be if it were read from its file.
func sealed(l *query.WordList) (query.WordList, error) {
	read, err := query.ParseList(l.Name, []byte(strings.Join(l.Entries, "\n")))
	if err != nil {
		return *l, err
	}
	return *read, nil
}

func unquote(arg string) (string, error) {
	if len(arg) >= 2 && arg[0] == '`' && arg[len(arg)-1] == '`' {
		return strconv.Unquote(`"` + strings.ReplaceAll(arg[1:len(arg)-1], `"`, `\"`) + `"`)
	}
	return arg, nil
}

func (d *Doc) set(word, arg string) (err error) {
	c := &d.copies[len(d.copies)-1]
	m := &c.message
	switch word {
	case "copy":
		first := d.copies[0].message
		d.copies = append(d.copies, copied{message: argus.Message{
			Service: first.Service, From: first.From, Conversation: first.Conversation, Sent: first.Sent, Text: first.Text,
		}})
	case "type":
		if err := m.Type.UnmarshalText([]byte(arg)); err != nil {
			return err
		}
	case "service":
		m.Service = arg
	case "from":
		m.From = arg
	case "name":
		m.FromName = arg
	case "to":
		m.To = append(m.To, arg)
	case "in":
		m.Conversation = arg
	case "title":
		m.Title = arg
	case "sent":
		m.Sent, err = argus.ParseTime(arg)
	case "lang":
		m.Lang = arg
	case "country":
		m.Extra = append(m.Extra, argus.Field{Name: "Country", Value: arg})
	case "text":
		if m.Text != "" && (len(d.copies) == 1 || m.Text != d.copies[0].message.Text) {
			arg = m.Text + "\n" + arg
		}
		m.Text = arg
	case "state":
		one, ok := argus.ParseState(arg)
		if !ok {
			return fmt.Errorf("no state is called %q", arg)
		}
		m.State |= one
		if one == argus.StateLocked {
			m.Locked = &argus.Locked{Payload: []byte("cipher")}
		}
	case "attachment":
		m.Attachments = append(m.Attachments, argus.Attachment{Name: arg})
	case "reply":
		m.ReplyTo = arg
	case "takes":
		if m.Facts == nil {
			m.Facts = &argus.Facts{Call: &argus.Call{}}
		}
		m.Facts.Call.Participants = append(m.Facts.Call.Participants, arg)
	case "forward":
		m.ForwardedFrom = arg
	case "delivery":
		var n argus.DeliveryNumber
		n, err = argus.ParseDelivery(arg)
		c.deliveries = append(c.deliveries, n)
	case "differs":
		c.differs = true
	default:
		err = fmt.Errorf("a message has no %q", word)
	}
	return err
}

// complete fills in the defaults and makes the sightings.
func (d *Doc) complete() {
	for _, c := range d.copies {
		m := c.message
		if m.Service == "" {
			m.Service = "test"
		}
		if m.From == "" && m.State&argus.StateSystem == 0 {
			m.From = "someone"
		}
		m.ServiceID = d.Label
		if c.deliveries == nil {
			c.deliveries = []argus.DeliveryNumber{1}
		}
		for _, n := range c.deliveries {
			d.see(n, m)
		}
		if c.differs {
			m.Locked = &argus.Locked{Payload: []byte("of a copy that can be read")}
			d.see(c.deliveries[0], m)
		}
	}
}

// see adds a sighting. A copy that differs only in its time has the first version.
func (d *Doc) see(n argus.DeliveryNumber, m argus.Message) {
	id, version := m.Identity()
	if len(d.Sightings) > 0 && id != d.Sightings[0].ID {
		version = d.Sightings[0].Version
	}
	d.Sightings = append(d.Sightings, query.Sighting{ID: id, Version: version, Delivery: n, Message: &m})
}

func (c *Case) set(word, arg string, labels map[string]bool) error {
	switch word {
	case "want":
		c.Want = strings.Fields(arg)
		for _, label := range c.Want {
			if !labels[label] {
				return fmt.Errorf("no message is called %q", label)
			}
		}
	case "error":
		c.Err = arg
	case "at":
		c.At = arg
	case "prints":
		c.Prints = arg
	case "marks":
		label, pieces, _ := strings.Cut(arg, " ")
		if !labels[label] {
			return fmt.Errorf("no message is called %q", label)
		}
		if c.Marks == nil {
			c.Marks = map[string][]string{}
		}
		c.Marks[label] = []string{}
		pieces, err := unquote(pieces)
		if pieces != "" {
			c.Marks[label] = strings.Split(pieces, "|")
		}
		return err
	default:
		return fmt.Errorf("a query has no %q", word)
	}
	return nil
}
