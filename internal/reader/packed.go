package reader

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Archives other than zip: tar, and single compressed files, which often hold a tar.

// packing is one way of packing files.
type packing struct {
	// magic is the text at a fixed place in the file.
	magic string
	at    int
	// endings are pairs: the ending of a file name, and its replacement after unpacking.
	endings [][2]string
	// open decompresses; it is nil for zip and tar archives.
	open func(io.Reader) (io.ReadCloser, error)
}

var (
	tarPacking = &packing{magic: "ustar", at: 257}
	packings   = []*packing{
		{magic: zipLocal}, {magic: zipEnd}, tarPacking,
		{magic: "\x1F\x8B\x08", endings: [][2]string{{".tgz", ".tar"}, {".gz", ""}}, open: func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
		{magic: "1AY&SY", at: 4, endings: [][2]string{{".tbz2", ".tar"}, {".bz2", ""}}, open: func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
		{magic: "\x28\xB5\x2F\xFD", endings: [][2]string{{".tzst", ".tar"}, {".zst", ""}}, open: openZstd},
	}
)

// zstdWindow is the maximum amount of memory that decompression may use, in bytes.
const zstdWindow = 128 << 20

func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(zstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// packedHead is how many bytes at the beginning of a file show how it is packed.
const packedHead = 512

// packingOf returns how a file is packed, or nil if it is not packed.
func packingOf(head []byte) *packing {
	for _, p := range packings {
		if len(head) >= p.at && bytes.HasPrefix(head[p.at:], []byte(p.magic)) {
			return p
		}
	}
	if isOldTar(head) {
		return tarPacking
	}
	return nil
}

// isOldTar recognises a tar from before 1988 by the checksum of its first header, which
// counts its own eight bytes as spaces.
func isOldTar(head []byte) bool {
	if len(head) < 512 || head[0] == 0 {
		return false
	}
	stated, err := strconv.ParseInt(strings.Trim(string(head[148:156]), " \x00"), 8, 64)
	sum := int64(8 * ' ')
	for i, c := range head[:512] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return err == nil && stated == sum
}

// unpacked returns the name of an unpacked file.
func (p *packing) unpacked(name string) string {
	name = path.Base(name)
	for _, e := range p.endings {
		if n := len(name) - len(e[0]); n > 0 && strings.EqualFold(name[n:], e[0]) {
			return name[:n] + e[1]
		}
	}
	return "content"
}

// compressed yields the file that a compressed file unpacks to, or its contents.
func (w *walk) compressed(p *packing, name, inside string, file io.ReaderAt, size int64, depth int) error {
	w.stored.Reset(io.NewSectionReader(file, 0, size))
	stored := &countingReader{r: w.stored}
	s := &Spool{temp: w.limits.Temp}
	defer s.Close()
	inner := p.unpacked(name)
	content, err := p.open(stored)
	var bad *EntryError
	if err == nil {
		defer content.Close()
		bad, err = w.pour("file", s, stored, content, io.Discard)
	} else if stored.err == nil {
		bad, err = &EntryError{reason: fmt.Sprintf("the file is damaged: it does not begin like a compressed file (%v)", err)}, nil
	}
	switch {
	case err != nil:
		return err
	case bad != nil && (bad.limit || s.Size == 0):
		return w.problem(inside+inner, "%s", bad.reason)
	case bad != nil:
		if err := w.problem(inside+inner, "%s; it is read as it is", bad.reason); err != nil {
			return err
		}
	}
	// It is placed beside the compressed file, and so beside the files that it names.
	return w.file(path.Join(path.Dir(name), inner), inside+inner, s.ReaderAt(), s.Size, depth+1)
}

// pour unpacks into a spool, and also into a writer that never fails. It separates
// faults of the unpacked data from those of this machine.
func (w *walk) pour(what string, s *Spool, stored *countingReader, content io.Reader, besides io.Writer) (bad *EntryError, _ error) {
	for {
		n, err := content.Read(w.chunk)
		_, _ = besides.Write(w.chunk[:n])
		if w.unfold -= int64(n); w.unfold < 0 {
			return &EntryError{fmt.Sprintf("the archive unpacks to more than %d bytes; the rest of it is not read", w.limits.Bytes), true, true}, nil
		}
		if err := s.write(w.chunk[:n]); err != nil {
			return nil, err
		}
		if s.Size > w.limits.RatioFrom && s.Size/w.limits.Ratio > stored.n {
			return &EntryError{fmt.Sprintf("the %s unpacks to more than %d times its stored size", what, w.limits.Ratio), true, false}, nil
		}
		switch {
		case err == nil:
		case stored.err != nil:
			return nil, fmt.Errorf("unpack an archive: %w", stored.err)
		case errors.Is(err, io.EOF):
			return nil, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return &EntryError{reason: fmt.Sprintf("the %s is cut off: its compressed bytes end early, after %d bytes of content", what, s.Size)}, nil
		default:
			return &EntryError{reason: fmt.Sprintf("the %s is damaged: its compressed bytes are invalid after %d bytes of content", what, s.Size)}, nil
		}
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// tar yields the contents of a tar archive; the entries are read in place.
func (w *walk) tar(name, inside, path string, file io.ReaderAt, size int64, depth int) error {
	stored := io.NewSectionReader(file, 0, size)
	archive := tar.NewReader(stored)
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return w.tarEnd(path, file, size)
		}
		at, seekErr := stored.Seek(0, io.SeekCurrent)
		if err == nil {
			err = seekErr
		}
		if err != nil {
			return w.problem(path, "the archive is cut off or damaged before byte %d (%v); the rest of it is not read", at, err)
		}
		label := entryName([]byte(withoutDots(h.Name)))
		if w.entries++; w.entries > w.limits.Entries {
			return w.problem(inside+label, "the archive has more than %d entries; the rest of it is not read", w.limits.Entries)
		}
		switch {
		case h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader:
			continue
		case h.Typeflag != tar.TypeReg || isSparse(h):
			err = w.problem(inside+label, "the entry is no file of bytes but a link, a device or a file with holes (kind %q); it is not read", h.Typeflag)
		default:
			there := min(h.Size, size-at)
			if there < h.Size {
				if err := w.problem(inside+label, "the entry is cut off: %d of its %d bytes are there; it is read as it is", there, h.Size); err != nil {
					return err
				}
			}
			err = w.file(name+"!/"+label, inside+label, io.NewSectionReader(file, at, there), there, depth+1)
		}
		if err != nil {
			return err
		}
	}
}

// withoutDots removes the ./ at the beginning of a name, which tar writes when a folder is
// packed from inside.
func withoutDots(name string) string {
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	return name
}

// tarEnd yields a problem if a tar does not end with blocks of zeros.
func (w *walk) tarEnd(path string, file io.ReaderAt, size int64) error {
	end := make([]byte, min(size, 512))
	if n, err := file.ReadAt(end, size-int64(len(end))); n < len(end) {
		return fmt.Errorf("read the end of an archive: %w", err)
	}
	if len(bytes.Trim(end, "\x00")) > 0 {
		return w.problem(path, "the archive has no end: it may have been cut off after its last entry")
	}
	return nil
}

// isSparse reports whether some bytes of an entry are not in the archive.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// LooksLike describes a file that no reader recognises and suggests how to proceed. It
// returns "" if the file does not look like anything known.
func LooksLike(s Sample) string {
	for _, l := range looks {
		if strings.HasPrefix(l.words, "JSON") && !looksLikeJSON(s.Text) {
			continue
		}
		if len(s.Head) >= l.at && bytes.HasPrefix(s.Head[l.at:], []byte(l.magic)) && (l.ending == "" || strings.Contains(strings.ToLower(path.Base(s.Name)), l.ending)) {
			return l.words
		}
	}
	if s.Text != nil {
		return "text in an unknown form: --format names a reader, --via a program of yours"
	}
	return ""
}

// looksLikeJSON reports whether a text begins like a JSON object or list, beyond the opening
// bracket.
func looksLikeJSON(text []byte) bool {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return false
	}
	inside := bytes.TrimLeft(text[1:], " \t\r\n")
	switch {
	case len(inside) == 0:
		return true
	case text[0] == '{':
		return inside[0] == '"' || inside[0] == '}'
	}
	return bytes.IndexByte([]byte("{[\"]"), inside[0]) >= 0
}

const concordance = "a load file of Concordance, which is not read yet: request its mails as EML or PST, or its table as CSV"

// proposes says how a source of an unknown program can be read.
const proposes = ": argus map proposes how to read it"

const needsKey = ", which is encrypted and cannot be read without its key"

// looks lists the files that are recognised but not read.
var looks = []struct {
	magic  string
	at     int
	ending string // part of the name
	words  string
}{
	{"7z\xBC\xAF\x27\x1C", 0, "", "a 7-Zip archive: hand over its content as well"},
	{"Rar!\x1A\x07", 0, "", "a RAR archive: hand over its content as well"},
	{"\xFD7zXZ\x00", 0, "", "a file compressed with xz: hand over its content as well"},
	{"-----BEGIN MEGOLM SESSION DATA-----", 0, "", "Matrix keys, exported and encrypted with a passphrase"},
	{"-----BEGIN PGP", 0, "", "an OpenPGP message or key"},
	{"\xAC\xED\x00\x05", 0, "", "a Java object, such as WhatsApp's key file"},
	{"", 0, ".crypt1", "a WhatsApp backup" + needsKey},
	{"\x00\x00", 0, ".backup", "a Signal backup" + needsKey},
	{"\xEF\xBB\xBF\xC3\xBE", 0, "", concordance},
	{"\xC3\xBE", 0, ".dat", concordance},
	{"\xFE", 0, ".dat", concordance},
	{"ANDROID BACKUP\n", 0, "", "a backup of Android (adb backup), which is not read yet: hand over the databases in it"},
	{"EVF\t\r\n\xFF\x00", 0, "", "the image of a disk (E01), which is not read yet: hand over the files in it"},
	{"ADSEGMENTEDFILE", 0, "", "an image of files (AD1), which is not read yet: hand over the files in it"},
	{"TDF$", 0, "", "Telegram Desktop's own data, which is encrypted: export the chats from the program as JSON"},
	{"\xCF\xAD\x12\xFE", 0, "", "a folder of Outlook Express (DBX), which is not read yet: hand over its mails as EML or mbox"},
	{"\x1A\x00\x00\x04\x00\x00", 0, "", "a database of Lotus Notes (NSF), which is not read yet: hand over its mails as EML or mbox"},
	{"bplist00", 0, "", "a property list"},
	{"%PDF", 0, "", "a PDF document"},
	{"\xFF\xD8\xFF", 0, "", "a picture (JPEG)"},
	{"\x89PNG", 0, "", "a picture (PNG)"},
	{"GIF8", 0, "", "a picture (GIF)"},
	{"WEBP", 8, "", "a picture (WebP)"},
	{"ftyp", 4, "", "a video or a voice message (MP4)"},
	{"OggS", 0, "", "a voice message (Ogg)"},
	{"ID3", 0, "", "sound (MP3)"},
	{CompoundMagic, 0, "", "an Office document or another compound file"},
	{databaseMagic, 0, "", "an SQLite database of an unknown program" + proposes},
	{zipLocal, 0, "", "a zip archive"},
	{"{", 0, "", "JSON in an unknown form, or cut off: argus map proposes how to read it, --format names a reader, --via a program of yours"},
	{"[", 0, "", "JSON in an unknown form, or cut off: argus map proposes how to read it, --format names a reader, --via a program of yours"},
	{"<!DOCTYPE", 0, "", "XML or HTML with a document type, which Argus does not follow: --format names a reader"},
	{"<?xml", 0, "", "XML in an unknown form: --format names a reader, --via a program of yours"},
}
