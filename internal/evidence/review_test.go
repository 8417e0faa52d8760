package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/original"
)

// What Append takes can be read again, or it does not take it: large fields
// of any kind, long lists, text that is not UTF-8.
func TestWhatIsTakenCanBeRead(t *testing.T) {
	long := strings.Repeat("x", 15<<20)
	message := func(n int, change func(*argus.Message)) *argus.Record {
		m := testMessage(n)
		change(m)
		return &argus.Record{Kind: argus.KindMessage, Message: m}
	}
	several := func(change func(*argus.Message)) (list []*argus.Record) {
		for n := range 6 {
			list = append(list, message(n, change))
		}
		return list
	}
	for _, tt := range []struct {
		name    string
		records []*argus.Record
	}{
		{"large titles", several(func(m *argus.Message) { m.Title = long })},
		{"large names of receivers", several(func(m *argus.Message) { m.To = []string{long} })},
		{"large names of attachments", several(func(m *argus.Message) { m.Attachments = []argus.Attachment{{Name: long}} })},
		{"a large raw time", several(func(m *argus.Message) { m.Sent.Raw = long })},
		{"a message over the limit", []*argus.Record{message(1, func(m *argus.Message) {
			m.Title, m.From, m.FromName, m.Conversation, m.ReplyTo = long, long, long, long, long
		})}},
		{"many receivers", []*argus.Record{message(1, func(m *argus.Message) { m.To = make([]string, 1<<20+1) })}},
		{"many fields", []*argus.Record{message(1, func(m *argus.Message) { m.Extra = make([]argus.Field, 1<<20+1) })}},
		{"a path that is not UTF-8", []*argus.Record{{Kind: argus.KindOriginal, Original: &argus.Original{Path: "caf\xe9"}}}},
		{"a place that is not UTF-8", []*argus.Record{{Kind: argus.KindQuarantined, Where: argus.Where{Path: "caf\xe9"}, Quarantine: &argus.Quarantine{Reason: "x"}}}},
		{"a reason that is not UTF-8", []*argus.Record{{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "\xff"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			d := begin(t, s)
			taken := s.Append(t.Context(), d, tt.records)
			if err := s.Append(t.Context(), d, testBatch(100, 101)); err != nil {
				t.Errorf("the writer is dead after it: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatalf("taken (%v), and the store cannot be opened: %v", taken, err)
			}
			defer s.Close()
			collect(t, s, 1)
		})
	}
	t.Run("an opening that is not UTF-8", func(t *testing.T) {
		s, dir := createTest(t, Options{})
		_, taken := s.Begin(t.Context(), argus.Opening{Source: "caf\xe9"})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("taken (%v), and the store cannot be opened: %v", taken, err)
		}
		s.Close()
	})
}

// The ids are derived: without their folder a writer makes them anew, as
// Verify says.
func TestIDsFolderMayBeDeleted(t *testing.T) {
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close(), os.RemoveAll(filepath.Join(dir, idsDir))); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("the next ingest does not build the ids again: %v", err)
	}
	defer s.Close()
	if err := s.Append(t.Context(), d, testBatch(0, 50)); err != nil {
		t.Fatal(err)
	}
	if problem := checkNumbers(t.Context(), s, 50); problem != "" {
		t.Error(problem)
	}
}

// Ids of another version are built again, and are no damage.
func TestIDsOfAnotherVersion(t *testing.T) {
	for _, version := range []string{"1", "3"} {
		s, dir := createTest(t, Options{})
		d := begin(t, s)
		if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close()); err != nil {
			t.Fatal(err)
		}
		other := sealText([]byte("argus ids " + version + "\n00000009.ids\n"))
		if err := os.WriteFile(filepath.Join(dir, idsDir, "manifest"), other, 0o600); err != nil {
			t.Fatal(err)
		}
		damage, notes, _ := verifyAll(t, dir, nil)
		if len(damage) != 0 || !slices.ContainsFunc(notes, func(f Finding) bool { return f.File == idsDir }) {
			t.Errorf("version %s: damage %+v, notes %+v", version, damage, notes)
		}
		for _, o := range []Options{{ReadOnly: true}, {}} {
			s := openTest(t, dir, o)
			id, _ := testMessage(7).Identity()
			if found, err := s.Find(id); err != nil || len(found) != 1 {
				t.Errorf("version %s: found %v, %v", version, found, err)
			}
		}
	}
}

