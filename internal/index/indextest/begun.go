package indextest

import (
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A message in a derived conversation is also in the conversation that its replies name after
// it, whether the message or a reply arrives first.
func testBegun(t *testing.T, open index.Open) {
	in := func(label string, minute int, service, conversation string) argus.Message {
		m := text(label, at(minute), "x")
		m.Service, m.Conversation = service, conversation
		return m
	}
	messages := []argus.Message{
		in("1@x", 1, "test", "derived:ab"), in("2@x", 2, "test", "1@x"), in("3@x", 3, "test", "1@x"), in("4@x", 4, "test", "derived:ab"),
		in("5@x", 5, "test", "derived:cd"), in("1@x", 6, "irc", "derived:ab"), in("6@x", 7, "irc", "5@x"), in("7@x", 8, "test", "G"),
	}
	for turn := range messages {
		f := setUp(t, open)
		for i := range messages {
			f.put(messages[(i+turn)%len(messages)])
		}
		for range 2 {
			page := f.checkPage(index.PageRequest{Service: "test", Conversation: "1@x", Before: 9})
			f.expect("the conversation that the first mail begins", f.labels(page.Hits), []string{"1@x", "2@x", "3@x"})
			page = f.checkPage(index.PageRequest{Service: "test", Conversation: "derived:ab", Before: 9})
			f.expect("the conversation derived from its subject", f.labels(page.Hits), []string{"1@x", "4@x"})
			page = f.checkPage(index.PageRequest{Service: "test", Conversation: "1@x", Before: 9, Scope: query.Not{Node: query.Field{Name: query.In, Value: "=derived:ab"}}})
			f.expect("without the first mail", f.labels(page.Hits), []string{"2@x", "3@x"})
			for _, conversation := range []string{"5@x", "7@x", "G", "1@"} {
				f.checkPage(index.PageRequest{Service: "test", Conversation: conversation, Before: 9})
				f.check(index.Request{Query: query.Field{Name: query.In, Value: query.Exact + conversation}, Limit: 9})
			}
			r := f.check(index.Request{Facets: []query.FieldName{query.In}, Limit: 9})
			for _, c := range r.Facets[query.In] {
				f.expect("narrowed to "+c.Value, f.check(index.Request{Query: query.Field{Name: query.In, Value: query.Exact + c.Value}}).Total, c.Count)
			}
			list := query.List{Field: query.In, Name: "l", Hash: "l", Nodes: []query.Node{query.Field{Name: query.In, Value: "=1@x"}}}
			f.expect("of a list", f.check(index.Request{Query: list}).Total, uint64(4))
			f.reopen()
		}
	}
}
