package reader

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestGoldenMSG(t *testing.T) {
	for name, file := range msgExamples() {
		sample, err := NewSample("f", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if found, sure := All().Detect(sample); found != msgFormat && name != "empty" && name != "cut" {
			t.Errorf("%s: detected %v (%d)", name, found, sure)
		}
		items := checkReader(t, msgFormat, input("f", file, Options{}))
		for i := range items {
			items[i].Raw = nil // bytes
		}
		checkGolden(t, "testdata/msg/"+name+".golden", items)
	}
}

// TestGoldenPST reads the same mailbox as all versions write it, which comes
// out the same.
func TestGoldenPST(t *testing.T) {
	var first []byte
	for _, c := range []struct {
		name   string
		wide   bool
		coding byte
	}{{"plain", true, 0}, {"permuted", true, 1}, {"cyclic", true, 2}, {"ansi", false, 1}} {
		file := pstExample(c.wide, c.coding, 4)
		sample, err := NewSample("f", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if found, sure := All().Detect(sample); found != pstFormat {
			t.Errorf("%s: detected %v (%d)", c.name, found, sure)
		}
		items := checkReader(t, pstFormat, input("f", file, Options{}))
		told, err := json.Marshal(items)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = told
			checkGolden(t, "testdata/pst/mailbox.golden", items)
		} else if !bytes.Equal(first, told) {
			t.Errorf("%s: another mailbox than plain:\n%s", c.name, told)
		}
	}
}
