package reader_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// zip64Of makes an archive of one stored entry that states each size and place in 64
// bits, as archives beyond 4 GiB must.
func zip64Of(t testing.TB, name, content string) string {
	t.Helper()
	var b []byte
	u16, u32, u64 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	const none = 0xFFFFFFFF
	fields := func(b []byte, extra uint16) []byte { // the fields from the flags to the size of the extra field
		b = u16(u16(b, 0), 0)
		b = u32(b, 0)
		b = u32(b, checksum([]byte(content)))
		b = u32(u32(b, none), none)
		return u16(u16(b, uint16(len(name))), extra)
	}
	b = append(fields(u16(append(b, reader.ZipLocal...), 45), 20), name...)
	b = u64(u64(u16(u16(b, 1), 16), uint64(len(content))), uint64(len(content)))
	b = append(b, content...)
	directory := uint64(len(b))
	b = fields(u16(u16(append(b, reader.ZipCentral...), 45), 45), 28)
	b = u32(u32(u16(u16(u16(b, 0), 0), 0), 0), none)
	b = append(b, name...)
	b = u64(u64(u64(u16(u16(b, 1), 24), uint64(len(content))), uint64(len(content))), 0)
	end := uint64(len(b))
	b = u64(append(b, reader.Zip64End...), 44)
	b = u32(u32(u16(u16(b, 45), 45), 0), 0)
	b = u64(u64(u64(u64(b, 1), 1), end-directory), directory)
	b = u32(u64(u32(append(b, reader.Zip64Locator...), 0), end), 1)
	b = u32(u32(u16(u16(u16(u16(append(b, reader.ZipEnd...), 0), 0), 0xFFFF), 0xFFFF), none), none)
	b = u16(b, 0)
	if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatalf("archive/zip does not read the example: %v", err)
	}
	return string(b)
}

// overlapping makes an archive whose two entries are the same bytes.
func overlapping(t testing.TB) []byte {
	content := strings.Repeat("x", 300)
	file := zippedRaw(t, "a", content, "b", content)
	second := bytes.LastIndex(file, []byte(reader.ZipLocal))
	directory := bytes.Index(file, []byte(reader.ZipCentral))
	short := append(bytes.Clone(file[:second]), file[directory:]...)
	removed := uint32(directory - second)
	central := bytes.LastIndex(short, []byte(reader.ZipCentral))
	binary.LittleEndian.PutUint32(short[central+42:], 0)
	end := bytes.LastIndex(short, []byte(reader.ZipEnd))
	offset := short[end+16:]
	binary.LittleEndian.PutUint32(offset, binary.LittleEndian.Uint32(offset)-removed)
	return short
}

func TestZipDirectoryOfManyEntries(t *testing.T) {
	var pairs []string
	for range 70_000 { // more than 16 bits can count
		pairs = append(pairs, "stored:x", "")
	}
	file := readertest.Zipped(t, pairs...)
	sample, err := reader.NewSample("x.zip", bytes.NewReader(file), int64(len(file)))
	if err != nil || len(sample.Entries) != reader.SampleEntries {
		t.Errorf("%d names: %v", len(sample.Entries), err)
	}
	if n := len(walked(t, "x.zip", file, reader.Limits{})); n != 70_000 {
		t.Errorf("%d files", n)
	}
}
