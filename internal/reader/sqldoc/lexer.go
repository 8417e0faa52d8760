package sqldoc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errMore means that a piece does not end in view.
var errMore = errors.New("the piece does not end in view")

// lexer splits the bytes in view into tokens, from i on.
type lexer struct {
	b     []byte
	i     int
	eof   bool
	mysql bool
}

// space skips white space and comments.
func (l *lexer) space() error {
	for l.i < len(l.b) {
		rest := l.b[l.i:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.i++
		case bytes.HasPrefix(rest, []byte("--")) || c == '#' && l.mysql:
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				if !l.eof {
					return errMore
				}
				n = len(rest) - 1
			}
			l.i += n + 1
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return errMore
			}
			l.i += n + 2
		case (c == '-' || c == '/') && len(rest) == 1 && !l.eof:
			return errMore
		default:
			return nil
		}
	}
	return nil
}

// peek returns the byte after the space, or 0 at the end of the file.
func (l *lexer) peek() (byte, error) {
	if err := l.space(); err != nil {
		return 0, err
	}
	if l.i < len(l.b) {
		return l.b[l.i], nil
	}
	if l.eof {
		return 0, nil
	}
	return 0, errMore
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// word reads a bare word, and returns "" if there is none.
func (l *lexer) word() (string, error) {
	if _, err := l.peek(); err != nil {
		return "", err
	}
	end := l.i
	for end < len(l.b) && isNameByte(l.b[end]) {
		end++
	}
	if end == len(l.b) && !l.eof {
		return "", errMore
	}
	word := string(l.b[l.i:end])
	l.i = end
	return word, nil
}

// name reads a name, quoted or not, and returns its last part: public."Messages" is
// Messages.
func (l *lexer) name() (string, error) {
	for {
		c, err := l.peek()
		if err != nil {
			return "", err
		}
		var part string
		switch c {
		case '"', '`':
			text, err := l.quoted(c, false)
			if err != nil {
				return "", err
			}
			part = string(text)
		case '[':
			n := bytes.IndexByte(l.b[l.i:], ']')
			if n < 0 {
				return "", errMore
			}
			part = string(l.b[l.i+1 : l.i+n])
			l.i += n + 1
		default:
			if part, err = l.word(); err != nil {
				return "", err
			}
			if part == "" {
				return "", errors.New("want a name, found something else")
			}
		}
		if l.i == len(l.b) && !l.eof {
			return "", errMore
		}
		if l.i >= len(l.b) || l.b[l.i] != '.' {
			return strings.ToValidUTF8(part, "\uFFFD"), nil
		}
		l.i++
	}
}

// quoted reads a text between two quotes, in which the quote is doubled.
func (l *lexer) quoted(quote byte, escapes bool) ([]byte, error) {
	var out []byte
	from := l.i + 1
	for i := from; ; i++ {
		if i >= len(l.b) {
			return nil, errMore
		}
		switch c := l.b[i]; {
		case c == '\\' && escapes:
			if i+1 >= len(l.b) {
				return nil, errMore
			}
			out = append(append(out, l.b[from:i]...), escaped(l.b[i+1])...)
			i++
			from = i + 1
		case c == quote:
			if i+1 >= len(l.b) && !l.eof {
				return nil, errMore
			}
			out = append(out, l.b[from:i]...)
			if i+1 >= len(l.b) || l.b[i+1] != quote {
				l.i = i + 1
				return out, nil
			}
			i++
			from = i
		}
	}
}

// escaped returns the character that a letter after \ means.
func escaped(c byte) []byte {
	switch c {
	case '0':
		return []byte{0}
	case 'b':
		return []byte{'\b'}
	case 'n':
		return []byte{'\n'}
	case 'r':
		return []byte{'\r'}
	case 't':
		return []byte{'\t'}
	case 'Z':
		return []byte{26}
	}
	return []byte{c}
}

// tableAndColumns reads a table and, if they follow, its columns in brackets.
func (l *lexer) tableAndColumns() (table string, names []string, err error) {
	if table, err = l.name(); err != nil {
		return "", nil, err
	}
	c, err := l.peek()
	if err != nil || c != '(' {
		return table, nil, err
	}
	l.i++
	for {
		name, err := l.name()
		if err != nil {
			return "", nil, err
		}
		if names = append(names, name); len(names) > columnLimit {
			return "", nil, fmt.Errorf("want at most %d columns, found more", columnLimit)
		}
		switch c, err := l.peek(); {
		case err != nil:
			return "", nil, err
		case c == ')':
			l.i++
			return table, names, nil
		case c != ',':
			return "", nil, errors.New("want a comma or a bracket behind a column, found something else")
		}
		l.i++
	}
}

func (l *lexer) ifNotExists() error {
	at := l.i
	for _, want := range []string{"IF", "NOT", "EXISTS"} {
		word, err := l.word()
		if err != nil {
			return err
		}
		if !strings.EqualFold(word, want) {
			l.i = at
			return nil
		}
	}
	return nil
}

// definitions reads the columns of CREATE TABLE, and returns none if it has no list of them.
func (l *lexer) definitions() (names []string, err error) {
	if c, err := l.peek(); err != nil || c != '(' {
		return nil, err
	}
	l.i++
	for len(names) < columnLimit {
		c, err := l.peek()
		if err != nil {
			return nil, err
		}
		bare := isNameByte(c)
		name, err := l.name()
		if err != nil {
			return nil, err
		}
		switch strings.ToUpper(name) {
		case "CONSTRAINT", "PRIMARY", "UNIQUE", "KEY", "INDEX", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL", "EXCLUDE", "LIKE":
			if !bare {
				names = append(names, name)
			}
		default:
			names = append(names, name)
		}
		end, err := l.skip(func(c byte, depth int) bool { return depth == 0 && c == ',' || depth < 0 })
		if err != nil {
			return nil, err
		}
		l.i++
		if end != ',' {
			break
		}
	}
	return names, nil
}

// skip skips texts, names, comments and brackets, up to a byte for which stop returns true,
// and returns that byte.
func (l *lexer) skip(stop func(c byte, depth int) bool) (byte, error) {
	depth := 0
	for {
		c, err := l.peek()
		if err != nil {
			return 0, err
		}
		switch c {
		case 0:
			if l.i >= len(l.b) {
				return 0, errMore
			}
		case '(':
			depth++
		case ')':
			depth--
		}
		if stop(c, depth) {
			return c, nil
		}
		switch c {
		case '\'', '"', '`':
			if _, err := l.quoted(c, l.mysql && c != '`'); err != nil {
				return 0, err
			}
		case '$':
			if err := l.dollars(); err != nil {
				return 0, err
			}
		default:
			l.i++
		}
	}
}

// dollars skips a text between $tag$ and $tag$, in which PostgreSQL quotes programs.
func (l *lexer) dollars() error {
	end := l.i + 1
	for end < len(l.b) && l.b[end] != '$' && isNameByte(l.b[end]) {
		end++
	}
	if end >= len(l.b) {
		if l.eof {
			l.i++
			return nil
		}
		return errMore
	}
	if l.b[end] != '$' {
		l.i = end
		return nil
	}
	tag := l.b[l.i : end+1]
	n := bytes.Index(l.b[end+1:], tag)
	if n < 0 {
		return errMore
	}
	l.i = end + 1 + n + len(tag)
	return nil
}

// toSemicolon moves past the end of the statement: its semicolon, or a line that begins
// with GO or INSERT, since SQL Server writes no semicolons.
func (l *lexer) toSemicolon() error {
	return l.toStop(func(c byte, depth int) bool {
		if c == ';' {
			return true
		}
		if depth > 0 || l.i == 0 || l.b[l.i-1] != '\n' || c|0x20 != 'g' && c|0x20 != 'i' {
			return false
		}
		next := lexer{b: l.b[l.i:min(len(l.b), l.i+len("INSERT "))], eof: true}
		word, _ := next.word()
		return strings.EqualFold(word, "GO") || strings.EqualFold(word, "INSERT")
	})
}

func (l *lexer) toStop(stop func(byte, int) bool) error {
	c, err := l.skip(stop)
	if errors.Is(err, errMore) && l.eof && l.i >= len(l.b) {
		return nil // the last statement may lack its end
	}
	if err == nil && c == ';' {
		l.i++
	}
	return err
}

// toEnd moves past the END; of a trigger.
func (l *lexer) toEnd(at *int) error {
	for {
		if err := l.toStop(func(c byte, _ int) bool { return c == ';' }); err != nil {
			return err
		}
		before := strings.ToUpper(string(bytes.TrimSpace(bytes.TrimSuffix(l.b[max(0, l.i-64):l.i], []byte(";")))))
		if strings.HasSuffix(before, "END") || l.i >= len(l.b) && l.eof {
			*at = l.i
			return nil
		}
	}
}

// restOfLine moves past the end of the line.
func (l *lexer) restOfLine() (*Row, int, error) {
	n := bytes.IndexByte(l.b[l.i:], '\n')
	switch {
	case n >= 0:
		l.i += n + 1
	case l.eof:
		l.i = len(l.b)
	default:
		return nil, 0, errMore
	}
	return nil, l.i, nil
}

// values reads a row in brackets.
func (l *lexer) values() ([]Value, error) {
	l.i++
	var list []Value
	for {
		v, err := l.value(0)
		if err != nil {
			return nil, err
		}
		if list = append(list, v); len(list) > columnLimit {
			return nil, fmt.Errorf("want at most %d values in a row, found more", columnLimit)
		}
		switch c, err := l.peek(); {
		case err != nil:
			return nil, err
		case c == ')':
			l.i++
			return list, nil
		case c == 0 && l.i >= len(l.b):
			return nil, errMore
		case c != ',':
			return nil, errors.New("want a comma or a bracket behind a value, found something else")
		}
		l.i++
	}
}

// callDepth is how deep calls in values may be nested: SQLite's .dump writes replace inside
// replace.
const callDepth = 8

// value reads a value: a text, a number, bytes, NULL, or a call of one of the few functions
// that programs use to write a text.
func (l *lexer) value(depth int) (v Value, err error) {
	c, err := l.peek()
	switch {
	case err != nil:
		return v, err
	case depth > callDepth:
		return v, fmt.Errorf("want at most %d calls in each other, found more", callDepth)
	case c == '\'':
		v, err = l.text(l.mysql)
	case c == '"' && l.mysql:
		var text []byte
		text, err = l.quoted('"', true)
		v = valueOf(text)
	case c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9':
		v, err = l.number()
	default:
		v, err = l.named(depth)
	}
	if err != nil {
		return v, err
	}
	return v, l.cast()
}

func (l *lexer) text(escapes bool) (Value, error) {
	text, err := l.quoted('\'', escapes)
	return valueOf(text), err
}

// valueOf makes a value of a text, or of bytes if it is not UTF-8.
func valueOf(text []byte) Value {
	if utf8.Valid(text) {
		return Value{Text: string(text)}
	}
	return Value{Text: hex.EncodeToString(text), Bytes: true}
}

func (l *lexer) number() (Value, error) {
	end := l.i
	for end < len(l.b) && (isNameByte(l.b[end]) || l.b[end] == '.' || l.b[end] == '-' || l.b[end] == '+') {
		end++
	}
	if end == len(l.b) && !l.eof {
		return Value{}, errMore
	}
	text := string(l.b[l.i:end])
	l.i = end
	if digits, ok := strings.CutPrefix(text, "0x"); ok {
		return bytesOf(digits)
	}
	if strings.Trim(text, "0123456789.-+eE") != "" {
		return Value{}, errors.New("want a value, found something else")
	}
	return Value{Text: text}, nil
}

func bytesOf(digits string) (Value, error) {
	if _, err := hex.DecodeString(digits); err != nil {
		return Value{}, errors.New("want bytes in hexadecimal, found something else")
	}
	return Value{Text: strings.ToLower(digits), Bytes: true}, nil
}

// named reads a value that begins with a word.
func (l *lexer) named(depth int) (v Value, err error) {
	word, err := l.word()
	if err != nil {
		return v, err
	}
	c, err := l.peek()
	if err != nil {
		return v, err
	}
	switch upper := strings.ToUpper(word); {
	case upper == "NULL":
		return Value{Null: true}, nil
	case upper == "TRUE" || upper == "FALSE":
		return Value{Text: strings.ToLower(word)}, nil
	case upper == "X" && c == '\'':
		if v, err = l.text(false); err == nil {
			v, err = bytesOf(v.Text)
		}
		return v, err
	case upper == "E" && c == '\'':
		return l.text(true)
	case (upper == "N" || strings.HasPrefix(word, "_")) && c == '\'':
		return l.text(l.mysql)
	case strings.HasPrefix(word, "_") && (c == '0' || c == 'x' || c == 'X'):
		return l.value(depth + 1)
	case c == '(' && word != "":
		l.i++
		return l.call(upper, depth)
	}
	return v, errors.New("want a value, found something else")
}

// call reads the arguments of a call and returns its result.
func (l *lexer) call(name string, depth int) (v Value, err error) {
	var args []string
	for {
		if v, err = l.value(depth + 1); err != nil {
			return v, err
		}
		args = append(args, v.Text)
		c, err := l.peek()
		if err != nil {
			return v, err
		}
		if name == "CAST" && (c == 'A' || c == 'a') {
			if _, err := l.skip(func(_ byte, depth int) bool { return depth < 0 }); err != nil {
				return v, err
			}
			c = ')'
		}
		if c == ')' {
			l.i++
			break
		}
		if c != ',' || len(args) == 3 {
			return v, errors.New("want the arguments of a call, found something else")
		}
		l.i++
	}
	switch {
	case name == "CAST" && len(args) == 1:
		return v, nil
	case name == "REPLACE" && len(args) == 3 && args[1] != "" && len(args[2]) <= len(args[1]):
		return Value{Text: strings.ReplaceAll(args[0], args[1], args[2])}, nil
	case name == "CHAR" && len(args) == 1:
		if n, err := strconv.ParseUint(args[0], 10, 7); err == nil {
			return Value{Text: string(rune(n))}, nil
		}
	case name == "UNISTR" && len(args) == 1:
		text, err := unistr(args[0])
		return Value{Text: text}, err
	}
	return v, fmt.Errorf("want a value, found a call of %.40q, which is not run", name)
}

// unistr replaces \XXXX, \uXXXX, \+XXXXXX and \UXXXXXXXX by characters, as SQLite writes
// control characters.
func unistr(s string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, `\`)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if s = strings.TrimPrefix(rest, `\`); s != rest {
			out.WriteByte('\\')
			continue
		}
		digits := 4
		switch {
		case strings.HasPrefix(rest, "u"):
			rest = rest[1:]
		case strings.HasPrefix(rest, "+"):
			rest, digits = rest[1:], 6
		case strings.HasPrefix(rest, "U"):
			rest, digits = rest[1:], 8
		}
		if len(rest) < digits {
			return "", errors.New("want a character in hexadecimal, found something else")
		}
		n, err := strconv.ParseUint(rest[:digits], 16, 31)
		if err != nil {
			return "", errors.New("want a character in hexadecimal, found something else")
		}
		out.WriteRune(rune(n))
		s = rest[digits:]
	}
}

// cast skips ::type after a value.
func (l *lexer) cast() error {
	for {
		c, err := l.peek()
		if err != nil {
			return err
		}
		if c != ':' {
			return nil
		}
		if len(l.b) < l.i+2 && !l.eof {
			return errMore
		}
		if !bytes.HasPrefix(l.b[l.i:], []byte("::")) {
			return nil
		}
		l.i += 2
		if _, err := l.skip(func(c byte, depth int) bool {
			return depth < 0 || depth == 0 && (c == ',' || c == ':')
		}); err != nil {
			return err
		}
	}
}

// copiedValue reads a cell in the lines after COPY.
func copiedValue(cell []byte) Value {
	if string(cell) == `\N` {
		return Value{Null: true}
	}
	if bytes.IndexByte(cell, '\\') < 0 {
		return valueOf(cell)
	}
	out := make([]byte, 0, len(cell))
	for i := 0; i < len(cell); i++ {
		if cell[i] != '\\' || i+1 == len(cell) {
			out = append(out, cell[i])
			continue
		}
		i++
		base, most := 8, 3
		digits := cell[i:]
		if cell[i] == 'x' {
			base, most, digits = 16, 2, cell[i+1:]
		}
		n := 0
		for n < len(digits) && n < most {
			if _, err := strconv.ParseUint(string(digits[n:n+1]), base, 8); err != nil {
				break
			}
			n++
		}
		code, err := strconv.ParseUint(string(digits[:n]), base, 8)
		switch {
		case n > 0 && err == nil:
			out = append(out, byte(code))
			if i += n - 1; base == 16 {
				i++
			}
		case cell[i] == 'v':
			out = append(out, '\v')
		case cell[i] == 'f':
			out = append(out, '\f')
		case cell[i] == 'Z' || cell[i] == '0':
			out = append(out, cell[i])
		default:
			out = append(out, escaped(cell[i])...)
		}
	}
	return valueOf(out)
}
