package entity

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write phone_plans.go from the metadata of libphonenumber")

// TestPhonePlans compares the table with the metadata of libphonenumber.
func TestPhonePlans(t *testing.T) {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	var plans [1000]uint32
	for _, m := range all.GetMetadata() {
		plan := &plans[m.GetCountryCode()]
		for _, n := range m.GetGeneralDesc().GetPossibleLength() {
			*plan |= 1 << n
		}
		for _, desc := range []*phonenumbers.PhoneNumberDesc{m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetVoip(), m.GetUan()} {
			if example := desc.GetExampleNumber(); example != "" && example[0] == '0' {
				*plan |= phoneZero
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(`package entity

// phonePlans holds, for the code of each country or service (ITU-T E.164), a bit for each number of digits that may follow it,
// and phoneZero if these may begin with 0. TestPhonePlans writes the table from the metadata of libphonenumber if it is run with
// -update.
var phonePlans = [1000]uint32{
`)
	for code, plan := range plans {
		if plan != 0 {
			fmt.Fprintf(&b, "\t%d: %#x,\n", code, plan)
		}
	}
	b.WriteString("}\n\nconst phoneZero = 1\n")
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const name = "phone_plans.go"
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run this test with -update, raise Version (-want +got)\n%s", diff)
	}
}

// TestPhoneAgainstLibrary checks that the normal form equals libphonenumber's, for
// numbers that libphonenumber considers valid.
func TestPhoneAgainstLibrary(t *testing.T) {
	n := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			want := phonenumbers.Format(example, phonenumbers.E164)
			for _, text := range []string{want, "call " + phonenumbers.Format(example, phonenumbers.INTERNATIONAL) + ".", "00" + want[1:]} {
				if text[0] == '0' && len(fmt.Sprint(example.GetNationalNumber())) < 8 {
					continue
				}
				found := Find(text)
				if len(found) != 1 || found[0].Kind != "phone" || found[0].Normal != want {
					t.Errorf("%s: %q: got %v, want %s", region, text, found, want)
				}
				n++
			}
		}
	}
	if n < 1000 {
		t.Errorf("%d examples only", n)
	}
}
