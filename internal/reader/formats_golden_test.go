package reader

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoldenRecords reads every file in testdata of the formats of records and
// compares with its golden file; each is one trap.
func TestGoldenRecords(t *testing.T) {
	for _, format := range []*Format{jsonlFormat, telegramFormat, telegramhtmlFormat, jabberFormat, sheetFormat, facebookFormat, discordFormat, discordpackageFormat, skypeFormat, slackFormat, matrixFormat, rocketchatFormat,
		signalFormat, signalbackupFormat, textdumpFormat, lineFormat, caseFormat, smsbackupFormat, ufdrFormat, xmppFormat, etsiFormat, rsmfFormat, emlFormat, mboxFormat, vcardFormat, jsonrecordsFormat} {
		files, err := filepath.Glob(filepath.Join("testdata", format.Name, "*"))
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
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				sample, err := NewSample(file, bytes.NewReader(content), int64(len(content)))
				if err != nil {
					t.Fatal(err)
				}
				if found, sure := All().Detect(sample); found != format {
					t.Errorf("detected %v (%d)", found, sure)
				}
				checkGolden(t, file+".golden", checkReader(t, format, input(file, content, Options{})))
			})
		}
		if read == 0 {
			t.Errorf("no files for %s", format.Name)
		}
	}
}
