package bench

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver of database/sql

	"github.com/argus-evidence/argus/internal/reader"
)

// ingestSQLite takes the same messages into a table with an FTS5 index: ids
// are unique, the text is stored once, transactions of 10,000 messages are
// synced. It keeps no originals, no seals and no identity over copies.
func ingestSQLite(ctx context.Context, name, corpus string) (err error) {
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for statement := range strings.SplitSeq(peerSchema, ";\n") {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	f, err := os.Open(corpus)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	format, _ := reader.ByName("jsonl")
	load := &peerLoad{db: db}
	for item, err := range format.Read(ctx, reader.Input{Name: corpus, Size: info.Size(), File: f}) {
		if err != nil {
			return err
		}
		if m := item.Message; m != nil {
			if err := load.add(ctx, m.ServiceID, m.Conversation, m.From, m.Sent.Micros, m.Text); err != nil {
				return err
			}
		}
	}
	if err := load.commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "pragma wal_checkpoint(truncate)")
	return err
}

const peerSchema = `create table message(seq integer primary key, id text unique, conversation text, sender text, sent integer, body text);
create index by_sender on message(sender, sent);
create index by_conversation on message(conversation, sent);
create virtual table words using fts5(body, content='message', content_rowid='seq', tokenize='unicode61')`

// peerLoad is a load under way.
type peerLoad struct {
	db    *sql.DB
	tx    *sql.Tx
	rows  *sql.Stmt
	words *sql.Stmt
	n     int
}

func (l *peerLoad) add(ctx context.Context, id, conversation, sender string, sent int64, body string) error {
	if l.tx == nil {
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	stored, err := l.rows.ExecContext(ctx, id, conversation, sender, sent, body)
	if err != nil {
		return err
	}
	if n, err := stored.RowsAffected(); err != nil || n == 0 {
		return err // known already
	}
	seq, err := stored.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := l.words.ExecContext(ctx, seq, body); err != nil {
		return err
	}
	if l.n++; l.n%10_000 == 0 {
		return l.commit()
	}
	return nil
}

func (l *peerLoad) begin(ctx context.Context) (err error) {
	if l.tx, err = l.db.BeginTx(ctx, nil); err != nil {
		return err
	}
	if l.rows, err = l.tx.PrepareContext(ctx, "insert or ignore into message(id, conversation, sender, sent, body) values(?,?,?,?,?)"); err != nil {
		return err
	}
	l.words, err = l.tx.PrepareContext(ctx, "insert into words(rowid, body) values(?,?)")
	return err
}

func (l *peerLoad) commit() error {
	if l.tx == nil {
		return nil
	}
	err := errors.Join(l.rows.Close(), l.words.Close(), l.tx.Commit())
	l.tx = nil
	return err
}
