package flows

import (
	"fmt"
	"slices"
	"strings"
)

const quoteOpen = "this quote is not closed"

func unclosedQuote(at int, quote rune) *fault {
	return &fault{at, at + 1, quoteOpen, fmt.Sprintf("close it with %c", quote)}
}

// template is the fault of {{ }} without quotes, which YAML takes for two maps.
func template(from, to int) *fault {
	return &fault{from, to, "text that begins with {{ must be in quotes", `write "{{ … }}"`}
}

// quoted passes text in quotes.
func (p *proofreader) quoted() *fault {
	from := p.pos
	quote := p.src.at(from)
	var escape *fault
	for p.pos++; p.pos < len(p.src.runes); p.pos++ {
		switch r := p.src.at(p.pos); {
		case r == quote && quote == '\'' && p.src.at(p.pos+1) == quote:
			p.pos++
		case r == quote:
			p.pos++
			return escape
		case r == '\\' && quote == '"':
			p.pos++
			if letter := p.src.at(p.pos); escape == nil && !isBreak(letter) && !strings.ContainsRune(`0abt`+"\t"+`nvfre "/'\N_LPxuU`, letter) {
				escape = &fault{p.pos - 1, p.pos + 1, fmt.Sprintf(`\%c means nothing in double quotes`, letter), fmt.Sprintf(`write \\%c, or put the text in single quotes`, letter)}
			}
		}
	}
	p.pos = len(p.src.runes)
	return unclosedQuote(from, quote)
}

// A bracket is an open [ or {.
type bracket struct {
	at     int
	colons int  // of the pair that is being read
	ended  int  // where a value ended, if one has: next comes a comma
	text   bool // whether that value may go on over the next line
}

func (b *bracket) end(at int) { b.ended, b.text = at, false }

// flow passes what [ or { encloses.
func (p *proofreader) flow() *fault {
	f, open := p.brackets()
	if len(open) == 0 || f.message == quoteOpen {
		return f
	}
	// A line that looks like one outside of brackets says that the closing
	// one was forgotten above it.
	first := p.src.line(open[0].at)
	for line := first + 1; line <= p.src.line(min(p.pos, len(p.src.runes)-1)); line++ {
		text := p.src.text(line)
		indent := blankTo(text, len(text))
		at := p.src.lines[line] + indent
		dash := p.src.at(at) == '-' && p.src.alone(at)
		colon, _ := p.src.plainEnd(at, p.src.end(line))
		if indent < len(text) && indent <= p.indentOf(first) && (dash || colon) {
			last := open[0]
			for _, b := range open {
				if b.at < at {
					last = b
				}
			}
			return p.unclosed(last.at)
		}
	}
	return f
}

func (p *proofreader) closesNothing() *fault {
	return &fault{p.pos, p.pos + 1, fmt.Sprintf("%c closes nothing", p.src.at(p.pos)), "take it out, or put the text in quotes"}
}

// indentOf is how far a line is indented.
func (p *proofreader) indentOf(line int) int {
	text := p.src.text(line)
	return blankTo(text, len(text))
}

func (p *proofreader) unclosed(at int) *fault {
	return &fault{at, at + 1, fmt.Sprintf("this %c is not closed", p.src.at(at)), fmt.Sprintf("close it with %c", closer[p.src.at(at)])}
}

var closer = map[rune]rune{'[': ']', '{': '}'}

