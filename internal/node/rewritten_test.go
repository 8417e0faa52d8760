package node

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/verify"
)

// rewrite changes a record in the active segment of a store as somebody would who knows
// the format but has no key: its block gets new salts, and everything that is not signed
// is adjusted.
func rewrite(t *testing.T, dir string, seq uint64, change func(r *argus.Record)) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	commit := layout.File(dir, layout.Commit)
	slots, err := os.ReadFile(commit)
	must(err)
	promise, _, err := form.ParseCommit(slots)
	must(err)
	name := layout.File(dir, layout.Segment(int(promise.Segment), 0))
	f, err := os.Open(name)
	must(err)
	defer f.Close()
	data, err := os.ReadFile(name)
	must(err)
	codec, err := form.NewCodec()
	must(err)
	blocks := form.Scan(f, int(promise.Segment), int64(len(data)), false).Blocks
	at := slices.IndexFunc(blocks, func(b form.Ref) bool { return b.First <= seq && seq < b.End() })
	ref := blocks[at]
	b, err := codec.Read(f, ref)
	must(err)
	var records []*argus.Record
	for i := range b.Len() {
		r, err := b.Record(i, new(argus.Hasher))
		must(err)
		r.Seq, r.Delivery = ref.First+uint64(i), ref.Delivery
		if r.Seq == seq {
			change(r)
		}
		records = append(records, r)
	}
	made, err := form.Split(records, ref.Delivery, ref.Leaf, rand.Reader)
	must(err)
	maker := codec.Maker()
	must(maker.Contents(&made[0]))
	must(maker.Statements(&made[0], func(uint64) (argus.Hash, error) { return argus.Hash{}, errors.New("a sighting") }))
	after := data[blocks[at+1].Offset:]
	data = slices.Concat(data[:ref.Offset], made[0].Bytes, after)
	must(os.WriteFile(name, data, 0o600))
	promise.Offset = uint32(len(data))
	slot, where := promise.Slot()
	copy(slots[where:], slot)
	must(os.WriteFile(commit, slots, 0o600))
	must(os.RemoveAll(layout.File(dir, layout.IDs)))
	must(os.Mkdir(layout.File(dir, layout.IDs), 0o700))
	must(os.WriteFile(layout.File(dir, layout.IDs+"/manifest"), ids.Manifest(), 0o600))
}

// interrupt ingests a file, and stops before the delivery is sealed.
func interrupt(t *testing.T, dir string, o Options, content string) {
	t.Helper()
	path := source(t, "interrupted.jsonl", content)
	o.Write = true
	until(t, stopAt(o, "seal.before-seal"), dir, func(n *Node) {
		_ = n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "x"}, intake.Options{BatchRecords: 10}, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Ingest(ctx, o, path)
			return err
		})
	})
}

// Somebody without a key rewrites records in a delivery that is not sealed, before the
// position of the index, and adjusts everything else. Verify finds the change, whether or
// not the index answers from the changed part, and nobody can continue the delivery.
func TestRewrittenBeforeThePosition(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	interrupt(t, dir, o, lines(100, 200))
	search(t, dir, o, "crates")
	wantSound(t, dir, "interrupted", "is not sealed")
	const victim = 150 // in D-0002
	for name, change := range map[string]func(r *argus.Record){
		"new salts":                          func(*argus.Record) {},
		"another place":                      func(r *argus.Record) { r.Where.Offset++ },
		"another text and so another record": func(r *argus.Record) { r.Message.Text = "peaches for sale" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyInto(t, dir)
			rewrite(t, dir, victim, change)
			damage, _, v := verified(t, dir)
			if !slices.ContainsFunc(damage, func(f verify.Finding) bool {
				return f.File == layout.IndexManifest && f.Delivery == 2 && strings.Contains(f.Problem, "delivery D-0002") && strings.Contains(f.Problem, "argus reindex")
			}) {
				t.Errorf("not found: %+v", damage)
			}
			if v.IndexedTo != v.Last {
				t.Errorf("the index ends at %d of %d", v.IndexedTo, v.Last)
			}
			// A reader checks only the last record.
			search(t, dir, o, "crates")
			writing := o
			writing.Write = true
			if n, err := Open(t.Context(), dir, writing); !errors.Is(err, evidence.ErrOther) || !strings.Contains(err.Error(), "argus reindex") {
				t.Errorf("opened, to resume it: %v, %v", n, err)
			}
			if _, err := Reindex(t.Context(), dir, o); err != nil {
				t.Fatal(err)
			}
			wantSound(t, dir, "after argus reindex", "is not sealed")
		})
	}
}

func copyInto(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
