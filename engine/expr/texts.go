package expr

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// text is v as it stands in a text: nil is nothing, a list or map its JSON.
func (s *state) text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration, *time.Location:
		return fmt.Sprint(v)
	case json.Number:
		return v.String()
	}
	return s.json(v)
}

func trim(s *state, args []any) any {
	text := args[0].(string)
	s.spend(len(text) >> 3)
	if len(args) == 2 {
		cut := args[1].(string)
		s.spend(len(text) / 8 * min(len(cut), 64))
		s.scan(len(cut))
		return strings.Trim(text, cut)
	}
	return strings.TrimSpace(text)
}

func trimPrefix(s *state, args []any) any {
	s.scan(len(second(args, " ")))
	return strings.TrimPrefix(args[0].(string), second(args, " "))
}

func trimSuffix(s *state, args []any) any {
	s.scan(len(second(args, " ")))
	return strings.TrimSuffix(args[0].(string), second(args, " "))
}

// second is the second argument, a text, if it was given.
func second(args []any, otherwise string) string {
	if len(args) < 2 {
		return otherwise
	}
	return args[1].(string)
}

func upper(s *state, args []any) any { return s.mapText(args[0].(string), strings.ToUpper) }
func lower(s *state, args []any) any { return s.mapText(args[0].(string), strings.ToLower) }

// mapText calls a function that changes letters one by one: the result is at
// most half as long again.
func (s *state) mapText(text string, f func(string) string) string {
	s.take(len(text) + len(text)/2)
	s.spend(len(text))
	return f(text)
}

func split(s *state, args []any) any {
	return s.splitText(args, strings.SplitN)
}

func splitAfter(s *state, args []any) any {
	return s.splitText(args, strings.SplitAfterN)
}

func (s *state) splitText(args []any, split func(text, by string, n int) []string) any {
	text, by := args[0].(string), args[1].(string)
	n := -1
	if len(args) == 3 {
		n = int(min(max(s.whole(args, 2), -1), mostBytes))
	}
	parts := s.count(text, by) + 1
	if n >= 0 {
		parts = min(parts, n)
	}
	s.take(parts * 2 * itemSize)
	list := make([]any, 0, parts)
	for _, item := range split(text, by, n) {
		list = append(list, item)
	}
	return list
}

// count is how often part is in text.
func (s *state) count(text, part string) int {
	s.scan(len(text) + len(part))
	return strings.Count(text, part)
}

func replace(s *state, args []any) any {
	text, old, with := args[0].(string), args[1].(string), args[2].(string)
	n := s.count(text, old)
	if len(args) == 4 {
		if most := s.whole(args, 3); most >= 0 {
			n = int(min(int64(n), most))
		}
	}
	if len(with) > 0 && n > mostBytes/len(with) {
		n = mostBytes/len(with) + 1 // refused
	}
	s.take(len(text) + n*len(with))
	s.spend(2 * n)
	return strings.Replace(text, old, with, n)
}

func repeat(s *state, args []any) any {
	text, n := args[0].(string), s.whole(args, 1)
	if n < 0 {
		s.fail("%s is negative, and repeat takes how often", s.name(1))
	}
	if len(text) == 0 {
		return ""
	}
	n = min(n, mostBytes/int64(len(text))+1)
	s.take(len(text) * int(n))
	return strings.Repeat(text, int(n))
}

func join(s *state, args []any) any {
	list, by := s.list(args[0]), second(args, "")
	var b strings.Builder
	for i, item := range list {
		if i > 0 {
			s.take(len(by))
			b.WriteString(by)
		}
		s.spend(2)
		text := s.text(s.norm(item))
		s.take(len(text))
		b.WriteString(text)
	}
	return b.String()
}

func indexOf(s *state, args []any) any     { return s.find(args, strings.Index) }
func lastIndexOf(s *state, args []any) any { return s.find(args, strings.LastIndex) }

// find counts in characters, as len and slices do.
func (s *state) find(args []any, find func(text, part string) int) any {
	text, part := args[0].(string), args[1].(string)
	s.scan(8 * (len(text) + len(part)))
	i := find(text, part)
	if i < 0 {
		return int64(-1)
	}
	return int64(utf8.RuneCountInString(text[:i]))
}

func hasPrefix(s *state, args []any) any { return s.texts(args[0], args[1], strings.HasPrefix) }
func hasSuffix(s *state, args []any) any { return s.texts(args[0], args[1], strings.HasSuffix) }

func toBase64(s *state, args []any) any {
	text := args[0].(string)
	n := base64.StdEncoding.EncodedLen(len(text))
	s.take(2 * n)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func fromBase64(s *state, args []any) any {
	text := args[0].(string)
	s.take(2 * len(text))
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		s.fail("%s is no base64", s.name(0))
	}
	return string(b)
}

// hash is the SHA-256 of a text, or of the JSON of any other value, in hex.
func hash(s *state, args []any) any {
	text, ok := args[0].(string)
	if !ok {
		text = s.json(args[0])
	}
	s.take(len(text))
	s.spend(50 + len(text)/2)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// slug is a text as it may stand in a URL or a file name: letters and digits
// in lower case, and one - for all between them.
func slug(s *state, args []any) any {
	text := args[0].(string)
	s.take(2 * len(text))
	s.spend(2 * len(text))
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(text) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

// uuid is a random UUID, or with an argument the one that is always made of
// that value, so that an event that comes twice gets the same.
func uuid(s *state, args []any) any {
	var id [16]byte
	s.take(64)
	s.spend(100)
	version := byte(4)
	if len(args) == 0 {
		rand.Read(id[:])
	} else {
		sum := sha256.Sum256(s.write([]byte("flowd uuid "), args[0], true, 0))
		copy(id[:], sum[:])
		version = 8 // RFC 9562: made by a rule of its own
	}
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