// A segment, a block or a manifest of a newer Argus is newer and not damaged, and a
// flipped byte is damaged and not newer.
func TestNewerFiles(t *testing.T) {
	mend := func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-4:], checksum(b[:len(b)-4])) }
	for name, tt := range map[string]struct {
		file string
		harm func(data []byte) []byte
		want error
	}{
		"a segment of version 3":        {segmentName(1), func(d []byte) []byte { d[7] = '3'; mend(d[:32]); return d }, argus.ErrNewer},
		"a segment with a flipped bit":  {segmentName(1), func(d []byte) []byte { d[7] ^= 1; return d }, argus.ErrDamaged},
		"a block of version 3":          {segmentName(1), func(d []byte) []byte { d[35] = '3'; mend(d[32:96]); return d }, argus.ErrNewer},
		"a block with a flipped bit":    {segmentName(1), func(d []byte) []byte { d[35] ^= 1; return d }, argus.ErrDamaged},
		"a block with a flag":           {segmentName(1), func(d []byte) []byte { d[36] |= 32; mend(d[32:96]); return d }, argus.ErrNewer},
		"a flag that may be skipped":    {segmentName(1), func(d []byte) []byte { d[36] |= 64; mend(d[32:96]); return d }, nil},
		"a manifest of version 3":       {manifestName, func([]byte) []byte { return sealText([]byte("argus evidence 3\n")) }, argus.ErrNewer},
		"a manifest with a flipped bit": {manifestName, func(d []byte) []byte { d[15] ^= 1; return d }, argus.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			d := begin(t, s)
			if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, filepath.FromSlash(tt.file))
			data, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, tt.harm(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err = Open(dir, Options{ReadOnly: true})
			if err == nil {
				defer s.Close()
				for _, e := range s.From(t.Context(), 1) {
					err = e
				}
			}
			if !errors.Is(err, tt.want) || tt.want != nil && errors.Is(err, argus.ErrNewer) == errors.Is(err, argus.ErrDamaged) {
				t.Errorf("reading: %v, want %v", err, tt.want)
			}
			damage, _, _ := verifyAll(t, dir, nil)
			newer := slices.ContainsFunc(damage, func(f Finding) bool { return f.Newer })
			broken := slices.ContainsFunc(damage, func(f Finding) bool { return !f.Newer })
			if newer != errors.Is(tt.want, argus.ErrNewer) || broken != errors.Is(tt.want, argus.ErrDamaged) {
				t.Errorf("verify: %+v", damage)
			}
		})
	}
}

// A copy of a store that was made while it was written to can hold ids of
// records that it does not have. No message may be taken for known by them.
func TestIDsAheadOfTheRecords(t *testing.T) {
	s, dir := createTest(t, Options{IDsInMemory: 10})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close()); err != nil {
		t.Fatal(err)
	}
	early := t.TempDir()
	if err := os.CopyFS(early, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{IDsInMemory: 10})
	if err := errors.Join(s.Append(t.Context(), d, testBatch(50, 100)), s.Close()); err != nil {
		t.Fatal(err)
	}
	// The segments came early and the ids late.
	if err := errors.Join(os.RemoveAll(filepath.Join(early, idsDir)), os.CopyFS(filepath.Join(early, idsDir), os.DirFS(filepath.Join(dir, idsDir)))); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, early, Options{ReadOnly: true})
	id, _ := testMessage(70).Identity()
	if found, err := reader.Find(id); err != nil || len(found) != 0 {
		t.Errorf("a reader finds records that are not there: %v, %v", found, err)
	}
	s = openTest(t, early, Options{IDsInMemory: 10})
	if err := s.Append(t.Context(), d, testBatch(50, 100)); err != nil {
		t.Fatal(err)
	}
	if problem := checkNumbers(t.Context(), s, 100); problem != "" {
		t.Error(problem)
	}
}

// One message sent over and over costs each time the same, whether the copies
// are equal or differ.
func TestManyCopiesOfOneMessage(t *testing.T) {
	for name, text := range map[string]func(int) string{
		"equal":     func(int) string { return "x" },
		"different": func(n int) string { return fmt.Sprint(n) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := createTest(t, Options{IDsInMemory: 8 << 10})
			d := begin(t, s)
			append := func(n int) time.Duration {
				var batch []*argus.Record
				for i := range 4096 {
					m := testMessage(1)
					m.Text = text(n + i)
					batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: m})
				}
				started := time.Now()
				if err := s.Append(t.Context(), d, batch); err != nil {
					t.Fatal(err)
				}
				return time.Since(started)
			}
			var early, late time.Duration
			for n := range 16 {
				took := append(n * 4096)
				if n < 4 {
					early += took
				} else if n >= 12 {
					late += took
				}
			}
			t.Logf("first four batches %v, last four %v", early, late)
			if late > 4*early+2*time.Second {
				t.Errorf("the first four batches took %v, the last four %v", early, late)
			}
		})
	}
}

