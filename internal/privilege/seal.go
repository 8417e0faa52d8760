package privilege

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// A Fingerprint names a public key. It is the first 16 bytes of the SHA-256 of the key's
// text.
type Fingerprint [16]byte

func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Recipients are the people who can open a seal: the judge and at least one other, because
// losing a key must not mean losing the evidence.
type Recipients struct {
	keys   []age.Recipient
	prints []Fingerprint
}

// leastRecipients and mostRecipients are the minimum and the maximum number of keys that
// can open a seal.
const (
	leastRecipients = 2
	mostRecipients  = 32
)

// ParseRecipients parses public keys in age's notation, one per line. The keys are either
// all of the form age1… or all of the form age1pq1…, which withstands quantum computers. It
// skips empty lines and those that begin with #. Fewer than two different keys are an
// error.
func ParseRecipients(lines string) (*Recipients, error) {
	to := &Recipients{}
	hybrid := 0
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		keys, err := age.ParseRecipients(strings.NewReader(line))
		if err != nil || len(keys) != 1 {
			return nil, fmt.Errorf("parse the judge's keys: %q is not an age public key", line)
		}
		sum := sha256.Sum256([]byte(line))
		f := Fingerprint(sum[:16])
		if slices.Contains(to.prints, f) {
			continue
		}
		if _, ok := keys[0].(*age.HybridRecipient); ok {
			hybrid++
		}
		to.keys, to.prints = append(to.keys, keys[0]), append(to.prints, f)
	}
	switch n := len(to.keys); {
	case n < leastRecipients:
		return nil, fmt.Errorf("parse the judge's keys: the number of different keys is %d, but at least %d are needed, because losing one must not mean losing the evidence", n, leastRecipients)
	case n > mostRecipients:
		return nil, fmt.Errorf("parse the judge's keys: %d keys, but at most %d are supported", n, mostRecipients)
	case hybrid != 0 && hybrid != n:
		return nil, errors.New("parse the judge's keys: some are post-quantum keys (age1pq1…) and some are not; the seal would be as weak as the weakest key")
	}
	return to, nil
}

// Fingerprints returns the fingerprints of the keys.
func (to *Recipients) Fingerprints() []Fingerprint { return slices.Clone(to.prints) }

func (to *Recipients) encrypt(w io.Writer) (io.WriteCloser, error) {
	if to == nil || len(to.keys) < leastRecipients {
		return nil, fmt.Errorf("at least %d recipients are needed", leastRecipients)
	}
	return age.Encrypt(w, to.keys...)
}

// ErrNoKey means that none of the given private keys opens a seal.
var ErrNoKey = errors.New("none of the given private keys opens it")

// decrypt opens an age file. If a later part of the file is damaged, the reader returns the
// error.
func decrypt(file []byte, identities []age.Identity) (io.Reader, error) {
	if len(identities) == 0 {
		return nil, ErrNoKey
	}
	r, err := age.Decrypt(bytes.NewReader(file), identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
	}
	return r, nil
}

// A Batch seals the messages of one batch, each with a key of its own. These keys are
// derived from the key of the batch, which an envelope holds for the recipients. Discard
// a Batch together with its plaintexts, since anyone who has it can open the messages.
type Batch struct {
	key    [KeySize]byte
	id     argus.Hash
	prints []Fingerprint
}

const (
	envelopeMagic = "ARGUSPK1"
	messageMagic  = "ARGUSPM1"
	// leastPadded is the minimum padded size, so that all short messages look alike.
	leastPadded = 512
	// MaxSealed is the maximum number of bytes in one seal; a record is always smaller.
	MaxSealed = 64 << 20
)

// NewBatch makes the key of a batch and its envelope, which is an age file after a header. The
// envelope must be durable before any message that is sealed with the batch.
func NewBatch(to *Recipients) (*Batch, []byte, error) {
	b := &Batch{}
	if _, err := rand.Read(b.key[:]); err != nil {
		return nil, nil, err
	}
	b.id = b.commitment()
	envelope, err := b.wrap(to)
	if err != nil {
		return nil, nil, fmt.Errorf("seal the key of a batch: %w", err)
	}
	return b, envelope, nil
}

// ID names the batch. It is a hash of the batch's key, so that no other key can replace
// it.
func (b *Batch) ID() argus.Hash { return b.id }

func derive(key, salt []byte, use string) []byte {
	out, err := hkdf.Key(sha256.New, key, salt, "argus privilege 1 "+use, KeySize)
	if err != nil {
		panic(err) // the length is in range
	}
	return out
}

