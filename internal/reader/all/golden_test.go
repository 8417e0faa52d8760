package all

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestGoldenRecords reads every file in testdata in a format of records and compares the
// result with the golden file; each file is one trap.
func TestGoldenRecords(t *testing.T) {
	for _, format := range []*reader.Format{report.JSONL, chat.Telegram, chat.TelegramHTML, transcript.Jabber, table.Sheet, chat.Facebook, chat.Discord, chat.DiscordPackage, chat.Skype, chat.Slack, chat.Matrix, chat.RocketChat,
		phone.Signal, phone.SignalBackup, transcript.Textdump, transcript.LINE, report.CASE, phone.SMSBackup, report.UFDR, transcript.XMPP, report.ETSI, mail.RSMF, mail.EML, mail.Mbox, phone.VCard, table.JSON} {
		files, err := filepath.Glob(filepath.Join("..", "testdata", format.Name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, file := range files {
			if strings.HasSuffix(file, ".golden") {
				continue
			}
			read++
			t.Run(format.Name+"/"+filepath.Base(file), func(t *testing.T) {
				name := strings.TrimPrefix(filepath.ToSlash(file), "../")
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				sample, err := reader.NewSample(name, bytes.NewReader(content), int64(len(content)))
				if err != nil {
					t.Fatal(err)
				}
				if found, sure := Formats().Detect(sample); found != format {
					t.Errorf("detected %v (%d)", found, sure)
				}
				readertest.CheckGolden(t, file+".golden", readertest.Check(t, format, readertest.Input(name, content, reader.Options{})))
			})
		}
		if read == 0 {
			t.Errorf("no files for %s", format.Name)
		}
	}
}
