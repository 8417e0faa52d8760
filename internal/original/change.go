package original

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Withhold prepares a change that leaves parts of an original readable only by the
// judges. An original has the same judges for all of its parts. Nothing changes until
// [Store.Commit] is called with the hash that Withhold returns. The hash covers the
// original after the change, so an order can state it first. Preparing another change
// discards this one, unless its Commit has begun.
//
// It needs the key of a judge if a block has both destroyed bytes and bytes that are
// already withheld.
func (s *Store) Withhold(ctx context.Context, name argus.FileName, parts []Part, judges []age.Recipient, judge ...age.Identity) (argus.Hash, error) {
	if len(judges) == 0 {
		return argus.Hash{}, errors.New("withhold: no judge is named")
	}
	return s.prepare(ctx, name, parts, Withheld, judges, judge)
}

// Release prepares a change, as Withhold does, that lets everybody read parts again. It
// needs the key of a judge.
func (s *Store) Release(ctx context.Context, name argus.FileName, parts []Part, judge ...age.Identity) (argus.Hash, error) {
	return s.prepare(ctx, name, parts, 0, nil, judge)
}

// Destroy prepares a change, as Withhold does, after which nobody can read parts of the
// original. It needs the key of a judge if a block has both bytes to destroy and bytes that the
// judge must still be able to read.
func (s *Store) Destroy(ctx context.Context, name argus.FileName, parts []Part, judge ...age.Identity) (argus.Hash, error) {
	return s.prepare(ctx, name, parts, Destroyed, nil, judge)
}

func (s *Store) prepare(ctx context.Context, name argus.FileName, parts []Part, state State, judges []age.Recipient, identities []age.Identity) (argus.Hash, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	c := changing{ctx: ctx, s: s, identities: identities, judges: judges}
	h, err := c.prepare(name, parts, state)
	for _, f := range c.files {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return argus.Hash{}, fmt.Errorf("change original %s: %w", name, err)
	}
	return h, nil
}

// changing prepares one change.
type changing struct {
	ctx        context.Context
	s          *Store
	identities []age.Identity // of a judge
	judges     []age.Recipient
	custodians []age.Recipient
	encoder    *zstd.Encoder
	files      []io.Closer

	old, new *table
	file     *File // before the change
	oldItems *items

	next, rest, items appender
	restSecrets       []secret
}

// appender writes a file sequentially.
type appender struct {
	f   durable.File // nil before the first write
	at  int64
	sum hash.Hash
}

func (a *appender) write(b []byte) error {
	_, err := a.f.WriteAt(b, a.at)
	a.at += int64(len(b))
	if a.sum != nil {
		a.sum.Write(b)
	}
	return err
}

// create begins a file of the original, replacing the file of a change that was not
// committed.
func (c *changing) create(end string) (appender, error) {
	f, err := c.s.disk.OpenFile(c.s.path(fileOf(c.old.name, end)), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return appender{}, err
	}
	c.files = append(c.files, f)
	return appender{f: f}, nil
}

func (c *changing) prepare(name argus.FileName, parts []Part, state State) (h argus.Hash, err error) {
	s := c.s
	if err := s.discard(name); err != nil {
		return h, err
	}
	if c.file, err = s.Open(name); err != nil {
		return h, err
	}
	c.files = append(c.files, c.file)
	old, f, err := s.openTable(name, tableFile)
	if err != nil {
		return h, err
	}
	c.old, c.files = old, append(c.files, f)
	if err := old.restSecrets(); err != nil {
		return h, err
	}
	spans, err := mark(old.spans, old.size, parts, state)
	if err != nil || slices.Equal(spans, old.spans) {
		return old.state(), err
	}
	c.new = &table{file: fileOf(name, nextFile), name: name, size: old.size, root: old.root, change: old.change + 1,
		sealed: old.sealed, custodians: old.custodians, spans: spans}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.tidy(name, old.change)) // files already begun
		}
	}()
	if err := c.begin(); err != nil {
		return h, err
	}
	for n := range old.groups {
		if err := c.group(n); err != nil {
			return h, err
		}
	}
	return c.finish()
}

