package exchange

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/query"
)

const (
	questionHead = "argus question 1\n"
	answerHead   = "argus answer 1\n"
)

// Secret is a key that two stores share. It hashes identifiers, so that whoever lacks it
// cannot test a guess at one. It protects nothing from those who have it: they can try every
// telephone number.
type Secret []byte

// SecretBytes is the shortest secret.
const SecretBytes = 32

// ParseSecret reads the file of a secret, whose white space at both ends does not count.
func ParseSecret(file []byte) (Secret, error) {
	s := bytes.TrimSpace(file)
	if len(s) < SecretBytes {
		return nil, fmt.Errorf("read the shared secret: it has %d bytes, want at least %d", len(s), SecretBytes)
	}
	return s, nil
}

func (s Secret) hash(what string, parts ...string) (h argus.Hash) {
	mac := hmac.New(sha256.New, s)
	fmt.Fprintf(mac, "argus %s 1\n%s", what, strings.Join(parts, "\n"))
	mac.Sum(h[:0])
	return h
}

// Identifier returns the keyed hash of an account: of its text in lower case, without white
// space at both ends.
func (s Secret) Identifier(account string) argus.Hash {
	return s.hash("identifier", strings.ToLower(strings.TrimSpace(account)))
}

// Question asks another store whether it has messages of accounts, without naming them.
type Question struct {
	Store   string    `json:"store"`
	By      string    `json:"by"`
	Made    time.Time `json:"made"`
	Purpose string    `json:"purpose"`
	// Check is a hash under the secret: with another secret, there would be no hit.
	Check argus.Hash `json:"check"`
	// Accounts are the keyed hashes, in order.
	Accounts []argus.Hash `json:"accounts"`
}

// Ask sets the accounts of a question, from a list in a file.
func (q *Question) Ask(secret Secret, file []byte) error {
	list, err := query.ParseList("accounts", file)
	if err != nil {
		return err
	}
	q.Accounts = nil
	for _, account := range list.Entries {
		q.Accounts = append(q.Accounts, secret.Identifier(account))
	}
	slices.SortFunc(q.Accounts, compareHashes)
	q.Accounts = slices.Compact(q.Accounts)
	q.Check = secret.hash("check", q.Store, q.Made.Format(time.RFC3339))
	return nil
}

// Sign makes the file of a question.
func (q *Question) Sign(signer note.Signer) ([]byte, error) {
	if err := q.fault(); err != nil {
		return nil, err
	}
	return signed.Sign(questionHead, q, signer)
}

func (q *Question) fault() error {
	switch {
	case q.Store == "", strings.TrimSpace(q.By) == "", q.Made.IsZero(), strings.TrimSpace(q.Purpose) == "":
		return errors.New("a question states its store, who asks, when and why")
	case len(q.Accounts) == 0 || len(q.Accounts) > query.MaxList || !ordered(q.Accounts):
		return fmt.Errorf("a question has 1 to %d hashes in order, each once", query.MaxList)
	}
	return nil
}

// OpenQuestion reads the file of a question that the holder of a public key signed. The error
// is [signed.ErrRefused] if it cannot be answered, such as with another secret.
func OpenQuestion(file []byte, key string, secret Secret) (*Question, error) {
	q := new(Question)
	err := signed.Open(file, questionHead, key, q)
	if wrong := q.fault(); err == nil && wrong != nil {
		err = signed.Refuse("%w", wrong)
	}
	if err == nil && q.Check != secret.hash("check", q.Store, q.Made.Format(time.RFC3339)) {
		err = signed.Refuse("it was asked with another secret")
	}
	if err != nil {
		return nil, fmt.Errorf("read the question: %w", err)
	}
	return q, nil
}

// Answer says about which accounts of a question a store has messages, and whom to ask.
type Answer struct {
	Store string    `json:"store"`
	Made  time.Time `json:"made"`
	// Question is the SHA-256 of the file of the question.
	Question argus.Hash `json:"question"`
	Contact  string     `json:"contact"`
	// Hits are those of its hashes, in order. Default: no record was found.
	Hits []argus.Hash `json:"hits,omitempty"`
}

// Find sets the hits: the accounts that the question asks for.
func (a *Answer) Find(q *Question, secret Secret, accounts []string) {
	for _, account := range accounts {
		if h := secret.Identifier(account); q.asks(h) {
			a.Hits = append(a.Hits, h)
		}
	}
	slices.SortFunc(a.Hits, compareHashes)
	a.Hits = slices.Compact(a.Hits)
}

// Asks reports whether a question asks for an account.
func (q *Question) Asks(secret Secret, account string) bool {
	return q.asks(secret.Identifier(account))
}

func (q *Question) asks(h argus.Hash) bool {
	_, found := slices.BinarySearchFunc(q.Accounts, h, compareHashes)
	return found
}

// Sign makes the file of an answer.
func (a *Answer) Sign(signer note.Signer) ([]byte, error) {
	if strings.TrimSpace(a.Contact) == "" {
		return nil, errors.New("an answer names a contact")
	}
	return signed.Sign(answerHead, a, signer)
}

// OpenAnswer reads the answer to a question, whose file is given, that the holder of a public
// key signed. The error is [signed.ErrRefused] if it is none.
func OpenAnswer(file []byte, key string, question []byte) (*Answer, error) {
	a := new(Answer)
	err := signed.Open(file, answerHead, key, a)
	switch {
	case err != nil:
	case a.Question != argus.Hash(sha256.Sum256(question)):
		err = signed.Refuse("it answers another question")
	case a.Store == "" || strings.TrimSpace(a.Contact) == "" || a.Made.IsZero() || len(a.Hits) > query.MaxList || !ordered(a.Hits):
		err = signed.Refuse("an answer has a store, a contact, a time, and hashes in order, each once")
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}

func ordered(hashes []argus.Hash) bool {
	for i := 1; i < len(hashes); i++ {
		if compareHashes(hashes[i-1], hashes[i]) >= 0 {
			return false
		}
	}
	return true
}

func compareHashes(a, b argus.Hash) int { return bytes.Compare(a[:], b[:]) }
