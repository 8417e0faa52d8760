package world

import (
	"math/big"
	"strings"
	"testing"
)

func TestNumbersHaveTheirCheckDigits(t *testing.T) {
	r := stream(1)
	for range 2000 {
		if got := container(r); len(got) != 11 || !validContainer(got) {
			t.Fatalf("%q is no valid container number", got)
		}
		if got := iban(r); !validIBAN(got) || !strings.Contains(got, " ZZZZ ") {
			t.Fatalf("%q is no valid IBAN of the bank ZZZZ", got)
		}
		if got := bitcoin(r); len(got) != 42 || !validBech32(got) {
			t.Fatalf("%q is no valid address", got)
		}
	}
}

// validContainer checks the check digit with the table of ISO 6346, written out.
func validContainer(number string) bool {
	values := map[byte]int{'Q': 28, 'Z': 38, 'U': 32}
	sum := 0
	for i := range 10 {
		v, letter := values[number[i]]
		if !letter {
			v = int(number[i] - '0')
		}
		sum += v << i
	}
	return sum%11%10 == int(number[10]-'0')
}

// validIBAN computes ISO 7064 MOD 97-10 over the number, as spelled out in ISO 13616.
func validIBAN(text string) bool {
	text = strings.ReplaceAll(text, " ", "")
	var digits strings.Builder
	for _, c := range text[4:] + text[:4] {
		if c >= 'A' {
			digits.Write([]byte{'1' + byte((c-'A'+10)/10-1), '0' + byte((c-'A'+10)%10)})
		} else {
			digits.WriteRune(c)
		}
	}
	n, ok := new(big.Int).SetString(digits.String(), 10)
	return ok && new(big.Int).Mod(n, big.NewInt(97)).Int64() == 1
}

// validBech32 verifies an address according to BIP 173, like the reference code in that
// document.
func validBech32(text string) bool {
	part, data, _ := strings.Cut(text, "1")
	var values []int
	for _, c := range part {
		values = append(values, int(c)>>5)
	}
	values = append(values, 0)
	for _, c := range part {
		values = append(values, int(c)&31)
	}
	for _, c := range data {
		values = append(values, strings.IndexRune("qpzry9x8gf2tvdw0s3jn54khce6mua7l", c))
	}
	generator := []int{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	check := 1
	for _, v := range values {
		top := check >> 25
		check = (check&0x1ffffff)<<5 ^ v
		for i := range 5 {
			if top>>i&1 == 1 {
				check ^= generator[i]
			}
		}
	}
	return check == 1
}

func TestIdentifiersDiffer(t *testing.T) {
	pins, handles := map[string]bool{}, map[string]bool{}
	for n := range uint64(200_000) {
		p, h := pin(3, n), handle(n)
		if pins[p] || handles[h] || len(p) != 6 {
			t.Fatalf("identifier %d: %s, %s is not new, or not of 6 characters", n, p, h)
		}
		pins[p], handles[h] = true, true
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct{ lang, text, want string }{
		{"nl", "Tot morgen om tien", "Tot mrgn om tien"},
		{"nl", "Goedemorgen", "Goedemorgen"},
		{"nl", "morgenvroeg", "morgenvroeg"},
		{"en", "Are you there?", "Are u there?"},
		{"es", "que", "q"},
		{"ar", "الحمد لله", "الحمد لله"},
		{"en", "", ""},
	} {
		lang, _ := language(test.lang)
		if got := string(shorten([]byte("before "+test.text), len("before "), lang)); got != "before "+test.want {
			t.Errorf("%q becomes %q, want %q", test.text, got, test.want)
		}
	}
}
