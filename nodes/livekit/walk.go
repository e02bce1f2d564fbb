package livekit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// A walk makes the data of an event while it reads the body once, and takes
// from it what the event is about. It copies values as they are written and
// decodes none.
//
// It takes bodies as LiveKit writes them. What it does not take may be an event
// all the same: names that come twice, null, an enum by its number, names in
// snake case, exponents and surrogates are left to [payload.decode]. What the
// walk takes, both read alike.
type walk struct {
	payload
	about
	in   []byte   // what is left of the body
	out  []byte   // the data so far
	path []string // names of the fields that it is in
	keys [][]byte // of the objects that it is in, where they are the user's
}

const (
	maxDepth  = 32 // of messages within messages: LiveKit's are 6 deep
	maxKeys   = 64 // of the user's, within each other
	maxNumber = 40 // characters
)

var walks = sync.Pool{New: func() any { return new(walk) }}

// walk returns what the data of a body is and what it is about, or false.
func (p payload) walk(body []byte) (data []byte, a about, ok bool) {
	w := walks.Get().(*walk)
	defer w.free()
	w.payload, w.in = p, body
	if !w.message(eventMessage()) || w.event == "" {
		return nil, about{}, false
	}
	if w.space(); len(w.in) > 0 {
		return nil, about{}, false
	}
	return bytes.Clone(w.out), w.about, true
}

// free gives back what the next walk can use. It lets go of the body.
func (w *walk) free() {
	clear(w.keys[:cap(w.keys)])
	*w = walk{out: w.out[:0], path: w.path[:0], keys: w.keys[:0]}
	walks.Put(w)
}

// message copies an object and puts the zeros back that it leaves out.
func (w *walk) message(m *message) bool {
	if m == nil || len(w.path) > maxDepth || !w.begin('{') {
		return false
	}
	var seen, chosen uint64
	reference := m.reference != nil
	for first := true; w.more(first, '}'); first = false {
		begin := len(w.out)
		name, ok := w.name()
		if !ok {
			return false
		}
		f, known := m.fields[string(name)]
		if !known {
			reference = false
			if !w.value(maxDepth) {
				return false
			}
			continue
		}
		if f == nil || seen&f.bit != 0 || chosen&f.choice != 0 {
			return false
		}
		seen |= f.bit
		chosen |= f.choice
		w.path = append(w.path, f.name)
		if !w.field(f) {
			return false
		}
		w.path = w.path[:len(w.path)-1]
		if !w.keeps(f.secret) {
			w.out = w.out[:begin]
		} else if reference {
			reference = slices.Contains(m.reference, f.name)
		}
	}
	w.zeros(m, seen, reference)
	return w.end('}')
}

// zeros puts back what was not seen of a message. A reference to a room or
// participant stays one, but in an event of its own.
func (w *walk) zeros(m *message, seen uint64, reference bool) {
	if reference && !w.whole() || m.event && w.event != "room_finished" {
		return
	}
	for _, f := range m.zeros {
		if seen&f.bit == 0 && w.keeps(f.secret) {
			w.comma()
			w.out = append(w.out, f.zero...)
		}
	}
}

// field copies what a field has: a value, a list of them, or an object with
// keys of the user's, which must differ.
func (w *walk) field(f *field) bool {
	switch {
	case f.list:
		if !w.begin('[') {
			return false
		}
		for first := true; w.more(first, ']'); first = false {
			w.comma()
			if !w.item(f) {
				return false
			}
		}
		return w.end(']')
	case f.keyed:
		if !w.begin('{') {
			return false
		}
		around := len(w.keys)
		for first := true; w.more(first, '}'); first = false {
			key, ok := w.name()
			if !ok || len(w.keys) == maxKeys || slices.ContainsFunc(w.keys[around:], func(k []byte) bool { return bytes.Equal(k, key) }) {
				return false
			}
			w.keys = append(w.keys, key)
			if !w.item(f) {
				return false
			}
		}
		w.keys = w.keys[:around]
		return w.end('}')
	}
	return w.item(f)
}

// item copies one value of a field.
func (w *walk) item(f *field) bool {
	w.space()
	switch f.kind {
	case messageField: // what it has in full, the name of the event tells
		return w.event != "" && w.message(f.message())
	case boolField:
		return w.word("true") || w.word("false")
	case textField:
		text, ok := w.text()
		return ok && (!f.told || w.tell(text))
	case intField:
		n, ok := w.integer(f)
		if f.told && len(w.path) == 1 {
			w.created = n
		}
		return ok
	case floatField:
		return w.number()
	}
	return false
}

// tell keeps what a text says of the event, if it does.
func (w *walk) tell(text []byte) bool {
	var into *string
	var place [64]byte
	at := place[:0]
	for _, name := range w.path {
		at = append(append(at, '.'), name...)
	}
	switch string(at) {
	case ".event":
		into = &w.event
	case ".id":
		into = &w.id
	case ".room.name":
		into = &w.room
	case ".job.room.name":
		into = &w.jobRoom
	case ".egressInfo.egressId":
		into = &w.egress
	case ".ingressInfo.ingressId":
		into = &w.ingress
	case ".job.id":
		into = &w.job
	default:
		return true
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		return json.Unmarshal(text, into) == nil
	}
	*into = string(text[1 : len(text)-1])
	return true
}