// brackets passes what is enclosed. With a fault it returns what was open there,
// or nothing if the fault has nothing to do with that.
func (p *proofreader) brackets() (*fault, []bracket) {
	var open []bracket
	for p.pos < len(p.src.runes) {
		top := len(open) - 1
		r := p.src.at(p.pos)
		line := p.src.lines[p.src.line(p.pos)]
		switch {
		case r == '\t' && top >= 0 && open[top].text && p.pos-line <= max(0, p.parent()) && p.oddSpace(line) != nil:
			return p.oddSpace(line), nil
		case isBlank(r) || isBreak(r):
			p.pos++
		case r == '#' && (isBlank(p.src.at(p.pos-1)) || isBreak(p.src.at(p.pos-1))):
			p.pos = p.lineEnd()
		case r == ',':
			open[top].colons, open[top].ended = 0, 0
			p.pos++
		case r == ']' || r == '}':
			if r != closer[p.src.at(open[top].at)] {
				if slices.ContainsFunc(open, func(b bracket) bool { return closer[p.src.at(b.at)] == r }) {
					return p.unclosed(open[top].at), open
				}
				return p.closesNothing(), open
			}
			p.pos++
			if top == 0 {
				return nil, nil
			}
			open = open[:top]
			open[top-1].end(p.pos)
		case r == ':' && (p.src.alone(p.pos) || strings.ContainsRune(",[]{}", p.src.at(p.pos+1)) || open[top].ended == p.pos):
			if open[top].colons++; open[top].colons > 1 || open[top].text && p.src.line(open[top].ended) < p.src.line(p.pos) {
				return p.noComma(open[top]), open
			}
			open[top].ended = 0
			p.pos++
		case top >= 0 && open[top].ended > 0 && (!open[top].text || strings.ContainsRune(`[{"'&!*`, r)):
			return p.noComma(open[top]), open
		case r == '[' || r == '{':
			open = append(open, bracket{at: p.pos})
			p.pos++
		case r == '"' || r == '\'':
			from := p.pos
			if f := p.quoted(); f != nil {
				return f, open
			}
			if p.src.line(from) != p.src.line(p.pos) && !p.closes(p.pos) {
				return unclosedQuote(from, r), open
			}
			open[top].end(p.pos)
		case r == '&' || r == '!':
			from := p.pos
			for p.pos < p.lineEnd() && !strings.ContainsRune(" \t,[]{}", p.src.at(p.pos)) {
				p.pos++
			}
			if !propertyForm.MatchString(string(p.src.runes[from:p.pos])) {
				return p.mustQuote(from), open
			}
		case r == '*':
			if f := p.alias(); f != nil {
				return f, open
			}
			open[top].end(p.pos)
		case strings.ContainsRune("@`%", r):
			return p.mustQuote(p.pos), open
		case r == '?' && p.src.alone(p.pos):
			p.lost = true
			return nil, nil
		case r == '-' && p.src.alone(p.pos):
			return &fault{p.pos, p.pos + 1, "a dash can't stand in brackets", "separate what is in brackets by commas"}, open
		default:
			p.word()
			if open[top].ended == 0 {
				open[top].ended, open[top].text = p.pos, true
			}
		}
	}
	return p.unclosed(open[len(open)-1].at), open
}

// closes reports whether what may follow a value in brackets follows at an
// offset.
func (p *proofreader) closes(at int) bool {
	for isBlank(p.src.at(at)) || isBreak(p.src.at(at)) {
		at++
	}
	r := p.src.at(at)
	return r == 0 || strings.ContainsRune(",]}:#", r)
}

// word passes plain text in brackets, up to the end of its line at most.
func (p *proofreader) word() {
	end, last := p.lineEnd(), p.pos
	for at := p.pos; at < end; at++ {
		r := p.src.at(at)
		if strings.ContainsRune(",[]{}", r) || r == '#' && isBlank(p.src.at(at-1)) ||
			r == ':' && (p.src.alone(at) || strings.ContainsRune(",[]{}", p.src.at(at+1))) {
			break
		}
		if !isBlank(r) {
			last = at + 1
		}
	}
	p.pos = last
}

// noComma is the fault of a value in brackets behind which the next begins.
func (p *proofreader) noComma(b bracket) *fault {
	switch last := p.src.at(b.ended - 1); {
	case last == '}' && p.src.at(b.ended-2) == '}':
		for from := b.ended; from > b.at; from-- {
			if p.src.at(from) == '{' && p.src.at(from-1) == '{' {
				return template(from-1, b.ended)
			}
		}
	case last == '"' && b.ended == p.pos:
		return &fault{p.pos, p.pos + 1, "text behind the closing quote", "is a quote missing further left?"}
	}
	from, to := b.ended, b.ended+1
	if b.ended == p.pos { // two words, or two colons, on one line
		for from = p.pos; from > b.at+1 && !isBlank(p.src.at(from-1)); from-- {
		}
		to = p.pos
	}
	if p.src.at(p.pos) == '{' && p.src.at(p.pos+1) == '{' {
		return &fault{min(from, p.pos), p.pos + 2, "text with {{ in it must be in quotes", `write "… {{ … }}"`}
	}
	return &fault{from, to, "a comma is missing", "or, if this is text, put all of it in quotes"}
}
