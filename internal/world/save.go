package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save writes an invented case into a folder, and the truth about it into a file. The case is
// written as deliveries, as one file of Argus JSON lines (jsonl), or as meaningless lines for
// measurements (bench), for which there is no truth.
func Save(ctx context.Context, folder, truth, form string, o Options) error {
	lines := filepath.Join(folder, "messages.jsonl")
	if form == "bench" {
		return into(lines, func(w io.Writer) error { return Bench(w, o.Seed, o.Messages) })
	}
	w, err := New(o)
	if err != nil {
		return err
	}
	return into(truth, func(truth io.Writer) error {
		if form == "jsonl" {
			return into(lines, func(out io.Writer) error { return w.WriteLines(ctx, out, truth) })
		}
		return w.WriteDeliveries(ctx, folder, truth)
	})
}

// into writes a file, and makes the file's folder if it does not exist.
func into(name string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write an invented world: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	err = write(out)
	return errors.Join(err, out.Flush(), f.Close())
}