// The newest records stay in memory by their size, not by their number alone.
func TestRecentIsBounded(t *testing.T) {
	s, _ := createTest(t, Options{Recent: 1 << 17})
	d := begin(t, s)
	text := strings.Repeat("0123456789abcdef", 1<<16)
	for n := range 40 {
		var batch []*argus.Record
		for i := range 8 {
			m := testMessage(8*n + i)
			m.Text = fmt.Sprint(n, i) + text
			batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: m})
		}
		if err := s.Append(t.Context(), d, batch); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for _, r := range s.recent {
		held += r.Size()
	}
	if held > 160<<20 {
		t.Errorf("%d MiB stay in memory", held>>20)
	}
	if got := len(collect(t, s, 1)); got != 321 {
		t.Errorf("%d records", got)
	}
}

// Verify beside a writer: what is added and sealed meanwhile is no damage.
func TestVerifyBesideAWriter(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if err := s.Append(t.Context(), d, testBatch(0, 50)); err != nil {
		t.Fatal(err)
	}
	done := false
	_, err := Verify(t.Context(), dir, keys, func(f Finding) {
		if !f.Note {
			t.Errorf("%+v", f)
		}
	}, func(int64) {
		if done {
			return
		}
		done = true
		if err := s.Append(t.Context(), d, testBatch(50, 100)); err != nil {
			t.Error(err)
		}
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Error(err)
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// rawBlock is a block that can be written again elsewhere.
type rawBlock struct {
	seed                 seed
	statements, contents [][]byte
}

// rawBlocks reads all blocks of a store, by delivery.
func rawBlocks(t *testing.T, s *Store) map[argus.DeliveryNumber][]rawBlock {
	t.Helper()
	all := map[argus.DeliveryNumber][]rawBlock{}
	for _, ref := range s.blocks {
		b, err := s.readBlockAt(ref, s.segments[ref.segment-1])
		if err != nil {
			t.Fatal(err)
		}
		all[ref.delivery] = append(all[ref.delivery], rawBlock{b.seed, b.statements, b.contents})
	}
	return all
}

// rawFrame makes a frame of parts.
func rawFrame(c *codec, parts [][]byte) ([]byte, frame) {
	var payload []byte
	for _, part := range parts {
		payload = binary.AppendUvarint(payload, uint64(len(part)))
	}
	payload = append(payload, bytes.Join(parts, nil)...)
	if len(payload) == len(parts) {
		return nil, frame{}
	}
	packed := c.enc.EncodeAll(payload, nil)
	return packed, frame{length: uint32(len(packed)), raw: uint32(len(payload)), crc: checksum(packed)}
}

// forge writes the first segment of a closed store anew, as somebody would who
// knows the format: the deliveries in this order, with commit file and no ids.
func forge(t *testing.T, dir string, order []argus.DeliveryNumber, deliveries map[argus.DeliveryNumber][]rawBlock) {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	out := appendSegmentHeader(nil, 1, 1)
	next := uint64(1)
	for _, d := range order {
		leaf := uint64(0)
		for _, b := range deliveries[d] {
			head := blockHead{blockRef: blockRef{first: next, leaf: leaf, count: uint32(len(b.statements)), delivery: d}, flags: flagBatchEnd, salts: seedBytes}
			var statements, contents []byte
			statements, head.statements = rawFrame(c, b.statements)
			contents, head.contents = rawFrame(c, b.contents)
			head.statements.crc = checksum(append(b.seed[:], statements...))
			out = slices.Concat(head.append(out), b.seed[:], statements, contents)
			next += uint64(len(b.statements))
			leaf += uint64(len(b.statements))
		}
	}
	slots := make([]byte, 2*commitSlot)
	copy(slots[commitSlot:], commit{counter: 1, seq: next - 1, segment: 1, offset: uint32(len(out))}.bytes())
	ids := sealText([]byte(idsManifestHead))
	for name, data := range map[string][]byte{segmentName(1): out, commitName: slots, idsDir + "/manifest": ids} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range must(filepath.Glob(filepath.Join(dir, idsDir, "*.ids"))) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForgedOrder moves a sealed delivery before another. Its records are the
// same and so is its root, but what they name as their original is not.
func TestForgedOrder(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{})
	for i := range 2 {
		d := begin(t, s)
		original := putOriginal(t, s, fmt.Sprint(i), fmt.Sprint("file ", i))
		if err := s.Append(t.Context(), d, []*argus.Record{original}); err != nil {
			t.Fatal(err)
		}
		batch := testBatch(i*100, i*100+50)
		for n, r := range batch {
			r.Where = argus.Where{Original: original.Seq, Record: uint64(n + 1)}
		}
		if err := s.Append(t.Context(), d, batch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
	}
	deliveries := rawBlocks(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	forge(t, dir, []argus.DeliveryNumber{1, 2}, deliveries)
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) != 0 {
		t.Fatalf("the same order: %+v", damage)
	}
	forge(t, dir, []argus.DeliveryNumber{2, 1}, deliveries)
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) == 0 {
		t.Error("messages that name the original of another delivery pass")
	}
}

// Records that make no sense are damage, and those of a newer Argus are newer, for
// every way of opening.
func TestForgedShapes(t *testing.T) {
	sighting := must(hex.DecodeString("a3010404a0050a")) // kind 4, an empty message, of 10
	for name, tt := range map[string]struct {
		statement, content []byte
		want               error
	}{
		"no kind":                    {[]byte{0xa1, 1, 0}, nil, argus.ErrDamaged},
		"an opening of nothing":      {[]byte{0xa1, 1, 1}, nil, argus.ErrDamaged},
		"an original of nothing":     {[]byte{0xa1, 1, 2}, nil, argus.ErrDamaged},
		"a message of nothing":       {[]byte{0xa1, 1, 3}, nil, argus.ErrDamaged},
		"a sighting of nothing":      {[]byte{0xa1, 1, 4}, nil, argus.ErrDamaged},
		"a quarantined nothing":      {[]byte{0xa1, 1, 5}, nil, argus.ErrDamaged},
		"an attachment of nothing":   {[]byte{0xa1, 1, 6}, nil, argus.ErrDamaged},
		"nothing stated":             {[]byte{0xa1, 1, 7}, nil, argus.ErrDamaged},
		"a text in a statement":      {must(hex.DecodeString("a2010304a1")), nil, argus.ErrDamaged},
		"a sighting with content":    {sighting, must(hex.DecodeString("a1016178")), argus.ErrDamaged},
		"a key twice":                {must(hex.DecodeString("a20103010304a0")), nil, argus.ErrDamaged},
		"a key that is text":         {must(hex.DecodeString("a301046178f504a0")), nil, argus.ErrDamaged},
		"a kind of a newer Argus":    {[]byte{0xa1, 1, 0x18, 63}, nil, argus.ErrNewer},
		"a key of a newer Argus":     {must(hex.DecodeString("a3010404a0183f01")), nil, argus.ErrNewer},
		"a key within":               {must(hex.DecodeString("a2010404a1183f01")), nil, argus.ErrNewer},
		"a content of a newer Argus": {must(hex.DecodeString("a2010304a0")), must(hex.DecodeString("a1183f01")), argus.ErrNewer},
		"a kind that may be skipped": {must(hex.DecodeString("a2011840183f01")), []byte("anything"), nil},
		"a key that may be skipped":  {must(hex.DecodeString("a3010304a20163736b79046141184001")), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			signer, keys := testKey(t)
			s, dir := createTest(t, Options{})
			begin(t, s)
			deliveries := rawBlocks(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			deliveries[1] = append(deliveries[1], rawBlock{statements: [][]byte{tt.statement}, contents: [][]byte{tt.content}})
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			reader := openTest(t, dir, Options{ReadOnly: true})
			var book account.Bookkeeper
			var err error
			for r, e := range reader.From(t.Context(), 1) {
				if err = e; e == nil {
					book.Add(r)
				}
			}
			if !errors.Is(err, tt.want) || errors.Is(err, argus.ErrNewer) && errors.Is(err, argus.ErrDamaged) {
				t.Errorf("reading: %v, want %v", err, tt.want)
			}
			_, err = reader.Get(t.Context(), 2)
			if !errors.Is(err, tt.want) {
				t.Errorf("reading it alone: %v, want %v", err, tt.want)
			}
			s, err = Open(dir, Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("opening for writing: %v, want %v", err, tt.want)
			}
			if err == nil {
				if _, err := s.Seal(t.Context(), 1, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
					t.Error(err)
				}
				s.Close()
			}
			damage, notes, _ := verifyAll(t, dir, keys)
			newer := slices.ContainsFunc(damage, func(f Finding) bool { return f.Newer })
			switch {
			case tt.want == nil:
				if len(damage) > 0 || len(notes) != 1 || notes[0].First != 2 || !strings.Contains(notes[0].Problem, "newer Argus") {
					t.Errorf("damage %+v, notes %+v; want a note about record 2", damage, notes)
				}
			case errors.Is(tt.want, argus.ErrNewer):
				if !newer || len(damage) > 1 {
					t.Errorf("%+v; want only that it was written by a newer Argus", damage)
				}
			default:
				if newer || len(damage) == 0 {
					t.Errorf("%+v; want damage", damage)
				}
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What Verify may not pass over in silence.
func TestVerifySeesFiles(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	last := s.closed + 1
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := must(filepath.Glob(filepath.Join(dir, originalsDir, "*", "*.data")))
	if len(data) != 1 {
		t.Fatalf("the store has %d originals", len(data))
	}
	original := filepath.ToSlash(must(filepath.Rel(dir, data[0])))
	move := func(dir, from, to string) error {
		return errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(to)), 0o700), os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
	}
	write := func(dir, name string) error { return os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600) }
	for _, tt := range []struct {
		name   string
		harm   func(dir string) error
		damage bool
	}{
		{"a segment too many", func(dir string) error { return write(dir, segmentName(last+3)) }, false},
		{"a run of ids too many", func(dir string) error { return write(dir, idsDir+"/99999999.ids") }, false},
		{"a seal under another name", func(dir string) error { return write(dir, deliveryDir+"/1.seal") }, false},
		{"the ids without their manifest", func(dir string) error { return os.Remove(filepath.Join(dir, idsDir, "manifest")) }, true},
		{"an original in another folder", func(dir string) error { return move(dir, original, "originals/x"+original[len(originalsDir):]) }, true},
		{"an original that is a link", func(dir string) error {
			outside := filepath.Join(t.TempDir(), "x")
			return errors.Join(os.Rename(filepath.Join(dir, original), outside), os.Symlink(outside, filepath.Join(dir, original)))
		}, true},
		{"a slot of the commit file set to zeros", func(dir string) error {
			name := filepath.Join(dir, commitName)
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			newest, _, err := parseCommit(data)
			clear(data[newest.counter%2*commitSlot:][:commitSlot])
			return errors.Join(err, os.WriteFile(name, data, 0o600))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			copied := t.TempDir()
			if err := errors.Join(os.CopyFS(copied, os.DirFS(dir)), tt.harm(copied)); err != nil {
				t.Fatal(err)
			}
			damage, notes, _ := verifyAll(t, copied, keys)
			if tt.damage != (len(damage) > 0) || len(notes)+len(damage) < 2 { // one note is about the open delivery
				t.Errorf("damage %+v, notes %+v", damage, notes)
			}
		})
	}
}

// A file of an absurd size costs no memory.
func TestAbsurdSizes(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{commitName, manifestName, idsDir + "/manifest", layout.Seal(1), layout.Tree(1)} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(copied, name), 1<<43); err != nil {
			t.Skipf("no file of such a size here: %v", err)
		}
		if damage, _, _ := verifyAll(t, copied, keys); len(damage) == 0 {
			t.Errorf("%s passes", name)
		}
		if s, err := Open(copied, Options{ReadOnly: true}); err == nil {
			s.Close()
		}
	}
}

// A reader whose refresh goes wrong says so, and does not take what it had for
// absent.
func TestFailedRefresh(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 1})
	d := begin(t, s)
	if err := s.Append(t.Context(), d, testBatch(0, 10)); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	if err := s.Append(t.Context(), d, testBatch(10, 20)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, manifestName)
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reader.Refresh(); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("refresh: %v, want ErrDamaged", err)
	}
	if r, err := reader.Get(t.Context(), 5); err != nil || r.Seq != 5 {
		t.Errorf("what was there before: %v", err)
	}
	if err := os.WriteFile(name, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reader.Refresh(); err != nil || reader.Last() != 21 {
		t.Errorf("after mending: %v, last %d", err, reader.Last())
	}
}

// The same bytes again are kept: once, if they can be read, else again.
func TestPutOriginalAgain(t *testing.T) {
	s, dir := createTest(t, Options{})
	first := putOriginal(t, s, "a", "the bytes").Original
	if again := putOriginal(t, s, "a", "the bytes").Original; *again != *first {
		t.Errorf("kept again: %+v, first %+v", again, first)
	}
	name := filepath.Join(dir, originalsDir, filepath.FromSlash(original.DataFile(first.File)))
	if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, []byte("other bytes"), 0o600)); err != nil {
		t.Fatal(err)
	}
	again := putOriginal(t, s, "a", "the bytes").Original
	f, err := s.OpenOriginal(*again)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || string(got) != "the bytes" {
		t.Errorf("%q, %v: the bytes were not kept", got, err)
	}
	// A record that names another original than the one it means is damage.
	again.Root[0] ^= 1
	if _, err := s.OpenOriginal(*again); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("another root: %v, want ErrDamaged", err)
	}
}

