package entity

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The real data is kept outside the project.
const shared = "../../../shared/data/entities"

// differs lists the examples that give a different result here, with the reason.
var differs = map[string]string{
	"02192d74d0cb94344c9569c2e77901573d8d7903c3ebec3a957724895dca52c6b4": "a public key has no checksum",
	"03b0bd634234abbb1ba1e986e884185c61cf43e001f9137f23c2c409273eb16e65": "a public key has no checksum",
	"CD-39-85": "a date or a part number too often",
	"HA-64-52": "a date or a part number too often",
}

func TestSharedAddressesAndPlates(t *testing.T) {
	for _, c := range []struct{ file, kind, yes string }{{"btc_ltc_address_vectors.tsv", "crypto", "true"}, {"plates_nl.tsv", "plate", "valid"}} {
		data, err := os.ReadFile(filepath.Join(shared, c.file))
		if err != nil {
			t.Skip("needs the shared data: ", err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		columns := strings.Split(lines[0], "\t")
		for _, line := range lines[1:] {
			cells := strings.Split(line, "\t")
			row := map[string]string{}
			for i, name := range columns {
				row[name] = cells[i]
			}
			written, want := row["address"]+row["plate"], row["valid"]+row["expect"] == c.yes
			found := Find(written)
			got := len(found) == 1 && found[0].Kind == c.kind && found[0].End-found[0].Start == len(written)
			if _, known := differs[written]; got != want && !known {
				t.Errorf("%s: found %v, want %v", line, found, want)
			}
		}
	}
}

// TestSharedFindings checks that everything that other programs find is found at the same
// place, except for phone numbers in national form.
func TestSharedFindings(t *testing.T) {
	for _, c := range []struct {
		file, kind  string
		least, more int // found by both; found only here
	}{
		// More are found here: capitals and small letters mixed.
		{"iban.jsonl", "iban", 158, 1}, {"crypto.jsonl", "crypto", 7, 0}, {"email.jsonl", "email", 7, 0},
		// More are found here: numbers of the right length that were not assigned.
		{"phone.jsonl", "phone", 13, 1},
		{"ph_mobile_number.jsonl", "phone", 6, 0}, {"tr_phone_number.jsonl", "phone", 6, 0},
	} {
		data, err := os.ReadFile(filepath.Join(shared, "presidio", c.file))
		if err != nil {
			t.Skip("needs the shared data: ", err)
		}
		same, more, wanted := 0, 0, 0
		for line := range strings.Lines(string(data)) {
			var example struct {
				Cols string `json:"cols"`
				V    []any  `json:"v"`
			}
			if err := json.Unmarshal([]byte(line), &example); err != nil {
				t.Fatal(err)
			}
			text, _ := example.V[0].(string)
			var places [][2]int
			for i, name := range strings.Split(example.Cols, ", ") {
				if name == "expected_positions" || name == "expected_res" {
					list, _ := example.V[i].([]any)
					for _, place := range list {
						if p, ok := place.([]any); ok && len(p) == 2 {
							places = append(places, [2]int{int(p[0].(float64)), int(p[1].(float64))})
						}
					}
				}
			}
			places = slices.DeleteFunc(places, func(p [2]int) bool {
				return c.kind == "phone" && !strings.HasPrefix(text[p[0]:], "+") && !strings.HasPrefix(text[p[0]:], "00")
			})
			wanted += len(places)
			for _, e := range Find(text) {
				if e.Kind != c.kind {
					continue
				}
				hit := false
				for _, p := range places {
					hit = hit || p[0] <= e.Start && e.Start <= p[0]+1 && p[1] == e.End
				}
				if hit {
					same++
				} else {
					more++
					t.Logf("%s: more: %q %v", c.file, text, e)
				}
			}
		}
		t.Logf("%s: %d of %d, and %d more", c.file, same, wanted, more)
		if same != wanted || same < c.least || more > c.more {
			t.Errorf("%s: %d of %d found, want %d; %d more, want %d", c.file, same, wanted, c.least, more, c.more)
		}
	}
}
