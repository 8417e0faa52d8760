package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// derivedConversation names the conversation of a mail that refers to no other. It uses the
// subject without reply prefixes, and the sender and the first receiver in either direction.
// It depends on nothing that differs between the copies of a mail. It returns "" if there is
// no subject or no receiver.
func derivedConversation(subject, from, to string) string {
	subject = plainSubject(subject)
	if subject == "" || from == "" || to == "" {
		return ""
	}
	sum := sha256.New()
	for _, s := range []string{subject, min(from, to), max(from, to)} {
		sum.Write([]byte(s))
		sum.Write([]byte{0})
	}
	return argus.DerivedPrefix + hex.EncodeToString(sum.Sum(nil)[:16])
}

// plainSubject returns a subject in lower case, without the prefixes of replies, forwards,
// lists and filters.
func plainSubject(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	for {
		rest := withoutMark(s)
		if rest == s {
			return s
		}
		s = rest
	}
}

// withoutMark removes one prefix: Re:, Re[2]:, AW (3):, [list], ***SPAM***.
func withoutMark(s string) string {
	if s == "" {
		return s
	}
	if s[0] == '[' {
		if end := strings.IndexByte(s, ']'); end > 0 && end <= 40 {
			return strings.TrimSpace(s[end+1:])
		}
		return s
	}
	if s[0] == '*' {
		word, behind, ok := strings.Cut(strings.TrimLeft(s, "*"), "*")
		if ok && len(word) <= 20 {
			return strings.TrimLeft(behind, "* ")
		}
		return s
	}
	end := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
	if end <= 0 || !slices.Contains(answerMarks, s[:end]) {
		return s
	}
	rest := strings.TrimLeft(s[end:], " ")
	if rest != "" && strings.ContainsRune("[(^*", rune(rest[0])) {
		n := textdoc.DigitsEnd(rest, 1)
		if n == 1 {
			return s
		}
		rest = strings.TrimLeft(rest[n:], "]) ")
	}
	for _, colon := range []string{":", "："} {
		if behind, ok := strings.CutPrefix(rest, colon); ok {
			return strings.TrimSpace(behind)
		}
	}
	return s
}

// answerMarks are the words before the colon in replies and forwards, in the languages whose
// programs write their own.
var answerMarks = strings.Fields("re fw fwd aw wg antw betr doorst tr ré rép rv enc res r rif i sv vs vb vl odp pd ynt ilt atb ats " +
	"va továbbítás hl bls trs απ σχετ πρθ ответ отв на 回复 答复 回覆 转发 轉寄 轉發 返信 転送 답장 전달 השב הועבר رد")