// TestPlainOriginal: a program gets the bytes, and no file is left of them.
func TestPlainOriginal(t *testing.T) {
	s, dir := createTest(t, Options{})
	content := strings.Repeat("the bytes", 20_000)
	f, err := s.PlainOriginal(t.Context(), *putOriginal(t, s, "a", content).Original)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != content {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left := must(filepath.Glob(filepath.Join(dir, originalsDir, "*.tmp"))); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOriginalSurvives keeps a file, ends the process before its folder is
// synced, takes the same bytes in again, and cuts the power.
func TestOriginalSurvives(t *testing.T) {
	for seed := range 20 {
		d := durabletest.New(uint64(seed))
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "evidence"), 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := Create(dir, Options{disk: lazyDisk{d}})
		if err != nil {
			t.Fatal(err)
		}
		first := putOriginal(t, s, "a", "the bytes").Original
		s.Close()
		if s, err = Open(dir, Options{disk: d}); err != nil {
			t.Fatal(err)
		}
		if again := putOriginal(t, s, "a", "the bytes").Original; *again != *first {
			t.Fatalf("kept again: %+v, first %+v", again, first)
		}
		s.Close()
		after := d.Cut()
		for _, file := range []string{original.DataFile(first.File), original.TableFile(first.File)} {
			if _, err := after.OpenFile(s.path(originalsDir+"/"+file), os.O_RDONLY, 0); err != nil {
				t.Fatalf("cut %d: an original that was kept is gone: %v", seed, err)
			}
		}
	}
}

// lazyDisk syncs no folder of originals.
type lazyDisk struct{ disk }

func (d lazyDisk) SyncDir(name string) error {
	if strings.Contains(name, originalsDir) {
		return nil
	}
	return d.disk.SyncDir(name)
}

// A reason that is not UTF-8 gives a seal that passes.
func TestSealReason(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), "d\xe9j\xe0 vu"); err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) != 0 {
		t.Errorf("%+v", damage)
	}
}

