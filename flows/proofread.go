package flows

import (
	"fmt"
	"regexp"
	"strings"
)

// A proofreader finds what is wrong in a text that yaml.v3 refused. It follows
// indentation, quotes and brackets only as far as it must to name the line a
// person has to change, which is often above the one where YAML stops making
// sense: an unclosed quote, a missing colon. It is never asked about a text
// that yaml.v3 can read, and where it finds nothing, yaml.v3's own word stands.
type proofreader struct {
	src    *source
	pos    int     // what is read next
	open   []block // the lists and maps that are not over, the outermost first
	awaits bool    // whether the last key or dash has no value yet
	empty  bool    // whether the last value is a block of text without a line
	bare   int     // where text without a colon began that a comment ended, or -1
	lost   bool    // whether something came that it can't follow
}

// A block is a list or map without brackets.
type block struct {
	indent  int
	list    bool
	entries int
	last    int  // where its last entry begins
	alone   bool // whether the entry before that one has no value
}

// A fault is a place, as offsets, and what is wrong there.
type fault struct {
	from, to      int
	message, hint string
}

// proofread returns the first fault of a text, or nil.
func proofread(src *source) *fault {
	p := &proofreader{src: src, awaits: true, bare: -1}
	for p.pos < len(src.runes) && !p.lost {
		if f := p.line(); f != nil {
			return f
		}
		p.pos = p.lineEnd() + 1
		if p.src.at(p.pos-1) == '\r' {
			p.pos++
		}
	}
	return nil
}

func (p *proofreader) lineEnd() int { return p.src.end(p.src.line(p.pos)) }

// top is the innermost block.
func (p *proofreader) top() block {
	if n := len(p.open); n > 0 {
		return p.open[n-1]
	}
	return block{indent: -1}
}

// parent is the indentation of the innermost block.
func (p *proofreader) parent() int { return p.top().indent }

// dashAt reports whether the dash of a list stands at an offset.
func (p *proofreader) dashAt(at int) bool { return p.src.at(at) == '-' && p.src.alone(at) }

// enter notes an entry of a list or map at p.pos, which may be its first.
func (p *proofreader) enter(indent int, list bool, from int) {
	if n := len(p.open); n == 0 || p.open[n-1].indent != indent || p.open[n-1].list != list {
		p.open = append(p.open, block{indent: indent, list: list})
	}
	b := &p.open[len(p.open)-1]
	b.entries, b.last, b.alone = b.entries+1, from, b.entries > 0 && p.awaits
	p.awaits, p.empty, p.bare = true, false, -1
}

// ends reports whether nothing but a comment comes up to the end of the line,
// and passes blanks.
func (p *proofreader) ends() bool {
	from := p.pos
	for isBlank(p.src.at(p.pos)) {
		p.pos++
	}
	end := p.lineEnd()
	return p.pos >= end || p.src.at(p.pos) == '#' && p.pos > from
}

// alone reports whether a mark at an offset stands alone, as the dash of a
// list and the colon of a key do.
func (s *source) alone(at int) bool {
	next := s.at(at + 1)
	return next == 0 || isBlank(next) || isBreak(next)
}

// line reads what begins on the line at p.pos, up to where its value ends.
func (p *proofreader) line() *fault {
	line := p.src.line(p.pos)
	start := p.src.lines[line]
	for p.src.at(p.pos) == ' ' {
		p.pos++
	}
	indent := p.pos - start
	if p.src.at(p.pos) == '#' {
		return nil
	}
	if p.ends() && p.pos == p.lineEnd() {
		return nil
	}
	if f := p.oddSpace(start); f != nil {
		return f
	}
	if indent == 0 && p.marker(start) {
		p.open, p.awaits = nil, true
		p.pos += 3
		if p.src.at(start) == '%' {
			return p.directive(start)
		}
		if p.ends() {
			return nil
		}
		return p.node(either)
	}
	dash := p.dashAt(p.pos)
	var over *block // the outermost block that this line ends
	for p.parent() > indent {
		over = &p.open[len(p.open)-1]
		p.open = p.open[:len(p.open)-1]
	}
	if n := len(p.open); n > 1 && !dash && p.open[n-1].list && p.open[n-1].indent == indent && p.open[n-2].indent == indent {
		over = &p.open[n-1] // a list that stands as deep as its key
		p.open = p.open[:n-1]
	}
	p.awaits = p.awaits && over == nil
	to := p.lineEnd()
	switch {
	case p.parent() < indent && over != nil:
		for _, b := range []block{*over, p.top()} {
			if f := p.oddOneOut(b, indent); f != nil {
				return f
			}
		}
		return &fault{p.pos, to, "this indentation fits no line above", fmt.Sprintf("indent it by %d or %d spaces", max(0, p.parent()), over.indent)}
	case p.parent() < indent && !p.awaits:
		return p.tooDeep()
	case p.parent() < indent:
		return p.node(either)
	case p.top().list && !dash && p.src.at(p.pos) == '-':
		rest := strings.TrimSpace(string(p.src.runes[p.pos+1 : to]))
		return &fault{p.pos, p.pos + 1, "a space is missing behind the dash", fmt.Sprintf("write %q", "- "+rest)}
	case p.top().list && !dash:
		return &fault{p.pos, to, "a dash is missing: this line stands among the items of a list", "begin it with a dash, or indent it as what it belongs to"}
	case !p.top().list && dash && !p.awaits:
		if n := len(p.open); over == nil && n > 1 {
			over = &p.open[n-2]
		}
		if over != nil && over.list {
			if f := p.oddOneOut(*over, indent); f != nil {
				return f
			}
		}
		return &fault{p.pos, p.pos + 1, "a dash where a key is expected", "indent it as the list it belongs to"}
	case dash:
		return p.node(either)
	}
	return p.node(nextKey)
}

