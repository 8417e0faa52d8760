// Package transfer writes and reads packages: copies of messages that leave one store for
// another, each with the proof that it is in a sealed delivery.
//
// A package begins with a signed head. Its signature covers the seals of the deliveries, the
// conditions, and the SHA-256 of the rest, which has a copy in each line. Whoever reads a
// package proves each copy against its seal again. docs/format/exchange.md describes it.
package transfer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
	"github.com/argus-evidence/argus/internal/exchange/signed"
)

// Begin is the first line of a package.
const Begin = "argus package 1\n"

// maxLine is the longest line of a copy, in bytes.
const maxLine = 16 << 20

// Head is the signed beginning of a package.
type Head struct {
	// Store is the id of the store that it comes from, For that of the store that asked.
	Store string    `json:"store"`
	For   string    `json:"for"`
	Made  time.Time `json:"made"`
	// Request is the file of the request that it answers.
	Request string `json:"request"`
	// Authority is the number of the authority in Store under which it left.
	Authority string `json:"authority"`
	Terms
	// Checkpoint is that of the store's ledger, after the entry of the transfer.
	Checkpoint string `json:"checkpoint"`
	// Seals are the seals of the deliveries that the copies are from.
	Seals []string `json:"seals"`
	// Copies is the number of lines, Messages that of the messages that they are copies of.
	Copies   uint64 `json:"copies"`
	Messages uint64 `json:"messages"`
	// Size and Body are the length of the lines in bytes and their SHA-256.
	Size int64      `json:"size"`
	Body argus.Hash `json:"body"`
}

// Terms are the conditions that bind whoever receives a package, as in an authority.
type Terms struct {
	Basis      string    `json:"basis"`
	GrantedBy  string    `json:"granted_by"`
	Conditions string    `json:"conditions,omitempty"`
	Handling   []string  `json:"handling,omitempty"`
	Retain     time.Time `json:"retain_until,omitzero"`
	Until      time.Time `json:"until,omitzero"`
}

// Copy is a copy of a message.
type Copy struct {
	// Seal is the place of its delivery's seal in the head, from 0.
	Seal int
	form.Copy
}

// line is a copy as it is written. Bytes are in base64.
type line struct {
	Seal          int    `json:"seal"`
	Leaf          uint64 `json:"leaf"`
	Statement     []byte `json:"statement"`
	StatementSalt []byte `json:"statement_salt"`
	Content       []byte `json:"content"`
	ContentSalt   []byte `json:"content_salt"`
	Path          []byte `json:"path"`
}

// Sign makes the file of a package. It sets the numbers and hashes of the head.
func Sign(h Head, copies []Copy, signer note.Signer) ([]byte, error) {
	var body bytes.Buffer
	for _, c := range copies {
		l := line{Seal: c.Seal, Leaf: c.Leaf, Statement: c.Statement, StatementSalt: c.StatementSalt, Content: c.Content, ContentSalt: c.ContentSalt}
		for _, hash := range c.Path {
			l.Path = append(l.Path, hash[:]...)
		}
		text, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		if len(text) >= maxLine {
			return nil, fmt.Errorf("a copy takes more than %d bytes", maxLine)
		}
		body.Write(text)
		body.WriteByte('\n')
	}
	h.Copies, h.Size, h.Body = uint64(len(copies)), int64(body.Len()), sha256.Sum256(body.Bytes())
	head, err := signed.Sign(Begin, h, signer)
	if err != nil {
		return nil, err
	}
	return append(head, body.Bytes()...), nil
}

// Package is a package whose head is signed, and whose lines are those that were signed.
type Package struct {
	Head
	seals []*argus.Seal
	file  io.ReaderAt
	begin int64 // of the lines
}

// Open reads the head of a package that the holder of a public key signed, and compares the
// lines with it. The error is [signed.ErrRefused] if it is not exactly that.
func Open(file io.ReaderAt, size int64, key string) (*Package, error) {
	p := &Package{file: file}
	if err := p.open(size, key); err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	return p, nil
}

