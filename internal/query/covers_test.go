package query

import "testing"

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		scope, other string
		want         bool
	}{
		{"", "delivery:D-0001", true},
		{"", "", true},
		{"delivery:D-0001", "", false},
		{"delivery:D-0001", "delivery:D-0001", true},
		{"delivery:D-0001", "delivery:D-0001 sent:2021", true},
		{"delivery:D-0001 sent:2021", "delivery:D-0001", false},
		{"delivery:D-0001 sent:2021", "sent:2021-02 delivery:D-0001", true},
		{"sent:2021", "sent:2021-02-14..2021-02-15", true},
		{"sent:2021", "sent:2020-12-31..2021-02-15", false},
		{"sent:2021..", "sent:2021-03", true},
		{"sent:2021", "sent:2021..", false},
		{"delivery:D-0001 OR delivery:D-0002", "delivery:D-0002 from:a", true},
		{"delivery:D-0001 OR delivery:D-0002", "delivery:D-0002 OR delivery:D-0001", true},
		{"delivery:D-0001 OR delivery:D-0002", "delivery:D-0002 OR delivery:D-0003", false},
		{"-with:a", "-with:a delivery:D-0001", true},
		{"-with:a", "delivery:D-0001", false},
		{"with:=A", "with:=D", false},
	} {
		scope, err := Parse(tt.scope, Options{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := Parse(tt.other, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Covers(scope, other); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.scope, tt.other, got, tt.want)
		}
	}
}
