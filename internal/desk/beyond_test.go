package desk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/argus-evidence/argus"
)

// TestBeyond counts what an authority leaves out, within the asker's own scope.
func TestBeyond(t *testing.T) {
	o := newOffice(t)
	for n := range 6 {
		service := []string{"sky", "enc"}[n%2]
		r := sent(fmt.Sprintf("aaaaaa%02d", n), 10+n, "A", "room", "harbour")
		r.Message.Service = service
		o.deliver(t, service+".jsonl", r)
	}
	everything := o.grant(t, "")
	narrow := o.grant(t, "service:sky")
	some := o.grant(t, "delivery:D-0001 OR delivery:D-0002 OR delivery:D-0003")
	for _, test := range []struct {
		who             Who
		of, query       string
		inside, outside uint64
		services        string
	}{
		{everything, narrow.Authority, "harbour", 3, 3, "[{enc  3}]"},
		{everything, narrow.Authority, "service:enc", 0, 3, "[{enc  3}]"},
		{everything, narrow.Authority, "nothing", 0, 0, "[]"},
		{everything, everything.Authority, "harbour", 6, 0, "[]"},
		{some, narrow.Authority, "harbour", 2, 1, "[{enc  1}]"}, // no further than the asker's own scope
		{narrow, everything.Authority, "harbour", 3, 0, "[]"},
	} {
		got, err := o.Beyond(t.Context(), test.who, BeyondRequest{Authority: test.of, Query: test.query})
		if err != nil {
			t.Fatal(err)
		}
		if got.Inside.Messages != test.inside || got.Outside.Messages != test.outside || fmt.Sprint(got.Services) != test.services {
			t.Errorf("%q beyond %s, by %s: %+v", test.query, test.of, test.who.Authority, got)
		}
	}
	if _, err := o.Beyond(t.Context(), everything, BeyondRequest{Authority: "A-0099", Query: "x"}); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("an authority that is not there: %v", err)
	}
	if _, err := o.Beyond(t.Context(), everything, BeyondRequest{Authority: "nonsense"}); !errors.Is(err, ErrRequest) {
		t.Errorf("no number: %v", err)
	}
}
