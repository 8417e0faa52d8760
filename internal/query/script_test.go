package query_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/query/querytest"
)

func TestScripts(t *testing.T) {
	for _, s := range querytest.Scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			for _, c := range s.Cases {
				check(t, s, c)
			}
		})
	}
}

func check(t *testing.T, s *querytest.Script, c querytest.Case) {
	n, err := query.Parse(c.Query, c.Options)
	if c.Err != "" {
		checkError(t, c, err)
		return
	}
	if err != nil {
		t.Errorf("line %d: parse %q: %v", c.Line, c.Query, err)
		return
	}
	if printed := n.String(); c.Prints != "" && printed != c.Prints {
		t.Errorf("line %d: %q prints %q, want %q", c.Line, c.Query, printed, c.Prints)
	}
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 14*3600)} {
		again, err := query.Parse(n.String(), query.Options{Zone: zone, Lists: c.Options.Lists})
		if err != nil || !gocmp.Equal(n, again) {
			t.Errorf("line %d: %q prints %q, which reads as %v (%v)", c.Line, c.Query, n, again, err)
		}
	}
	got := s.Hits(n, c.Scope)
	for i := range s.Docs {
		if query.IsAll(c.Scope) && !query.HasThen(n) && query.Match(n, &s.Docs[i].Doc) != slices.Contains(got, s.Docs[i].Label) {
			t.Errorf("line %d: Match and MatchAll do not agree on %s", c.Line, s.Docs[i].Label)
		}
	}
	sorted := cmpopts.SortSlices(cmp.Less[string])
	if diff := gocmp.Diff(c.Want, got, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("line %d: hits of %q (-want +got):\n%s", c.Line, c.Query, diff)
	}
	for label, want := range c.Marks {
		i := slices.IndexFunc(s.Docs, func(d querytest.Doc) bool { return d.Label == label })
		text := s.Docs[i].Union().Text
		pieces := []string{}
		for _, m := range query.Marks(n, text) {
			pieces = append(pieces, text[m[0]:m[1]])
		}
		if diff := gocmp.Diff(want, pieces); diff != "" {
			t.Errorf("line %d: marks of %q in %s (-want +got):\n%s", c.Line, c.Query, label, diff)
		}
	}
}

func checkError(t *testing.T, c querytest.Case, err error) {
	var e *query.SyntaxError
	if !errors.As(err, &e) || !strings.Contains(e.Message, c.Err) {
		t.Errorf("line %d: parse %q: %v, want an error with %q", c.Line, c.Query, err, c.Err)
		return
	}
	if at := c.Query[e.Offset : e.Offset+e.Length]; c.At != "" && at != c.At {
		t.Errorf("line %d: the error of %q points at %q, want %q", c.Line, c.Query, at, c.At)
	}
}
