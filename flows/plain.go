package flows

import (
	"fmt"
	"strings"
)

// plain reads text without quotes: a key and its value, or a value that may
// go on over the next lines.
func (p *proofreader) plain(w want, column int) *fault {
	from, end := p.pos, p.lineEnd()
	colon, over := p.src.plainEnd(from, end)
	switch {
	case colon && w == keysValue:
		return colonInText(over)
	case colon:
		p.enter(column, false, from)
		p.pos = over
		return p.valueOf()
	case w == nextKey:
		return p.noColon(from, over)
	}
	p.pos, p.awaits = over, false
	if over == end {
		if f, comment := p.continued(from, w); f != nil || !comment {
			return f
		}
	}
	if w == either {
		p.bare = from
	}
	return nil
}

// plainEnd is where plain text ends on its line, and whether by the colon of a
// key.
func (s *source) plainEnd(from, end int) (colon bool, at int) {
	for at = from; at < end; at++ {
		switch {
		case s.at(at) == ':' && s.alone(at):
			return true, at
		case s.at(at) == '#' && at > from && isBlank(s.at(at-1)):
			return false, at
		}
	}
	return false, at
}

// noColon is the fault of text where a key should be.
func (p *proofreader) noColon(from, to int) *fault {
	if p.empty {
		return &fault{from, to, "the text behind | or > must be indented more than its key", "indent it"}
	}
	text := string(p.src.runes[from:to])
	word, rest, more := strings.Cut(strings.TrimRight(text, " \t"), " ")
	f := &fault{from, from + len([]rune(word)), "a colon is missing", fmt.Sprintf("write %q", word+":")}
	if more && rest != "" {
		f.hint = fmt.Sprintf("write %q", word+": "+rest)
	}
	if before, after, ok := strings.Cut(word, ":"); ok && after != "" {
		f.message, f.hint = "a space is missing after the colon", fmt.Sprintf("write %q", before+": "+after)
	}
	return f
}

// continued reads the lines that plain text goes on over, those indented more
// than the block it stands in, and reports whether a comment ends it.
func (p *proofreader) continued(from int, w want) (f *fault, comment bool) {
	for line := p.src.line(p.pos) + 1; line < len(p.src.lines); line++ {
		text, start := p.src.text(line), p.src.lines[line]
		indent := blankTo(text, len(text))
		content := indent
		for content < len(text) && isBlank(text[content]) {
			content++
		}
		switch {
		case content == len(text):
			continue
		case text[content] == '#':
			return nil, true
		case indent <= p.parent() && content == indent, indent == 0 && p.marker(start):
			return nil, false
		}
		colon, over := p.src.plainEnd(start+content, start+len(text))
		if f := p.oddSpace(start); f != nil && (colon || indent <= p.parent()) {
			return f, false
		}
		if colon {
			return p.keyInText(from, w, start+content, over), false
		}
		if p.pos = start + len(text); over < p.pos {
			return nil, true
		}
	}
	return nil, false
}

// keyInText is the fault of text that began at from and in which a colon comes
// on a later line, which begins at to.
func (p *proofreader) keyInText(from int, w want, to, colon int) *fault {
	dash := p.dashAt(to)
	if w != keysValue && !(dash && p.top().list) {
		return p.noColon(from, p.src.end(p.src.line(from)))
	}
	p.pos = to
	if word := string(p.src.runes[to:colon]); dash || !strings.Contains(word, " ") {
		return p.tooDeep()
	}
	return colonInText(colon)
}

func colonInText(at int) *fault {
	return &fault{at, at + 1, "text with a colon and a space in it must be in quotes", "put all of it in quotes, or, if this is a map, begin it on the next line"}
}

// blockScalar passes the lines of text behind | or >.
func (p *proofreader) blockScalar() *fault {
	p.pos++
	from := p.pos
	for strings.ContainsRune("+-0123456789", p.src.at(p.pos)) && p.pos < len(p.src.runes) {
		p.pos++
	}
	given := strings.ContainsAny(string(p.src.runes[from:p.pos]), "123456789")
	if !p.ends() {
		return &fault{from, p.lineEnd(), "text behind | or > must begin on the next line", "put it there, indented"}
	}
	p.awaits, p.empty = false, true
	var body block // the lines of the text
	for line := p.src.line(p.pos) + 1; line < len(p.src.lines); line++ {
		text := p.src.text(line)
		indent := blankTo(text, len(text))
		if indent == len(text) {
			continue
		}
		if text[indent] == '\t' && (body.entries == 0 || indent < body.indent) {
			return p.oddSpace(p.src.lines[line])
		}
		if indent <= p.parent() {
			return nil
		}
		p.empty = false
		if body.entries++; body.entries == 1 {
			body.indent, body.last = indent, p.src.lines[line]+indent
		}
		if given { // its indentation is said, not shown
			body.indent = 0
		}
		if indent < body.indent && text[indent] == '#' {
			return nil
		}
		if indent < body.indent {
			p.pos = p.src.lines[line] + indent
			body.entries--
			return p.tooShallow(body, indent)
		}
		p.pos = p.src.end(line)
	}
	return nil
}

// tooShallow is the fault of a line, at p.pos, that is indented less than the
// text above it, but more than the key of that text.
func (p *proofreader) tooShallow(text block, indent int) *fault {
	end := p.lineEnd()
	if colon, _ := p.src.plainEnd(p.pos, end); colon {
		if f := p.oddOneOut(p.top(), indent); f != nil {
			return f
		}
	}
	if f := p.oddOneOut(text, indent); f != nil {
		return f
	}
	return &fault{p.pos, end, "this line is indented less than the text it belongs to", "indent it by " + spaces(text.indent)}
}
