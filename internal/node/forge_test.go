package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
)

type forgery struct {
	name string
	do   func(dir string) error
	want []string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crcOf(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
}

// forgeries returns changes that somebody who knows the format could make.
func forgeries(t *testing.T, s states) (list []forgery) {
	add := func(name string, do func(dir string) error, want ...string) {
		list = append(list, forgery{name, do, want})
	}
	path := func(dir, file string) string { return filepath.Join(dir, filepath.FromSlash(file)) }
	edit := func(file string, change func(b []byte) []byte) func(dir string) error {
		return func(dir string) error {
			b, err := os.ReadFile(path(dir, file))
			if err != nil {
				return err
			}
			after := change(bytes.Clone(b))
			if bytes.Equal(b, after) {
				return errors.New("nothing was changed")
			}
			return put(path(dir, file), after)
		}
	}
	copyOf := func(from, file, to string) func(dir string) error {
		return func(dir string) error {
			if from != "" {
				dir, from = from, dir
			} else {
				from = dir
			}
			b, err := os.ReadFile(path(dir, file))
			if err != nil {
				return err
			}
			return put(path(from, to), b)
		}
	}
	all := func(steps ...func(dir string) error) func(dir string) error {
		return func(dir string) error {
			var err error
			for _, step := range steps {
				err = errors.Join(err, step(dir))
			}
			return err
		}
	}
	remove := func(files ...string) func(dir string) error {
		return func(dir string) error {
			for _, file := range files {
				if _, err := os.Lstat(path(dir, file)); err != nil {
					return err
				}
				if err := os.RemoveAll(path(dir, file)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	// whole replaces folders and files with those of another state.
	whole := func(of string, names ...string) func(dir string) error {
		return func(dir string) error {
			for _, name := range names {
				if err := os.RemoveAll(path(dir, name)); err != nil {
					return err
				}
				info, err := os.Stat(path(of, name))
				if err == nil && info.IsDir() {
					err = os.CopyFS(path(dir, name), os.DirFS(path(of, name)))
				} else if err == nil {
					err = copyOf(of, name, name)(dir)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
	}
	one := func(pattern string) string {
		t.Helper()
		names, err := filepath.Glob(path(s.now, pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		name, err := filepath.Rel(s.now, names[0])
		if err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(name)
	}
	data, list1 := one("originals/*/*.data"), one("lists/goods.1.*.txt")
	table := strings.TrimSuffix(data, ".data") + ".table"

	// Forgeries with correct checksums.
	seed := func(file string) func(dir string) error {
		return edit(file, func(b []byte) []byte {
			head, body := b[32:96], b[96:]
			body[0] ^= 1
			n := binary.LittleEndian.Uint32(head[8:])
			copy(head[52:], crcOf(body[:32+n]))
			copy(head[60:], crcOf(head[:60]))
			return b
		})
	}
	add("the salts of a block are others", seed("evidence/00000001.seg"), "damage evidence/00000001.seg of delivery D-0001 have the root", "damage ledger the opening of delivery D-0001")
	add("a segment has another number", edit("evidence/00000002.seg", func(b []byte) []byte {
		b[8] = 7
		copy(b[28:], crcOf(b[:28]))
		return b
	}), "damage evidence/00000002.seg has the number 7")
	add("a segment begins with another record", edit("evidence/00000002.seg", func(b []byte) []byte {
		b[12]++
		copy(b[28:], crcOf(b[:28]))
		return b
	}), "damage evidence/00000002.seg begins with record")
	block := func(at int) func(dir string) error {
		return edit("evidence/00000001.seg", func(b []byte) []byte {
			b[32+at]++
			copy(b[32+60:], crcOf(b[32:32+60]))
			return b
		})
	}
	add("a block begins with another record", block(24), "damage evidence/00000001.seg record 2 follows record 0")
	add("a block has another leaf", block(32), "damage evidence/00000001.seg the block holds leaf 1")
	add("a block is of another delivery", block(44), "damage evidence/00000001.seg", "may evidence/00000002.seg") // its block says the same
	add("a table of blocks names another record", edit("evidence/00000001.seg", func(b []byte) []byte {
		at := binary.LittleEndian.Uint32(b[len(b)-8:])
		b[at]++
		copy(b[len(b)-4:], crcOf(b[at:len(b)-4]))
		return b
	}), "damage evidence/00000001.seg differs from the blocks in the segment")
	slot := func(change func(slot []byte)) func(dir string) error {
		return edit("evidence/commit", func(b []byte) []byte {
			i := 0
			if binary.LittleEndian.Uint64(b[32:]) > binary.LittleEndian.Uint64(b) {
				i = 32
			}
			change(b[i : i+32])
			copy(b[i+28:], crcOf(b[i:i+28]))
			return b
		})
	}
	add("more is acknowledged than there is", slot(func(b []byte) { b[8] += 9 }), "damage evidence/ were acknowledged but are missing")
	add("the end lies before sealed records", slot(func(b []byte) { binary.LittleEndian.PutUint32(b[20:], 32) }), "damage evidence/commit an earlier copy")
	add("the end lies behind the file", slot(func(b []byte) { b[22]++ }), "damage evidence/ was acknowledged up to offset")
	listed := func(file string, change func(text string) string) func(dir string) error {
		return edit(file, func(b []byte) []byte {
			at := bytes.LastIndex(b, []byte("sha256 "))
			text := change(string(b[:at]))
			return fmt.Appendf([]byte(text), "sha256 %x\n", sha256.Sum256([]byte(text)))
		})
	}
	dropLine := func(text string) string {
		return text[:strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")+1]
	}
	add("the manifest leaves a segment out", listed("evidence/manifest", dropLine), "damage evidence/manifest an earlier copy")
	add("the manifest says another size", listed("evidence/manifest", func(text string) string { return strings.Replace(text, "bytes ", "bytes 1", 1) }), "damage evidence/00000001.seg the manifest states")
	add("the manifest says another generation", listed("evidence/manifest", func(text string) string { return strings.Replace(text, "generation 0", "generation 1", 1) }), "damage evidence/00000001-1.seg cannot be read", "note evidence/00000001.seg")
	add("the ids leave a run out", listed("evidence/ids/manifest", dropLine), "note evidence/ids/00000002.ids")
	add("the ids name a run that is not there", listed("evidence/ids/manifest", func(text string) string { return text + "00000009.ids\n" }), "damage evidence/ids")
	add("an id is another one", edit(one("evidence/ids/*.ids"), func(b []byte) []byte {
		b[len(b)/4096/2*4096+20] ^= 1
		page := b[len(b)/4096/2*4096:][:4096]
		copy(page[4092:], crcOf(page[:4092]))
		return b
	}), "damage evidence/ids do not match the messages")
	add("an original has another root", edit(table, func(b []byte) []byte {
		b[32] ^= 1
		copy(b[124:], crcOf(b[:124]))
		return b
	}), "damage "+table)
	add("an original has another size", edit(table, func(b []byte) []byte {
		b[24]++
		copy(b[124:], crcOf(b[:124]))
		return b
	}), "damage "+table)
	add("a block of an original has another hash", edit(table, func(b []byte) []byte {
		b[144+4] ^= 1
		copy(b[144+68:], crcOf(b[144:144+68]))
		return b
	}), "damage "+table)
	add("a block of an original has another key", edit(table, func(b []byte) []byte {
		b[216+16] ^= 1
		copy(b[216+48:], crcOf(b[216:216+48]))
		return b
	}), "damage originals/")
	add("the data of an original have another name", edit(data, func(b []byte) []byte {
		b[8] ^= 1
		copy(b[28:], crcOf(b[:28]))
		return b
	}), "damage "+data)
	indexed := func(old, new string) func(dir string) error {
		return edit("index/manifest", func(b []byte) []byte {
			line := regexp.MustCompile(old).ReplaceAll(b[:bytes.IndexByte(b, '\n')+1], []byte(new))
			return fmt.Appendf(line, "crc32c %08x\n", crc32.Checksum(line, castagnoli))
		})
	}
	add("the index has seen more", indexed(`"position":525`, `"position":526`), "damage index has records up to 526")
	add("the index has seen less", indexed(`"position":525`, `"position":524`), "damage index/0000000001.seg the index ends at record 524")
	add("the index is of other evidence", indexed(`("evidence":"D-0002 .)`, "${1}0"), "damage index/manifest")
	add("the index names no evidence", indexed(`"evidence":"[^"]*",`, ""), "damage index/manifest does not name its evidence")
	add("the index is without a segment", indexed(`,\{"name":"0000000001[^}]*\}`, ""), "damage index", "note index/0000000001.seg")
	add("the index is of another version", indexed(`"version":6`, `"version":4`), "note index a different version of Argus")

	// Signed with other keys, and with the true key.
	sign := func(file, private string, change func(text string) string) func(dir string) error {
		return edit(file, func(b []byte) []byte {
			text, _, _ := bytes.Cut(b, []byte("\n\n"))
			signer, err := note.NewSigner(private)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := note.Sign(&note.Note{Text: change(string(text) + "\n")}, signer)
			if err != nil {
				t.Fatal(err)
			}
			return signed
		})
	}
	same := func(text string) string { return text }
	name := layout.KeyName(storeID(t, s.now))
	foreign, _, err := ledger.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	add("a seal signed by another key", sign("deliveries/D-0002.seal", foreign, same), "damage deliveries/D-0002.seal signature")
	add("a checkpoint signed by another key", sign("ledger/checkpoint", foreign, same), "damage ledger/checkpoint no verifiable signatures")
	add("a seal that says other counts, signed by the true key", sign("deliveries/D-0001.seal", s.private, func(text string) string { return strings.Replace(text, `"read": `, `"read": 1`, 1) }), "damage deliveries/D-0001.seal")
	add("a seal that names another ledger, signed by the true key", sign("deliveries/D-0002.seal", s.private, func(text string) string {
		return regexp.MustCompile(`"entries": \d+`).ReplaceAllString(text, `"entries": 3`)
	}), "damage deliveries/D-0002.seal but the ledger has", "damage ledger when delivery D-0002 was sealed")
	add("a checkpoint over another root, signed by the true key", sign("ledger/checkpoint", s.private, func(text string) string { return strings.Replace(text, "\n", "\n1", 1) }), "damage ledger/")
	add("a checkpoint with two signatures", edit("ledger/checkpoint", func(b []byte) []byte { return append(b, b[bytes.LastIndex(b, []byte("— ")):]...) }), "damage ledger/checkpoint")
	add("a seal with a line behind it", edit("deliveries/D-0001.seal", func(b []byte) []byte { return append(b, b[bytes.LastIndex(b, []byte("— ")):]...) }), "damage deliveries/D-0001.seal")

	// Well formed, but different from the ledger.
	add("another size of segments", edit("argus.json", replace(`"segment_bytes": 4000`, `"segment_bytes": 4001`)), "damage argus.json")
	add("a store of a format to come", edit("argus.json", replace(`"format": 2`, `"format": 3`)), "damage argus.json")
	add("an authority for somebody", edit("authorities/A-0002.json", replace(`"anna"`, `"eve"`)), "damage authorities/A-0002.json")
	add("a revocation with another reason", edit("authorities/A-0002.revoked.json", replace("over", "oven")), "damage authorities/A-0002.revoked.json")
	add("an authority that nobody added", copyOf("", "authorities/A-0002.json", "authorities/A-0003.json"), "damage authorities/A-0003.json the ledger has no entry for this")
	add("a revocation that nobody made", copyOf("", "authorities/A-0002.revoked.json", "authorities/A-0001.revoked.json"), "damage authorities/A-0001.revoked.json the ledger has no entry for this")
	add("a list that nobody added", copyOf("", list1, "lists/others.1."+strings.Repeat("0", 64)+".txt"), "damage lists/others.1."+strings.Repeat("0", 64)+".txt the ledger has no entry for this")
	add("a list under the hash of its new words", all(edit(list1, replace("snow", "hail")), func(dir string) error {
		return os.Rename(path(dir, list1), path(dir, fmt.Sprintf("lists/goods.1.%x.txt", sha256.Sum256([]byte("hail\n")))))
	}), "damage "+list1, fmt.Sprintf("damage lists/goods.1.%x.txt", sha256.Sum256([]byte("hail\n"))))
	add("an envelope with other words", edit("ledger/envelopes/000", replace(`"crates 7"`, `"plates 7"`)), "damage ledger/envelopes/000 not the one that was recorded")
	add("an envelope overwritten without an order", edit("ledger/envelopes/000", func(b []byte) []byte {
		at := bytes.Index(b, []byte(`{"entry":9,`))
		end := at + bytes.IndexByte(b[at:], '\n')
		copy(b[at:end], bytes.Repeat([]byte(" "), end-at))
		return b
	}), "damage ledger/envelopes/000 no order in the ledger destroyed")
	add("a destroyed envelope put back", copyOf(s.earlier, "ledger/envelopes/000", "ledger/envelopes/000"), "damage ledger/envelopes/000 earlier copy")
	add("a mark of destroying without an act", func(dir string) error {
		return put(path(dir, "ledger/envelopes/destroying"), []byte("262 7-9\n"))
	}, "note ledger/envelopes/destroying")

	// Added.
	stray := func(from, to string, want ...string) { add("added: "+to, copyOf("", from, to), want...) }
	stray("evidence/00000004.seg", "evidence/00000005.seg", "damage evidence/00000005.seg")
	stray("evidence/00000001.seg", "evidence/00000009.seg", "damage evidence/00000009.seg")
	stray("evidence/00000001.seg", "evidence/00000001-1.seg", "note evidence/00000001-1.seg")
	stray(one("evidence/ids/*.ids"), "evidence/ids/00000009.ids", "note evidence/ids/00000009.ids")
	stray("deliveries/D-0002.seal", "deliveries/D-0003.seal", "note deliveries/D-0003.seal")
	stray("deliveries/D-0002.tree", "deliveries/D-0003.tree", "note deliveries/D-0003.tree")
	stray(data, "originals/00/"+strings.Repeat("0", 30)+".data", "note originals/00/"+strings.Repeat("0", 30)+".data")
	stray(table, "originals/00/"+strings.Repeat("0", 30)+".table", "note originals/00/"+strings.Repeat("0", 30)+".table")
	stray(data, "originals/letter.data", "note originals/letter.data")
	stray("ledger/tile/entries/000", "ledger/tile/entries/007", "note ledger/tile/entries/007")
	stray("ledger/tile/0/000", "ledger/tile/2/000", "note ledger/tile/2/000")
	stray("ledger/envelopes/000", "ledger/envelopes/007", "note ledger/envelopes/007")
	stray("ledger/checkpoint", "ledger/checkpoint.old", "note ledger/checkpoint.old")
	stray("index/0000000000.seg", "index/0000000009.seg", "note index/0000000009.seg")
	stray("keys/store.pub", "keys/other.pub", "note keys/other.pub")
	stray("argus.json", "format-1/argus.json", "damage format-1/argus.json")
	stray("deliveries/D-0001.seal", "notes/D-0001.seal", "note notes")

	// Several changes at once.
	add("seal and tree deleted", remove("deliveries/D-0002.seal", "deliveries/D-0002.tree"), "damage deliveries/D-0002.seal no sound seal")
	add("all seals deleted", remove("deliveries"), "damage deliveries", "damage deliveries/")
	add("two seals change places", all(whole(s.now, "deliveries"), copyOf(s.now, "deliveries/D-0002.seal", "deliveries/D-0001.seal"), copyOf(s.now, "deliveries/D-0001.seal", "deliveries/D-0002.seal")), "damage deliveries/D-0001.seal", "damage deliveries/D-0002.seal")
	add("seals and trees change places", all(copyOf(s.now, "deliveries/D-0002.seal", "deliveries/D-0001.seal"), copyOf(s.now, "deliveries/D-0001.seal", "deliveries/D-0002.seal"),
		copyOf(s.now, "deliveries/D-0002.tree", "deliveries/D-0001.tree"), copyOf(s.now, "deliveries/D-0001.tree", "deliveries/D-0002.tree")),
		"damage deliveries/")
	add("the seals of before", whole(s.earlier, "deliveries"), "damage deliveries/D-0002.seal no sound seal")
	add("the ledger of before", whole(s.earlier, "ledger"), "damage ledger when delivery D-0002 was sealed", "damage authorities/A-0002.revoked.json", "damage lists/", "damage ledger its opening")
	add("the ledger and the seals of before", whole(s.earlier, "ledger", "deliveries"), "damage authorities/A-0002.revoked.json", "damage lists/", "damage ledger delivery D-0002 has records, but the ledger has no entry for its opening")
	add("the ledger, seals, authorities and lists of before", whole(s.earlier, "ledger", "deliveries", "authorities", "lists"), "damage ledger delivery D-0002 has records, but the ledger has no entry for its opening")
	add("the evidence of before", whole(s.earlier, "evidence"), "damage deliveries/D-0002.seal", "damage index has records up to 525")
	add("the evidence and seals of before", whole(s.earlier, "evidence", "deliveries"), "damage deliveries/D-0002.seal", "damage index has records up to 525")
	add("the evidence, seals and index of before", whole(s.earlier, "evidence", "deliveries", "index"), "damage deliveries/D-0002.seal the ledger records the seal of the delivery")
	add("the authorities of before", whole(s.earlier, "authorities"), "damage authorities/A-0002.revoked.json is missing")
	add("the lists of before", whole(s.earlier, "lists"), "damage lists/ is missing")
	add("an authority and its revocation deleted", remove("authorities/A-0002.json", "authorities/A-0002.revoked.json"), "damage authorities/A-0002.json", "damage authorities/A-0002.revoked.json")
	add("the index of before", whole(s.earlier, "index"))
	add("the ids of before", whole(s.earlier, "evidence/ids"))
	add("commit and manifest of before", whole(s.earlier, "evidence/commit", "evidence/manifest"), "damage evidence/", "damage deliveries/D-0002.seal", "damage index")
	// No folder can reveal these, as SECURITY.md says; receipts that are kept elsewhere
	// can.
	add("all of before", whole(s.earlier, "ledger", "evidence", "deliveries", "authorities", "lists", "originals", "index"))
	add("the index of another store", whole(s.other, "index"), "damage index/manifest", "damage index")
	add("index manifest and segments, and no lock", remove("index/manifest", "index/0000000000.seg", "index/0000000001.seg", "index/lock"), "note index/lock")
	add("the ids of another store", whole(s.other, "evidence/ids"), "damage evidence/ids")
	add("the ledger of another store", whole(s.other, "ledger"), "damage ledger/checkpoint")
	add("ledger and key of another store", whole(s.other, "ledger", "keys"), "damage argus.json", "damage deliveries/", "damage authorities/", "damage ledger", "damage lists/")
	add("the seals of another store", whole(s.other, "deliveries"), "damage deliveries/D-0001.seal", "damage deliveries/D-0002.seal")
	add("the evidence of another store", whole(s.other, "evidence"), "damage evidence/", "damage deliveries/", "damage originals/", "damage index", "damage ledger")
	add("the originals of another store", whole(s.other, "originals"), "damage originals/ is missing")
	add("all originals deleted", remove("originals"), "damage originals", "damage originals/ the table of the original is missing")
	add("data and table of an original deleted", remove(data, table), "damage "+table)
	add("all tiles deleted", remove("ledger/tile"), "damage ledger/")
	add("all envelopes deleted", remove("ledger/envelopes"), "damage ledger/envelopes/000", "damage ledger/envelopes/001")
	add("the ledger deleted", remove("ledger"), "damage ledger the folder is missing")
	add("the key deleted", remove("keys"), "damage keys/store.pub")
	add("a folder that is a link", func(dir string) error {
		return errors.Join(os.RemoveAll(path(dir, "deliveries")), os.Symlink(path(s.now, "deliveries"), path(dir, "deliveries")))
	}, "note deliveries a link to a folder")
	return list
}

func storeID(t *testing.T, dir string) string {
	t.Helper()
	info, err := layout.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.Store
}
