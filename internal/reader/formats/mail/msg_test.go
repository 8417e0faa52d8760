package mail

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// cfbEntry is a storage or a stream of a compound file.
type cfbEntry struct {
	name    string
	content []byte     // of a stream
	inside  []cfbEntry // of a storage
}

// compoundFile writes a compound file (MS-CFB, version 3) in the simplest way: each stream is
// padded to 4096 bytes, so that it has its own sectors, and the entries of a storage are a
// chain of right siblings.
func compoundFile(entries []cfbEntry) []byte {
	const sector, free, end, none = 512, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
	var data []byte
	var chain []uint32
	var directory []byte
	store := func(content []byte) (first uint32) {
		first = uint32(len(chain))
		padded := append(bytes.Clone(content), make([]byte, (sector-len(content)%sector)%sector)...)
		data = append(data, padded...)
		for range len(padded) / sector {
			chain = append(chain, uint32(len(chain)+1))
		}
		chain[len(chain)-1] = end
		return first
	}
	record := func(name string, kind byte) []byte {
		e := make([]byte, 128)
		for i, c := range utf16.Encode([]rune(name)) {
			binary.LittleEndian.PutUint16(e[2*i:], c)
		}
		binary.LittleEndian.PutUint16(e[64:], uint16(2*len(name)+2))
		e[66], e[67] = kind, 1
		for _, at := range []int{68, 72, 76} {
			binary.LittleEndian.PutUint32(e[at:], none)
		}
		return e
	}
	var add func(entries []cfbEntry) uint32
	add = func(entries []cfbEntry) uint32 {
		first, last := uint32(none), -1
		for _, e := range entries {
			index := len(directory) / 128
			kind := byte(2)
			if e.inside != nil {
				kind = 1
			}
			directory = append(directory, record(e.name, kind)...)
			if last < 0 {
				first = uint32(index)
			} else {
				binary.LittleEndian.PutUint32(directory[128*last+72:], uint32(index))
			}
			last = index
			if e.inside != nil {
				child := add(e.inside)
				binary.LittleEndian.PutUint32(directory[128*index+76:], child)
				continue
			}
			size := len(e.content)
			if !strings.HasSuffix(e.name, "0102") { // bytes state their size
				e.content = append(bytes.Clone(e.content), make([]byte, max(0, 4096-size))...)
				size = len(e.content)
			}
			if size < 4096 {
				e.content = append(e.content, make([]byte, 4096-size)...)
				size = 4096
			}
			binary.LittleEndian.PutUint32(directory[128*index+116:], store(e.content))
			binary.LittleEndian.PutUint32(directory[128*index+120:], uint32(size))
		}
		return first
	}
	directory = record("Root Entry", 5)
	binary.LittleEndian.PutUint32(directory[116:], end)
	child := add(entries)
	binary.LittleEndian.PutUint32(directory[76:], child)
	for len(directory)%sector != 0 {
		directory = append(directory, make([]byte, 128)...)
	}
	directoryAt := store(directory)
	fatAt := uint32(len(chain))
	fats := 1
	for len(chain)+fats > fats*sector/4 {
		fats++
	}
	for range fats {
		chain = append(chain, 0xFFFFFFFD)
	}
	fat := make([]byte, fats*sector)
	for i := range len(fat) / 4 {
		next := uint32(free)
		if i < len(chain) {
			next = chain[i]
		}
		binary.LittleEndian.PutUint32(fat[4*i:], next)
	}
	header := make([]byte, sector)
	copy(header, reader.CompoundMagic)
	for at, value := range map[int]uint16{24: 0x3E, 26: 3, 28: 0xFFFE, 30: 9, 32: 6} {
		binary.LittleEndian.PutUint16(header[at:], value)
	}
	for at, value := range map[int]uint32{44: uint32(fats), 48: directoryAt, 56: 4096, 60: end, 68: end} {
		binary.LittleEndian.PutUint32(header[at:], value)
	}
	for i := range 109 {
		value := uint32(free)
		if i < fats {
			value = fatAt + uint32(i)
		}
		binary.LittleEndian.PutUint32(header[76+4*i:], value)
	}
	return slices.Concat(header, data, fat)
}