// oddOneOut is the fault of the only entry of a block, or of one that stands
// beside a key that it belongs under, when it is that one which is indented
// unlike the lines at p.pos and below: more of them agree, or it alone is
// indented by an odd number.
func (p *proofreader) oddOneOut(b block, indent int) *fault {
	if b.entries != 1 && !b.alone {
		return nil
	}
	agree := 0
	for line := p.src.line(p.pos); line < len(p.src.lines); line++ {
		text := p.src.text(line)
		n := blankTo(text, len(text))
		if n == len(text) || n > indent || text[n] == '#' {
			continue
		}
		if n < indent {
			break
		}
		if p.dashAt(p.src.lines[line]+n) == p.dashAt(p.pos) {
			agree++
		}
	}
	if agree < 2 && (b.indent%2 == 0 || indent%2 != 0) {
		return nil
	}
	end := p.src.end(p.src.line(b.last))
	return &fault{b.last, end, "this line is indented unlike the ones below it", "indent it by " + spaces(indent)}
}

func spaces(n int) string {
	if n == 1 {
		return "1 space"
	}
	return fmt.Sprintf("%d spaces", n)
}

// tooDeep is the fault of a line below a value that is complete.
func (p *proofreader) tooDeep() *fault {
	if p.bare >= 0 {
		return p.noColon(p.bare, p.src.end(p.src.line(p.bare)))
	}
	if f := p.oddOneOut(p.top(), p.pos-p.src.lines[p.src.line(p.pos)]); f != nil {
		return f
	}
	return &fault{p.pos, p.lineEnd(), "this line is indented too far: the one above has its value already", "indent it by " + spaces(max(0, p.parent()))}
}

// marker reports whether a line is --- or ... or a directive.
func (p *proofreader) marker(start int) bool {
	mark := string(p.src.runes[start:min(start+3, len(p.src.runes))])
	return p.src.at(start) == '%' && len(p.open) == 0 || (mark == "---" || mark == "...") && p.src.alone(start+2)
}

// directiveForm is the form of what may stand above a document.
var directiveForm = regexp.MustCompile(`^%(YAML[ \t]+1\.[12]|TAG[ \t].*)[ \t]*(#.*)?$`)

func (p *proofreader) directive(start int) *fault {
	line := p.src.line(start)
	end := p.src.end(line)
	if !directiveForm.MatchString(string(p.src.runes[start:end])) {
		return &fault{start, end, "a line that begins with % tells the version of YAML, which is 1.2", "leave it out"}
	}
	for line++; line < len(p.src.lines); line++ {
		text := string(p.src.text(line))
		if blank := strings.TrimSpace(text) == ""; !blank && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "%") {
			if !strings.HasPrefix(text, "---") {
				return &fault{start, end, "a line --- is missing below this one", "or leave it out"}
			}
			break
		}
	}
	return nil
}

// oddSpace finds a tab, or what only looks like a space, before the text of a
// line that begins at start.
func (p *proofreader) oddSpace(start int) *fault {
	for at := start; ; at++ {
		switch r := p.src.at(at); r {
		case ' ':
		case '\t':
			return &fault{at, at + 1, "a tab can't indent a line", "use spaces"}
		case '\u00a0', '\u3000':
			return &fault{at, at + 1, fmt.Sprintf("this is not a space but the character U+%04X", r), "replace it by a space"}
		default:
			return nil
		}
	}
}

