package voice

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
)

// mostValues is the maximum number of values of a facet that the text shows.
const mostValues = 20

// printCounts prints the most frequent values with bars.
func printCounts(o *Output, title string, counts []argus.Tally) {
	o.Linef("\n%s", o.Bold(title))
	most := mostOf(counts)
	for _, c := range counts[:min(len(counts), mostValues)] {
		printBar(o, c.Count, most, named(c.Value, c.Name))
	}
	printMore(o, len(counts), "value", "values")
}

func printMore(o *Output, n int, one, many string) {
	if n > mostValues {
		o.Linef("  … and %s more (use --json or --csv for all)", printable.Count(uint64(n-mostValues), one, many))
	}
}

func mostOf(counts []argus.Tally) (most uint64) {
	for _, c := range counts {
		most = max(most, c.Count)
	}
	return most
}

func printBar(o *Output, n, most uint64, value string) {
	bar := 0
	if n > 0 {
		bar = int(1 + n*20/max(most, 1))
	}
	o.Linef("  %10s  %s %s", printable.Group(n), strings.Repeat("▪", bar), value)
}

// named formats an id with its name if the two differ.
func named(id, name string) string {
	if name == "" || name == id {
		return printable.OneLine(id)
	}
	return printable.OneLine(name + " (" + id + ")")
}

// longSilence is the minimum number of consecutive empty bars that are printed as one
// line.
const longSilence = 4

// printHistogram prints the bars, oldest first, and each long silence as one line.
func printHistogram(o *Output, r *desk.SearchResult) {
	bars := r.Histogram
	if len(bars) == 0 {
		return
	}
	o.Linef("\n%s", o.Bold("sent"))
	most := mostOf(bars)
	for i := 0; i < len(bars); {
		silent := i
		for silent < len(bars) && bars[silent].Count == 0 {
			silent++
		}
		if silent-i >= longSilence {
			o.Linef("  %10s  from %s to %s (%s)", "nothing", bars[i].Value, bars[silent-1].Value, printable.Count(uint64(silent-i), "bar", "bars"))
			i = silent
			continue
		}
		printBar(o, bars[i].Count, most, bars[i].Value)
		i++
	}
	if r.Sparse {
		o.Linef("  Empty bars are left out because there are too many.")
	}
}

// printPairs prints the most frequent pairs.
func printPairs(o *Output, pairs []desk.Pair, zone *time.Location) {
	if len(pairs) == 0 {
		return
	}
	o.Linef("\n%s", o.Bold("pairs"))
	for _, p := range pairs[:min(len(pairs), mostValues)] {
		to := p.To
		if to == "" {
			to = p.Conversation
		}
		span := ""
		if !p.First.IsZero() {
			span = fmt.Sprintf("  %s to %s", p.First.In(zone).Format(time.DateOnly), p.Last.In(zone).Format(time.DateOnly))
		}
		o.Linef("  %10s  %s -> %s%s", printable.Group(p.Count), named(p.From, p.FromName), named(to, p.ToName), o.Dim(span))
	}
	printMore(o, len(pairs), "pair", "pairs")
}

// PrintCSV prints the counts of a search as a sheet (RFC 4180).
func PrintCSV(v *Voice, r *desk.SearchResult, req desk.SearchRequest, zone *time.Location) error {
	w := csv.NewWriter(v.text)
	var rows [][]string
	switch {
	case req.Histogram != "":
		rows = append(rows, []string{"sent", "count"})
		for _, c := range r.Histogram {
			rows = append(rows, []string{c.Value, strconv.FormatUint(c.Count, 10)})
		}
	case req.Pairs != 0:
		rows = append(rows, []string{"service", "from", "from_name", "to", "conversation", "to_name", "count", "first", "last"})
		for _, p := range r.Pairs {
			rows = append(rows, []string{p.Service, p.From, p.FromName, p.To, p.Conversation, p.ToName, strconv.FormatUint(p.Count, 10), printable.Time(p.First, zone), printable.Time(p.Last, zone)})
		}
	default:
		for field, counts := range r.Facets {
			rows = append(rows, []string{string(field), "name", "count"})
			for _, c := range counts {
				rows = append(rows, []string{c.Value, c.Name, strconv.FormatUint(c.Count, 10)})
			}
		}
	}
	for _, row := range rows {
		for i := range row {
			row[i] = printable.Cell(row[i])
		}
	}
	return w.WriteAll(rows)
}
