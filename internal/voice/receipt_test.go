package voice

import (
	"bytes"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

// A receipt from a system without a sandbox says so, in text and in JSON. The page shows
// the options of the opening unchanged.
func TestReceiptWithoutSandbox(t *testing.T) {
	r := &argus.Receipt{Opening: argus.Opening{Options: []argus.Field{
		{Name: "timezone", Value: "Europe/Amsterdam"},
		{Name: "sandbox", Value: "none on this system: the readers ran in the process that writes the store"},
	}}}
	show := func(v *Voice) {
		t.Helper()
		if err := Say(v, "receipt", r, func(o *Output, r *argus.Receipt) { PrintReceipt(o, r, false) }); err != nil {
			t.Fatal(err)
		}
	}
	var text, object bytes.Buffer
	show(New(&text))
	programs := New(&object)
	programs.AsObjects()
	show(programs)
	for _, line := range []string{"  read with timezone Europe/Amsterdam\n", "  sandbox: none on this system: the readers ran in the process that writes the store\n"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is not in\n%s", line, text.String())
		}
	}
	if want := `{"name":"sandbox","value":"none on this system: the readers ran in the process that writes the store"}`; !strings.Contains(object.String(), want) {
		t.Errorf("%s is not in %s", want, object.String())
	}
}