// A hole in what can be read is told, also to who reads one delivery.
func TestHoleInADelivery(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 2 << 10})
	one, two := begin(t, s), begin(t, s)
	for n := range 10 {
		if err := errors.Join(s.Append(t.Context(), one, testBatch(20*n, 20*n+10)), s.Append(t.Context(), two, testBatch(20*n+10, 20*n+20))); err != nil {
			t.Fatal(err)
		}
	}
	// In the middle, a header of a block of one, with the table of blocks.
	var victim blockRef
	for _, b := range s.blocks {
		if b.delivery == one && b.segment == 3 {
			victim = b
		}
	}
	if err := s.Close(); err != nil || victim.count == 0 {
		t.Fatal(err, victim)
	}
	name := filepath.Join(dir, segmentName(3))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[victim.offset] ^= 1
	data[len(data)-1] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	n := 0
	for _, e := range reader.Records(t.Context(), one) {
		if err = e; e == nil {
			n++
		}
	}
	if n < 101 && !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("%d of 101 records, and %v", n, err)
	}
}

// What a custodian's key hides is proved as it is stored, and Verify says that
// it is not more. What is withheld is damage while no record orders it.
func TestVerifyOriginals(t *testing.T) {
	custodian := must(age.GenerateX25519Identity())
	recipients := []*age.X25519Recipient{custodian.Recipient()}
	s, dir := createTest(t, Options{Originals: original.Options{Custodians: recipients}})
	d := begin(t, s)
	hidden := putOriginal(t, s, "hidden", "the bytes")
	if err := s.Append(t.Context(), d, []*argus.Record{hidden}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenOriginal(*hidden.Original); !errors.Is(err, original.ErrNoKey) {
		t.Errorf("%v, want ErrNoKey", err)
	}
	damage, notes, v := verifyAll(t, dir, nil)
	said := func(list []Finding, file, words string) bool {
		return slices.ContainsFunc(list, func(f Finding) bool { return f.File == originalsDir+"/"+file && strings.Contains(f.Problem, words) })
	}
	table := original.TableFile(hidden.Original.File)
	if len(damage) != 0 || v.Originals != 1 || !said(notes, table, custodian.Recipient().String()) {
		t.Errorf("damage %+v, notes %+v, %d originals", damage, notes, v.Originals)
	}
	open := must(original.New(s.path(originalsDir), original.Options{Identities: []age.Identity{custodian}}))
	state := must(open.Withhold(t.Context(), hidden.Original.File, []original.Part{{Offset: 1, Length: 2}}, recipients))
	if _, notes, _ := verifyAll(t, dir, nil); !slices.ContainsFunc(notes, func(f Finding) bool { return strings.Contains(f.Problem, "a change of the original that was prepared") }) {
		t.Errorf("a prepared change is passed over: %+v", notes)
	}
	if err := open.Commit(t.Context(), hidden.Original.File, state); err != nil {
		t.Fatal(err)
	}
	if damage, _, v := verifyAll(t, dir, nil); len(damage) != 1 || v.Originals != 0 || !said(damage, table, "bytes 1 to 3 of the original are withheld, and no record orders it") {
		t.Errorf("withheld without an order: %+v", damage)
	}
	// A record that claims another file than the one that is there.
	other := *hidden.Original
	other.Root[3] ^= 1
	if err := s.Append(t.Context(), d, []*argus.Record{{Kind: argus.KindOriginal, Original: &other}}); err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verifyAll(t, dir, nil); !slices.ContainsFunc(damage, func(f Finding) bool { return strings.Contains(f.Problem, "says other things of the original") }) {
		t.Errorf("two records contradict each other: %+v", damage)
	}
}

// A run of ids whose filter or pages were changed, with good checksums, does not find
// what is in it. Verify says so.
func TestForgedIDs(t *testing.T) {
	s, dir := createTest(t, Options{IDsInMemory: 1000})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 300)), s.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, idsDir, "*.ids"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRun(osDisk{}, filepath.Dir(names[0]), filepath.Base(names[0]))
	if err != nil {
		t.Fatal(err)
	}
	pages := len(r.fences)
	if err := r.f.release(); err != nil {
		t.Fatal(err)
	}
	trailer := len(whole) - runTrailer
	for name, change := range map[string]func(b []byte){
		"nothing":          func([]byte) {},
		"filter":           func(b []byte) { clear(b[pages*(pageBytes+8) : trailer]) },
		"fence":            func(b []byte) { b[pages*pageBytes+8+7]++ },
		"count":            func(b []byte) { b[trailer+8]++ },
		"records it has":   func(b []byte) { b[trailer+24]++ },
		"order of entries": func(b []byte) { slices.Reverse(b[:2*entryBytes]) },
		"record of an entry": func(b []byte) {
			b[32]++
		},
	} {
		forged := bytes.Clone(whole)
		change(forged)
		for page := range pages {
			b := forged[page*pageBytes:][:pageBytes]
			binary.LittleEndian.PutUint32(b[pageBytes-4:], checksum(b[:pageBytes-4]))
		}
		tail := forged[pages*pageBytes:]
		binary.LittleEndian.PutUint32(tail[len(tail)-4:], checksum(tail[:len(tail)-4]))
		if err := os.WriteFile(names[0], forged, 0o600); err != nil {
			t.Fatal(err)
		}
		var found []Finding
		if _, err := Verify(t.Context(), dir, nil, func(f Finding) {
			if !f.Note {
				found = append(found, f)
			}
		}, func(int64) {}, nil); err != nil {
			t.Fatal(err)
		}
		if name == "nothing" != (len(found) == 0) || len(found) > 0 && !strings.HasPrefix(found[0].File, idsDir) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// The building of ids, which takes minutes where there are many, can be ended, and is
// begun again by the next who needs them.
func TestStopBuildingIDs(t *testing.T) {
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 1000)), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, idsDir)), os.Mkdir(filepath.Join(dir, idsDir), 0o700)); err != nil {
		t.Fatal(err)
	}
	asked, stopped := 0, errors.New("stopped")
	stop := func() error {
		if asked++; asked%5 == 0 {
			return stopped
		}
		return nil
	}
	if _, err := Open(dir, Options{Stop: stop}); !errors.Is(err, stopped) || asked != 5 {
		t.Errorf("opening ended with %v after %d questions", err, asked)
	}
	reader := openTest(t, dir, Options{ReadOnly: true, Stop: stop})
	id, _ := testMessage(900).Identity()
	if _, err := reader.Find(id); !errors.Is(err, stopped) {
		t.Errorf("finding ended with %v", err)
	}
	s = openTest(t, dir, Options{})
	if found, err := s.Find(id); err != nil || len(found) != 1 {
		t.Errorf("built again: %v, %v", found, err)
	}
}

