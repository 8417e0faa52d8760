package world

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

var update = flag.Bool("update", false, "write the golden files")

func demo(t testing.TB, seed uint64, messages int) *World {
	t.Helper()
	o := Presets["demo"]
	o.Seed, o.Messages = seed, messages
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// lines writes a world as JSON lines.
func lines(t testing.TB, w *World) (out, truth []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if err := w.WriteLines(t.Context(), &a, &b); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func sum(text []byte) string {
	hash := sha256.Sum256(text)
	return hex.EncodeToString(hash[:])
}

// handedOver writes a world as deliveries, and returns a line with the hash of
// each delivery and of their truth.
func handedOver(t testing.TB, o Options) string {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var truth bytes.Buffer
	if err := w.WriteDeliveries(t.Context(), dir, &truth); err != nil {
		t.Fatal(err)
	}
	hashes := map[string]hash.Hash{}
	files := tree(t, dir)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		delivery, _, _ := strings.Cut(name, "/")
		if hashes[delivery] == nil {
			hashes[delivery] = sha256.New()
		}
		fmt.Fprintf(hashes[delivery], "%s %d\n%s", name, len(files[name]), files[name])
	}
	var text strings.Builder
	for _, delivery := range slices.Sorted(maps.Keys(hashes)) {
		fmt.Fprintf(&text, "%s %s %x\n", o.Service, delivery, hashes[delivery].Sum(nil))
	}
	return text.String() + fmt.Sprintf("%s truth of the deliveries %s\n", o.Service, sum(truth.Bytes()))
}

// The golden file compares this machine with another one's output, in every format.
func TestSameSeedSameBytes(t *testing.T) {
	out, truth := lines(t, demo(t, 7, 3000))
	var got strings.Builder
	fmt.Fprintf(&got, "messages %s\ntruth %s\n", sum(out), sum(truth))
	for _, service := range []string{"sky", "encrochat"} {
		got.WriteString(handedOver(t, Options{Seed: 7, Service: service, Messages: 3000, Locked: 33, Feed: 10}))
	}
	const golden = "testdata/seed-7.sha256"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("seed 7 gives another world than before (go test -update if it should be):\n%s", diff)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if alone, same := lines(t, demo(t, 7, 3000)); !bytes.Equal(alone, out) || !bytes.Equal(same, truth) {
		t.Error("one processor writes different bytes")
	}
	if other, _ := lines(t, demo(t, 8, 3000)); bytes.Equal(other, out) {
		t.Error("another seed writes the same bytes")
	}
}

func TestALargerWorldHasTheSamePeople(t *testing.T) {
	small, err := New(Options{Seed: 5, Accounts: 300})
	if err != nil {
		t.Fatal(err)
	}
	large, err := New(Options{Seed: 5, Accounts: 1500, Messages: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for i, p := range small.people {
		if int(p.block) == len(small.blocks)-1 {
			break // there was no room for all of it
		}
		q := large.people[i]
		if p.name != q.name || p.nick != q.nick || p.role != q.role || p.boss != q.boss || p.langs != q.langs || p.style != q.style {
			t.Errorf("person %d is %+v in a small world and %+v in a large one", i, p, q)
		}
		same++
	}
	if same < 100 {
		t.Errorf("only %d persons were compared", same)
	}
}

// told is a message as sent and as held.
type told struct {
	sent, held argus.Message
	plot       int32
	lang       uint8
}

// tellAll makes all messages and checks that the fast way to write them gives
// the same as the slow one.
func tellAll(t testing.TB, w *World) []told {
	t.Helper()
	var all []told
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // rendering appends to it
	err := w.each(t.Context(), func(d *day, _ func(chunk)) {
		for _, i := range d.order {
			m := &d.said[i]
			one := told{*d.message(m, inTransit), *d.message(m, onServer), m.plot, m.lang}
			var fast argus.Message
			if err := json.Unmarshal(d.appendJSON(nil, m, onServer), &fast); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(one.held, fast); diff != "" {
				t.Fatalf("the line differs from the message:\n%s", diff)
			}
			all = append(all, one)
		}
	}, func(chunk) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestMessages(t *testing.T) {
	ids := map[argus.ID]bool{}
	last := argus.Message{}
	left := regexp.MustCompile(`[\[\]{}|]|  | ,`)
	for _, one := range tellAll(t, demo(t, 1, 20_000)) {
		m := &one.held
		if err := m.Valid(); err != nil {
			t.Fatalf("%v: %+v", err, m)
		}
		id, _ := m.Identity()
		if ids[id] && m.ServiceID != "" {
			t.Fatalf("message %s occurs twice: %+v", id, m)
		}
		ids[id] = true
		if m.Sent.Micros < last.Sent.Micros {
			t.Fatalf("%s comes after %s", m.Sent, last.Sent)
		}
		last = *m
		if left.MatchString(one.sent.Text) {
			t.Errorf("a template is left in %q", one.sent.Text)
		}
		if len(one.sent.To) == 0 {
			t.Errorf("nobody receives %+v", one.sent)
		}
	}
}

func TestStatistics(t *testing.T) {
	w, err := New(Options{Seed: 2, Accounts: 2000, Messages: 60_000, Days: 130, Locked: 33})
	if err != nil {
		t.Fatal(err)
	}
	all := tellAll(t, w)
	within := func(what string, got, low, high float64) {
		t.Helper()
		t.Logf("%s: %.3f", what, got)
		if got < low || got > high {
			t.Errorf("%s is %.3f, want %.3f to %.3f", what, got, low, high)
		}
	}
	n := float64(len(all))
	within("messages as asked", n/60_000, 0.93, 1.07)

	sent, peers, langs := map[string]int{}, map[string]map[string]bool{}, map[uint8]int{}
	states, hours, weekdays := map[string]int{}, [24]int{}, [7]int{}
	var waits []int64
	before := map[string]argus.Message{}
	tongues := map[string]map[uint8]bool{}
	words, marks, emoji, texts, crime, attached := 0, 0, 0, 0, 0, 0
	for _, one := range all {
		m := one.held
		sent[m.From]++
		langs[one.lang]++
		if tongues[m.Conversation] == nil {
			tongues[m.Conversation] = map[uint8]bool{}
		}
		tongues[m.Conversation][one.lang] = true
		hours[m.Sent.UTC().Hour()]++
		weekdays[m.Sent.UTC().Weekday()]++
		for _, word := range m.State.Words() {
			states[word]++
		}
		if one.sent.Text != "" {
			words += len(strings.Fields(one.sent.Text))
			texts++
			for _, c := range one.sent.Text {
				switch {
				case strings.ContainsRune(".,!?¿¡:;", c):
					marks++
				case c >= 0x2600 && c != 0xFE0F:
					emoji++
				}
			}
		}
		attached += len(one.sent.Attachments)
		if one.plot >= 0 && !w.plots[one.plot].script.like {
			crime++
		}
		for _, to := range m.To {
			if len(m.To) == 1 {
				if peers[m.From] == nil {
					peers[m.From] = map[string]bool{}
				}
				peers[m.From][to] = true
			}
		}
		if was := before[m.Conversation]; was.From != "" && was.From != m.From && was.State != argus.StateSystem {
			waits = append(waits, (m.Sent.Micros-was.Sent.Micros)/1e6)
		}
		before[m.Conversation] = m
	}
	slices.Sort(waits)
	within("median of the time to an answer, in seconds", float64(waits[len(waits)/2]), 10, 90)
	within("answers after more than an hour", share64(waits, 3600), 0.02, 0.35)

	counts := sorted(sent)
	within("share of the tenth who write most", tenth(counts), 0.25, 0.7)
	within("most by one account over the median", float64(counts[0])/float64(counts[len(counts)/2]), 8, 300)
	degrees := map[string]int{}
	for account, list := range peers {
		degrees[account] = len(list)
	}
	list := sorted(degrees)
	// Leskovec and Horvitz 2008 (doi 10.1145/1367497.1367620) count 1.3 billion pairs of 180
	// million people in one month of a messenger that everybody used: 14.4 per person, with a
	// heavy tail. A phone that few people use has fewer.
	edges := 0
	for _, n := range list {
		edges += n
	}
	within("mean of those written to", float64(edges)/float64(len(list)), 3, 14.4)
	within("median of those written to", float64(list[len(list)/2]), 1, 6)
	within("most that one writes to", float64(list[0]), 12, 200)

	mixed, several := 0, 0
	for _, in := range tongues {
		if len(in) > 1 {
			mixed++
		}
		several = max(several, len(in))
	}
	within("share of conversations in several languages", float64(mixed)/float64(len(tongues)), 0.25, 0.9)
	within("most languages of a conversation", float64(several), 4, 9)
	spoken := 0
	for lang, n := range langs {
		if float64(n) > 0.005*float64(len(all)) {
			spoken++
		}
		within("share of "+languages[lang], float64(n)/float64(len(all)), 0, 0.5)
	}
	within("languages with more than one in two hundred", float64(spoken), 8, 11)
	within("words of a text", float64(words)/float64(texts), 3, 8)
	// What's up, Switzerland? (Ueberwasser and Stark 2017, doi 10.13092/lo.84.3849):
	// 763,650 messages of WhatsApp with 5,543,692 tokens, 7.3 per message, and according to
	// the project's page about 350,000 emoji, 0.47 per message. Messages on a phone for
	// business should be shorter and drier.
	within("tokens of a text", float64(words+marks)/float64(texts), 4, 8)
	within("emoji of a text", float64(emoji)/float64(texts), 0.15, 0.5)
	within("share with an attachment", float64(attached)/n, 0.01, 0.15)
	within("share of messages of plots", float64(crime)/n, 0.02, 0.25)
	// As requested. The police stated that nearly half of a billion messages from Sky ECC had
	// been decrypted (Belgian federal police, 10 March 2021).
	within("share locked", float64(states["locked"])/n, 0.27, 0.39)
	within("share deleted", float64(states["deleted"])/n, 0.003, 0.012)
	within("share edited", float64(states["edited"])/n, 0.003, 0.012)
	within("evening over night", float64(hours[18]+hours[19]+hours[20])/float64(hours[2]+hours[3]+hours[4]), 3, 30)
	within("Friday over Sunday", float64(weekdays[5])/float64(weekdays[0]), 1.2, 2.2)
}

func sorted(counts map[string]int) []int {
	var list []int
	for _, n := range counts {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b int) int { return b - a })
	return list
}

func tenth(list []int) float64 {
	all, top := 0, 0
	for i, n := range list {
		all += n
		if i < len(list)/10 {
			top += n
		}
	}
	return float64(top) / float64(all)
}

func share64(list []int64, above int64) float64 {
	n := 0
	for _, v := range list {
		if v > above {
			n++
		}
	}
	return float64(n) / float64(len(list))
}

// The presets have the sizes that they state; only their people are made here.
func TestPresets(t *testing.T) {
	for name, o := range Presets {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(w.accounts); got < o.Accounts || got > o.Accounts+50 {
			t.Errorf("%s has %d accounts, want %d", name, got, o.Accounts)
		}
		dutch := 0
		for _, a := range w.accounts {
			if countries[w.people[a.person].country].code == "NL" {
				dutch++
			}
		}
		if name == "skyecc" && (dutch < 10_000 || dutch > 12_000) {
			t.Errorf("%d accounts of skyecc are in NL, want about 11,000", dutch)
		}
	}
}

// truths returns the lines of a truth file by kind.
func truths(t *testing.T, text []byte) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	for line := range bytes.Lines(text) {
		var one map[string]any
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		what, _ := one["what"].(string)
		all[what] = append(all[what], one)
	}
	return all
}

func TestPlotsAreFoundByTheirTruth(t *testing.T) {
	w := demo(t, 1, 20_000)
	_, text := lines(t, w)
	truth := truths(t, text)
	docs := map[string]bool{}
	plotOf, found := map[string]float64{}, map[float64]int{}
	var all []query.Doc
	var candidate query.Candidate
	for _, one := range tellAll(t, w) {
		id, _ := one.sent.Identity()
		docs[id.String()] = true
		plotOf[id.String()] = -1
		if one.plot >= 0 || len(all)%4 == 0 { // long enough that the results differ
			all = append(all, query.Doc{Sightings: []query.Sighting{{ID: id, Message: &one.sent}}})
		}
	}
	for _, m := range truth["message"] {
		if plot, ok := m["plot"].(float64); ok && m["id"] != nil {
			id := m["id"].(string)
			if !docs[id] {
				t.Fatalf("the truth names a missing message: %v", m)
			}
			plotOf[id] = plot
			found[plot]++
		}
	}
	kinds, likes := map[string]int{}, map[string]int{}
	for _, p := range truth["plot"] {
		number := p["plot"].(float64)
		if p["innocent"] == true {
			likes[p["kind"].(string)]++
		} else {
			kinds[p["kind"].(string)]++
		}
		if found[number] == 0 {
			t.Errorf("plot %v has no message: %v", number, p)
		}
		for _, q := range p["queries"].([]any) {
			node, err := query.Parse(q.(string), query.Options{})
			if err != nil {
				t.Fatal(err)
			}
			hits, strange := 0, 0
			matcher := query.Compile(node)
			for i := range all {
				candidate.Reset(&all[i])
				if !matcher.Match(&candidate) {
					continue
				}
				if plotOf[all[i].ID().String()] == number {
					hits++
				} else {
					strange++
				}
			}
			if hits == 0 || strange > 8 {
				t.Errorf("%s finds %d messages of plot %v, a %v, and %d others", q, hits, number, p["kind"], strange)
			}
		}
	}
	t.Logf("plots %v, look-alikes %v", kinds, likes)
	if len(kinds) < 7 || len(likes) < 5 {
		t.Errorf("plots %v and look-alikes %v, want more kinds", kinds, likes)
	}
	for _, what := range []string{"world", "delivery", "organisation", "term", "person", "account", "plot", "message", "key"} {
		if len(truth[what]) == 0 {
			t.Errorf("the truth has no %s", what)
		}
	}
	privileged, announced, replaced := 0, 0, 0
	for _, m := range truth["message"] {
		if m["privileged"] != nil {
			privileged++
		}
		if m["announces"] != nil {
			announced++
		}
	}
	for _, a := range truth["account"] {
		if a["replaces"] != nil {
			replaced++
		}
	}
	if privileged < 50 || announced == 0 || replaced < 5 {
		t.Errorf("%d messages are privileged, %d announce one of %d new accounts, want more", privileged, announced, replaced)
	}
}

// The key in the truth opens every locked message, which then has the text as
// sent.
func TestKeysOpenWhatIsLocked(t *testing.T) {
	w := demo(t, 4, 5000)
	_, text := lines(t, w)
	keys := map[string]cipher.AEAD{}
	for _, k := range truths(t, text)["key"] {
		secret, err := base64.StdEncoding.DecodeString(k["key"].(string))
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		if keys[k["key_id"].(string)] != nil {
			t.Fatalf("two keys are called %v", k["key_id"])
		}
		keys[k["key_id"].(string)] = aead
	}
	opened := 0
	for _, one := range tellAll(t, w) {
		m := one.held
		if m.Locked == nil {
			continue
		}
		aead := keys[m.Locked.KeyID]
		if aead == nil {
			t.Fatalf("no key is called %s", m.Locked.KeyID)
		}
		p := m.Locked.Payload
		plain, err := aead.Open(nil, p[:12], p[12:], []byte(m.ServiceID))
		if err != nil {
			t.Fatal(err)
		}
		if m.State&argus.StateEdited == 0 && len(one.sent.Attachments) == 0 && string(plain) != one.sent.Text {
			t.Fatalf("%q is opened, %q was sent", plain, one.sent.Text)
		}
		opened++
	}
	if opened < 1000 {
		t.Errorf("%d messages are locked, want about a third of 5000", opened)
	}
}

// No text names a port, a carrier, a bank or a town that exists, or a number that is in use.
func TestNothingCanBeReal(t *testing.T) {
	real := regexp.MustCompile(`(?i)\b(rotterdam|antwerp\w*|hamburg|amsterdam|algeciras|valencia|le havre|marseille|istanbul|durr[eë]s|tanger med|
		|felixstowe|santos|guayaquil|london|paris|madrid|berlin|brussels|brussel|den haag|maersk|msc|hapag|cosco|evergreen|cma cgm|dole|chiquita|
		|ing|rabobank|abn amro|barclays|santander|revolut|western union|binance|whatsapp\.com)\b`)
	spoken, err := scenesText()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"the scenes": spoken, "plots.txt": plotsText, "terms.txt": termsText,
		"the lists": fmt.Sprint(places, ports, ships, streets, spots, nicks, surnameFirst, surnameLast, handmadePeople, handmadeChats)} {
		if found := real.FindString(text); found != "" {
			t.Errorf("%s has the word %q", name, found)
		}
	}
	number := regexp.MustCompile(`\+\d{6,}|\b0\d{8,}\b`)
	host := regexp.MustCompile(`(?:https?://|@)([a-z0-9.-]+)`)
	account := regexp.MustCompile(`\b[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){2,}(?: \d{1,4})?`)
	plate := regexp.MustCompile(`\b[A-Z]{2}-\d{3}-[A-Z]\b`)
	boxes, ibans := 0, 0
	for _, one := range tellAll(t, demo(t, 3, 6000)) {
		m := one.sent
		if m.Service == "whatsapp" && strings.HasPrefix(m.From, "+") && !strings.HasPrefix(m.From, "+447700900") {
			t.Errorf("%s is not in the range kept for fiction", m.From)
		}
		if found := number.FindString(m.Text); found != "" && !strings.Contains(m.Text, "ZZZZ") {
			t.Errorf("%q in %q may be somebody's number", found, m.Text)
		}
		for _, found := range host.FindAllStringSubmatch(m.Text+" "+m.From, -1) {
			if !strings.HasSuffix(found[1], ".example") {
				t.Errorf("%q in %q may be somebody's host", found[1], m.Text)
			}
		}
		for _, found := range account.FindAllString(m.Text, -1) {
			if !validIBAN(found) || !strings.Contains(found, " ZZZZ ") {
				t.Errorf("%q in %q is no valid IBAN of the bank ZZZZ", found, m.Text)
			}
			ibans++
		}
		for _, found := range plate.FindAllString(m.Text, -1) {
			if !strings.HasPrefix(found, "ZZ-") || !strings.HasSuffix(found, "-Q") {
				t.Errorf("%q in %q may be somebody's car", found, m.Text)
			}
		}
		for word := range strings.FieldsSeq(m.Text) {
			if at := strings.Index(word, "QQZU"); at >= 0 && len(word) >= at+11 {
				boxes++
				if !validContainer(word[at : at+11]) {
					t.Errorf("%q is no valid container number", word)
				}
			}
		}
	}
	if boxes < 20 || ibans < 10 {
		t.Errorf("%d containers and %d accounts at banks are spoken of", boxes, ibans)
	}
	for i, p := range demo(t, 3, 1000).plots {
		var north, west float64
		if _, err := fmt.Sscanf(p.facts[slotCoords], "%g, -%g", &north, &west); err != nil || north < 40 || north > 44 || west < 33 || west > 39 {
			t.Errorf("plot %d happens at %s, want the open Atlantic", i, p.facts[slotCoords])
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Service: "irc"}, {Accounts: 50}, {Days: 10}, {Messages: -1}, {Locked: 101}, {Accounts: 3_000_000}} {
		if _, err := New(o); err == nil {
			t.Errorf("New accepted %+v", o)
		}
	}
}

func TestAWriterThatFails(t *testing.T) {
	w := demo(t, 1, 2000)
	if err := w.WriteLines(t.Context(), full{}, io.Discard); err == nil {
		t.Error("no error for messages that could not be written")
	}
	if err := w.WriteLines(t.Context(), io.Discard, full{}); err == nil {
		t.Error("no error for a truth that could not be written")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.WriteLines(ctx, io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("after a stop: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("the disk is full") }

func BenchmarkWriteLines(b *testing.B) {
	o := Presets["skyecc"]
	o.Seed, o.Days, o.Messages = 1, 60, 400_000
	w, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	written := &counter{}
	started := time.Now()
	for b.Loop() {
		out := bufio.NewWriter(written)
		if err := w.WriteLines(b.Context(), out, io.Discard); err != nil {
			b.Fatal(err)
		}
		if err := out.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(written.lines)/time.Since(started).Seconds(), "messages/s")
}

type counter struct{ lines int }

func (c *counter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte{'\n'})
	return len(p), nil
}

// Writing a world that is ten times as long, and so has ten times as many messages, needs
// hardly more memory.
func TestMemoryDoesNotGrowWithMessages(t *testing.T) {
	most := func(days int) uint64 {
		w, err := New(Options{Seed: 1, Accounts: 300, Messages: 500 * days, Days: days})
		if err != nil {
			t.Fatal(err)
		}
		watch := &memory{}
		if err := w.WriteLines(t.Context(), watch, io.Discard); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d days: %d bytes written, %d live", days, watch.written, watch.most)
		return watch.most
	}
	short, long := most(60), most(600)
	if long > short+short/2 {
		t.Errorf("%d bytes are live in a long world, %d in a short one", long, short)
	}
}

// memory is a writer that measures the live memory while it is written to.
type memory struct{ written, next, most uint64 }

func (m *memory) Write(p []byte) (int, error) {
	if m.written += uint64(len(p)); m.written >= m.next {
		m.next = m.written + 1<<20
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		m.most = max(m.most, now.HeapAlloc)
	}
	return len(p), nil
}

// The truth about people, organisations, words and keys is consistent, and the messages agree
// with the truth.
func TestTruthFitsTogether(t *testing.T) {
	w, err := New(Options{Seed: 6, Accounts: 1500, Messages: 20_000, Days: 400, Locked: 33})
	if err != nil {
		t.Fatal(err)
	}
	_, text := lines(t, w)
	truth := truths(t, text)
	said := map[string]string{}
	for _, one := range tellAll(t, w) {
		id, _ := one.sent.Identity()
		said[id.String()] = one.sent.Text
	}
	number := func(v any) int { f, _ := v.(float64); return int(f) }
	list := func(v any) []map[string]any {
		all, _ := v.([]any)
		var out []map[string]any
		for _, one := range all {
			out = append(out, one.(map[string]any))
		}
		return out
	}

	ends := map[int]string{} // of a person's last account
	shared := 0
	for _, a := range truth["account"] {
		persons := a["persons"].([]any)
		if len(persons) > 1 {
			shared++
		}
		p := number(persons[0])
		ends[p] = max(ends[p], a["until"].(string))
	}
	began := map[string]int{} // persons by organisation, role and its first day
	key := func(p, role map[string]any, day any) string {
		return fmt.Sprintf("%v %v %v", p["organisation"], role["role"], day)
	}
	changed, commanded := 0, 0
	for _, p := range truth["person"] {
		roles := list(p["roles"])
		if len(roles) > 1 {
			changed++
		}
		for i, role := range roles {
			began[key(p, role, role["from"])]++
			if boss, ok := role["boss"]; ok {
				commanded++
				if other := truth["person"][number(boss)]; other["organisation"] != p["organisation"] {
					t.Errorf("%v is commanded by %v of another organisation", p, other)
				}
			}
			if i > 0 {
				before, _ := time.Parse(time.DateOnly, roles[i-1]["until"].(string))
				if before.AddDate(0, 0, 1).Format(time.DateOnly) != role["from"] {
					t.Errorf("there is a gap between the roles of %v", p)
				}
			}
		}
	}
	arrests := 0
	for _, p := range truth["person"] {
		day, ok := p["arrested"].(string)
		if !ok {
			continue
		}
		arrests++
		if end := ends[number(p["person"])]; end >= day {
			t.Errorf("%v uses an account until %s", p, end)
		}
		roles := list(p["roles"])
		if began[key(p, roles[len(roles)-1], day)] == 0 {
			t.Logf("nobody takes the place of %v", p["name"]) // there may be nobody left
			arrests--
		}
	}

	keys := map[string]bool{}
	for _, k := range truth["key"] {
		keys[k["key_id"].(string)] = true
	}
	renames, locked := 0, 0
	words := map[string]bool{}
	for _, term := range truth["term"] {
		for _, word := range term["words"].(map[string]any) {
			words[word.(string)] = words[word.(string)] || term["thing"] == "goods"
		}
	}
	for _, m := range truth["message"] {
		if k, ok := m["key_id"].(string); ok {
			locked++
			if !keys[k] {
				t.Errorf("no key is called %s", k)
			}
		}
		if m["renames"] == true {
			renames++
		}
	}
	named := 0
	for _, m := range truth["message"] {
		if text := said[fmt.Sprint(m["id"])]; m["renames"] == true && len(text) > 0 {
			for word, goods := range words {
				if goods && strings.Contains(text, word) {
					named++
					break
				}
			}
		}
	}
	threatened := 0
	for _, p := range truth["plot"] {
		victim, ok := p["victim"]
		if !ok {
			continue
		}
		threatened++
		if name := truth["person"][number(victim)]["name"]; p["facts"].(map[string]any)["victim"] != name && p["facts"].(map[string]any)["alias"] == nil {
			t.Errorf("plot %v does not threaten %v", p, name)
		}
		if due, ok := p["due"].(string); ok && due < p["until"].(string) {
			t.Errorf("plot %v is over when it is due", p)
		}
	}
	t.Logf("%d roles change, %d are commanded, %d arrested with a successor, %d phones shared, %d threatened, %d lines change the words, %d locked",
		changed, commanded, arrests, shared, threatened, renames, locked)
	for what, n := range map[string]int{"changes of a role": changed - 5, "commanders": commanded - 100, "arrests": arrests - 3, "shared phones": shared - 3,
		"victims": threatened - 20, "changes of words": renames - 5, "words that are named": named - renames/3, "locked messages": locked - 500} {
		if n < 0 {
			t.Errorf("there are %d too few %s", -n, what)
		}
	}
}
