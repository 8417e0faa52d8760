package report

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestCaseSamples reads the example graphs of CASE and UCO.
func TestCaseSamples(t *testing.T) {
	var messages, calls, accounts, refused, empty int
	for _, file := range readertest.Shared(t, filepath.FromSlash("case-uco/*.json")) {
		for _, item := range readertest.Check(t, CASE, readertest.Input(filepath.Base(file), readertest.ReadFile(t, file), reader.Options{})) {
			switch m := item.Message; {
			case m == nil && strings.HasPrefix(item.Problem, "want messages, accounts and the nodes that they name"):
				t.Logf("%s: %s", filepath.Base(file), item.Problem)
			case m == nil && strings.HasPrefix(item.Problem, "want messages"):
				empty++
			case m == nil:
				refused++
				t.Logf("%s: %s", filepath.Base(file), item.Problem)
			case m.Conversation == "contacts":
				accounts++
			case m.Type == argus.TypeCall:
				calls++
			default:
				messages++
			}
		}
	}
	got := fmt.Sprintf("%d messages, %d calls, %d accounts, %d refused, graphs without any: %d", messages, calls, accounts, refused, empty)
	if !strings.Contains(CASE.Checked, got) {
		t.Errorf("%q is not what came out: %s", CASE.Checked, got)
	}
}
