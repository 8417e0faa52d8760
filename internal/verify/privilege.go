package verify

import (
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/privilege"
)

// sealedCheck checks that the recipients of sealed records can open them: each batch must have
// an envelope that the ledger names. Without a key, no more can be checked.
type sealedCheck struct {
	batches map[argus.Hash]uint64 // the first record of each
	broken  []Finding
}

func (c *sealedCheck) add(r *argus.Record) {
	if r.Kind != argus.KindSealed {
		return
	}
	about, err := privilege.ReadAbout(r.Sealed.Ciphertext)
	if err != nil {
		c.broken = append(c.broken, Finding{File: layout.Evidence, Offset: -1, First: r.Seq, Last: r.Seq, Delivery: r.Delivery, Problem: fmt.Sprintf("the sealed content cannot be opened: %v", err)})
		return
	}
	if _, ok := c.batches[about.Batch]; !ok {
		if c.batches == nil {
			c.batches = map[argus.Hash]uint64{}
		}
		c.batches[about.Batch] = r.Seq
	}
}

// report compares the batches with the claims that the ledger makes after the evidence
// was read. The files that the ledger names are compared with the ledger elsewhere.
func (c *sealedCheck) report(dir string, now *claims.Claims, report func(Finding)) {
	for _, f := range c.broken {
		report(f)
	}
	var missing []Finding
	for batch, seq := range c.batches {
		name := layout.Envelope(batch)
		f := Finding{File: name, Offset: -1, First: seq, Last: seq}
		if _, known := now.Envelopes[batch.String()+layout.EnvelopeSuffix]; !known {
			f.Problem = "the ledger does not have the envelope of a sealed record, so the recipients cannot open the record"
			missing = append(missing, f)
			continue
		}
		data, err := layout.Read(durable.OS{}, dir, name)
		if err != nil {
			continue // reported with the files that the ledger names
		}
		if e, err := privilege.ParseEnvelope(data); err != nil || e.Batch != batch {
			f.Problem = "the file is not the envelope of the sealed records that name it"
			missing = append(missing, f)
		}
	}
	slices.SortFunc(missing, func(a, b Finding) int { return int(a.First) - int(b.First) })
	for _, f := range missing {
		report(f)
	}
	if err := checkDecisions(dir, now); err != nil {
		report(Finding{File: layout.Privilege, Offset: -1, Problem: err.Error()})
	}
}

// checkDecisions checks that the decisions of judges follow each other. Each is a file that
// the ledger names; whether it is there and unchanged is checked with the other files.
func checkDecisions(dir string, now *claims.Claims) error {
	files := map[int]string{}
	for name := range now.Documents[layout.Privilege].Files {
		if number, ok := layout.ParseDecision(name); ok {
			files[number] = name
		}
	}
	var text []byte
	for number := 1; len(files) > 0; number++ {
		name, ok := files[number]
		if !ok && len(now.Documents[layout.Privilege].Unnamed) > 0 {
			return nil // the words of its entry were destroyed, and its name with them
		}
		if !ok {
			return fmt.Errorf("decision %d is missing, although the ledger has a later one", number)
		}
		delete(files, number)
		line, err := layout.Read(durable.OS{}, dir, layout.Privilege+"/"+name)
		if err != nil {
			break // reported with the files that the ledger names
		}
		text = append(text, line...)
	}
	_, err := privilege.ParseLog(text)
	return err
}