// msgText is a property that is text.
func msgText(number, text string) cfbEntry {
	var content []byte
	for _, c := range utf16.Encode([]rune(text)) {
		content = binary.LittleEndian.AppendUint16(content, c)
	}
	return cfbEntry{name: msgStream + number + "001F", content: content}
}

// msgTimes are the properties of a mail that are not text: the time of sending.
func msgTimes(head int, unix uint64) cfbEntry {
	times := make([]byte, head+16)
	binary.LittleEndian.PutUint32(times[head:], msgSubmitted<<16|msgTypeTime)
	binary.LittleEndian.PutUint64(times[head+8:], (unix+filetimeToUnixSec)*1e7)
	return cfbEntry{name: msgFixed, content: times}
}

// msgExample is a mail that never went over the internet and so has no header.
func msgExample(more ...cfbEntry) []byte {
	return compoundFile(append([]cfbEntry{
		msgTimes(msgFixedHeader, 1613300591),
		msgText("0037", "Loods 🌟"), msgText("0C1A", "Bee"), msgText("5D01", "Bee@X.test"), msgText("1000", "tien uur\r\nbij de loods"),
		msgText("1035", "<2@x.test>"), msgText("1039", "<0@x.test> <1@x.test>"), msgText("1042", "<1@x.test>"), msgText("0070", "Loods"),
		{name: msgRecipient + "00000000", inside: []cfbEntry{msgText("3001", "Cee"), msgText("39FE", "cee@x.test")}},
		{name: msgAttachment + "00000000", inside: []cfbEntry{msgText("3707", "kist.jpg"), msgText("370E", "image/jpeg"), {name: msgStream + "37010102", content: bytes.Repeat([]byte("invented"), 600)}}},
	}, more...))
}

// MSGExamples are mails, whole and damaged.
func MSGExamples() map[string][]byte {
	return map[string][]byte{
		"inside": msgExample(),
		"sent": msgExample(msgText("007D", "Received: from mx\r\nFrom: =?utf-8?q?B=C3=A9e?= <bee@x.test>\r\nTo: cee@x.test, dee@x.test\r\nDate: Sun, 14 Feb 2021 13:03:11 +0100\r\n"+
			"Message-ID: <2@x.test>\r\nReferences: <0@x.test>\r\n\r\n")),
		"forward": msgExample(cfbEntry{name: msgAttachment + "00000001", inside: []cfbEntry{msgText("3001", "eerste"), {name: msgInside, inside: []cfbEntry{
			msgTimes(msgInsideHeader, 1613300000), msgText("0037", "eerste"), msgText("0C1F", "eef@x.test"), msgText("1000", "kade 7"),
			{name: msgRecipient + "00000000", inside: []cfbEntry{msgText("39FE", "bee@x.test")}},
			{name: msgAttachment + "00000000", inside: []cfbEntry{msgText("3001", "nobody's"), {name: msgInside, inside: []cfbEntry{msgText("1000", "x")}}}},
		}}}}),
		"empty": compoundFile(nil),
		"cut":   msgExample()[:4096],
	}
}

// TestMSGMutations damages a mail at random: the fuzzer minimises too slowly for a file of
// this size.
func TestMSGMutations(t *testing.T) {
	good := msgExample()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		broken := bytes.Clone(good)
		for range 1 + random.IntN(20) {
			// Half of the damage is in the tables, at the beginning and the end.
			at := random.IntN(len(broken))
			if random.IntN(2) == 0 {
				at = (len(broken) - 2048 + random.IntN(2560)) % len(broken)
			}
			broken[at] ^= byte(1 + random.IntN(255))
		}
		readertest.Check(t, MSG, readertest.Input("f", broken[:len(broken)-random.IntN(2)*random.IntN(len(broken))], reader.Options{MaxRecord: 1 << 12}))
	}
}

func FuzzMSG(f *testing.F) {
	good := msgExample()
	f.Add([]byte{}, uint16(1<<16-1))
	f.Add([]byte{44, 0, 0, 0, 1, 0, 2, 0, 0, 7}, uint16(1<<15))
	f.Fuzz(func(t *testing.T, changes []byte, kept uint16) {
		file := readertest.Broken(good, changes, kept)
		readertest.Check(t, MSG, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
		MSG.Detect(reader.Sample{Head: file, Text: file})
	})
}