// integer copies an integer, as it is or as text.
func (w *walk) integer(f *field) (n int64, ok bool) {
	b := w.in
	quoted := len(b) > 0 && b[0] == '"'
	if quoted {
		b = b[1:]
	}
	end := digits(b)
	var err error
	if f.unsigned {
		_, err = strconv.ParseUint(string(b[:end]), 10, f.bits)
	} else {
		n, err = strconv.ParseInt(string(b[:end]), 10, f.bits)
	}
	if err != nil {
		return 0, false
	}
	if quoted {
		if len(b) == end || b[end] != '"' {
			return 0, false
		}
		end += 2
	}
	w.copy(end)
	return n, true
}

// number copies a number that has no exponent.
func (w *walk) number() bool {
	end := digits(w.in)
	if end > 0 && end < len(w.in) && w.in[end] == '.' {
		fraction := end + 1
		for end = fraction; end < len(w.in) && isDigit(w.in[end]); end++ {
		}
		if end == fraction {
			return false
		}
	}
	if end == 0 || end > maxNumber {
		return false
	}
	w.copy(end)
	return true
}

// digits is how long the integer is that b begins with; 0 if there is none.
func digits(b []byte) int {
	n := 0
	if len(b) > 0 && b[0] == '-' {
		n++
	}
	first := n
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n == first || b[first] == '0' && n > first+1 {
		return 0
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// value copies any value, which has at most so many others around each other in
// it.
func (w *walk) value(depth int) bool {
	w.space()
	if len(w.in) == 0 || depth == 0 {
		return false
	}
	switch w.in[0] {
	case '{':
		w.begin('{')
		for first := true; w.more(first, '}'); first = false {
			if _, ok := w.name(); !ok || !w.value(depth-1) {
				return false
			}
		}
		return w.end('}')
	case '[':
		w.begin('[')
		for first := true; w.more(first, ']'); first = false {
			w.comma()
			if !w.value(depth - 1) {
				return false
			}
		}
		return w.end(']')
	case '"':
		_, ok := w.text()
		return ok
	case 't':
		return w.word("true")
	case 'f':
		return w.word("false")
	case 'n':
		return w.word("null")
	}
	return w.number()
}

// begin copies the brace or bracket that an object or list begins with.
func (w *walk) begin(c byte) bool {
	w.space()
	if len(w.in) == 0 || w.in[0] != c {
		return false
	}
	w.copy(1)
	return true
}

// more reports whether an object or list goes on. If it does not, either it
// ends here or something is wrong.
func (w *walk) more(first bool, end byte) bool {
	w.space()
	if len(w.in) == 0 || w.in[0] == end {
		return false
	}
	if first {
		return true
	}
	if w.in[0] != ',' {
		return false
	}
	w.in = w.in[1:]
	return true
}

// comma parts a member or item from the one before.
func (w *walk) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

func (w *walk) end(c byte) bool {
	if len(w.in) == 0 || w.in[0] != c {
		return false
	}
	w.copy(1)
	return true
}

// name copies the name of a member. It has no escapes, and is not that of an
// extension.
func (w *walk) name() (name []byte, ok bool) {
	w.comma()
	w.space()
	name, ok = w.text()
	if !ok || bytes.IndexByte(name, '\\') >= 0 || bytes.HasPrefix(name, []byte(`"[`)) {
		return nil, false
	}
	if w.space(); len(w.in) == 0 || w.in[0] != ':' {
		return nil, false
	}
	w.copy(1)
	return name[1 : len(name)-1], true
}

// text copies a string, which it returns with its quotes.
func (w *walk) text() (text []byte, ok bool) {
	b := w.in
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	ascii := true
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			w.copy(i + 1)
			return b[:i+1], ascii || utf8.Valid(b[:i])
		case c == '\\':
			n := escaped(b[i+1:])
			if n == 0 {
				return nil, false
			}
			i += n
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// escaped is how many bytes belong to the backslash before b; 0 if it is none
// of JSON's escapes, or half of a surrogate pair.
func escaped(b []byte) int {
	if len(b) > 0 && strings.IndexByte(`"\/bfnrt`, b[0]) >= 0 {
		return 1
	}
	if len(b) < 5 || b[0] != 'u' || (b[1] == 'd' || b[1] == 'D') && b[2] >= '8' {
		return 0
	}
	for _, c := range b[1:5] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return 0
		}
	}
	return 5
}

// word copies a word.
func (w *walk) word(s string) bool {
	if len(w.in) < len(s) || string(w.in[:len(s)]) != s {
		return false
	}
	w.copy(len(s))
	return true
}

// copy takes n bytes as they are.
func (w *walk) copy(n int) {
	w.out = append(w.out, w.in[:n]...)
	w.in = w.in[n:]
}

func (w *walk) space() {
	for len(w.in) > 0 && (w.in[0] == ' ' || w.in[0] == '\n' || w.in[0] == '\r' || w.in[0] == '\t') {
		w.in = w.in[1:]
	}
}
