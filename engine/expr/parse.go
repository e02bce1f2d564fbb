package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/flowd/flowd/flows"
)

// A source is the text of one expression and where it stands.
type source struct {
	v      *flows.Value   // nil once it is forgotten
	at     *flows.Passage // of v, from then on
	text   string
	from   int  // the rune of v.Text that text begins at
	hidden bool // some of text came from ${…} and must not be shown
}

// substituted is the least width of a ${…} in a document. A rune that came
// from one has the width of all of it.
const substituted = len("${X}")

func newSource(v *flows.Value, text string, from int) *source {
	src := &source{v: v, text: text, from: from}
	src.hidden = v.Substituted() && src.hides(0, utf8.RuneCountInString(text))
	return src
}

// forget lets go of the document: what may fail from here on keeps its places.
// What was written in Go has none, and others share it.
func (src *source) forget() {
	if src.v != nil && src.v.Span.File != nil {
		at := src.v.Passage()
		src.at, src.v = &at, nil
	}
}

// hides reports whether some runes may have come from ${…}.
func (src *source) hides(from, to int) bool {
	whole := src.whole()
	if whole.File == nil {
		return false // written in Go
	}
	for i := from; i < to; i++ {
		at := src.span(i, i+1)
		if at.Length >= substituted || at == whole && at.Length > 1 {
			return true
		}
	}
	return false
}

// span is the place of some runes of the expression.
func (src *source) span(from, to int) flows.Span {
	if src.v == nil {
		return src.at.At(src.from+from, max(1, to-from))
	}
	return src.v.At(src.from+from, max(1, to-from))
}

// whole is the place of the value that the expression is in.
func (src *source) whole() flows.Span {
	if src.v == nil {
		return src.at.Span()
	}
	return src.v.Span
}

// A site is a node of an expression that may fail, for messages.
type site struct {
	src   *source
	node  ast.Node   // nil for a whole list, map or text
	parts []ast.Node // its operands or arguments
}

// mostShown is how many bytes of an expression a message shows.
const mostShown = 120

// wrap says which expression err comes from, and where in the document.
func (at *site) wrap(err error) error {
	what, span := "an expression", at.src.whole()
	if at.node != nil {
		span = at.src.span(extent(at.node))
	}
	if !at.src.hidden && at.src.text != "" {
		what = fmt.Sprintf("%q", shorten(strings.TrimSpace(at.src.text)))
	}
	if place := span.String(); place != "" {
		return fmt.Errorf("evaluating %s at %s: %w", what, place, err)
	}
	return fmt.Errorf("evaluating %s: %w", what, err)
}

// label names an operand or argument as it is written, or is empty.
func (at *site) label(i int) string {
	if i >= len(at.parts) {
		return ""
	}
	n := at.parts[i]
	if at.src.hidden && at.src.hides(extent(n)) {
		return ""
	}
	return shorten(n.String())
}

func shorten(s string) string {
	if len(s) > mostShown {
		return strings.ToValidUTF8(s[:mostShown], "") + "…"
	}
	return s
}

// extent is the runes that n and all in it stand at, but for closing brackets.
func extent(n ast.Node) (from, to int) {
	e := bounds{from: -1}
	ast.Walk(&n, &e)
	return max(0, e.from), e.to
}

type bounds struct{ from, to int }

func (b *bounds) Visit(n *ast.Node) {
	loc := (*n).Location()
	if loc.To == 0 { // an if has no place of its own
		return
	}
	if b.from < 0 || loc.From < b.from {
		b.from = loc.From
	}
	b.to = max(b.to, loc.To)
}

// parse reads an expression. It never panics, whatever the parser does.
func parse(src *source) (n ast.Node, diags flows.Diagnostics) {
	whole := func(format string, args ...any) flows.Diagnostics {
		d := src.v.Errorf(format, args...)
		d.Span = src.span(0, len([]rune(src.text)))
		return flows.Diagnostics{d}
	}
	if len(src.text) > mostSource {
		return nil, whole("this expression is longer than %d KiB", mostSource>>10)
	}
	if strings.TrimSpace(src.text) == "" {
		return nil, whole("an expression is missing here")
	}
	if day.MatchString(strings.TrimSpace(src.text)) {
		diags = whole("a date without quotes is a subtraction")
		diags[0].Hint = src.textHint(src.text, true)
		return nil, diags
	}
	defer func() {
		if recover() != nil {
			n, diags = nil, whole("this can't be read as an expression")
		}
	}()
	tree, err := parser.Parse(src.text)
	if err == nil {
		return tree.Node, nil
	}
	var at *file.Error
	if !errors.As(err, &at) {
		return nil, whole("this can't be read as an expression")
	}
	d := src.v.Errorf("this can't be read as an expression")
	d.Span = src.span(at.From, at.To)
	explain(&d, at.From, at.Message, src)
	return nil, flows.Diagnostics{d}
}

