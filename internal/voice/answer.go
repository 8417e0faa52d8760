package voice

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
)

// Answer is the result of a search, printed after its hits.
type Answer struct {
	*desk.SearchResult
	Authority string `json:"authority"`
	Hits      int    `json:"hits"` // their number, since they have been printed already
}

// PrintAnswer prints the counts of a search and its limits.
func PrintAnswer(o *Output, r Answer, zone *time.Location) {
	counted := Counted(r.Messages, r.Beside)
	if r.Distinct > 0 {
		counted = printable.Group(r.Distinct) + " distinct of " + counted
	}
	o.Linef("%s: %s", counted, r.Query)
	if r.Differing > 0 {
		o.Linef("The copies of %s differ.", of(r.SearchResult, r.Differing))
	}
	if r.Total == 0 {
		o.Linef("No record found in the scope of %s.", r.Authority)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Facets)) {
		printCounts(o, string(name), r.Facets[name])
	}
	printPairs(o, r.Pairs, zone)
	printHistogram(o, r.SearchResult)
	if r.Partial != nil {
		o.Linef("%s", Limits(r.SearchResult, zone))
	}
	if r.Next != "" {
		o.Linef("More: --next %s", r.Next)
	}
	if r.Behind > 0 {
		o.Linef("The index is %s behind the evidence; those records can be found once it has caught up.", printable.Count(r.Behind, "record", "records"))
	}
}

// Counted formats the number of messages, then the numbers of other types:
// 12 messages, 3 calls.
func Counted(messages uint64, beside []argus.Tally) string {
	parts := []string{printable.Count(messages, "message", "messages")}
	if messages == 0 && len(beside) > 0 {
		parts = nil
	}
	for _, c := range beside {
		one := noun(c.Value)
		parts = append(parts, printable.Count(c.Count, one, one+"s"))
	}
	return strings.Join(parts, ", ")
}

// noun names one item of a type.
func noun(kind string) string {
	if kind == "membership" {
		return "membership change"
	}
	return kind
}

// Limits states the limits of a partial answer.
func Limits(r *desk.SearchResult, zone *time.Location) string {
	whole := "No period is completely counted"
	if !r.Partial.Since.IsZero() {
		whole = "All messages since " + r.Partial.Since.In(zone).Format(time.RFC3339) + " are counted; older ones may be missing"
	}
	return fmt.Sprintf("This answer is partial: %s. %s. Narrow the query, or raise --max-time.", r.Partial.Why, whole)
}

// of formats a number of messages, or a number of items if the answer also counts calls,
// contacts and the like.
func of(r *desk.SearchResult, n uint64) string {
	if len(r.Beside) > 0 {
		return printable.Count(n, "item", "items")
	}
	return printable.Count(n, "message", "messages")
}
