// Package signed writes and reads files that are signed by the key of a store.
//
// A file is a note with one signature (c2sp.org/signed-note). Its text is a line that names
// the sort of file with its version, and one JSON object in the only valid form: whoever reads
// one encodes it again, and any difference is an error. So no byte can change unseen, and a
// field that this version does not know is refused. A signature proves who holds a key, and
// nothing about the truth of a file: each file is also refused if it contradicts itself.
// docs/format/exchange.md describes the files.
package signed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrRefused means that a file cannot be taken in; the error says why.
var ErrRefused = errors.New("the file is refused")

// Refuse returns an [ErrRefused] with a reason.
func Refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

// MaxFile is the longest signed file, in bytes.
const MaxFile = 32 << 20

// Sign makes the file of a sort, whose first line is head.
func Sign(head string, body any, signer note.Signer) ([]byte, error) {
	text, err := encode(body)
	if err != nil {
		return nil, err
	}
	file, err := note.Sign(&note.Note{Text: head + string(text)}, signer)
	if err == nil && len(file) > MaxFile {
		err = fmt.Errorf("it would have %d bytes; at most %d are possible", len(file), MaxFile)
	}
	return file, err
}

// Open reads the body of a file of a sort that the holder of a public key signed. The error is
// [ErrRefused] if the file is not exactly that.
func Open(file []byte, head, key string, body any) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("read the public key: %w", err)
	}
	if len(file) > MaxFile {
		return Refuse("it has more than %d bytes", MaxFile)
	}
	if !bytes.HasPrefix(file, []byte(head)) {
		return Refuse("it does not begin with %q", strings.TrimSpace(head))
	}
	n, err := note.Open(file, note.VerifierList(verifier))
	if err != nil {
		return Refuse("the key %s did not sign it as it is: %w", verifier.Name(), err)
	}
	signature := n.Sigs[0]
	_, err = base64.StdEncoding.Strict().DecodeString(signature.Base64) // a note's own reader ignores the last bits
	if err != nil || string(file) != n.Text+"\n— "+signature.Name+" "+signature.Base64+"\n" {
		return Refuse("it has more than one signature, or one in another form")
	}
	text := n.Text[len(head):]
	if err := json.Unmarshal([]byte(text), body); err != nil {
		return Refuse("%w", err)
	}
	again, err := encode(body)
	if err == nil && string(again) != text {
		err = errors.New("it has a field that this Argus does not know, or is not in the only valid form")
	}
	if err != nil {
		return Refuse("%w", err)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
