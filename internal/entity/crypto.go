package entity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"golang.org/x/crypto/sha3"
)

// crypto finds addresses of crypto-currencies that have a checksum: of Bitcoin
// and Litecoin (Base58Check; Bech32 and Bech32m, BIP 173 and 350; their test
// networks too), Tron (Base58Check), and Ethereum and similar chains (0x and 40
// hexadecimal digits; EIP-55 if capitals and small letters are mixed).
// Normal form: Base58 as it is, Bech32 in lower case, 0x with the capitals of EIP-55.
//
// At most one in a hundred Base58Check addresses that begin with a letter has no digit;
// it is not found.
func crypto(b []byte, from, to int) (start, end int, normal string) {
	s := b[from:to]
	if len(s) > 90 || !free(b, from, to) {
		return 0, 0, ""
	}
	switch {
	case len(s) == 42 && s[0] == '0' && lower(s[1]) == 'x':
		normal = ethereum(s[2:])
	case len(s) >= 26 && len(s) <= 35 && bytes.IndexByte([]byte(base58Begin), s[0]) >= 0:
		normal = base58(s)
	}
	if normal == "" {
		normal = bech32(s)
	}
	return from, to, normal
}

func ethereum(digits []byte) string {
	plain := []byte(lowered(digits))
	if _, err := hex.Decode(make([]byte, 20), plain); err != nil {
		return ""
	}
	keccak := sha3.NewLegacyKeccak256()
	keccak.Write(plain)
	sum := hex.EncodeToString(keccak.Sum(nil))
	mixed := slices.Clone(plain)
	for i, c := range plain {
		if c >= 'a' && sum[i] >= '8' {
			mixed[i] = upper(c)
		}
	}
	uniform := bytes.Equal(digits, plain) || bytes.Equal(digits, bytes.ToUpper(digits))
	if !uniform && !bytes.Equal(digits, mixed) {
		return ""
	}
	return "0x" + string(mixed)
}

const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// The version bytes of addresses, and the beginnings of addresses with 20 bytes.
const (
	base58Versions = "\x00\x05\x30\x32\x41\x6F\xC4"
	base58Begin    = "13LMTmn2"
)

var base58Value = func() (table [256]int8) {
	for i := range table {
		table[i] = int8(bytes.IndexByte([]byte(base58Digits), byte(i)))
	}
	return table
}()

func base58(s []byte) string {
	var number [25]byte
	for _, c := range s {
		carry := int(base58Value[c])
		if carry < 0 {
			return ""
		}
		for i := len(number) - 1; i >= 0; i-- {
			carry += 58 * int(number[i])
			number[i] = byte(carry)
			carry >>= 8
		}
		if carry > 0 {
			return ""
		}
	}
	// There is exactly one 1 for each leading zero.
	ones := len(s) - len(bytes.TrimLeft(s, "1"))
	if zero := len(number) - len(bytes.TrimLeft(number[:], "\x00")); ones != zero || bytes.IndexByte([]byte(base58Versions), number[0]) < 0 {
		return ""
	}
	sum := sha256.Sum256(number[:21])
	if sum = sha256.Sum256(sum[:]); !bytes.Equal(sum[:4], number[21:]) {
		return ""
	}
	return string(s)
}

const bech32Digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32Names are the known human-readable parts.
var bech32Names = [...]string{"bc1", "ltc1", "tb1", "tltc1"}

func bech32(s []byte) string {
	plain := lowered(s)
	if plain != string(s) && !bytes.Equal(s, bytes.ToUpper(s)) {
		return ""
	}
	at := slices.IndexFunc(bech32Names[:], func(name string) bool { return len(plain) > len(name) && plain[:len(name)] == name })
	if at < 0 {
		return ""
	}
	name := bech32Names[at][:len(bech32Names[at])-1]
	values := make([]byte, 0, len(s))
	for _, c := range []byte(plain[len(name)+1:]) {
		v := bytes.IndexByte([]byte(bech32Digits), c)
		if v < 0 {
			return ""
		}
		values = append(values, byte(v))
	}
	if len(values) < 7 {
		return ""
	}
	want := uint32(1)
	if values[0] > 0 {
		want = 0x2bc830a3
	}
	if bech32Sum(name, values) != want || !witness(values[0], values[1:len(values)-6]) {
		return ""
	}
	return plain
}

func bech32Sum(name string, values []byte) uint32 {
	sum := uint32(1)
	add := func(v byte) {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, c := range []byte(name) {
		add(c >> 5)
	}
	add(0)
	for _, c := range []byte(name) {
		add(c & 31)
	}
	for _, v := range values {
		add(v)
	}
	return sum
}

// witness reports whether five-bit values are a witness program (BIP 141).
func witness(version byte, values []byte) bool {
	bits := 5 * len(values)
	size, rest := bits/8, bits%8
	if rest > 4 || len(values) > 0 && values[len(values)-1]&(1<<rest-1) != 0 {
		return false
	}
	return version <= 16 && size >= 2 && size <= 40 && (version > 0 || size == 20 || size == 32)
}
