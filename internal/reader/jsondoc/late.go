package jsondoc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// Late collects the facts that no record has, because they came after the records or because
// there were too many. They are reported as one problem at the end of the file.
type Late struct {
	facts []argus.Field
	more  int // number of facts that are not kept
}

// Add adds facts, at most FactLimit in all; more are only counted.
func (l *Late) Add(facts ...argus.Field) {
	n := min(len(facts), FactLimit-len(l.facts))
	l.facts, l.more = append(l.facts, facts[:n]...), l.more+len(facts)-n
}

// lateNames is how many facts are named, and lateName how many bytes of each name are shown.
const (
	lateNames = 20
	lateName  = 120
)

// Item returns the problem once, at the given place, or no problem if there are no facts.
func (l *Late) Item(at int64) (item reader.Item) {
	if len(l.facts) == 0 {
		return item
	}
	var names []string
	for _, fact := range l.facts {
		if name := strings.ToValidUTF8(fact.Name[:min(len(fact.Name), lateName)], ""); !slices.Contains(names, name) {
			names = append(names, name)
		}
		item.Raw = append(item.Raw, fact.Name+": "+fact.Value+"\n"...)
	}
	n := min(len(names), lateNames)
	item.Problem = "want the facts about records before them, found facts behind them or too many: " + strings.Join(names[:n], ", ")
	if more := len(names) - n + l.more; more > 0 {
		item.Problem += fmt.Sprintf(" and %d more", more)
	}
	item.Raw = bytes.ToValidUTF8(item.Raw[:min(len(item.Raw), argus.QuarantineRaw)], nil)
	item.Where.Offset = at
	*l = Late{}
	return item
}