func (c *changing) begin() (err error) {
	withheld := func(s Span) bool { return s.State == Withheld }
	if c.custodians, err = parseRecipients(c.old.custodians); err != nil {
		return err
	}
	if c.encoder, err = newEncoder(); err != nil {
		return err
	}
	c.oldItems = c.openItems()
	if c.next, err = c.create(nextFile); err != nil {
		return err
	}
	c.next.at = tableHead
	if slices.ContainsFunc(c.new.spans, withheld) {
		if len(c.old.judges) > 0 {
			if c.judges != nil && !slices.Equal(slices.Sorted(slices.Values(texts(c.judges))), slices.Sorted(slices.Values(c.old.judges))) {
				return fmt.Errorf("parts of it are withheld for different judges: %s", strings.Join(c.old.judges, ", "))
			}
			if c.judges, err = parseRecipients(c.old.judges); err != nil {
				return err
			}
		}
		c.new.judges = texts(c.judges)
		if c.items, err = c.create(judgeFile(c.new.change)); err != nil {
			return err
		}
		c.items.sum = sha256.New()
		if err := c.items.write(blocksHead(judgeMagic, c.new.name, c.new.change)); err != nil {
			return err
		}
	}
	if len(wantedRest(c.new.spans, c.new.size)) > 0 {
		if c.rest, err = c.create(restFile(c.new.change)); err != nil {
			return err
		}
		return c.rest.write(blocksHead(dataMagic, c.new.name, c.new.change))
	}
	return nil
}

// group writes one group of the new table.
func (c *changing) group(n int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	g, err := c.old.group(n)
	if err != nil {
		return err
	}
	from, to := int64(g.first)*BlockSize, int64(g.first+g.count)*BlockSize
	if !touches(c.old.spans, from, to) && !touches(c.new.spans, from, to) {
		raw, err := c.old.raw(g.secrets())
		if err != nil {
			return err
		}
		return c.addGroup(g, raw)
	}
	opened, err := c.old.opened(g.secrets())
	if err != nil {
		return err
	}
	secrets := make([]secret, g.count)
	at := g.data
	for i := range secrets {
		e, err := c.old.entry(g, i)
		if err != nil {
			return err
		}
		s, err := parseSecret(opened[i*secretSize:])
		if err != nil {
			return c.old.damage(g.secrets().at+int64(i)*secretSize, "block %d: %v", g.first+i, err)
		}
		if secrets[i], err = c.block(g.first+i, e, at, s); err != nil {
			return err
		}
		at += int64(e.stored)
	}
	packed, err := packSecrets(secrets, c.custodians)
	if err != nil {
		return err
	}
	return c.addGroup(g, packed)
}

// addGroup writes a group with its old entries.
func (c *changing) addGroup(g *group, secrets []byte) error {
	c.new.groups = append(c.new.groups, c.next.at)
	return c.next.write(slices.Concat(appendGroupHead(nil, g.data, len(secrets)), g.entries, secrets))
}

// block returns the secret of a block for the new table, and writes the block's
// substitutes.
func (c *changing) block(block int, e entry, at int64, s secret) (secret, error) {
	before, after := coverOf(c.old.spans, c.old.size, block), coverOf(c.new.spans, c.new.size, block)
	if slices.Equal(before.spans, after.spans) {
		return s, c.carry(block, before)
	}
	plain, received, err := c.plain(block, e, at, s, before, after)
	if err != nil {
		return secret{}, err
	}
	if after.open() {
		if err := c.addRest(block, restOpen, after.without(plain, false)); err != nil {
			return secret{}, err
		}
	}
	switch {
	case !after.touched():
		return received, nil
	case after.judge():
		return secret{}, c.addRest(block, restJudge, after.without(plain, true))
	case after.destroyed > 0:
		return secret{}, nil
	case before.touched():
		return secret{}, c.carryItem(block)
	}
	return secret{}, c.addItem(uint32(block), s)
}

// plain returns as much of a block as the change needs, and the secret of the
// block as received, if it was needed.
func (c *changing) plain(block int, e entry, at int64, s secret, before, after cover) ([]byte, secret, error) {
	switch {
	case !before.touched():
		plain, err := c.file.block(block)
		return plain, s, err
	case before.frees(after, false) || after.judge() && before.frees(after, true):
		return c.withJudge(block, e, at, before)
	case before.open():
		plain, err := c.file.block(block)
		return plain, secret{}, err
	}
	return make([]byte, before.length), secret{}, nil
}

// withJudge opens the part of a block that the judge can read.
func (c *changing) withJudge(block int, e entry, at int64, before cover) ([]byte, secret, error) {
	sealed, err := c.oldItems.find(uint32(block))
	if err != nil {
		return nil, secret{}, err
	}
	s, err := c.unseal(sealed)
	if err != nil {
		return nil, secret{}, err
	}
	from := c.file.data
	if before.judge() {
		i := c.oldRest(block, restJudge)
		if i < 0 || c.file.rest == nil {
			return nil, secret{}, c.old.damage(c.old.tail, "block %d has no part for the judge", block)
		}
		e, at, from = c.old.rest[i].entry, c.old.rest[i].at, c.file.rest
	}
	stored := make([]byte, e.stored)
	if _, err := from.ReadAt(stored, at); err != nil {
		return nil, secret{}, fmt.Errorf("read block %d: %w", block, err)
	}
	plain, err := openBlock(c.s.decoder, block, stored, &s, before.length)
	if err == nil && commit(s.salt, plain) != e.plain {
		err = errBlock
	}
	if err != nil {
		return nil, secret{}, fmt.Errorf("block %d: %w: %w", block, err, argus.ErrDamaged)
	}
	return plain, s, nil
}

