package expr

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A segment is a piece of a text: fixed, or an expression.
type segment struct {
	fixed string
	value part // without code if it is fixed
	site  *site
}

const (
	opens  = "{{"
	closes = "}}"
)

// compileText compiles a text with {{ }} in it.
func compileText(v *flows.Value, sc *scope) ([]segment, []Path, flows.Diagnostics) {
	var segments []segment
	var reads []Path
	var diags flows.Diagnostics
	rest, at := v.Text, 0 // at is the rune that rest begins at
	for {
		before, inside, found := strings.Cut(rest, opens)
		if before != "" {
			segments = append(segments, segment{fixed: before})
		}
		if !found {
			return segments, reads, diags
		}
		at += utf8.RuneCountInString(before)
		end := closing(inside)
		if end < 0 {
			d := v.Errorf("this {{ is never closed")
			d.Span = v.At(at, len(opens))
			d.Hint = `write }} behind the expression, or {{ "{{" }} to mean the characters`
			return segments, reads, append(diags, d)
		}
		at += len(opens)
		src := newSource(v, inside[:end], at)
		n, p, mistakes := compile(src, sc)
		diags = append(diags, mistakes...)
		if !mistakes.Failed() {
			segments = append(segments, segment{value: p, site: &site{src: src, node: n}})
			reads = append(reads, readsOf(n, sc)...)
		}
		at += utf8.RuneCountInString(inside[:end]) + len(closes)
		rest = inside[end+len(closes):]
	}
}

// closing is where the }} stands that ends the expression that text begins
// with, or -1. One inside quotes, a comment or the braces of a map does not.
func closing(text string) int {
	braces := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\'' || c == '`':
			end := quoted(text[i:])
			if end < 0 {
				return strings.Index(text, closes) // what is not closed is told with its place
			}
			i += end
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return strings.Index(text, closes)
			}
			i += 2 + end + 1
		case c == '{':
			braces++
		case c == '}' && braces > 0:
			braces--
		case strings.HasPrefix(text[i:], closes):
			return i
		}
	}
	return strings.Index(text, closes)
}

// quoted is where the quote stands that ends the literal text begins with, or
// -1.
func quoted(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// render appends the text of segments. What expressions put in goes through
// clean, if it is not nil.
func (s *state) render(b []byte, segments []segment, clean func(string) string) []byte {
	start := len(b)
	for i := range segments {
		text := segments[i].fixed
		if segments[i].value.code != nil {
			text = s.inserted(&segments[i])
			s.take(len(text))
			if clean != nil {
				text = clean(text)
			}
			if len(b)-start+len(text) > mostText {
				s.fail("the text is longer than %d MiB", mostText>>20)
			}
		}
		b = append(b, text...)
	}
	return b
}

// inserted is what an expression puts in.
func (s *state) inserted(seg *segment) string {
	if text, ok := seg.value.peek(s); ok {
		s.site = seg.site
		return text
	}
	v := seg.value.code(s)
	s.site = seg.site
	return s.text(v)
}

// template is a text as the value of an expression field.
func template(segments []segment) part {
	return part{
		kinds: isText,
		code:  func(s *state) any { return string(s.render(nil, segments, nil)) },
		write: func(s *state, b []byte) []byte {
			from := len(b)
			b = s.render(b, segments, nil)
			to := len(b)
			b = engine.AppendText(b, b[from:to])
			return slices.Delete(b, from, to)
		},
	}
}

// isTemplate reports whether a text of an expression field is text.
func isTemplate(text string) bool { return strings.Contains(text, opens) }