// cutOff reports whether a comment stands behind the expression: a # with a
// space before it, which may have been meant for the item of a loop.
func (src *source) cutOff() bool {
	last := src.v.At(utf8.RuneCountInString(src.v.Text)-1, 1)
	if last.File == nil || last.Line == 0 {
		return false
	}
	line := []rune(strings.Split(last.File.Text, "\n")[last.Line-1])
	behind := last.Column - 1 + last.Length
	return behind < len(line) && strings.HasPrefix(strings.TrimSpace(string(line[behind:])), "#")
}

// number is the place of the number that ends before rune at, since the parser
// has gone on when it finds that it can't be read.
func (src *source) number(at int) flows.Span {
	text := []rune(src.text)
	to := min(at, len(text))
	for to > 0 && !unicode.IsDigit(text[to-1]) && !unicode.IsLetter(text[to-1]) {
		to--
	}
	from := to
	for from > 0 && (unicode.IsDigit(text[from-1]) || unicode.IsLetter(text[from-1]) || strings.ContainsRune("._", text[from-1])) {
		from--
	}
	return src.span(from, to)
}

var unexpected = regexp.MustCompile(`unexpected token (\w+)(?:\((.*?)\))?\)?$`)

// explain says in the words of this project what the parser found.
func explain(d *flows.Diagnostic, at int, message string, src *source) {
	m := unexpected.FindStringSubmatch(message)
	switch {
	case strings.HasPrefix(strings.TrimSpace(src.text), opens):
		d.Message, d.Hint = "text with {{ }} can't be used here", "write the expression without the braces"
	case m != nil && m[1] == "EOF", strings.HasPrefix(message, "unexpected end"):
		d.Message = "the expression ends too early"
		if src.cutOff() {
			d.Hint = "YAML takes what follows # for a comment: put the whole expression in quotes"
		}
	case strings.HasPrefix(message, "a map key"):
		d.Message = "a key of a map is text, a number, a name, or an expression in parentheses"
	case message == "unclosed comment":
		d.Message = "a comment is not closed"
		d.Hint = "write */ at its end"
	case m != nil && !src.hidden:
		d.Message = "unexpected " + m[2]
		d.Hint = hints[strings.Trim(m[2], `"`)]
		if m[1] == "Identifier" && d.Hint == "" {
			d.Hint = src.textHint(src.text, true)
		}
	case strings.Contains(message, "literal not terminated"):
		d.Message = "a text in quotes is not closed"
	case strings.Contains(message, "char escape"):
		d.Message = "there is no such escape"
		d.Hint = `write \\ for a backslash, or put the text into backquotes`
	case message == "expected name":
		d.Message = "the name of a field is missing"
		d.Hint = `a name with other characters than letters, digits and _ is written ["…"]`
	case strings.Contains(message, "maximum allowed nodes"):
		d.Message = tooLarge
	case strings.HasPrefix(message, "unrecognized character"):
		d.Message = "unexpected character"
	case strings.HasPrefix(message, "Operator ("):
		d.Message = "?? stands beside another operator"
		d.Hint = "put one of them in parentheses"
	case strings.Contains(message, "literal:"), strings.Contains(message, "bad number"), strings.HasSuffix(message, "is too large"):
		d.Message = "this is no number that can be read"
		d.Span = src.number(at)
	case strings.HasPrefix(message, "expected at least"):
		d.Message = "an argument is missing"
	}
}

// textHint is for what reads as names and was meant as text. A whole value of
// the document needs two pairs of quotes, since YAML takes the outer one away.
func (src *source) textHint(text string, whole bool) string {
	quoted := strconv.Quote(shorten(strings.TrimSpace(text)))
	if whole && src.text == src.v.Text {
		return "text is written in quotes inside those of YAML: '" + strings.ReplaceAll(quoted, "'", "''") + "'"
	}
	return "text is written in quotes: " + quoted
}

// day is a date as YAML users write it.
var day = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// words is an expression that is likely text without its quotes.
var words = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)

var hints = map[string]string{
	"=":   "write == to compare",
	"===": "write == to compare",
	"#":   "# is the item of a list, inside map, filter, any and the like",
	".":   "a name is missing before the dot",
	":":   "a map inside map(…) and the like stands in parentheses: ({name: 1})",
	"&":   "write && or and",

	// what other languages have
	"AND":  "write and",
	"OR":   "write or",
	"is":   "write == to compare",
	"like": "write startsWith, endsWith, contains or matches",
	"LIKE": "write startsWith, endsWith, contains or matches",
}
