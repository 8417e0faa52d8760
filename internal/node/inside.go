package node

import (
	"context"
	"io"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// inside reads the bytes of a record from a file inside an archive. It walks the archive
// as the intake did.
func (n *Node) inside(ctx context.Context, original argus.Original, file io.ReaderAt, where argus.Where, data []byte) error {
	for f, err := range n.o.Formats.Files(ctx, original.Path, file, original.Size, reader.Limits{Temp: n.temp}) {
		if err != nil {
			return err
		}
		if f.Path != where.Path || f.Problem != "" {
			continue
		}
		_, err := io.ReadFull(io.NewSectionReader(f.Input.File, where.Offset, int64(len(data))), data)
		return err
	}
	return argus.ErrNotFound
}
