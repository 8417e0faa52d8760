package mail_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func TestGoldenMSG(t *testing.T) {
	for name, file := range mail.MSGExamples() {
		sample, err := reader.NewSample("f", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if found, sure := all.Formats().Detect(sample); found != mail.MSG && name != "empty" && name != "cut" {
			t.Errorf("%s: detected %v (%d)", name, found, sure)
		}
		items := readertest.Check(t, mail.MSG, readertest.Input("f", file, reader.Options{}))
		for i := range items {
			items[i].Raw = nil // bytes
		}
		readertest.CheckGolden(t, "../../testdata/msg/"+name+".golden", items)
	}
}

// TestGoldenPST reads the same mailbox as written by all versions, with the same result.
func TestGoldenPST(t *testing.T) {
	var first []byte
	for _, c := range []struct {
		name   string
		wide   bool
		coding byte
	}{{"plain", true, 0}, {"permuted", true, 1}, {"cyclic", true, 2}, {"ansi", false, 1}} {
		file := mail.PSTExample(c.wide, c.coding, 4)
		sample, err := reader.NewSample("f", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if found, sure := all.Formats().Detect(sample); found != mail.PST {
			t.Errorf("%s: detected %v (%d)", c.name, found, sure)
		}
		items := readertest.Check(t, mail.PST, readertest.Input("f", file, reader.Options{}))
		told, err := json.Marshal(items)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = told
			readertest.CheckGolden(t, "../../testdata/pst/mailbox.golden", items)
		} else if !bytes.Equal(first, told) {
			t.Errorf("%s: another mailbox than plain:\n%s", c.name, told)
		}
	}
}
