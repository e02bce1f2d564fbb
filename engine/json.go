package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeJSON decodes exactly one JSON value, with exact integers.
func decodeJSON(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the payload is empty, want JSON")
		}
		return nil, fmt.Errorf("the payload is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the payload is not JSON: more follows the first value")
	}
	return exact(v), nil
}

// exact replaces every json.Number in v, which it owns.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		return exactNumber(v.String())
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

// exactNumber is a number as [Data.Value] has it.
func exactNumber(s string) any {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return json.Number(strings.Clone(s))
	}
	return f
}

// isDecoded reports whether v, which has so many lists and maps around it, is as
// decodeJSON would give it back.
func isDecoded(v any, depth int) bool {
	switch v := v.(type) {
	case nil, bool, int64:
		return true
	case float64:
		const beyond = 1 << 63 // the integers
		return v-v == 0 && (v != math.Trunc(v) || math.Abs(v) > beyond)
	case string:
		return utf8.ValidString(v)
	case []any:
		if v == nil || depth == deepest {
			return false
		}
		for _, item := range v {
			if !isDecoded(item, depth+1) {
				return false
			}
		}
		return true
	case map[string]any:
		if v == nil || depth == deepest {
			return false
		}
		for key, field := range v {
			if !utf8.ValidString(key) || !isDecoded(field, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// AppendJSON appends v on one line, as encoding/json does: with the keys of
// maps in order, and what is not UTF-8 as U+FFFD, but without escaping <, >
// and &. A [Data] or [View] in v is written as it writes itself. What is deeper
// than encoding/json reads is an error.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	before := len(dst)
	dst, err := appendJSON(dst, v, 0)
	if err == nil && len(dst)-before > 2*deepest && !json.Valid(dst[before:]) {
		err = fmt.Errorf("writing JSON: this is deeper than %d lists and maps", deepest)
	}
	return dst, err
}

func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	const usual = 1000 // beyond it encoding/json looks for a map that holds itself
	if depth < usual {
		switch v := v.(type) {
		case nil:
			return append(dst, "null"...), nil
		case bool:
			return strconv.AppendBool(dst, v), nil
		case string:
			return AppendText(dst, v), nil
		case int:
			return strconv.AppendInt(dst, int64(v), 10), nil
		case int64:
			return strconv.AppendInt(dst, v, 10), nil
		case float64:
			if v-v == 0 {
				return appendFloat(dst, v), nil
			}
		case Data:
			return v.AppendJSON(dst)
		case View:
			return v.AppendJSON(dst), nil
		case []any:
			if v != nil {
				return appendList(dst, v, depth)
			}
		case map[string]any:
			if v != nil {
				return appendMap(dst, v, depth)
			}
		}
	}
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, fmt.Errorf("writing JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func appendList(dst []byte, list []any, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, item := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, item, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, m map[string]any, depth int) (_ []byte, err error) {
	var few [16]string
	keys := slices.AppendSeq(few[:0], maps.Keys(m))
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendText(dst, key), ':')
		if dst, err = appendJSON(dst, m[key], depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendFloat writes a number as encoding/json does, which is as ECMAScript
// does.
func appendFloat(dst []byte, f float64) []byte {
	if a := math.Abs(f); a == 0 || 1e-6 <= a && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); string(dst[n-4:n-1]) == "e-0" { // 1e-07
		dst = append(dst[:n-2], dst[n-1])
	}
	return dst
}

// AppendText appends text as a JSON string, as [AppendJSON] does.
func AppendText[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		if c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
			i += size
			continue
		}
		dst = append(dst, text[start:i]...)
		if n := strings.IndexByte("\"\\\b\f\n\r\t", c); n >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[n])
		} else {
			dst = append(dst, '\\', 'u')
			for shift := 12; shift >= 0; shift -= 4 {
				dst = append(dst, "0123456789abcdef"[r>>shift&15])
			}
		}
		i += size
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

// appendCompact appends JSON text without space between its tokens.
func appendCompact(dst, text []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, text); err != nil {
		return dst, err
	}
	return b.Bytes(), nil
}
