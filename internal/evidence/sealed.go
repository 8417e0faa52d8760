package evidence

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
)

// Judge is the recipient of sealed and withheld records, with one or several keys.
type Judge struct {
	recipients []age.Recipient
	names      []string
}

// ParseJudge parses public keys in age's notation, one per line. It skips empty lines and
// those that begin with #.
func ParseJudge(lines string) (*Judge, error) {
	j := new(Judge)
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		keys, err := age.ParseRecipients(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("parse the judge's keys: %w", err)
		}
		j.recipients = append(j.recipients, keys...)
		j.names = append(j.names, line)
	}
	if len(j.recipients) == 0 {
		return nil, errors.New("parse the judge's keys: there are none")
	}
	return j, nil
}

// keys returns the public keys; there are none without a judge.
func (j *Judge) keys() []age.Recipient {
	if j == nil {
		return nil
	}
	return j.recipients
}

// encrypt makes an age file.
func (j *Judge) encrypt(h *form.Hidden) ([]byte, error) {
	plain, err := h.Encode()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, j.recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decrypt reads an age file made by encrypt.
func decrypt(data []byte, identities []age.Identity) (h form.Hidden, err error) {
	r, err := age.Decrypt(bytes.NewReader(data), identities...)
	if err != nil {
		return h, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, form.MaxHidden+1))
	if err != nil {
		return h, err
	}
	return form.DecodeHidden(plain)
}

// SealRecord makes a record of kind sealed from a message that is not stored yet. It
// encrypts the message to the judge, and makes an id and a version by HMAC-SHA-256 under
// key, so that copies of one message are matched but nobody without the key can test a
// guess. The place in the original stays readable.
func SealRecord(r *argus.Record, why string, to *Judge, key []byte) (*argus.Record, error) {
	if r.Kind != argus.KindMessage || len(key) < sha256.Size {
		return nil, fmt.Errorf("seal a record: want a message and a key of %d bytes", sha256.Size)
	}
	if err := r.Valid(); err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	h, err := form.Hide(r)
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	ciphertext, err := to.encrypt(&h)
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	id, version := r.Message.Identity()
	sealed := &argus.Record{Kind: argus.KindSealed, Where: r.Where, Sealed: &argus.Sealed{Why: why, Recipients: to.names, Ciphertext: ciphertext}}
	copy(sealed.ID[:], keyed(key, id[:]))
	copy(sealed.Version[:], keyed(key, version[:]))
	return sealed, nil
}

func keyed(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}

// OpenSealed returns the message record that was passed to SealRecord.
func OpenSealed(r *argus.Record, identities ...age.Identity) (*argus.Record, error) {
	if r.Kind != argus.KindSealed {
		return nil, fmt.Errorf("open record %d: it is of kind %s, want sealed", r.Seq, r.Kind)
	}
	h, err := decrypt(r.Sealed.Ciphertext, identities)
	if err != nil {
		return nil, fmt.Errorf("open record %d: %w", r.Seq, err)
	}
	var hasher argus.Hasher
	opened, err := h.Record(&hasher)
	if err != nil {
		return nil, fmt.Errorf("open record %d: %w", r.Seq, err)
	}
	opened.Seq, opened.Delivery = r.Seq, r.Delivery
	return opened, nil
}
