package mail

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestRSMFIds reads ids that number the people and conversations of a file: only accounts and
// addresses are valid beyond it. Two files of the same people agree.
func TestRSMFIds(t *testing.T) {
	read := func(first, second string) *argus.Message {
		file := fmt.Sprintf(`{"version":"2.0.0","participants":[{"id":"1",%s},{"id":"2",%s}],"conversations":[{"id":"1","display":"x","platform":"whatsapp","participants":["1","2"]}],
			"events":[{"type":"message","id":"1","participant":"1","conversation":"1","body":"x","timestamp":"2021-02-14T11:03:11Z"}]}`, first, second)
		return readertest.Saying(t, RSMF, readertest.Input("a/rsmf_manifest.json", []byte(file), reader.Options{}), "x")
	}
	vera, ann := read(`"display":"Vera"`, `"display":"Rik"`), read(`"display":"Ann"`, `"display":"Bo"`)
	if vera.From == ann.From || vera.Conversation == ann.Conversation || vera.AccountReach != argus.ReachFile || vera.ConversationReach != argus.ReachFile || vera.FromName != "Vera" {
		t.Errorf("%+v\n%+v", vera, ann)
	}
	again := read(`"display":"Vera"`, `"display":"Rik"`)
	if diff := cmp.Diff(vera, again); diff != "" {
		t.Error(diff)
	}
	if known := read(`"account_id":"+31600000001"`, `"email":"rik@x.test"`); known.From != "+31600000001" || known.AccountReach != argus.ReachService || known.To[0] != "rik@x.test" {
		t.Errorf("%+v", known)
	}
}
