package flows

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// mostSecret is how large a file named by ${file:…} may be.
const mostSecret = 1 << 20

// An expander puts in what ${…} stands for.
type expander struct {
	lookup func(name string) (string, bool)
	done   map[*Value]bool // values that aliases share are expanded once
	files  []string        // that ${file:…} names
	diags  Diagnostics
}

// expand changes every text in v, but no key.
func (x *expander) expand(v *Value) {
	if x.done[v] {
		return
	}
	x.done[v] = true
	for _, item := range v.Items {
		x.expand(item)
	}
	for _, e := range v.Entries {
		x.expand(e.Value)
	}
	if v.Kind == String && strings.Contains(v.Text, "$") {
		x.text(v)
	}
}

// text expands one text. A rune that was put in has the place of its ${…}.
func (x *expander) text(v *Value) {
	written := []rune(v.Text)
	var text []rune
	var places []place
	whole := v.places != nil
	put := func(s []rune, from, to int) {
		text = append(text, s...)
		if !whole {
			return
		}
		span := v.At(from, to-from)
		for range s {
			places = append(places, place{int32(span.Line), int32(span.Column), int32(span.Length)})
		}
	}
	for i := 0; i < len(written); {
		switch {
		case written[i] != '$' || i+1 == len(written):
			put(written[i:i+1], i, i+1)
			i++
		case written[i+1] == '$':
			put([]rune{'$'}, i, i+2)
			i += 2
		case written[i+1] == '{':
			length := closing(written[i:])
			got, message, hint := x.reference(string(written[i+2:max(i+2, i+length-1)]), length > 0)
			if length == 0 {
				length = len(written) - i
			}
			if message != "" {
				x.diags = append(x.diags, Diagnostic{Span: v.At(i, length), Message: message, Hint: hint})
			}
			put([]rune(got), i, i+length)
			i += length
		default:
			put(written[i:i+1], i, i+1)
			i++
		}
	}
	v.Text, v.places = string(text), places
}

// closing is how long the ${…} is that s begins with, or 0 if it does not end.
func closing(s []rune) int {
	for i, r := range s {
		if r == '}' {
			return i + 1
		}
	}
	return 0
}

// reference returns what ${inside} stands for, or what is wrong with it.
func (x *expander) reference(inside string, closed bool) (text, message, hint string) {
	if !closed {
		return "", "${ without }", "write $${ for the characters themselves"
	}
	if path, ok := strings.CutPrefix(inside, "file:"); ok {
		x.files = append(x.files, path)
		content, err := readFile(path, mostSecret)
		if err != nil {
			return "", "${file:…}: " + err.Error(), ""
		}
		return strings.TrimSpace(content), "", ""
	}
	name, standIn, hasDefault := strings.Cut(inside, ":-")
	if !isName(name) {
		return "", fmt.Sprintf("${%s} is not the name of a variable", inside), "write ${NAME}, ${NAME:-default}, ${file:PATH}, or $${ for the characters themselves"
	}
	if value, ok := x.lookup(name); ok && (value != "" || !hasDefault) {
		return value, "", ""
	}
	if hasDefault {
		return standIn, "", ""
	}
	return "", fmt.Sprintf("the environment variable %s is not set", name), fmt.Sprintf("set it, or write ${%s:-default}", name)
}

// isName reports whether s is the name of an environment variable.
func isName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func readAtMost(f *os.File, limit int64) (string, error) {
	if info, err := f.Stat(); err != nil {
		return "", err
	} else if info.IsDir() {
		return "", fmt.Errorf("is a folder")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("is larger than %v", Size(limit))
	}
	return string(text), err
}
