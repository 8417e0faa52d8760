package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of database/sql

	"github.com/argus-evidence/argus/internal/reader"
)

// ingestSQLite loads the same messages into a table with an FTS5 index. Ids are unique,
// the text is stored once, and each transaction of 10,000 messages is synced. It keeps no
// originals and no seals, and does not identify copies of a message.
func ingestSQLite(ctx context.Context, formats reader.Formats, name string, deliveries []string) (err error) {
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
	load := &peerLoad{db: db, formats: formats}
	for _, delivery := range deliveries {
		if err := load.read(ctx, delivery); err != nil {
			return err
		}
	}
	if err := load.commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "pragma wal_checkpoint(truncate)")
	return err
}

// read loads a file of Argus JSON lines.
func (l *peerLoad) read(ctx context.Context, delivery string) error {
	f, err := os.Open(delivery)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	format, _ := l.formats.ByName("jsonl")
	for item, err := range format.Read(ctx, reader.Input{Name: delivery, Size: info.Size(), File: f}) {
		if err != nil {
			return err
		}
		if m := item.Message; m != nil {
			if err := l.add(ctx, m.ServiceID, m.Conversation, m.From, m.Sent.Micros, m.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

const peerSchema = `create table message(seq integer primary key, id text unique, conversation text, sender text, sent integer, body text);
create index by_sender on message(sender, sent);
create index by_conversation on message(conversation, sent);
create virtual table words using fts5(body, content='message', content_rowid='seq', tokenize='unicode61')`

// peerLoad is a load in progress.
type peerLoad struct {
	formats reader.Formats

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
		return err // already known
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

// peerQuestions are those questions to the index that the peer can answer.
var peerQuestions = map[string]string{
	"newest 50, common word": `select m.seq from words join message m on m.seq = words.rowid where words match 'is' order by m.sent desc limit 50`,
	"newest 50, rare word":   `select m.seq from words join message m on m.seq = words.rowid where words match 'takivad' order by m.sent desc limit 50`,
	"count a common word":    `select count(*) from words where words match 'is'`,
	"two common words":       `select count(*) from words where words match 'is AND het'`,
	"phrase":                 `select count(*) from words where words match '"is het"'`,
	"prefix":                 `select count(*) from words where words match 'taki*'`,
	"top 20 senders":         `select m.sender, count(*) from words join message m on m.seq = words.rowid where words match 'is' group by 1 order by 2 desc limit 20`,
	"histogram by day":       `select m.sent / 86400000000, count(*) from words join message m on m.seq = words.rowid where words match 'is' group by 1`,
}

// peerRounds is the maximum number of times that the peer is asked one question, since it
// is slow.
const peerRounds = 5

// askSQLite asks the peer its questions with warm caches, and records the medians.
func askSQLite(ctx context.Context, name string, rounds int, questions []Question) (err error) {
	db, err := sql.Open("sqlite", "file:"+name+"?mode=ro&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for i := range questions {
		text := peerQuestions[questions[i].Name]
		if text == "" || questions[i].Of != "index" {
			continue
		}
		var took []time.Duration
		for range min(rounds, peerRounds) + 1 {
			started := time.Now()
			if err := readAll(ctx, db, text); err != nil {
				return fmt.Errorf("ask the peer: %s: %w", questions[i].Name, err)
			}
			took = append(took, time.Since(started))
		}
		took = took[1:] // the first round warms the caches
		slices.Sort(took)
		questions[i].Peer = took[len(took)/2]
	}
	return nil
}

func readAll(ctx context.Context, db *sql.DB, text string) (err error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
	}
	return rows.Err()
}
