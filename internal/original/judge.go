package original

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/argus-evidence/argus"
)

// The file for the judge has a header like that of a file of blocks, and items in the order of
// their blocks: number of the block (4), length (4), a secret as in a table, encrypted to the
// judges. The last item is the SHA-256 of the original.
const (
	wholeItem = 1<<32 - 1
	itemHead  = 8
)

func appendItem(b []byte, block uint32, sealed []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, block)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sealed)))
	return append(b, sealed...)
}

// items reads the file for the judge sequentially.
type items struct {
	f    io.ReaderAt
	at   int64
	last uint32 // the block of the item that was found last; the item follows
	item []byte
	// err is the reason why there are no items. It matters only if an item is needed: withheld
	// bytes can be destroyed without the items.
	err error
}

func (c *changing) openItems() *items {
	i := &items{at: dataHead}
	i.f, i.err = c.openJudge()
	return i
}

// openJudge opens the file for the judge.
func (c *changing) openJudge() (io.ReaderAt, error) {
	if c.old.judge == (argus.Hash{}) {
		return nil, fmt.Errorf("nothing is withheld: %w", argus.ErrNotFound)
	}
	file := fileOf(c.old.name, judgeFile(c.old.change))
	f, err := c.s.disk.OpenFile(c.s.path(file), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Damage{file, -1, "the file is missing"}
	}
	if err != nil {
		return nil, err
	}
	c.files = append(c.files, f)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return nil, err
	}
	if argus.Hash(sum.Sum(nil)) != c.old.judge {
		return nil, &Damage{file, 0, "the keys for the judge differ from those stated in the table"}
	}
	return f, nil
}

// find returns the item of a block, and skips those before it. It may be called again for
// the same block.
func (i *items) find(block uint32) ([]byte, error) {
	if i.err != nil {
		return nil, i.err
	}
	if i.item != nil && i.last == block {
		return i.item, nil
	}
	head := make([]byte, itemHead)
	for {
		if _, err := i.f.ReadAt(head, i.at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		} else if err != nil {
			break
		}
		got, length := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		if got > block || length > mostText {
			break
		}
		at := i.at + itemHead
		i.at = at + int64(length)
		if got < block {
			continue
		}
		sealed := make([]byte, length)
		if n, err := i.f.ReadAt(sealed, at); n < len(sealed) && errors.Is(err, io.EOF) {
			break
		} else if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		i.last, i.item = block, sealed
		return sealed, nil
	}
	return nil, fmt.Errorf("the judge has no key for block %d: %w", block, argus.ErrDamaged)
}
