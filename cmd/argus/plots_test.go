package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/world"
)

// TestPlotsAreFound ingests an invented case and looks for each of its plots, as an
// analyst who knows the truth would: each query of the truth finds messages of its plot
// and few others. Messages of the days that the archive lacks may be missing.
func TestPlotsAreFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "case")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := world.Write(t.Context(), dir, world.Options{Seed: 9, Accounts: 1000, Messages: 12_000}); err != nil {
		t.Fatal(err)
	}
	plots, plotOf := readPlots(t, dir+".truth.jsonl")
	o := node.Options{Formats: all.Formats(), KeyDir: t.TempDir(), Software: "test", Write: true}
	store := filepath.Join(t.TempDir(), "case.argus")
	if err := node.Create(t.Context(), store, o); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	who, err := n.Who(t.Context(), desk.Who{})
	if err != nil {
		t.Fatal(err)
	}
	err = n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
		for _, name := range world.Deliveries {
			if _, err := intake.Ingest(ctx, o, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, p := range plots {
		kinds[p.Kind]++
		for _, q := range p.Queries {
			answer, err := n.Desk.Search(t.Context(), who, desk.SearchRequest{Query: q, Limit: 100})
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			its, others := 0, 0
			for _, hit := range answer.Hits {
				if plot, ok := plotOf[hit.Ref.String()]; ok && plot == p.Plot {
					its++
				} else {
					others++
				}
			}
			if its == 0 && !p.lacking || others > 10 {
				t.Errorf("%s finds %d messages of plot %d, a %s, and %d others", q, its, p.Plot, p.Kind, others)
			}
		}
	}
	for _, kind := range []string{"shipment", "payment", "meeting", "weapons", "kidnapping", "killing", "corruption", "arrest", "caught", "counsel", "moving"} {
		if kinds[kind] == 0 {
			t.Errorf("the case has no %s", kind)
		}
	}
}

type truePlot struct {
	Plot    int
	Kind    string
	Queries []string
	lacking bool // some of its messages were not handed over
}

// readPlots reads the plots of a truth file and, by plot, the ids of their messages.
func readPlots(t *testing.T, name string) (plots []truePlot, plotOf map[string]int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plotOf = map[string]int{}
	var lacks world.Span
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			What, ID, Service, Sent string
			Plot                    *int
			Lacks                   *world.Span
			truePlot
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Lacks != nil:
			lacks = *line.Lacks
		case line.What == "plot":
			line.truePlot.Plot = *line.Plot
			plots = append(plots, line.truePlot)
		case line.What == "message" && line.Plot != nil:
			plotOf[line.ID] = *line.Plot
			if day := line.Sent[:len("2021-02-14")]; line.Service == "sky" && day >= lacks.From && day <= lacks.Until {
				plots[*line.Plot].lacking = true
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return plots, plotOf
}
