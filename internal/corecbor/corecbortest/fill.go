// Package corecbortest fills records at random, for tests of corecbor.
package corecbortest

import (
	"math"
	"reflect"
	"strings"

	"pgregory.net/rapid"
)

// Fill fills a value at random: a third of the fields are left zero, numbers are at the
// edges of their encodings, and text is short or long. It goes through structures, except
// for fields that are not encoded.
func Fill(t *rapid.T, v reflect.Value, label string) {
	if rapid.IntRange(0, 2).Draw(t, label) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(t, v.Elem(), label)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("cbor") != "-" {
				Fill(t, v.Field(i), f.Name)
			}
		}
	case reflect.Slice:
		n := rapid.SampledFrom([]int{0, 1, 2, 23, 24, 30}).Draw(t, label)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			Fill(t, v.Index(i), label)
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rapid.Byte().Draw(t, label)))
		}
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(0, 300), func(n int) string { return strings.Repeat("é", n) })).Draw(t, label))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		edge := rapid.SampledFrom([]uint64{1, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64}).Draw(t, label)
		v.SetUint(edge & (1<<v.Type().Bits() - 1))
	case reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-300, 300)).Draw(t, label))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a field of kind " + v.Kind().String())
	}
}
