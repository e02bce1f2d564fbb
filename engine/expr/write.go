package expr

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/flowd/flowd/engine"
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
		b = engine.AppendText(b, v)
	case []any:
		return s.writeList(b, v, key, depth)
	case map[string]any:
		return s.writeMap(b, v, key, depth)
	case time.Time:
		if key {
			b, v = append(b, 't'), v.UTC()
		}
		b = engine.AppendText(b, s.text(v))
	case time.Duration, *time.Location:
		if key {
			b = append(b, 'd')
		}
		b = engine.AppendText(b, s.text(v))
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
		b = append(engine.AppendText(b, k), ':')
		b = s.write(b, m[k], key, depth+1)
	}
	return append(b, '}')
}

// longKey is how many bytes a key has before it is hashed.
const longKey = 256

// keyText is equal for equal values, and only for those: 1 and 1.0 are, 1 and
// "1" are not.
func (s *state) keyText(v any) string {
	switch v := v.(type) {
	case string:
		return textKey(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return shortKey(string(s.write(nil, v, true, 0)))
}

// textKey is keyText of a text.
func textKey(text string) string { return shortKey(`"` + text) } // nothing else begins so

func shortKey(key string) string {
	if len(key) > longKey {
		sum := sha256.Sum256([]byte(key))
		return "#" + hex.EncodeToString(sum[:])
	}
	return key
}
