package chat

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestMatrixSamples reads every event of matrix-nio's test data: each is a message, locked if
// it is encrypted, or is refused with a reason.
func TestMatrixSamples(t *testing.T) {
	var said, system, locked, refused int
	for _, pattern := range []string{"matrix/*.json", "matrix/events/*.json"} {
		for _, file := range readertest.Shared(t, filepath.FromSlash(pattern)) {
			items := readertest.Check(t, Matrix, readertest.Input(filepath.Base(file), readertest.ReadFile(t, file), reader.Options{}))
			if len(items) == 0 {
				t.Errorf("%s: nothing came out", file)
			}
			for _, item := range items {
				switch m := item.Message; {
				case m == nil:
					refused++
					t.Logf("%s: %s", filepath.Base(file), item.Problem)
				case m.State&argus.StateLocked != 0:
					locked++
					if m.Locked.KeyID == "" || len(m.Locked.Payload) == 0 || m.From == "" {
						t.Errorf("%s: %+v", file, m)
					}
				case !m.Type.IsMessage():
					system++
				default:
					said++
				}
			}
		}
	}
	got := fmt.Sprintf("%d messages, %d locked, %d of the service, %d refused", said, locked, system, refused)
	if !strings.Contains(Matrix.Checked, got) {
		t.Errorf("%q is not what came out: %s", Matrix.Checked, got)
	}
}
