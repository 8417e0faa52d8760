package world

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
)

// mix hashes numbers into one that looks random. It is the only source of
// randomness; the same numbers give the same result on every machine. (The
// finaliser of SplitMix64, by Steele, Lea and Flood.)
func mix(numbers ...uint64) uint64 {
	h := uint64(0x9E3779B97F4A7C15)
	for _, n := range numbers {
		h = scramble(h ^ n)
	}
	return h
}

func scramble(h uint64) uint64 {
	h += 0x9E3779B97F4A7C15
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}

// The purposes of random streams: each has its own, so that no two share a stream.
const (
	forBlock = 1 + iota
	forPerson
	forPlot
	forTalk
	forKey
	forNonce
	forSequence
	forAbroad
	forQuiet
)

func stream(numbers ...uint64) *rand.Rand {
	h := mix(numbers...)
	return rand.New(rand.NewPCG(h, scramble(h)))
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// heavy draws a whole number from 1 to most. Large ones are rare: the
// probability of at least x falls as 1/x.
func heavy(r *rand.Rand, most int) int { return most / (1 + r.IntN(most)) }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// share returns a*b/c, computed in 128 bits; the result must fit into 64.
func share(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	quotient, _ := bits.Div64(hi, lo, c)
	return quotient
}

// container invents a container number with its check digit (ISO 6346, annex A: letters count
// from 10, skipping multiples of 11; weights are powers of 2). The owner code QQZ is not
// assigned.
func container(r *rand.Rand) string {
	number := fmt.Sprintf("QQZU%06d", r.IntN(1_000_000))
	sum := 0
	for i, c := range []byte(number) {
		v := int(c - '0')
		if c >= 'A' {
			v = int(c-'A') + 10
			v += (v - 1) / 10 // skips 11, 22 and 33
		}
		sum += v << i
	}
	return number + strconv.Itoa(sum%11%10)
}

// iban invents an account at a bank that does not exist (ZZZZ) with the check
// digits of ISO 13616, so that searches for accounts find it.
func iban(r *rand.Rand) string {
	account := fmt.Sprintf("%010d", r.Int64N(10_000_000_000))
	rest := 0
	for _, c := range "35353535" + account + "2321" + "00" { // ZZZZ, account, NL, 00
		rest = (rest*10 + int(c-'0')) % 97
	}
	return fmt.Sprintf("NL%02d ZZZZ %s %s %s", 98-rest, account[:4], account[4:8], account[8:])
}

// bitcoin invents an address (BIP 173, version 0) from a random hash: nobody
// holds a key to it.
func bitcoin(r *rand.Rand) string {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	words := make([]byte, 33, 39) // the version and 160 bits
	for i := range words[1:] {
		words[1+i] = byte(r.IntN(32))
	}
	sum := uint32(1)
	step := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1FFFFFF)<<5 ^ uint32(v)
		for i, g := range [5]uint32{0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, v := range []byte{3, 3, 0, 'b' & 31, 'c' & 31} { // "bc", expanded
		step(v)
	}
	for _, v := range words {
		step(v)
	}
	for range 6 {
		step(0)
	}
	sum ^= 1
	for i := range 6 {
		words = append(words, byte(sum>>(5*(5-i))&31))
	}
	text := []byte("bc1")
	for _, v := range words {
		text = append(text, charset[v])
	}
	return string(text)
}

// pin returns the n-th identifier on the service sky. The factor is odd and not a multiple of
// 3, so each number of 6 characters occurs once.
func pin(seed, n uint64) string {
	const all = 36 * 36 * 36 * 36 * 36 * 36
	number := (n*1_204_327_661 + seed*77_777) % all
	return strings.ToUpper(strconv.FormatUint(all+number, 36)[1:])
}

// handle returns the n-th identifier on the service encrochat.
func handle(n uint64) string {
	a, b := len(handleFirst), len(handleSecond)
	i := int(n)
	name := handleFirst[i%a] + handleSecond[(i/a+i)%b]
	if round := i / (a * b); round > 0 {
		name += strconv.Itoa(round)
	}
	return name + "@encro.example"
}

var (
	handleFirst = []string{"quiet", "amber", "rusty", "noble", "polar", "mellow", "hidden", "rapid", "velvet", "bitter", "cosmic", "dusty",
		"electric", "frozen", "golden", "hollow", "ivory", "jolly", "keen", "lunar", "misty", "northern", "olive", "plain", "random",
		"silver", "tidal", "urban", "vivid", "wooden", "young", "zero", "broken"}
	handleSecond = []string{"lamp", "otter", "falcon", "river", "anchor", "bishop", "cactus", "dolphin", "ember", "fjord", "garnet", "harp",
		"island", "jaguar", "kettle", "lantern", "marble", "needle", "orchid", "pebble", "quarry", "raven", "saddle", "temple", "umbra",
		"violin", "walnut", "yacht", "zephyr", "beacon", "copper", "drum", "engine", "fiddle", "glacier", "hammer", "icicle"}
)
