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

// Sealing describes how [SealRecord] makes a record unreadable.
type Sealing struct {
	// Why names the sort of finding, and Recipients those who can read the record.
	Why        string
	Recipients []string
	// Key makes the ids of sealed records, so that copies of one message are matched and
	// nobody without the key can test a guess. It has at least 32 bytes.
	Key []byte
	// Path replaces the path of the record inside its original. Default none.
	Path string
	// Seal encrypts a record.
	Seal func(plain []byte) ([]byte, error)
}

// SealRecord makes a record of kind sealed from a record that is not stored yet: a message, or
// another piece that a reader found. The original and the reader stay readable; the position in
// the original, which would reveal the length of the piece, is sealed.
func SealRecord(r *argus.Record, s Sealing) (*argus.Record, error) {
	if len(s.Key) < sha256.Size {
		return nil, fmt.Errorf("seal a record: the key has fewer than %d bytes", sha256.Size)
	}
	switch r.Kind {
	case argus.KindMessage, argus.KindQuarantined, argus.KindAttachment, argus.KindStated:
	case argus.KindOpening, argus.KindOriginal, argus.KindSighting, argus.KindSealed, argus.KindKey, argus.KindOpened, argus.KindWithdrawn,
		argus.KindReleased, argus.KindDestroyed, argus.KindDerived, argus.KindReading, argus.KindAmendment:
		return nil, fmt.Errorf("seal a record: readers do not make records of kind %s", r.Kind)
	}
	if err := r.Valid(); err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	h, err := form.Hide(r)
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	plain, err := h.Encode()
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	ciphertext, err := s.Seal(plain)
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	sealed := &argus.Record{
		Kind: argus.KindSealed, Where: argus.Where{Original: r.Where.Original, Path: s.Path, Reader: r.Where.Reader},
		Sealed: &argus.Sealed{Why: s.Why, Recipients: s.Recipients, Broke: r.Quarantine != nil && r.Quarantine.Broke, Ciphertext: ciphertext},
	}
	if r.Kind == argus.KindMessage {
		id, version := r.Message.Identity()
		copy(sealed.ID[:], keyed(s.Key, id[:]))
		copy(sealed.Version[:], keyed(s.Key, version[:]))
		return sealed, nil
	}
	copy(sealed.ID[:], keyed(s.Key, plain))
	sealed.Version = argus.Version(sealed.ID)
	return sealed, nil
}

func keyed(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}

// OpenSealed returns the record that was passed to SealRecord. open decrypts it.
func OpenSealed(r *argus.Record, open func(sealed []byte) ([]byte, error)) (*argus.Record, error) {
	if r.Kind != argus.KindSealed {
		return nil, fmt.Errorf("open record %d: it is of kind %s, want sealed", r.Seq, r.Kind)
	}
	plain, err := open(r.Sealed.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("open record %d: %w", r.Seq, err)
	}
	h, err := form.DecodeHidden(plain)
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
