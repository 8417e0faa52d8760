package intake

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader/all"
)

// TestFilesBesideSuggestTheReader reads a file that no reader recognises like the files with
// the same folder and ending, from a folder and from an archive, where two files have the same
// path. A file in which that reader finds nothing stays unrecognised, and so does one in
// another folder.
func TestFilesBesideSuggestTheReader(t *testing.T) {
	torn := strings.Repeat("x", 70_000) + "\n" + line(7, "torn off") // longer than the part that is examined
	files := []string{
		"logs/a.jsonl", line(1, "one") + line(2, "two"), "logs/b.jsonl", torn,
		"logs/notes.jsonl", "milk\nbread\n", "logs/b.txt", torn, "other/b.jsonl", torn,
	}
	check := func(t *testing.T, path string, want ...string) {
		b := newBench(t)
		plan, err := PlanIngest(t.Context(), b.o, path)
		if err != nil {
			t.Fatal(err)
		}
		r := b.ingest(t, path)
		got := b.texts(t)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if plan.Copies != r.Counts.Stored+r.Counts.Sightings || plan.Quarantined != r.Counts.Quarantined {
			t.Errorf("planned %+v, read %+v", plan, r.Counts)
		}
		unread := uint64(0)
		for _, f := range r.Files {
			for _, p := range f.Problems {
				if strings.Contains(p.Value, "no reader recognises the file") {
					unread += p.Count
				}
			}
		}
		if unread != 3 {
			t.Errorf("%d files are not read, want 3: %+v", unread, r.Files)
		}
	}
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		for i := 0; i < len(files); i += 2 {
			write(t, dir, files[i], files[i+1])
		}
		check(t, dir, "one", "torn off", "two")
	})
	t.Run("archive", func(t *testing.T) {
		twice := append(slices.Clone(files), "logs/b.jsonl", strings.ReplaceAll(torn, "torn", "cut"))
		check(t, write(t, t.TempDir(), "a.zip", zipped(t, twice...)), "cut off", "one", "torn off", "two")
	})
}

// TestEveryFormatAccountsForAFile has each format read files that it cannot understand: a file
// of lines, a file of objects and an empty file each give a message or a problem, never
// silence.
func TestEveryFormatAccountsForAFile(t *testing.T) {
	for _, f := range all.Formats() {
		b := newBench(t)
		b.o.Format = f.Name
		source := t.TempDir()
		files := []string{"nothing that anybody knows\n\nat all\n", `{"a":[{"b":1}]}`, "[]", "<a><b/></a>", "a,b\n1,2\n", ""}
		for i, content := range files {
			write(t, source, strconv.Itoa(i)+".txt", content)
		}
		for _, file := range b.ingest(t, source).Files {
			if file.Counts.Read == 0 {
				t.Errorf("%s says nothing of %s", f.Name, file.Original.Path)
			}
		}
	}
}
