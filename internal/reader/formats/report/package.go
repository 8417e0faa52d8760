package report

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/exchange/transfer"
	"github.com/argus-evidence/argus/internal/reader"
)

// Package is described to the byte in docs/format/exchange.md. It is read only with the key
// of the store that it comes from, so that nothing is taken in that nobody vouches for.
var Package = &reader.Format{
	Name:    "argus-package",
	Version: 1,
	About:   "packages of messages from another Argus, which \"argus transfer out\" wrote",
	Checked: "packages that Argus wrote itself: every message comes back equal, and none that its delivery's seal does not prove",
	Stored:  true,
	Detect: func(s reader.Sample) int {
		if bytes.HasPrefix(s.Head, []byte(transfer.Begin)) {
			return 100
		}
		return 0
	},
	Read: readPackage,
}

// fromStore is the name of the field that names the record in the store that a copy comes from.
const fromStore = "transferred from"

// readPackage yields a message for each line that is proved. Record is the number of the line.
func readPackage(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		whole := func(problem string) {
			raw := make([]byte, min(in.Size, argus.QuarantineRaw))
			n, err := io.ReadFull(in.Reader(), raw)
			if err == nil {
				yield(reader.Item{Problem: problem, Raw: raw[:n], Where: argus.Where{Record: 1, Length: in.Size}}, nil)
			} else {
				yield(reader.Item{}, err)
			}
		}
		if in.PackageKey == "" {
			whole(`it is a package of another store, which is taken in with "argus transfer in"`)
			return
		}
		p, err := transfer.Open(in.File, in.Size, in.PackageKey)
		if err != nil {
			whole(err.Error())
			return
		}
		for l, err := range p.Lines(ctx) {
			item := reader.Item{Message: l.Message, Problem: l.Problem, Where: argus.Where{Record: l.Number, Offset: l.Offset, Length: l.Length}}
			if err == nil && l.Problem != "" {
				item.Raw = make([]byte, min(l.Length, argus.QuarantineRaw))
				_, err = in.File.ReadAt(item.Raw, l.Offset)
			}
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if item.Message != nil {
				item.Message.Extra = append(item.Message.Extra, argus.Field{Name: fromStore, Value: fmt.Sprintf("record %d of %s of store %s", l.Record, l.Delivery, p.Store)})
			}
			if !yield(item, nil) {
				return
			}
		}
		yield(reader.Item{Stated: &argus.Stated{What: "copies", Count: p.Copies}}, nil)
	}
}