func (p *Package) open(size int64, key string) error {
	head := make([]byte, min(size, signed.MaxFile))
	if n, err := p.file.ReadAt(head, 0); err != nil && (!errors.Is(err, io.EOF) || n < len(head)) {
		return err
	}
	end := bytes.Index(head, []byte("\n\n— "))
	if end < 0 || !bytes.HasPrefix(head, []byte(Begin)) {
		return signed.Refuse("it has no signed head")
	}
	signature := bytes.IndexByte(head[end+2:], '\n')
	if signature < 0 {
		return signed.Refuse("its head is cut off")
	}
	p.begin = int64(end + 2 + signature + 1)
	if err := signed.Open(head[:p.begin], Begin, key, &p.Head); err != nil {
		return err
	}
	if err := p.checkSeals(key); err != nil {
		return signed.Refuse("%w", err)
	}
	if size-p.begin != p.Size {
		return signed.Refuse("its lines have %d bytes, and it says %d", size-p.begin, p.Size)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(p.file, p.begin, p.Size)); err != nil {
		return err
	}
	if argus.Hash(hash.Sum(nil)) != p.Body {
		return signed.Refuse("its lines are others than those that were signed")
	}
	return nil
}

// checkSeals checks that the store's key signed each seal and the ledger's checkpoint.
func (p *Package) checkSeals(key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	if _, err := note.Open([]byte(p.Checkpoint), note.VerifierList(verifier)); err != nil {
		return fmt.Errorf("the key did not sign the checkpoint of the ledger: %w", err)
	}
	for i, text := range p.Seals {
		n, err := note.Open([]byte(text), note.VerifierList(verifier))
		if err != nil {
			return fmt.Errorf("the key did not sign seal %d: %w", i+1, err)
		}
		seal, err := sealing.Parse(n.Text)
		if err != nil {
			return err
		}
		switch {
		case seal.Store != p.Store:
			return fmt.Errorf("seal %d is of store %s, and the package of store %s", i+1, seal.Store, p.Store)
		case slices.ContainsFunc(p.seals, func(s *argus.Seal) bool { return s.Delivery == seal.Delivery }):
			return fmt.Errorf("delivery %s has two seals", seal.Delivery)
		}
		p.seals = append(p.seals, seal)
	}
	return nil
}

// Line is a line of a package.
type Line struct {
	// Number counts from 1; Offset and Length are its place in the file, in bytes.
	Number         uint64
	Offset, Length int64
	// Message is the message if the seal of its delivery proves it, and Problem the reason if
	// it does not. Delivery and Record name the record in its store, the first one being 1.
	Message  *argus.Message
	Delivery argus.DeliveryNumber
	Record   uint64
	Problem  string
}

// Lines yields the lines in order, each proved. It ends at the first error.
func (p *Package) Lines(ctx context.Context) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		r := bufio.NewReaderSize(io.NewSectionReader(p.file, p.begin, p.Size), 64<<10)
		at := Line{Offset: p.begin}
		seen := map[place]bool{}
		for {
			if err := ctx.Err(); err != nil {
				yield(at, err)
				return
			}
			text, err := readLine(r)
			if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
				if !errors.Is(err, io.EOF) {
					yield(at, err)
				}
				return
			}
			at = Line{Number: at.Number + 1, Offset: at.Offset + at.Length, Length: int64(len(text))}
			p.prove(&at, text, seen)
			if !yield(at, nil) {
				return
			}
		}
	}
}

// place is that of a copy in its store.
type place struct {
	seal int
	leaf uint64
}

func (p *Package) prove(at *Line, text []byte, seen map[place]bool) {
	var l line
	err := json.Unmarshal(text, &l)
	if err == nil {
		again, failed := json.Marshal(l)
		if failed != nil || string(again)+"\n" != string(text) {
			err = errors.New("it is not in the only valid form")
		}
	}
	switch {
	case err != nil:
	case l.Seal < 0 || l.Seal >= len(p.seals):
		err = errors.New("it names a seal that the package does not have")
	case seen[place{l.Seal, l.Leaf}]:
		err = errors.New("it is a copy that an earlier line has")
	case len(l.Path)%sha256.Size != 0:
		err = errors.New("its path is no list of hashes")
	}
	if err != nil {
		at.Problem = err.Error()
		return
	}
	c := form.Copy{Hidden: form.Hidden{Statement: l.Statement, StatementSalt: l.StatementSalt, Content: l.Content, ContentSalt: l.ContentSalt}, Leaf: l.Leaf}
	for hash := range slices.Chunk(l.Path, sha256.Size) {
		c.Path = append(c.Path, argus.Hash(hash))
	}
	seal := p.seals[l.Seal]
	if at.Message, err = c.Check(seal.Root, seal.Records); err != nil {
		at.Problem = err.Error()
		return
	}
	at.Delivery, at.Record = seal.Delivery, l.Leaf+1
	seen[place{l.Seal, l.Leaf}] = true
}

// readLine returns a line with its end. It fails for one that is too long.
func readLine(r *bufio.Reader) (text []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(text)+len(part) > maxLine {
			return nil, signed.Refuse("a line has more than %d bytes", maxLine)
		}
		text = append(text, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}
