package sheetdoc

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus/internal/reader"
)

// Workbooks (ECMA-376 part 1, SpreadsheetML) are read here without a library: a row's
// formulas and number cells must be kept, and no library returns them without holding
// the whole sheet in memory.

// WorkbookPart is the part that a workbook begins with.
const WorkbookPart = "xl/workbook.xml"

// Limits of a workbook.
const (
	// partLimit is the maximum size in bytes to which a part may unpack, and partRatio the
	// maximum ratio to its packed size, once it unpacks to more than partFree.
	partLimit = 8 << 30
	partRatio = 1000
	partFree  = 100 << 20
	// partsLimit is how many parts are examined.
	partsLimit = 4096
	// sharedLimit is the maximum size of the shared texts, in bytes.
	sharedLimit = 256 << 20
	// columnLimit and rowLimit are the size of the largest sheet that programs allow.
	columnLimit = 16384
	rowLimit    = 1 << 20
)

// workbook is an open workbook.
type workbook struct {
	in       reader.Input
	parts    map[string]*reader.ZipEntry
	sheets   []worksheet
	from1904 bool
	// shared holds the texts that cells refer to by number, joined; ends are their
	// ends.
	shared []byte
	ends   []int
}

type worksheet struct{ name, part string }

// Workbook reads everything except the sheets.
func Workbook(ctx context.Context, in reader.Input) (iter.Seq2[*Row, error], error) {
	b := &workbook{in: in, parts: map[string]*reader.ZipEntry{}}
	directory, err := reader.OpenZip(in.File, in.Size)
	if err != nil {
		return nil, fmt.Errorf("open the workbook: %w", err)
	}
	for range partsLimit {
		entry, err := directory.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("open the workbook: %w", err)
		}
		if strings.HasPrefix(entry.Name, "xl/") && b.parts[entry.Name] == nil {
			b.parts[entry.Name] = entry
		}
	}
	if err := b.readSheets(); err != nil {
		return nil, fmt.Errorf("open the workbook: %w", err)
	}
	if len(b.sheets) == 0 {
		return nil, errors.New("open the workbook: it names no sheet")
	}
	if err := b.readShared(); err != nil {
		return nil, fmt.Errorf("open the workbook: read its shared texts: %w", err)
	}
	return func(yield func(*Row, error) bool) { b.rows(ctx, yield) }, nil
}

// part opens a part.
func (b *workbook) part(name string) (*partReader, error) {
	entry := b.parts[name]
	if entry == nil {
		return nil, fmt.Errorf("the part %q is missing", path.Base(name))
	}
	content, err := entry.Content(b.in.File, b.in.Size)
	if err != nil {
		return nil, err
	}
	p := &partReader{content: content, limit: max(partFree, min(partLimit, entry.Packed*partRatio)), tokenLimit: int64(b.in.RecordLimit())}
	p.xml = xml.NewDecoder(bufio.NewReaderSize(p, 64<<10))
	p.xml.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, errors.New("want UTF-8, found another encoding")
	}
	return p, nil
}

// partReader reads the XML of a part, in bounds.
type partReader struct {
	content io.Reader
	xml     *xml.Decoder
	// read counts the bytes of the part, and token those of the current token.
	read, token, limit, tokenLimit int64
}

func (p *partReader) Read(b []byte) (int, error) {
	if p.read > p.limit {
		return 0, fmt.Errorf("want a part of at most %d bytes, found more", p.limit)
	}
	if p.token > p.tokenLimit {
		return 0, fmt.Errorf("want texts of at most %d bytes, found a longer one", p.tokenLimit)
	}
	n, err := p.content.Read(b)
	p.read += int64(n)
	p.token += int64(n)
	return n, err
}

// next returns the next token. Start and end tags are not matched, which would cost memory
// for each level.
func (p *partReader) next() (xml.Token, error) {
	p.token = 0
	return p.xml.RawToken()
}

