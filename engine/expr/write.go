package expr

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// json is v as JSON on one line. The keys of maps are in order.
func (s *state) json(v any) string { return string(s.write(nil, v, false, 0)) }

// write appends the JSON of v. It counts what it writes, since lists that hold
// one list many times are small until they are written. As a key, what is no
// JSON is told apart from its text.
func (s *state) write(b []byte, v any, key bool, depth int) []byte {
	if depth > mostDepth {
		s.fail("this is deeper than %d lists and maps", mostDepth)
	}
	before := len(b)
	switch v := s.norm(v).(type) {
	case nil:
		b = append(b, "null"...)
	case string:
		s.take(len(v))
		s.spend(len(v) >> 1)
		b = appendQuoted(b, v)
	case []any:
		return s.writeList(b, v, key, depth)
	case map[string]any:
		return s.writeMap(b, v, key, depth)
	case time.Time:
		if key {
			b, v = append(b, 't'), v.UTC()
		}
		b = appendQuoted(b, s.text(v))
	case time.Duration, *time.Location:
		if key {
			b = append(b, 'd')
		}
		b = appendQuoted(b, s.text(v))
	default: // true, false and numbers
		b = append(b, s.text(v)...)
	}
	s.spend(4)
	s.take(len(b) - before)
	return b
}

func (s *state) writeList(b []byte, list []any, key bool, depth int) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.write(b, item, key, depth+1)
	}
	return append(b, ']')
}

func (s *state) writeMap(b []byte, m map[string]any, key bool, depth int) []byte {
	s.spend(8 * len(m))
	s.take(len(m) * itemSize)
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		s.take(len(k))
		b = append(appendQuoted(b, k), ':')
		b = s.write(b, m[k], key, depth+1)
	}
	return append(b, '}')
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends text as JSON, with no escape that JSON does not ask for.
func appendQuoted(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(text[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || width > 1) {
			i += width
			continue
		}
		b = append(b, text[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if c >= utf8.RuneSelf {
				b = append(b, `\ufffd`...)
			} else {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i += width
		start = i
	}
	return append(append(b, text[start:]...), '"')
}

// longKey is how many bytes a key has before it is hashed.
const longKey = 256

// keyText is equal for equal values, and only for those: 1 and 1.0 are, 1 and
// "1" are not.
func (s *state) keyText(v any) string {
	var key string
	switch v := v.(type) {
	case string:
		key = `"` + v // nothing else begins so
	case int64:
		key = strconv.FormatInt(v, 10)
	default:
		key = string(s.write(nil, v, true, 0))
	}
	if len(key) > longKey {
		sum := sha256.Sum256([]byte(key))
		return "#" + hex.EncodeToString(sum[:])
	}
	return key
}
