package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader/all"
)

// TestArchiveOfManyFiles: the memory of a process does not grow with the number of files
// that it reads.
func TestArchiveOfManyFiles(t *testing.T) {
	contents := []string{
		`{"service":"sky","from":"A","to":["B"],"id":"message-number-%d","sent":"2021-02-14T12:03:11Z","text":"hello"}`,
		"date,from,to,text\n2021-02-14 12:03:11,A,B,hello %d\n",
		"From: a@example.org\nTo: b@example.org\nDate: Mon, 15 Feb 2021 10:00:00 +0000\nMessage-ID: <%d@example.org>\nSubject: hello\n\nhello\n",
		"no reader knows this, number %d",
	}
	const files = 20_000
	var pairs []string
	for i := range files {
		pairs = append(pairs, fmt.Sprintf("folder/%d", i), fmt.Sprintf(contents[i%len(contents)], i))
	}
	r := New(Options{Formats: all.Formats(), Apart: true})
	defer r.Close()
	begun, read := 0, 0
	for e, err := range r.Read(t.Context(), handedOver(t, "a.zip", zipped(t, pairs...))) {
		if err != nil {
			t.Fatal(err)
		}
		if e.File != nil {
			begun++
		}
		if e.Item.Message != nil {
			read++
		}
	}
	if begun != files || read != files/4*3 {
		t.Errorf("%d files with %d messages", begun, read)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	peak, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d MiB", peak>>10)
	if peak >= 512<<10 {
		t.Errorf("the process took %d MiB, want less than 512", peak>>10)
	}
}
