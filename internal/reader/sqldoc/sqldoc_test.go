package sqldoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// rowsOf reads a dump and writes each row as one line.
func rowsOf(t testing.TB, file string, limit int) (list []string) {
	t.Helper()
	end := int64(0)
	for row, err := range Rows(t.Context(), readertest.Input("f", []byte(file), reader.Options{MaxRecord: limit}), "") {
		if err != nil {
			t.Fatal(err)
		}
		if w := row.Where; w.Offset < end || w.Offset+w.Length > int64(len(file)) {
			t.Fatalf("a row is at %+v, behind %d of %d", w, end, len(file))
		}
		end = row.Where.Offset + row.Where.Length
		if row.Problem != "" {
			list = append(list, "problem: "+row.Problem)
			continue
		}
		var values []string
		for i, v := range row.Values {
			name := ""
			if i < len(row.Names) {
				name = row.Names[i] + "="
			}
			switch {
			case v.Null:
				values = append(values, name+"NULL")
			case v.Bytes:
				values = append(values, name+"bytes "+v.Text)
			default:
				values = append(values, fmt.Sprintf("%s%q", name, v.Text))
			}
		}
		list = append(list, row.Table+": "+strings.Join(values, " "))
	}
	return list
}

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"values", `CREATE TABLE IF NOT EXISTS "main"."t" ("a b" TEXT DEFAULT ('x, (y)'), b DECIMAL(10,2), PRIMARY KEY (b));
			INSERT OR IGNORE INTO t VALUES ('it''s', -1.5e3),(NULL, X'0aFF'), (TRUE, E'a\tb'::text) ON CONFLICT DO NOTHING; INSERT INTO [dbo].[u] ([c]) VALUES (CAST(N'2021' AS DateTime2(7)))`,
			[]string{`t: a b="it's" b="-1.5e3"`, `t: a b=NULL b=bytes 0aff`, `t: a b="true" b="a\tb"`, `u: c="2021"`}},
		{"texts with statements in them", "INSERT INTO t VALUES ('a;\nINSERT INTO u VALUES (1);\n-- x\n/* y');\nINSERT INTO t VALUES (2); -- INSERT INTO t VALUES (3);\n/* INSERT INTO t VALUES (4); */",
			[]string{`t: "a;\nINSERT INTO u VALUES (1);\n-- x\n/* y"`, `t: "2"`}},
		{"backslashes", `INSERT INTO t VALUES ('a\');INSERT INTO t VALUES (unistr('x\u000ay\\'), replace(replace('a\r\n','\r',char(13)),'\n',char(10)));`,
			[]string{`t: "a\\"`, `t: "x\ny\\" "a\r\n"`}},
		{"backslashes of MySQL", "-- MySQL dump\n# INSERT INTO t VALUES (0);\nINSERT INTO `t` VALUES ('a\\'b','\\\\','\\0',0x4142,_binary '\xff\xfe',\"q\\\"\");",
			[]string{`t: "a'b" "\\" "\x00" bytes 4142 bytes fffe "q\""`}},
		{"copy", "COPY \"s\".\"t\" (\"a\", b) FROM stdin;\n\\N\t\\\\x\\t\\x41\\101\n;\t--\n\\.\nCOPY t TO stdout;\nCOPY t (a) FROM stdin WITH (FORMAT csv);\n",
			[]string{`t: a=NULL b="\\x\tAA"`, `t: a=";" b="--"`, "problem: want COPY in the text form of pg_dump, found another form"}},
		{"cut off", "COPY t (a) FROM stdin;\n1\n2", []string{`t: a="1"`, "problem: want the end of a statement or row, found the end of the file", "problem: want the end of the rows, found the end of the file"}},
		{"cut off in a row", "INSERT INTO t VALUES (1),\n(2, 'x", []string{`t: "1"`, "problem: want the end of a statement or row, found the end of the file", "problem: want the end of the rows, found the end of the file"}},
		{"behind a broken row", "INSERT INTO t VALUES\n(1),\n(now()),\n(2),\n(3 4),\nINSERT INTO t VALUES (5), !;\nINSERT INTO t VALUES (6);",
			[]string{`t: "1"`, "problem: want a value, found something else", `t: "2"`, "problem: want a comma or a bracket behind a value, found something else", `t: "5"`, "problem: want a row, found something else", `t: "6"`}},
		{"changes", "UPDATE t SET a = 1; DELETE FROM ONLY public.u WHERE 'x;' = ''; INSERT INTO t SELECT 1;\n",
			[]string{"problem: want rows, found a statement UPDATE that changes earlier ones; it is not applied", "problem: want rows, found a statement DELETE that changes earlier ones; it is not applied",
				`problem: want VALUES behind INSERT INTO "t", found something else`}},
		{"SQL Server", "SET IDENTITY_INSERT [dbo].[t] ON\nGO\nINSERT [dbo].[t] ([a], [b]) VALUES (1, N'x')\nINSERT [dbo].[t] ([a], [b]) VALUES (2, CAST(N'2021-02-14T12:00:00' AS DateTime))\nGO\n",
			[]string{`t: a="1" b="x"`, `t: a="2" b="2021-02-14T12:00:00"`}},
		{"UTF-16", "\xff\xfeI\x00", []string{"problem: want a dump in UTF-8, found another encoding; convert it first"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, rowsOf(t, tt.file, 0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBounds reads a statement of many rows that is longer than a record may be, and a row
// that is.
func TestBounds(t *testing.T) {
	const limit = 64 << 10
	row := "(1,'" + strings.Repeat("x", 100) + "')"
	file := "INSERT INTO t VALUES " + strings.Repeat(row+",", 20_000) + "\n(2,'" + strings.Repeat("y", 1<<20) + "'),\n" + row + ";"
	list := rowsOf(t, file, limit)
	if n := len(list); n != 20_002 || !strings.HasPrefix(list[n-2], "problem: want the end of a statement or row within 65536 bytes") {
		t.Errorf("%d rows, %.200q", len(list), list[max(0, len(list)-2):])
	}
	for _, hostile := range []string{"/*", "INSERT INTO t VALUES (", "$a$", "(((((", "--\n", "'", "CREATE TABLE a (b,", "\\.\nCOPY t FROM stdin;\n"} {
		rowsOf(t, strings.Repeat(hostile, 20_000), limit)
	}
}

func FuzzRows(f *testing.F) {
	f.Add("CREATE TABLE t (a, b);\nINSERT INTO t VALUES (1,'x''y'),(NULL,X'00');\nUPDATE t SET a=1;\n")
	f.Add("-- MySQL dump\nINSERT INTO `t` VALUES ('\\'',_binary 'x'),\n(0x41,\"q\");\nDELIMITER ;;\nx;;\nDELIMITER ;\n")
	f.Add("COPY t (a, b) FROM stdin;\n1\t\\N\\x41\n\\.\nSELECT $x$;$x$;\n")
	f.Fuzz(func(t *testing.T, file string) { rowsOf(t, file, 1<<12) })
}