// A want is what may stand at a place.
type want uint8

const (
	either    want = iota // a value, or the first key of a map
	nextKey               // the next key of a map
	keysValue             // a value on the line of its key
)

// node reads what is at p.pos: a dash and its item, a key and its value, or a
// value.
func (p *proofreader) node(w want) *fault {
	from := p.pos
	column := from - p.src.lines[p.src.line(from)]
	if f, over := p.properties(); f != nil || over {
		p.awaits = true
		return f
	}
	switch r := p.src.at(p.pos); {
	case p.dashAt(p.pos):
		if w == keysValue {
			return &fault{p.pos, p.pos + 1, "a list can't begin on the line of its key", "begin it on the next line, or write [a, b]"}
		}
		p.enter(column, true, from)
		p.pos++
		if p.ends() {
			return nil
		}
		return p.node(either)
	case r == '?' && p.src.alone(p.pos):
		p.lost = true
		return nil
	case r == '|' || r == '>':
		return p.blockScalar()
	case r == '"' || r == '\'' || r == '[' || r == '{' || r == '*':
		return p.enclosed(w, column)
	case strings.ContainsRune("@`%", r):
		return p.mustQuote(p.pos)
	case strings.ContainsRune("]},", r):
		return p.closesNothing()
	}
	return p.plain(w, column)
}

// mustQuote is the fault of a value whose first character means something else
// in YAML.
func (p *proofreader) mustQuote(at int) *fault {
	return &fault{at, at + 1, fmt.Sprintf("a value that begins with %c must be in quotes", p.src.at(at)), ""}
}

// propertyForm is the form of an anchor and of the tags that a document may have.
var propertyForm = regexp.MustCompile(`^(&[A-Za-z0-9_-]+|!!?[A-Za-z0-9_-]*)$`)

// properties passes the anchor and tag of a value, and reports whether the line
// is over behind them.
func (p *proofreader) properties() (f *fault, over bool) {
	for r := p.src.at(p.pos); r == '&' || r == '!'; r = p.src.at(p.pos) {
		from := p.pos
		for p.pos < p.lineEnd() && !isBlank(p.src.at(p.pos)) {
			p.pos++
		}
		if !propertyForm.MatchString(string(p.src.runes[from:p.pos])) {
			return p.mustQuote(from), false
		}
		if p.ends() {
			return nil, true
		}
	}
	return nil, false
}

// enclosed reads a value that has its own end, and what follows it.
func (p *proofreader) enclosed(w want, column int) *fault {
	from := p.pos
	opening := p.src.at(from)
	var f *fault
	switch opening {
	case '"', '\'':
		f = p.quoted()
	case '*':
		f = p.alias()
	default:
		f = p.flow()
	}
	if f != nil {
		return f
	}
	sameLine := p.src.line(from) == p.src.line(p.pos)
	behind := p.pos
	over := p.ends()
	switch {
	case p.src.at(p.pos) == ':' && p.src.alone(p.pos) && sameLine && w != keysValue:
		p.enter(column, false, from)
		return p.valueOf()
	case over && w == nextKey:
		return &fault{from, behind, "a colon is missing after this key", ""}
	case over:
		p.awaits = false
		return nil
	case opening == '{' && p.src.at(from+1) == '{':
		return template(from, behind)
	case !sameLine && (opening == '"' || opening == '\''):
		return unclosedQuote(from, opening)
	case opening == '\'':
		return &fault{p.pos, p.lineEnd(), "text behind the closing quote", "in single quotes, write '' for an apostrophe"}
	case opening == '"':
		return &fault{p.pos, p.lineEnd(), "text behind the closing quote", "put all of the value in single quotes"}
	case opening == '*':
		return p.mustQuote(from)
	}
	return &fault{p.pos, p.lineEnd(), "text behind the closing bracket", "put all of the value in quotes"}
}

func (p *proofreader) alias() *fault {
	from := p.pos
	p.pos++
	for r := p.src.at(p.pos); r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'; r = p.src.at(p.pos) {
		p.pos++
	}
	if p.pos == from+1 {
		return p.mustQuote(from)
	}
	return nil
}

// valueOf reads what follows the colon at p.pos.
func (p *proofreader) valueOf() *fault {
	p.pos++
	if p.ends() {
		return nil
	}
	return p.node(keysValue)
}
