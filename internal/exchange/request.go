package exchange

import (
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

const requestHead = "argus request 1\n"

// Request asks the holder of data for the messages of a case.
type Request struct {
	// Store is the id of the store that asks, and By who asked in it.
	Store string    `json:"store"`
	By    string    `json:"by"`
	Made  time.Time `json:"made"`
	// Purpose and Offences are those of the case.
	Purpose  string   `json:"purpose"`
	Offences []string `json:"offences"`
	// Accounts and Words are lists, as files of lists are written; From and Until the period,
	// Until not in it. A message is asked for if it meets all that are stated. Default of
	// each: no condition.
	Accounts string    `json:"accounts,omitempty"`
	Words    string    `json:"words,omitempty"`
	From     time.Time `json:"from,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

// Sign makes the file of a request.
func (r *Request) Sign(signer note.Signer) ([]byte, error) {
	if _, err := r.Query(); err != nil {
		return nil, err
	}
	return signed.Sign(requestHead, r, signer)
}

// OpenRequest reads the file of a request that the holder of a public key signed. The error is
// [signed.ErrRefused] if it cannot be taken in.
func OpenRequest(file []byte, key string) (*Request, error) {
	r := new(Request)
	err := signed.Open(file, requestHead, key, r)
	if err == nil {
		if _, wrong := r.Query(); wrong != nil {
			err = signed.Refuse("%w", wrong)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	return r, nil
}

// Query selects the messages that are asked for. It is an error if the request asks for
// everything, or lacks who asks and why.
func (r *Request) Query() (query.Node, error) {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case blank(r.Store), blank(r.By), r.Made.IsZero(), blank(r.Purpose), len(r.Offences) == 0, slices.ContainsFunc(r.Offences, blank):
		return nil, errors.New("a request states its store, who asks, when, the purpose and the offences")
	case r.Accounts == "" && r.Words == "" && r.From.IsZero() && r.Until.IsZero():
		return nil, errors.New("it asks for everything: state accounts, words or a period")
	case !r.From.IsZero() && !r.Until.IsZero() && !r.Until.After(r.From):
		return nil, errors.New("its period ends before it begins")
	}
	var parts []query.Node
	for _, l := range []struct{ text, of string }{{r.Accounts, "with:list:accounts"}, {r.Words, "list:words"}} {
		if l.text == "" {
			continue
		}
		n, err := query.Parse(l.of, query.Options{Lists: func(name, hash string) (*query.WordList, error) {
			if hash != "" {
				return nil, argus.ErrNotFound
			}
			return query.ParseList(name, []byte(l.text))
		}})
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
	}
	if !r.From.IsZero() || !r.Until.IsZero() {
		parts = append(parts, query.Sent{From: r.From, To: r.Until})
	}
	return query.AndOf(parts...), nil
}