func (b *Batch) commitment() argus.Hash { return argus.Hash(derive(b.key[:], nil, "batch")) }

// wrap makes an envelope: a header, followed by an age file that contains the key and the hash
// of the header.
func (b *Batch) wrap(to *Recipients) ([]byte, error) {
	out := bytes.NewBufferString(envelopeMagic)
	out.Write(b.id[:])
	if to == nil {
		return nil, fmt.Errorf("at least %d recipients are needed", leastRecipients)
	}
	out.Write(appendPrints(nil, to.prints))
	head := sha256.Sum256(out.Bytes())
	w, err := to.encrypt(out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(slices.Concat(b.key[:], head[:])); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.prints = slices.Clone(to.prints)
	return out.Bytes(), nil
}

func appendPrints(out []byte, prints []Fingerprint) []byte {
	out = append(out, byte(len(prints)))
	for _, f := range prints {
		out = append(out, f[:]...)
	}
	return out
}

func cutPrints(b []byte) (prints []Fingerprint, rest []byte, err error) {
	if len(b) == 0 || b[0] < leastRecipients || b[0] > mostRecipients || len(b)-1 < int(b[0])*len(Fingerprint{}) {
		return nil, nil, errors.New("its list of recipients is invalid")
	}
	n := int(b[0])
	for b = b[1:]; n > 0; n-- {
		prints = append(prints, Fingerprint(b[:16]))
		b = b[16:]
	}
	return prints, b, nil
}

// An Envelope is the part of an envelope that can be read without a key.
type Envelope struct {
	Batch      argus.Hash
	Recipients []Fingerprint
	head, age  []byte
}

// ParseEnvelope reads the part of an envelope that needs no key.
func ParseEnvelope(data []byte) (*Envelope, error) {
	if len(data) > 1<<20 || !bytes.HasPrefix(data, []byte(envelopeMagic)) || len(data) < len(envelopeMagic)+sha256.Size {
		return nil, fmt.Errorf("read an envelope: it is not an envelope of version 1: %w", argus.ErrDamaged)
	}
	e := &Envelope{Batch: argus.Hash(data[len(envelopeMagic) : len(envelopeMagic)+sha256.Size])}
	var err error
	if e.Recipients, e.age, err = cutPrints(data[len(envelopeMagic)+sha256.Size:]); err != nil {
		return nil, fmt.Errorf("read an envelope: %w: %w", err, argus.ErrDamaged)
	}
	e.head = data[:len(data)-len(e.age)]
	return e, nil
}

// OpenEnvelope returns the batch of an envelope. It needs the private key of one
// recipient.
func OpenEnvelope(data []byte, identities ...age.Identity) (*Batch, error) {
	e, err := ParseEnvelope(data)
	if err != nil {
		return nil, err
	}
	r, err := decrypt(e.age, identities)
	if err != nil {
		return nil, fmt.Errorf("open an envelope: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, 2*KeySize+1))
	head := sha256.Sum256(e.head)
	if err != nil || len(plain) != 2*KeySize || !bytes.Equal(plain[KeySize:], head[:]) {
		return nil, fmt.Errorf("open an envelope: its parts do not belong together: %w", errors.Join(err, argus.ErrDamaged))
	}
	b := &Batch{key: [KeySize]byte(plain[:KeySize]), id: e.Batch, prints: e.Recipients}
	if b.commitment() != b.id {
		return nil, fmt.Errorf("open an envelope: it holds the key of a different batch: %w", argus.ErrDamaged)
	}
	return b, nil
}

// Reseal makes an envelope of the same batch for different recipients, such as a new judge. It
// needs the private key of one of the present recipients. No sealed message changes. The
// present recipients can still open the earlier envelope, as long as a copy of it exists.
func Reseal(envelope []byte, to *Recipients, identities ...age.Identity) ([]byte, error) {
	b, err := OpenEnvelope(envelope, identities...)
	if err != nil {
		return nil, fmt.Errorf("reseal: %w", err)
	}
	again, err := b.wrap(to)
	if err != nil {
		return nil, fmt.Errorf("reseal: %w", err)
	}
	return again, nil
}

// Algorithm describes the sealing algorithm for people.
const Algorithm = "age, HKDF-SHA-256, AES-256-GCM, Padmé"

// About is the part of a sealed message that can be read without a key.
type About struct {
	Class Class
	// Directory is the version of the directory in use.
	Directory argus.Hash
	// Batch, Recipients and Salt are set by Seal. They are the batch, the recipients to
	// whom its key was first sealed, and the salt of the message's key.
	Batch      argus.Hash
	Recipients []Fingerprint
}

// Padded returns the padded size for a size in bytes, at least 512. It is Padmé by
// Nikitin, Barman, Lueks, Underwood, Hubaux and Ford, "Reducing Metadata Leakage from
// Encrypted Files and Communication with PURBs" (PoPETs 2019).
func Padded(size int) int {
	if size <= leastPadded {
		return leastPadded
	}
	exponent := bits.Len(uint(size)) - 1
	mask := 1<<(exponent-bits.Len(uint(exponent))) - 1
	return (size + mask) &^ mask
}

// Seal pads and encrypts a message, and adds its readable part.
func (b *Batch) Seal(plain []byte, class Class, directory argus.Hash) ([]byte, error) {
	if len(plain) > MaxSealed || class == None || int(class) >= len(classWords) {
		return nil, fmt.Errorf("seal a message of %d bytes found by %s: it needs a finding and must not be longer than %d bytes", len(plain), class, MaxSealed)
	}
	size := Padded(4 + len(plain))
	out := make([]byte, 0, len(messageMagic)+1+3*sha256.Size+1+16*len(b.prints)+size+16)
	out = append(append(out, messageMagic...), byte(class))
	out = append(append(out, directory[:]...), b.id[:]...)
	var salt [sha256.Size]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, err
	}
	out = append(out, salt[:]...)
	out = appendPrints(out, b.prints)
	head := out
	padded := make([]byte, size)
	binary.LittleEndian.PutUint32(padded, uint32(len(plain)))
	copy(padded[4:], plain)
	aead, nonce, err := b.cipher(salt[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, nonce, padded, head), nil
}

// cipher returns the cipher for one message. Its key is derived with a random salt and
// encrypts nothing else, so the nonce can be constant.
func (b *Batch) cipher(salt []byte) (cipher.AEAD, []byte, error) {
	block, err := aes.NewCipher(derive(b.key[:], salt, "message"))
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, make([]byte, 12), err
}

// ReadAbout returns the readable part of a sealed message. That part is not authenticated
// until the message is opened.
func ReadAbout(sealed []byte) (About, error) {
	a, _, _, err := cutSealed(sealed)
	return a, err
}

func cutSealed(sealed []byte) (a About, salt, body []byte, err error) {
	fail := func(err error) (About, []byte, []byte, error) {
		return About{}, nil, nil, fmt.Errorf("read a sealed message: %w: %w", err, argus.ErrDamaged)
	}
	const fixed = len(messageMagic) + 1 + 3*sha256.Size
	if len(sealed) < fixed || string(sealed[:len(messageMagic)]) != messageMagic {
		return fail(errors.New("it is not a sealed message of version 1"))
	}
	rest := sealed[len(messageMagic):]
	if a.Class = Class(rest[0]); a.Class == None || int(a.Class) >= len(classWords) {
		return fail(errors.New("its class is unknown"))
	}
	a.Directory, a.Batch, salt = argus.Hash(rest[1:33]), argus.Hash(rest[33:65]), rest[65:97]
	if a.Recipients, body, err = cutPrints(rest[97:]); err != nil {
		return fail(err)
	}
	if size := len(body) - 16; size < leastPadded || size > Padded(4+MaxSealed) || Padded(size) != size {
		return fail(errors.New("its size is invalid"))
	}
	return a, salt, body, nil
}

// Open returns the whole message, or an error and no part of the message.
func (b *Batch) Open(sealed []byte) ([]byte, About, error) {
	a, salt, body, err := cutSealed(sealed)
	if err != nil {
		return nil, a, err
	}
	if a.Batch != b.id {
		return nil, a, errors.New("open a sealed message: its key is in a different envelope")
	}
	aead, nonce, err := b.cipher(salt)
	if err != nil {
		return nil, a, err
	}
	plain, err := aead.Open(nil, nonce, body, sealed[:len(sealed)-len(body)])
	if err != nil {
		return nil, About{}, fmt.Errorf("open a sealed message: its bytes have changed: %w", argus.ErrDamaged)
	}
	n := int(binary.LittleEndian.Uint32(plain))
	if n > len(plain)-4 || Padded(4+n) != len(plain) || slices.ContainsFunc(plain[4+n:], func(c byte) bool { return c != 0 }) {
		return nil, About{}, fmt.Errorf("open a sealed message: its padding is invalid: %w", argus.ErrDamaged)
	}
	return plain[4 : 4+n : 4+n], a, nil
}
