package chat_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestTelegramSamples reads the samples of chat-export-structurer and compares the results
// with its own.
func TestTelegramSamples(t *testing.T) {
	const folder = "../../../shared/data/chat-exports/telegram/"
	target, err := os.ReadFile(folder + "target.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the public samples are not beside the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	type line struct{ Timestamp, Author, Message string }
	var want []line
	if err := json.Unmarshal(target, &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"test_single_export.json", "test_batch_export.json"} {
		file, err := os.ReadFile(folder + name)
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := all.Formats().Detect(reader.Sample{Text: file}); found != chat.Telegram {
			t.Errorf("%s: detected %v", name, found)
		}
		var got []line
		for _, item := range readertest.Check(t, chat.Telegram, readertest.Input(name, file, reader.Options{})) {
			m := item.Message
			if m == nil {
				t.Fatalf("%s: %s", name, item.Problem)
			}
			got = append(got, line{m.Sent.UTC().Format("2006-01-02T15:04:05"), m.From, m.Text})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
