package people

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

var staff = []Actor{
	{ID: "anna", Roles: []Role{Investigator}, Users: []string{"devries"}},
	{ID: "bram", Roles: []Role{Judge}, Users: []string{"shared"}},
	{ID: "carla", Roles: []Role{Custodian}, Users: []string{"shared"}},
	{ID: "dirk", Users: []string{"dirk"}},
	{ID: "eva", Roles: []Role{Overseer}},
}

func TestRecognise(t *testing.T) {
	for _, test := range []struct{ user, wanted, is, says string }{
		{"devries", "", "anna", ""},
		{"devries", "anna", "anna", ""},
		{"devries", "bram", "", "the user devries is not bram"},
		{"devries", "nobody", "", "the user devries is not nobody"}, // the same words for somebody who does not exist
		{"shared", "", "", "several people"},
		{"shared", "carla", "carla", ""},
		{"dirk", "", "", "none of them"}, // has left
		{"dirk", "dirk", "", "is not dirk"},
		{"eva", "eva", "", "is not eva"}, // only by a link
		{"", "", "", "none of them"},
	} {
		got, err := Recognise(staff, test.user, test.wanted)
		if test.says != "" {
			if !errors.Is(err, argus.ErrRefused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q as %q: %v, want %q", test.user, test.wanted, err, test.says)
			}
		} else if err != nil || got.ID != test.is {
			t.Errorf("%q as %q: %v, %v; want %s", test.user, test.wanted, got, err, test.is)
		}
	}
}

func TestInvalid(t *testing.T) {
	for says, a := range map[string]Actor{
		"lower-case":          {ID: "Anna"},
		"there is no role":    {ID: "anna", Roles: []Role{"boss"}},
		"named twice":         {ID: "anna", Roles: []Role{Judge, Judge}},
		"has no name":         {ID: "anna", Users: []string{" "}},
		"is not UTF-8":        {ID: "anna", Name: "\xff"},
		`"\xff" is not UTF-8`: {ID: "anna", Users: []string{"\xff"}},
	} {
		if _, err := a.Encode(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", a, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range staff {
		text, err := a.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"actor":"anna","roles":["judge"],"more":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Parse(data)
		if err != nil {
			return
		}
		again, err := a.Encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q is read, and written as %q, %v", data, again, err)
		}
		if _, err := Hash(a.ID, data); err != nil {
			t.Errorf("%q cannot be kept: %v", data, err)
		}
		if _, err := Hash(a.ID+"x", data); err == nil {
			t.Errorf("%q is kept under another name", data)
		}
	})
}
