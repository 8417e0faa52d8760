package original

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
)

// commit returns a salted hash of a block's plain bytes.
func commit(salt [16]byte, plain []byte) (h argus.Hash) {
	sum := sha256.New()
	sum.Write([]byte{0x04})
	sum.Write(salt[:])
	sum.Write(plain)
	sum.Sum(h[:0])
	return h
}

// cipherHash returns a hash of a block as it is stored.
func cipherHash(stored []byte) (h argus.Hash) {
	sum := sha256.New()
	sum.Write([]byte{0x05})
	sum.Write(stored)
	sum.Sum(h[:0])
	return h
}

func (e entry) leaf() []byte {
	return rfc6962.DefaultHasher.HashLeaf(append(append(make([]byte, 0, 64), e.plain[:]...), e.cipher[:]...))
}

// tree computes the root of leaves that are added in order.
type tree struct{ *compact.Range }

func newTree() tree {
	return tree{(&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)}
}

func (t tree) root() (h argus.Hash, err error) {
	if t.End() == 0 {
		return argus.Hash(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	root, err := t.GetRootHash(nil)
	copy(h[:], root)
	return h, err
}

// gcm returns the cipher of a block. Each key encrypts one block, so the nonce may
// always be the same.
func gcm(s *secret) (cipher.AEAD, []byte, error) {
	c, err := aes.NewCipher(s.key[:])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(c)
	return aead, make([]byte, 12), err
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
}

func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(BlockSize), zstd.WithDecoderMaxWindow(BlockSize))
}

// sealBlock appends to b the stored block of some plain bytes.
func sealBlock(b []byte, enc *zstd.Encoder, block int, plain []byte) ([]byte, entry, secret, error) {
	var random [48]byte
	if _, err := io.ReadFull(rand.Reader, random[:]); err != nil {
		return b, entry{}, secret{}, err
	}
	var s secret
	copy(s.salt[:], random[:])
	copy(s.key[:], random[16:])
	at := len(b)
	b = enc.EncodeAll(plain, b)
	if len(b)-at >= len(plain) {
		b = append(b[:at], plain...)
	}
	aead, nonce, err := gcm(&s)
	if err != nil {
		return b[:at], entry{}, secret{}, err
	}
	packed := b[at:]
	b = aead.Seal(b[:at], nonce, packed, number(block))
	e := entry{stored: uint32(len(b) - at), plain: commit(s.salt, plain), cipher: cipherHash(b[at:])}
	return b, e, s, nil
}

func number(block int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(block)) }

var errBlock = errors.New("the stored bytes of the block do not match its key")

// openBlock returns the plain bytes of a stored block. It overwrites the stored bytes.
func openBlock(dec *zstd.Decoder, block int, stored []byte, s *secret, length int) ([]byte, error) {
	aead, nonce, err := gcm(s)
	if err != nil {
		return nil, err
	}
	packed, err := aead.Open(stored[:0], nonce, stored, number(block))
	if err != nil {
		return nil, errBlock
	}
	if len(packed) == length {
		return packed, nil
	}
	plain, err := dec.DecodeAll(packed, make([]byte, 0, length))
	if err != nil || len(plain) != length {
		return nil, fmt.Errorf("the block does not decompress to %d bytes", length)
	}
	return plain, nil
}

// sealTo encrypts a few bytes to recipients.
func sealTo(to []age.Recipient, plain []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt keys: %w", err)
	}
	return b.Bytes(), nil
}

// openWith decrypts the output of sealTo. whose lists the recipients.
func openWith(identities []age.Identity, sealed []byte, whose []string) ([]byte, error) {
	missing := fmt.Errorf("%w: it is %s", ErrNoKey, strings.Join(whose, " or "))
	if len(identities) == 0 {
		return nil, missing
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, missing
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt keys: %w: %w", err, argus.ErrDamaged)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(len(sealed))))
	if err != nil {
		return nil, fmt.Errorf("decrypt keys: %w: %w", err, argus.ErrDamaged)
	}
	return plain, nil
}

// parseRecipients parses age public keys: X25519 (age1…), or hybrid ones that resist quantum
// computers (age1pq1…).
func parseRecipients(text []string) (list []age.Recipient, err error) {
	for _, t := range text {
		one, err := age.ParseRecipients(strings.NewReader(t))
		if err == nil && len(one) != 1 {
			err = errors.New("expected exactly one key")
		}
		if err != nil {
			return nil, fmt.Errorf("parse recipient %q: %w", t, err)
		}
		list = append(list, one...)
	}
	return list, nil
}

// texts returns public keys in the form that parseRecipients reads.
func texts(list []age.Recipient) []string {
	var text []string
	for _, r := range list {
		text = append(text, fmt.Sprint(r))
	}
	return text
}
