package intake

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// TestSiblingsGiveNames reads an export whose names are in files next to those with the
// messages, from a folder and from an archive: the messages carry the names, and the files that
// gave them are accounted for.
func TestSiblingsGiveNames(t *testing.T) {
	files := []string{
		"users.json", `[{"id":"U0000001","name":"bram","profile":{"display_name":"Bram"}}]`,
		"channels.json", `[{"id":"C0000001","name":"loods","members":["U0000001"]}]`,
		"dms.json", `[{"id":"D0000001","members":["U0000001","U0000002"]}]`,
		"integration_logs.json", `[{"service":"x"}]`,
		"loods/2021-02-14.json", `[{"type":"message","user":"U0000001","text":"one","ts":"1613304191.000100"}]`,
		"D0000001/2021-02-14.json", `[{"type":"message","user":"U0000001","text":"two","ts":"1613304192.000100"}]`,
	}
	check := func(t *testing.T, path string) {
		b := newBench(t)
		r := b.ingest(t, path)
		// Only files that no message needed are reported as problems.
		if r.Counts.Quarantined != 1 {
			t.Errorf("%d pieces are quarantined: %+v", r.Counts.Quarantined, r.Files)
		}
		var got []string
		for r, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Message; r.Kind == argus.KindMessage && m.State&argus.StateSystem == 0 {
				got = append(got, strings.Join([]string{m.Conversation, m.Title, m.From, m.FromName, strings.Join(m.To, " "), m.Text}, ","))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"C0000001,loods,U0000001,Bram,,one", "D0000001,,U0000001,Bram,U0000002,two"}, got); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		for i := 0; i < len(files); i += 2 {
			write(t, dir, files[i], files[i+1])
		}
		check(t, dir)
	})
	t.Run("archive", func(t *testing.T) { check(t, write(t, t.TempDir(), "slack.zip", zipped(t, files...))) })
	// The lists in Slack's own form are read as well, and still give names.
	files[1] = `[{"id":"U0000001","name":"bram","deleted":false,"profile":{"display_name":"Bram"}}]`
	files[3] = `[{"id":"C0000001","name":"loods","created":1613300000,"creator":"U0000001","members":["U0000001"]}]`
	t.Run("lists that are read", func(t *testing.T) { check(t, write(t, t.TempDir(), "slack.zip", zipped(t, files...))) })
}
