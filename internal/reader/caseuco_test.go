package reader

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

// TestCaseSamples reads the example graphs of CASE and UCO.
func TestCaseSamples(t *testing.T) {
	var messages, calls, accounts, refused, empty int
	for _, file := range shared(t, filepath.FromSlash("case-uco/*.json")) {
		for _, item := range checkReader(t, caseFormat, input(filepath.Base(file), readFile(t, file), Options{})) {
			switch m := item.Message; {
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
	got := fmt.Sprintf("%d messages, %d calls, %d accounts, %d refused, %d graphs without any", messages, calls, accounts, refused, empty)
	if !strings.Contains(caseFormat.Checked, got) {
		t.Errorf("%q is not what came out: %s", caseFormat.Checked, got)
	}
}
