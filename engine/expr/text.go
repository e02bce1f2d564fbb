package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/flowd/flowd/flows"
)

// A segment is a piece of a text: fixed, or an expression.
type segment struct {
	fixed string
	code  code // nil if it is fixed
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
			segments = append(segments, segment{code: p.code, site: &site{src: src, node: n}})
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

// render is the text of segments. What expressions put in goes through clean,
// if it is not nil.
func render(s *state, segments []segment, clean func(string) string) string {
	if len(segments) == 1 && segments[0].code == nil {
		return segments[0].fixed
	}
	var b strings.Builder
	for _, seg := range segments {
		text := seg.fixed
		if seg.code != nil {
			v := seg.code(s)
			s.site = seg.site
			text = s.text(v)
			s.take(len(text))
			if clean != nil {
				text = clean(text)
			}
			if b.Len()+len(text) > mostText {
				s.fail("the text is longer than %d MiB", mostText>>20)
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// isTemplate reports whether a text of an expression field is text.
func isTemplate(text string) bool { return strings.Contains(text, opens) }