// text returns the text in the element that just began, with that of its child elements
// except phonetic ones.
func (p *partReader) text(element string, limit int) (string, error) {
	var text strings.Builder
	for phonetic := false; ; {
		token, err := p.next()
		if err != nil {
			return "", cutOff(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			phonetic = phonetic || t.Name.Local == "rPh"
		case xml.EndElement:
			if t.Name.Local == element {
				return text.String(), nil
			}
			phonetic = phonetic && t.Name.Local != "rPh"
		case xml.CharData:
			if text.Len()+len(t) > limit {
				return "", fmt.Errorf("want texts of at most %d bytes, found a longer one", limit)
			}
			if !phonetic {
				text.Write(t)
			}
		}
	}
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// readSheets reads the list of sheets, including hidden ones, with their places.
func (b *workbook) readSheets() error {
	targets := map[string]string{}
	err := b.elements("xl/_rels/workbook.xml.rels", func(e xml.StartElement) {
		if e.Name.Local == "Relationship" {
			target := attribute(e, "Target")
			if !strings.HasPrefix(target, "/") {
				target = "xl/" + target
			}
			targets[attribute(e, "Id")] = strings.TrimPrefix(path.Clean(target), "/")
		}
	})
	if err != nil {
		return err
	}
	return b.elements(WorkbookPart, func(e xml.StartElement) {
		switch e.Name.Local {
		case "workbookPr":
			on := attribute(e, "date1904")
			b.from1904 = on == "1" || on == "true"
		case "sheet":
			name := attribute(e, "name")
			if state := attribute(e, "state"); state != "" && state != "visible" {
				name += " (hidden)"
			}
			for _, a := range e.Attr {
				if a.Name.Local == "id" && a.Name.Space != "" {
					b.sheets = append(b.sheets, worksheet{name, targets[a.Value]})
				}
			}
		}
	})
}

// elements calls see for each element of a small part.
func (b *workbook) elements(part string, see func(xml.StartElement)) error {
	p, err := b.part(part)
	if err != nil {
		return err
	}
	p.limit = p.tokenLimit
	for n := 0; ; n++ {
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := token.(xml.StartElement); ok {
			if n > 1<<20 {
				return errors.New("want a workbook with fewer elements, found more")
			}
			see(e)
		}
	}
}

// readShared reads the texts that cells refer to by number.
func (b *workbook) readShared() error {
	const part = "xl/sharedStrings.xml"
	if b.parts[part] == nil {
		return nil
	}
	p, err := b.part(part)
	if err != nil {
		return err
	}
	for {
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := token.(xml.StartElement); !ok || e.Name.Local != "si" {
			continue
		}
		text, err := p.text("si", b.in.RecordLimit())
		if err != nil {
			return err
		}
		b.shared = append(b.shared, text...)
		b.ends = append(b.ends, len(b.shared))
		if len(b.shared)+8*len(b.ends) > sharedLimit {
			return fmt.Errorf("want at most %d bytes of them, found more", sharedLimit)
		}
	}
}

func (b *workbook) sharedText(number string) (string, bool) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(b.ends) {
		return "", false
	}
	start := 0
	if n > 0 {
		start = b.ends[n-1]
	}
	return string(b.shared[start:b.ends[n]]), true
}

// rows yields the rows of all sheets. A sheet whose XML breaks ends with a
// broken row.
func (b *workbook) rows(ctx context.Context, yield func(*Row, error) bool) {
	row := Row{From1904: b.from1904}
	last := uint64(0) // the record yielded last
	for i, sheet := range b.sheets {
		row.Sheet, row.above = i, row.Where.Record
		if len(b.sheets) > 1 {
			row.Name = sheet.name
		}
		p, err := b.part(sheet.part)
		for err == nil {
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			row.Cells, row.Problem = row.Cells[:0], ""
			if err = b.row(p, &row); err == nil {
				last = row.Where.Record
				if !yield(&row, nil) {
					return
				}
			}
		}
		if errors.Is(err, io.EOF) {
			continue
		}
		row.Cells, row.Problem = row.Cells[:0], "read the rest of the sheet: "+err.Error()
		row.Where.Record = max(row.Where.Record, last+1)
		if !yield(&row, nil) {
			return
		}
	}
}

// row reads the next row with cells.
func (b *workbook) row(p *partReader, row *Row) error {
	size := 0
	for inRow := false; ; {
		token, err := p.next()
		if errors.Is(err, io.EOF) && inRow {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "row" && !inRow {
				inRow = true
				row.count(attribute(t, "r"))
			}
			if t.Name.Local == "c" && inRow {
				if err := b.cell(p, t, row); err != nil {
					return err
				}
				if n := len(row.Cells); n > 0 {
					size += len(row.Cells[n-1].Text)
				}
				if size > b.in.RecordLimit() {
					return fmt.Errorf("want rows of at most %d bytes, found a longer one", b.in.RecordLimit())
				}
			}
		case xml.EndElement:
			if t.Name.Local == "row" && inRow {
				if inRow = false; len(row.Cells) > 0 {
					return nil
				}
			}
		}
	}
}

// count numbers a row: as the sheet states it, if that number is higher than the last.
func (row *Row) count(stated string) {
	row.Where.Record++
	if n, err := strconv.ParseUint(stated, 10, 64); err == nil && n <= rowLimit {
		row.Where.Record = max(row.Where.Record, row.above+n)
	}
}

// cell reads a cell and puts it in its place in the row.
func (b *workbook) cell(p *partReader, e xml.StartElement, row *Row) error {
	column := len(row.Cells)
	if reference := attribute(e, "r"); reference != "" {
		column = columnOf(reference)
	}
	if column < len(row.Cells) || column >= columnLimit {
		return errors.New("want the cells of a row in order, found another order")
	}
	for len(row.Cells) < column {
		row.Cells = append(row.Cells, Cell{})
	}
	c := Cell{}
	kind := attribute(e, "t")
	for {
		token, err := p.next()
		if err != nil {
			return cutOff(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "v", "is":
				c.Text, err = p.text(t.Name.Local, b.in.RecordLimit())
			case "f":
				shared := attribute(t, "si")
				if c.Formula, err = p.text("f", b.in.RecordLimit()); c.Formula == "" && shared != "" {
					c.Formula = "shared formula " + shared
				}
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			if t.Name.Local != "c" {
				continue
			}
			switch kind {
			case "s":
				text, ok := b.sharedText(c.Text)
				if !ok && c.Text != "" {
					row.Problem = "want a shared text for each cell that refers to one, found none"
				}
				c.Text = text
			case "", "n":
				c.Number = c.Text != ""
			}
			if c.Text != "" || c.Formula != "" {
				row.Cells = append(row.Cells, c)
			}
			return nil
		}
	}
}

// columnOf returns the column of a reference like AB12, from 0, or columnLimit.
func columnOf(reference string) int {
	column := 0
	for i := range len(reference) {
		letter := reference[i]
		if letter < 'A' || letter > 'Z' {
			break
		}
		if column = column*26 + int(letter-'A') + 1; column > columnLimit {
			return columnLimit
		}
	}
	return column - 1
}
