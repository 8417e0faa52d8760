package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/exchange"
)

// AnswerHits returns the signed answer to a question that the holder of the public key signed:
// which of its accounts have messages under the asker's authority, and a contact. Nothing more
// leaves.
func (n *Node) AnswerHits(ctx context.Context, who desk.Who, file []byte, key string, secret exchange.Secret, contact string) ([]byte, *exchange.Answer, error) {
	q, err := exchange.OpenQuestion(file, key, secret)
	if err != nil {
		return nil, nil, err
	}
	known, err := n.Desk.Known(ctx, who, desk.KnownRequest{Question: claims.Hash(file), Asked: func(account string) bool { return q.Asks(secret, account) }})
	if err != nil {
		return nil, nil, err
	}
	a := &exchange.Answer{Store: n.Info.Store, Made: n.o.Now().UTC().Truncate(time.Second), Question: sha256.Sum256(file), Contact: contact}
	a.Find(q, secret, known.Accounts)
	signer, err := note.NewSigner(n.keys.Private)
	if err != nil {
		return nil, nil, fmt.Errorf("read the private key: %w", err)
	}
	text, err := a.Sign(signer)
	return text, a, err
}
