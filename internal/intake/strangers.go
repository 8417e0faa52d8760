package intake

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// stranger is a file that no reader recognised.
type stranger struct {
	where argus.Where
	name  string // key of holdings
	looks string // the known kind of file that it looks like, or ""
}

// kinds counts, for files with the same folder and ending, those in which each format found
// a message.
type kinds map[string]map[string]int

const (
	mostKinds   = 1 << 16 // folders and endings remembered
	mostFormats = 8       // of each
)

// kindOf returns the key that similar files share: the folder, and the name's ending.
func kindOf(name string) string { return path.Dir(name) + "\x00" + strings.ToLower(path.Ext(name)) }

// add notes that a reader found a message in a file.
func (k *kinds) add(name, reader string) {
	if *k == nil {
		*k = kinds{}
	}
	kind := kindOf(name)
	formats := (*k)[kind]
	if formats == nil && len(*k) < mostKinds {
		formats = map[string]int{}
		(*k)[kind] = formats
	}
	if format, _, _ := strings.Cut(reader, "/"); formats != nil && (formats[format] > 0 || len(formats) < mostFormats) {
		formats[format]++
	}
}

// of returns the format of most of the files next to a file, or "" if there is none.
func (k kinds) of(name string) (format string) {
	formats := k[kindOf(name)]
	for other, n := range formats {
		if n > formats[format] || n == formats[format] && other < format {
			format = other
		}
	}
	return format
}

// settleStrangers accounts for the files that no reader recognised: those that a message names
// are attachments, others are read like the files next to them, and the rest are quarantined.
func (in *intake) settleStrangers(ctx context.Context) error {
	used := func(s stranger) bool { h := in.holdings[s.name]; return h != nil && h.used }
	unnamed := slices.DeleteFunc(slices.Clone(in.strangers), used)
	named := slices.DeleteFunc(in.strangers, func(s stranger) bool { return !used(s) })
	rest, err := in.readLikeOthers(ctx, unnamed)
	if err != nil {
		return err
	}
	for _, s := range append(named, rest...) {
		if used(s) && s.where.Path == "" {
			continue // the record of its original is enough
		}
		r := &argus.Record{Kind: argus.KindQuarantined, Where: s.where}
		if h := in.holdings[s.name]; used(s) {
			r.Kind, r.Original = argus.KindAttachment, &argus.Original{Hash: h.hash, Size: h.size, Path: s.where.Path}
		} else {
			r.Quarantine = &argus.Quarantine{Reason: in.whyUnread(s)}
		}
		if err := in.give(ctx, new(reading), r); err != nil {
			return err
		}
	}
	return nil
}

// whyUnread returns the reason for quarantining a whole file.
func (in *intake) whyUnread(s stranger) string {
	switch h := in.holdings[s.name]; {
	case h != nil && h.size == 0:
		return "the file is empty"
	case in.o.Via != nil:
		return "the program printed nothing for the file, and no message names it; its bytes are kept"
	}
	reason := "no reader recognises the file, and no message names it; its bytes are kept"
	if s.looks != "" {
		reason += "; it looks like " + s.looks
	}
	return reason
}

// readLikeOthers reads each stranger in the format of the files with the same folder and
// ending, and returns those in which it finds no message.
func (in *intake) readLikeOthers(ctx context.Context, strangers []stranger) (rest []stranger, err error) {
	for len(strangers) > 0 {
		of := strangers[0].where.Original
		end := slices.IndexFunc(strangers, func(s stranger) bool { return s.where.Original != of })
		if end < 0 {
			end = len(strangers)
		}
		formats := map[string]string{}
		for _, s := range strangers[:end] {
			if format := in.kinds.of(s.name); format != "" && in.o.Via == nil && in.whyUnread(s) != "the file is empty" {
				formats[s.where.Path] = format
			}
		}
		read, err := in.readSuggested(ctx, of, formats)
		if err != nil {
			return nil, err
		}
		for _, s := range strangers[:end] {
			if read[s.where.Path]--; read[s.where.Path] < 0 {
				rest = append(rest, s)
			}
		}
		strangers = strangers[end:]
	}
	return rest, nil
}

// readSuggested reads files of an original in the formats given for their paths, and returns
// how many it read for each path: files in an archive may share a path.
func (in *intake) readSuggested(ctx context.Context, original uint64, formats map[string]string) (read map[string]int, err error) {
	read = map[string]int{}
	at := slices.IndexFunc(in.originals, func(r *argus.Record) bool { return r.Seq == original })
	if len(formats) == 0 || at < 0 {
		return read, nil
	}
	record := in.originals[at]
	f, err := in.open(record)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var now reading
	of := sandbox.Original{Name: record.Original.Path, Size: record.Original.Size, File: f}
	for e, err := range in.reading.Suggested(ctx, of, formats) {
		if err != nil {
			return nil, err
		}
		if e.File != nil {
			if e.File.Reader == "" && !e.Broke {
				continue
			}
			read[label(e.File.Path)]++
		}
		if err := in.read(ctx, &now, record, e); err != nil {
			return nil, err
		}
	}
	return read, in.finish(ctx, &now)
}