func (c *changing) unseal(sealed []byte) (secret, error) {
	b, err := openWith(c.identities, sealed, c.old.judges)
	if err != nil {
		return secret{}, err
	}
	if len(b) != secretSize {
		return secret{}, fmt.Errorf("the judge's keys are %d bytes, want %d: %w", len(b), secretSize, argus.ErrDamaged)
	}
	s, err := parseSecret(b)
	if err != nil {
		return s, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
	}
	return s, nil
}

// oldRest returns the index of a block's substitute, or -1 if there is none.
func (c *changing) oldRest(block int, kind uint32) int {
	i, ok := slices.BinarySearchFunc(c.old.rest, wanted{block, kind}, func(r restEntry, w wanted) int {
		return cmp.Or(cmp.Compare(r.block, w.block), cmp.Compare(r.kind, w.kind))
	})
	if !ok {
		return -1
	}
	return i
}

// carry copies the substitute of a block into the new files.
func (c *changing) carry(block int, as cover) error {
	for _, kind := range [...]uint32{restOpen, restJudge} {
		i := c.oldRest(block, kind)
		if i < 0 {
			continue
		}
		r := c.old.rest[i]
		b := make([]byte, r.stored)
		if _, err := c.file.rest.ReadAt(b, r.at); err != nil {
			return fmt.Errorf("read block %d: %w", block, err)
		}
		if cipherHash(b) != r.cipher {
			return &Damage{fileOf(c.old.name, restFile(c.old.change)), r.at, fmt.Sprintf("the stored bytes of block %d differ from those that were sealed", block)}
		}
		c.new.rest = append(c.new.rest, r)
		c.restSecrets = append(c.restSecrets, r.secret)
		if err := c.rest.write(b); err != nil {
			return err
		}
	}
	if as.withheld > 0 {
		return c.carryItem(block)
	}
	return nil
}

func (c *changing) carryItem(block int) error {
	sealed, err := c.oldItems.find(uint32(block))
	if err != nil {
		return err
	}
	return c.items.write(appendItem(nil, uint32(block), sealed))
}

// addItem encrypts a secret to the judges.
func (c *changing) addItem(block uint32, s secret) error {
	sealed, err := sealTo(c.judges, s.append(nil))
	if err != nil {
		return err
	}
	return c.items.write(appendItem(nil, block, sealed))
}

func (c *changing) addRest(block int, kind uint32, plain []byte) error {
	stored, e, s, err := sealBlock(nil, c.encoder, block, plain)
	if err != nil {
		return err
	}
	if kind == restJudge {
		if err := c.addItem(uint32(block), s); err != nil {
			return err
		}
		s = secret{}
	}
	c.new.rest = append(c.new.rest, restEntry{block: block, kind: kind, entry: e})
	c.restSecrets = append(c.restSecrets, s)
	return c.rest.write(stored)
}

// finish writes the ends of the files and makes them durable.
func (c *changing) finish() (h argus.Hash, err error) {
	whole, err := c.whole()
	if err != nil {
		return h, err
	}
	if c.items.f != nil {
		c.items.sum.Sum(c.new.judge[:0])
	}
	c.new.tail = c.next.at
	tail, err := c.new.appendTail(append([]secret{whole}, c.restSecrets...), c.custodians)
	if err != nil {
		return h, err
	}
	if err := c.next.write(tail); err != nil {
		return h, err
	}
	if _, err := c.next.f.WriteAt(c.new.head(), 0); err != nil {
		return h, err
	}
	for _, a := range []appender{c.next, c.rest, c.items} {
		if a.f != nil {
			if err := a.f.Sync(); err != nil {
				return h, err
			}
		}
	}
	return c.new.state(), c.s.disk.SyncDir(filepath.Dir(c.s.path(TableFile(c.new.name))))
}

// whole returns the SHA-256 of the original as a secret, if the new table may reveal it. While
// parts are withheld, only the judge has the hash; once parts are destroyed, nobody may use the
// hash to test guesses.
func (c *changing) whole() (secret, error) {
	destroyed := func(s Span) bool { return s.State == Destroyed }
	if slices.ContainsFunc(c.new.spans, destroyed) {
		return secret{}, nil
	}
	if len(c.old.spans) == 0 {
		h, err := c.old.whole()
		if err != nil {
			return secret{}, err
		}
		return secret{}, c.addItem(wholeItem, secret{key: h})
	}
	sealed, err := c.oldItems.find(wholeItem)
	if err != nil {
		return secret{}, err
	}
	if len(c.new.spans) > 0 {
		return secret{}, c.items.write(appendItem(nil, wholeItem, sealed))
	}
	return c.unseal(sealed)
}
