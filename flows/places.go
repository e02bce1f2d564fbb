package flows

import (
	"slices"
	"sort"
)

// A place is where one rune of a value's text stands in its file.
type place struct{ line, column, width int32 }

// places are those of the runes of a text, one run for all that stand side by
// side.
type places []run

type run struct {
	from  int32 // the index of its first rune in the text
	first place
}

// add adds the place of rune i, the next one.
func (p places) add(i int, at place) places {
	if len(p) > 0 && p[len(p)-1].place(i) == at {
		return p
	}
	return append(p, run{int32(i), at})
}

// place is where rune i stands if it is of the run.
func (r run) place(i int) place {
	at := r.first
	at.column += (int32(i) - r.from) * at.width
	return at
}

// at is where rune i stands.
func (p places) at(i int) place {
	n := sort.Search(len(p), func(k int) bool { return int(p[k].from) > i })
	return p[n-1].place(i)
}

// A tracer follows the text of a scalar through its source, which differ by
// quotes, escapes, folding and indentation. It is led by the text that yaml.v3
// made of the source, so it decides nothing itself.
type tracer struct {
	src    *source
	pos    int
	text   []rune
	count  int // of runes that have their place
	places places
}

// take notes that the next rune of the text is written in width runes.
func (t *tracer) take(width int) {
	t.note(t.pos, width)
	t.pos += width
}

func (t *tracer) note(from, width int) {
	t.places = t.places.add(t.count, t.src.place(from, width))
	t.count++
}

func (t *tracer) done() bool { return t.count == len(t.text) }

// next is the rune of the text that has no place yet.
func (t *tracer) next() rune {
	if t.done() {
		return 0
	}
	return t.text[t.count]
}

// fold passes white space with a line break in it, which stands for a space or,
// with n breaks, for n-1; it reports whether there was any. A break that a
// backslash escapes stands for nothing.
func (t *tracer) fold(escaped bool) bool {
	end, breaks := t.pos, 0
	for r := t.src.at(end); isBlank(r) || isBreak(r); r = t.src.at(end) {
		if isBreak(r) {
			breaks++
			if r == '\r' && t.src.at(end+1) == '\n' {
				end++
			}
		}
		end++
	}
	if breaks == 0 {
		return false
	}
	stands := breaks - 1
	if breaks == 1 && !escaped {
		stands = 1
	}
	for range stands {
		if !t.done() {
			t.note(t.pos, 1)
		}
	}
	t.pos = end
	return true
}

// plain traces a plain scalar and returns where it ends.
func (t *tracer) plain() (end int, ok bool) {
	if end := t.pos + len(t.text); end <= len(t.src.runes) && slices.Equal(t.src.runes[t.pos:end], t.text) && !slices.ContainsFunc(t.text, isBreak) {
		t.note(t.pos, 1) // one run
		return end, true
	}
	for !t.done() {
		if t.fold(false) {
			continue
		}
		if t.src.at(t.pos) != t.next() {
			return t.pos, false
		}
		t.take(1)
	}
	return t.pos, true
}

// quoted traces a scalar in single or double quotes.
func (t *tracer) quoted() (end int, ok bool) {
	quote := t.src.at(t.pos)
	t.pos++
	for t.pos < len(t.src.runes) {
		if t.fold(false) {
			continue
		}
		switch r := t.src.at(t.pos); {
		case r == quote && (quote == '"' || t.src.at(t.pos+1) != quote):
			return t.pos + 1, t.done()
		case t.done() && r != '\\':
			return t.pos, false
		case r == quote:
			t.take(2)
		case r == '\\' && quote == '"':
			if isBreak(t.src.at(t.pos + 1)) {
				t.pos++
				t.fold(true)
				continue
			}
			t.take(2 + hexDigits[t.src.at(t.pos+1)])
		case r != t.next():
			return t.pos, false
		default:
			t.take(1)
		}
	}
	return t.pos, false
}

// hexDigits is how many digits follow the letter of an escape.
var hexDigits = map[rune]int{'x': 2, 'u': 4, 'U': 8}

// block traces a literal or folded block scalar. Its text begins on the line
// after the indicator.
func (t *tracer) block() (end int, ok bool) {
	indent, found := t.indent()
	if !found {
		return t.pos, t.trailing()
	}
	for line := t.src.line(t.pos) + 1; line < len(t.src.lines); line++ {
		content := t.src.text(line)
		if len(content) < indent || blankTo(content, indent) != indent {
			if blankTo(content, len(content)) < len(content) {
				break // less indented: the scalar is over
			}
			content = nil
		} else {
			content = content[indent:]
		}
		if len(content) > 0 {
			t.pos = t.src.lines[line] + indent
		}
		for _, r := range content {
			if t.next() != r {
				return t.pos, t.trailing()
			}
			t.take(1)
		}
		if len(content) == 0 {
			continue // its break was taken with the line before
		}
		if t.next() == ' ' {
			t.newline()
		}
		for t.next() == '\n' {
			t.newline()
		}
		if t.done() {
			break
		}
	}
	return t.pos, t.trailing()
}

// newline gives a break, or the space it is folded to, the place behind the
// line.
func (t *tracer) newline() { t.note(t.pos, 1) }

// trailing gives what is left, if that is breaks alone, the last place.
func (t *tracer) trailing() bool {
	for t.next() == '\n' {
		t.newline()
	}
	return t.done()
}

// indent is by how much a block scalar is indented: what its first line with
// content has beyond the blanks that are part of the text.
func (t *tracer) indent() (indent int, found bool) {
	first := 0
	for first < len(t.text) && t.text[first] == '\n' {
		first++
	}
	own := blankTo(t.text[first:], len(t.text)-first)
	for line := t.src.line(t.pos) + 1; line < len(t.src.lines); line++ {
		content := t.src.text(line)
		if n := blankTo(content, len(content)); n < len(content) {
			for range first { // empty lines before it
				t.note(t.src.lines[line], 1)
			}
			return max(0, n-own), true
		}
	}
	return 0, false
}

// blankTo counts the spaces that s begins with, up to most.
func blankTo(s []rune, most int) int {
	n := 0
	for n < most && s[n] == ' ' {
		n++
	}
	return n
}
