package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// recordHead is the first line of a record, with the version of its form.
const recordHead = "argus validation 1\n"

// Sign encodes a record and signs it, as a note (c2sp.org/signed-note).
func (r *Record) Sign(signer note.Signer) ([]byte, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the record: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: recordHead + string(body) + "\n"}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the record: %w", err)
	}
	return signed, nil
}

// Check reads a record and checks that it was signed by the owner of a public key.
func Check(file []byte, key string) (*Record, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	n, err := note.Open(file, note.VerifierList(verifier))
	if err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	body, ok := strings.CutPrefix(n.Text, recordHead)
	if !ok {
		return nil, fmt.Errorf("open the record: its first line is not %q", strings.TrimSpace(recordHead))
	}
	r := new(Record)
	if err := json.Unmarshal([]byte(body), r); err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	if len(r.Results) != r.Passed+r.Failed+r.Known+r.NotTested {
		return nil, errors.New("open the record: its counts do not match its results")
	}
	return r, nil
}
