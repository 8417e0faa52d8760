package reader

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// Items yields the items of Read, and marks each field of a message as not understood if the
// format keeps the field without knowing it, that is, if [Format.Kept] does not name it. The
// receipt counts those fields. The mark has the field's name and value, so that nothing is
// lost.
func (f *Format) Items(ctx context.Context, in Input) iter.Seq2[Item, error] {
	if f.Kept == nil {
		return f.Read(ctx, in)
	}
	return func(yield func(Item, error) bool) {
		k := keptFields{format: f, met: map[string]keptField{}}
		for item, err := range f.Read(ctx, in) {
			if item.Message != nil {
				k.mark(item.Message)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// keptFields decides about the fields of one file.
type keptFields struct {
	format *Format
	// met holds at most metLimit of the fields met so far, keyed by name.
	met map[string]keptField
	// before holds the fields of earlier messages, indexed by their position: messages of one
	// kind have the same fields in the same positions, and a comparison is faster than a map
	// lookup.
	before [32]keptField
}

// keptField is a field of a file and whether its format knows it. Its name is a copy, so
// that it does not keep a record in memory.
type keptField struct {
	name  string
	known bool
}

// ExtraRepaired names the defect of a record that was repaired.
const ExtraRepaired = "repaired"

// metLimit is how many names are remembered, and metName the maximum length of one, in
// bytes.
const (
	metLimit = 1 << 10
	metName  = 256
)

func (k *keptFields) mark(m *argus.Message) {
	for i := range m.Extra {
		x := &m.Extra[i]
		here := &k.before[min(i, len(k.before)-1)]
		if here.name != x.Name || x.Name == "" {
			*here = k.look(x.Name)
		}
		if !here.known {
			*x = argus.Unread(x.Name, x.Value)
		}
	}
}

func (k *keptFields) look(name string) keptField {
	field, ok := k.met[name]
	if len(name) > metName {
		return keptField{known: k.format.keeps(name)}
	}
	if !ok {
		field = keptField{strings.Clone(name), k.format.keeps(name)}
		if len(k.met) < metLimit {
			k.met[field.name] = field
		}
	}
	return field
}

// keeps reports whether the format knows a field that it keeps. The toolkits add some fields
// to messages of every format: a note of each repair, and the raw form of a text (jsondoc).
func (f *Format) keeps(name string) bool {
	switch name {
	case argus.ExtraUnread, argus.ExtraAssumed, ExtraRepaired:
		return true
	}
	return strings.HasSuffix(name, "_raw") || slices.ContainsFunc(f.Kept, func(known string) bool {
		start, every := strings.CutSuffix(known, "*")
		return known == name || every && strings.HasPrefix(name, start)
	})
}