// A record that nobody sealed yet, written by somebody who knows the format: checksums
// fit, and what it says is not what Argus writes. Verify says what is wrong with it.
func TestRecordsThatArgusDoesNotWrite(t *testing.T) {
	encode := func(r *argus.Record) []byte {
		var p splitter
		var b bytes.Buffer
		p.split(r)
		if err := partEncoding.MarshalToBuffer(&p.record, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, test := range []struct {
		name, want string
		change     func(r *argus.Record) []byte // the statement of the last record, a sighting
	}{
		{"nothing", "", encode},
		{"a sighting of an opening", "not of what record 1 holds", func(r *argus.Record) []byte { r.Of = 1; return encode(r) }},
		{"a sighting of another message", "not of what record 2 holds", func(r *argus.Record) []byte { r.Of = 2; return encode(r) }},
		{"a sighting of itself", "does not say of which message", func(r *argus.Record) []byte { r.Of = r.Seq; return encode(r) }},
		{"a sighting of what comes", "does not say of which message", func(r *argus.Record) []byte { r.Of = 99; return encode(r) }},
		{"another id", "not of what record", func(r *argus.Record) []byte { r.ID[0]++; return encode(r) }},
		{"another version", "not of what record", func(r *argus.Record) []byte { r.Version[0]++; return encode(r) }},
		{"another content", "not of what record", func(r *argus.Record) []byte { r.Content[0]++; return encode(r) }},
		{"a number that is longer than it needs to be", "canonical", func(r *argus.Record) []byte {
			b := encode(r)
			if b[0] != 0xa0|b[0]&0x1f || b[1] > 23 {
				t.Fatalf("%x is no map with a small first key", b[:2])
			}
			return slices.Concat(b[:1], []byte{0x18, b[1]}, b[2:])
		}},
		{"a part that this version skips", "may skip", func(r *argus.Record) []byte {
			b := encode(r)
			b[0]++
			return append(b, 0x18, 99, 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			d := begin(t, s)
			if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 10)), s.Append(t.Context(), d, testBatch(3, 4))); err != nil {
				t.Fatal(err)
			}
			victim := s.blocks[len(s.blocks)-1]
			b, err := s.readBlockAt(victim, s.segments[0])
			if err != nil {
				t.Fatal(err)
			}
			var hasher argus.Hasher
			r, err := b.record(0, &hasher)
			if err != nil || r.Kind != argus.KindSighting {
				t.Fatal(r, err)
			}
			r.Seq = victim.first
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, segmentName(1))
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			head, err := parseBlockHead(data[victim.offset:])
			if err != nil {
				t.Fatal(err)
			}
			block := append(make([]byte, blockHeader), b.seed[:]...)
			if block, head.statements, err = s.codec.makeFrame(block, [][]byte{test.change(r)}); err != nil {
				t.Fatal(err)
			}
			head.statements.crc = checksum(block[blockHeader:])
			head.append(block[:0])
			if err := os.WriteFile(name, append(data[:victim.offset:victim.offset], block...), 0o600); err != nil {
				t.Fatal(err)
			}
			slots, err := os.ReadFile(filepath.Join(dir, commitName))
			if err != nil {
				t.Fatal(err)
			}
			promise, _, err := parseCommit(slots)
			if err != nil {
				t.Fatal(err)
			}
			promise.offset = victim.offset + uint32(len(block))
			copy(slots[promise.counter%2*commitSlot:], promise.bytes())
			if err := os.WriteFile(filepath.Join(dir, commitName), slots, 0o600); err != nil {
				t.Fatal(err)
			}
			damage, notes, _ := verifyAll(t, dir, nil)
			if test.name == "nothing" {
				if len(damage) > 0 {
					t.Errorf("%+v", damage)
				}
				return
			}
			if !slices.ContainsFunc(append(damage, notes...), func(f Finding) bool { return f.First == r.Seq && strings.Contains(f.Problem, test.want) }) {
				t.Errorf("not named: %+v", damage)
			}
		})
	}
}
