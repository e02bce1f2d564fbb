package engine

import (
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A View is a value inside a payload that is JSON text. It is found without
// decoding anything, and decoded only as far as it is asked for. What is not
// there is a View too: the zero View, which is null.
//
// The text is read as [Data.Value] reads it: of fields of one name the last
// counts, and what is no UTF-8 is U+FFFD.
type View struct {
	p    *payload
	mark int // in the index of p
	at   int // where the value begins
}

// View returns the payload as a View, and whether it is JSON text, of less than
// 4 GiB, and so can be viewed; [Data.Value] tells what it is else. The first View
// of a payload goes through its text, and those after it, of all copies, know.
func (d Data) View() (View, bool) {
	if d.p == nil || !d.p.indexed() {
		return View{}, false
	}
	return View{p: d.p, at: int(d.p.marks[0].at)}, true
}

// Field returns the field of a map. There is none in anything else.
func (v View) Field(name string) View {
	if !v.IsMap() {
		return View{}
	}
	if v.p.escaped || !isPlain(name) {
		if i, ok := v.names()[name]; ok {
			return v.child(i)
		}
		return View{}
	}
	text, marks := v.p.raw, v.p.marks
	hit, behind := 0, 0
	for i, end := v.mark+1, int(marks[v.mark].next); i < end; i = int(marks[i].next) {
		at := int(marks[i].at)
		if to := at + len(name); to < len(text) && text[to] == '"' && string(text[at:to]) == name {
			hit, behind = i, to+1
		}
	}
	if hit == 0 {
		return View{}
	}
	return View{v.p, hit, valueAt(text, behind)}
}

// names are the marks of the fields of a map by their names, which are decoded
// once.
func (v View) names() map[string]int {
	at := ^v.mark // which no value has
	if d := v.p.decoded(at); d != nil {
		return d.value.(map[string]int)
	}
	names := make(map[string]int, v.count())
	for i := range v.inside() {
		names[v.key(i)] = i
	}
	v.p.remember(&decoded{mark: at, value: names})
	return names
}

// isPlain reports whether a field of that name is the same bytes in every text
// without escapes.
func isPlain(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// IsMap reports whether it is a map.
func (v View) IsMap() bool { return v.p != nil && v.p.raw[v.at] == '{' }

// IsList reports whether it is a list.
func (v View) IsList() bool { return v.p != nil && v.p.raw[v.at] == '[' }

// All goes through the fields of a map, each as often as it was sent, or the
// items of a list, which have no names, in the order in which they came. A name
// may be a part of the payload, as [View.Text] is.
func (v View) All() iter.Seq2[string, View] {
	return func(yield func(string, View) bool) {
		if !v.IsMap() && !v.IsList() {
			return
		}
		for i := range v.inside() {
			name := ""
			if v.IsMap() {
				name = v.key(i)
			}
			if !yield(name, v.child(i)) {
				return
			}
		}
	}
}

// inside are the marks of what is inside a list or map, in order.
func (v View) inside() iter.Seq[int] {
	return func(yield func(int) bool) {
		marks := v.p.marks
		for i, end := v.mark+1, int(marks[v.mark].next); i < end && yield(i); i = int(marks[i].next) {
		}
	}
}

// key is the key of a mark inside a map, which may be a part of the payload.
func (v View) key(mark int) string {
	quoted, plain := v.p.stringAt(int(v.p.marks[mark].at))
	if plain {
		return inner(quoted)
	}
	return unquote(quoted)
}

// stringAt is the string whose opening quote is before i, and whether what is
// between its quotes stands for itself.
func (p *payload) stringAt(i int) (quoted []byte, plain bool) {
	end, escaped, _ := stringEnd(p.raw, i)
	quoted = p.raw[i-1 : end]
	return quoted, !escaped && (!p.foreign || utf8.Valid(quoted))
}

// inner is what is between the quotes of a plain string, not copied: text that
// was given to [JSON] never changes.
func inner(quoted []byte) string {
	return unsafe.String(&quoted[1], len(quoted)-2)
}

// unquote decodes a string that is not plain.
func unquote(quoted []byte) (text string) {
	_ = json.Unmarshal(quoted, &text) // can't fail: it is a part of JSON text
	return text
}

// child is what a mark inside a list or map is of.
func (v View) child(mark int) View {
	text, at := v.p.raw, int(v.p.marks[mark].at)
	if text[v.at] == '{' {
		end, _, _ := stringEnd(text, at)
		at = valueAt(text, end)
	}
	return View{v.p, mark, at}
}

// valueAt is where the value of a key begins that ends before i.
func valueAt(text []byte, i int) int { return spaceEnd(text, spaceEnd(text, i)+1) }

// count is how many values are inside a list or map.
func (v View) count() (n int) {
	for range v.inside() {
		n++
	}
	return n
}

// Text returns a text, and false for what is none. It is not copied: what keeps
// it keeps all of the payload, and [View.Value] is for that.
func (v View) Text() (string, bool) {
	if v.p == nil || v.p.raw[v.at] != '"' {
		return "", false
	}
	quoted, plain := v.p.stringAt(v.at + 1)
	if plain {
		return inner(quoted), true
	}
	return v.once().(string), true
}

// Value returns the value, which must not be changed. The payload remembers
// what is more than a short text, so that it is decoded once.
func (v View) Value() any {
	const short = 64
	if v.p == nil {
		return nil
	}
	switch v.p.raw[v.at] {
	case '{', '[':
		return v.once()
	case '"':
		if text, _ := v.Text(); len(text) <= short {
			return strings.Clone(text)
		}
		return v.once()
	}
	return v.decode()
}

// once decodes the value, unless that was done before.
func (v View) once() any {
	if d := v.p.decoded(v.mark); d != nil {
		return d.value
	}
	d := &decoded{mark: v.mark, value: v.decode()}
	v.p.remember(d)
	return d.value
}

func (v View) decode() any {
	text := v.p.raw
	switch text[v.at] {
	case '{':
		m := make(map[string]any, v.count())
		for i := range v.inside() {
			m[strings.Clone(v.key(i))] = v.child(i).decode()
		}
		return m
	case '[':
		list := make([]any, 0, v.count())
		for i := range v.inside() {
			list = append(list, v.child(i).decode())
		}
		return list
	case '"':
		quoted, plain := v.p.stringAt(v.at + 1)
		if plain {
			return string(quoted[1 : len(quoted)-1])
		}
		return unquote(quoted)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	return exactNumber(string(text[v.at:numberEnd(text, v.at)]))
}

// AppendJSON appends the value: as it was sent, but for space between its
// tokens. What is not UTF-8 is written as [View.Value] reads it.
func (v View) AppendJSON(dst []byte) []byte {
	if v.p == nil {
		return append(dst, "null"...)
	}
	text := v.p.raw[v.at:v.end()]
	if v.p.foreign && !utf8.Valid(text) {
		text = []byte(string([]rune(string(text))))
	}
	if v.p.spaced {
		dst, _ = appendCompact(dst, text) // can't fail: it is a part of JSON text
		return dst
	}
	return append(dst, text...)
}

// end is where the text of the value ends.
func (v View) end() int {
	text := v.p.raw
	switch text[v.at] {
	case '{', '[':
		end, last := v.at+1, 0
		for last = range v.inside() {
		}
		if last > 0 {
			end = v.child(last).end()
		}
		return spaceEnd(text, end) + 1
	case '"':
		end, _, _ := stringEnd(text, v.at+1)
		return end
	case 't', 'n':
		return v.at + 4
	case 'f':
		return v.at + 5
	}
	return numberEnd(text, v.at)
}
