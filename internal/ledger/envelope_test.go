package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

// telling are acts whose words must not appear in any file of the log.
var telling = []Act{
	{Actor: "ACTORNAME", Authority: "A-0001", Purpose: "PURPOSETEXT", Action: Search, Subject: "from:QUERYTEXT", Detail: map[string]string{"lists": "LISTNAME"}},
	{Actor: "ACTORNAME", Action: Show, Subject: "REFERENCE"},
	{Actor: "ACTORNAME", Action: AddList, Subject: "LISTNAME.1.txt", Detail: map[string]string{"sha256": "hash"}},
	{Actor: "ACTORNAME", Action: OpenDelivery, Subject: "D-0001", Detail: map[string]string{"source": "SOURCEPATH", "opening": "hash"}},
	{Actor: "ACTORNAME", Action: Refused, Subject: "QUERYTEXT", Detail: map[string]string{"reason": "REASONTEXT"}},
}

// TestTheLogHoldsNoWords: the log does not hold the words that people wrote, but Entries
// returns them.
func TestTheLogHoldsNoWords(t *testing.T) {
	dir, _, l := newLedger(t)
	for _, act := range telling {
		if _, err := l.Append(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range files(t, dir) {
		data := read(t, dir, name)
		for _, word := range []string{"ACTORNAME", "PURPOSETEXT", "QUERYTEXT", "LISTNAME", "REFERENCE", "SOURCEPATH", "REASONTEXT"} {
			if bytes.Contains(data, []byte(word)) != strings.HasPrefix(name, envelopeDir) && (name == "tile/entries/000.p/5" || strings.HasPrefix(name, envelopeDir)) {
				t.Errorf("%s: %s", name, word)
			}
		}
	}
	log := string(read(t, dir, "tile/entries/000.p/5"))
	for _, fact := range []string{"A-0001", "D-0001", `"sha256":"hash"`, `"opening":"hash"`} {
		if !strings.Contains(log, fact) {
			t.Errorf("the log does not hold %s, which argus verify needs", fact)
		}
	}
	for i, e := range readAll(t, l, 0, 0) {
		if want := telling[i]; e.Actor != want.Actor || e.Purpose != want.Purpose || e.Subject != want.Subject || len(e.Detail) != len(want.Detail) {
			t.Errorf("entry %d is %+v, want %+v", e.Seq, e.Act, want)
		}
	}
}

// TestEnvelopeChanged: a changed envelope is damage and is never taken for a destroyed
// one.
func TestEnvelopeChanged(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 3)
	name := envelopePath(1)
	good := read(t, dir, name)
	lines := bytes.SplitAfter(good, []byte("\n"))
	for what, bad := range map[string][]byte{
		"another query":      bytes.Replace(good, []byte("query 1"), []byte("query 7"), 1),
		"another actor":      bytes.Replace(good, []byte("anna"), []byte("otto"), 1),
		"of an entry to be":  bytes.Replace(good, []byte(`{"entry":3,`), []byte(`{"entry":4,`), 1),
		"of an entry far":    bytes.Replace(good, []byte(`{"entry":3,`), []byte(`{"entry":9,`), 1),
		"two change places":  bytes.Join([][]byte{lines[1], lines[0], lines[2]}, nil),
		"two change numbers": []byte(strings.NewReplacer(`{"entry":1,`, `{"entry":2,`, `{"entry":2,`, `{"entry":1,`).Replace(string(good))),
		"one is doubled":     bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2]}, nil),
		"one is cut":         good[:len(good)-9],
		"a line of words":    append([]byte("hello\n"), good...),
		"one too many":       append(good[:len(good):len(good)], "hello\n"...),
	} {
		write(t, dir, name, bad)
		damageIn(t, verify(t, dir, k.public), what, name)
		var err error
		for _, e := range l.Entries(t.Context(), 0, 0) {
			err = errors.Join(err, e)
		}
		if !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%s: reading says %v", what, err)
		}
	}
	write(t, dir, name, good)
	wantClean(t, dir, k.public)
}

// TestEnvelopeLeftBehind: bytes that an interrupted act left after the envelopes are not part
// of the ledger, and the next act removes them.
func TestEnvelopeLeftBehind(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 2)
	name := envelopePath(1)
	good := read(t, dir, name)
	_, next, err := newEnvelope(3, words{Actor: "anna", Subject: "never acknowledged"})
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut <= len(next); cut++ {
		write(t, dir, name, append(good[:len(good):len(good)], next[:cut]...))
		if report := verify(t, dir, k.public); report.Damaged() || len(report.Findings) != 1 {
			t.Fatalf("cut at %d: %+v", cut, report)
		}
		if got := readAll(t, l, 0, 0); len(got) != 2 || got[1].Destroyed {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
	}
	again, err := Open(dir, k.write())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	appendActs(t, again, 1)
	if report := verify(t, dir, k.public); len(report.Findings) != 0 || strings.Contains(string(read(t, dir, name)), "never") {
		t.Errorf("%+v", report)
	}
}

// TestNoActWithoutItsEnvelope: no act is acknowledged without its envelope on disk.
func TestNoActWithoutItsEnvelope(t *testing.T) {
	dir, k, l := newLedger(t)
	write(t, dir, envelopeDir, []byte("a file where the folder goes"))
	if _, err := l.Append(t.Context(), Act{Actor: "anna", Action: Search}); err == nil {
		t.Error("an act was acknowledged without its envelope")
	}
	if size, err := l.Size(); size != 0 || err != nil {
		t.Errorf("%d entries, %v", size, err)
	}
	if err := os.Remove(filepath.Join(dir, envelopeDir)); err != nil {
		t.Fatal(err)
	}
	appendActs(t, l, 1)
	wantClean(t, dir, k.public)
}

func FuzzEnvelopes(f *testing.F) {
	_, line, err := newEnvelope(1, words{Actor: "anna", Subject: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line, uint64(1))
	f.Add(append(line, "      \n{\"entry\":2"...), uint64(1))
	f.Fuzz(func(t *testing.T, raw []byte, size uint64) {
		held, end, _ := parseEnvelopes(raw, 1, size, nil)
		if end > len(raw) {
			t.Fatalf("they end at %d of %d", end, len(raw))
		}
		for seq, e := range held {
			if e.entry != seq || !bytes.HasPrefix(raw[e.offset:], e.line()) {
				t.Fatalf("envelope %d is not what the file has", seq)
			}
		}
	})
}
