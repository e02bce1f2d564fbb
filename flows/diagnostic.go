package flows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A File is the text of a document, kept so that a diagnostic can show its
// line.
type File struct {
	Name string // as the user gave it
	Text string

	mu     sync.Mutex
	hidden map[int][]Span // by line: what is secret
	named  *File          // the name alone
	unread bool           // it is no YAML, so that nothing is known of what it says
}

// A Span is a place in a file: Length characters from a line and column, both
// counted from 1 in characters. The zero Span is no place: a mistake of the
// command line, or of a document as a whole.
type Span struct {
	File   *File
	Line   int
	Column int
	Length int
}

func (s Span) String() string {
	if s.File == nil {
		return ""
	}
	if s.Line == 0 {
		return s.File.Name
	}
	return fmt.Sprintf("%s:%d:%d", s.File.Name, s.Line, s.Column)
}

// A Severity is how bad a diagnostic is: a document with an error does not
// run, one with warnings does.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string { return [...]string{"error", "warning"}[s] }

// A Diagnostic is one mistake in a document: what is wrong, where, and what to
// do about it.
type Diagnostic struct {
	Severity Severity
	Span     Span
	Message  string // lower case, no full stop
	Hint     string // what to do, or empty: `did you mean "x"?`
}

// Suggest returns d with a hint that names the known name nearest to name, or,
// where none is near and there are few, all of them.
func (d Diagnostic) Suggest(name string, known []string) Diagnostic {
	d.Hint = DidYouMean(name, known)
	return d
}

// String is d on one line: file:line:column: severity: message (hint).
func (d Diagnostic) String() string {
	var b strings.Builder
	if place := d.Span.String(); place != "" {
		b.WriteString(place + ": ")
	}
	b.WriteString(d.Severity.String() + ": " + d.Message)
	if d.Hint != "" {
		b.WriteString(" (" + d.Hint + ")")
	}
	return b.String()
}

// Format is d as it is shown to a person: the line, the source under it, and
// a caret with the hint.
func (d Diagnostic) Format() string {
	line, ok := d.Span.sourceLine()
	if !ok {
		return d.String() + "\n"
	}
	head := d
	head.Hint = ""
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%5d | %s\n      | ", head, d.Span.Line, printable(d.Span.File.shown(d.Span.Line, line)))
	runes := []rune(line)
	from := min(max(0, d.Span.Column-1), len(runes))
	to := min(max(from, from+d.Span.Length), len(runes))
	for _, r := range runes[:from] {
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Repeat(" ", width(r)))
		}
	}
	carets := 0
	for _, r := range runes[from:to] {
		carets += width(r)
	}
	b.WriteString(strings.Repeat("^", max(1, carets)))
	if d.Hint != "" {
		b.WriteString(" " + d.Hint)
	}
	b.WriteByte('\n')
	return b.String()
}

// printable is a line without what would act on a terminal rather than show.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, line)
}

// width is how many columns a terminal gives a rune.
func width(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul),
		r >= 0x3000 && r <= 0x303e, r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
		return 2
	}
	return 1
}

// comment reports whether nothing but a comment, and perhaps a colon, follows
// on the line of s.
func (s Span) comment() bool {
	line, ok := s.sourceLine()
	runes := []rune(line)
	from := s.Column - 1 + s.Length
	if !ok || from < 0 || from > len(runes) {
		return false
	}
	rest := strings.TrimPrefix(string(runes[from:]), ":")
	return strings.HasPrefix(strings.TrimSpace(rest), "#")
}

func (s Span) sourceLine() (string, bool) {
	if s.File == nil || s.Line == 0 {
		return "", false
	}
	rest := s.File.Text
	for range s.Line - 1 {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return "", false
		}
		rest = after
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(line, "\r"), true
}

// Diagnostics are the mistakes of a document, as an error.
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string { return strings.TrimSuffix(ds.Format(), "\n") }

// Format is every diagnostic as it is shown to a person, in order of place.
func (ds Diagnostics) Format() string {
	var b strings.Builder
	for _, d := range ds.Sorted() {
		b.WriteString(d.Format())
	}
	return b.String()
}

// Failed reports whether one of them is an error.
func (ds Diagnostics) Failed() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err is ds if it has an error, else nil.
func (ds Diagnostics) Err() error {
	if ds.Failed() {
		return ds
	}
	return nil
}

// Sorted returns them by place, each once.
func (ds Diagnostics) Sorted() Diagnostics {
	sorted := slices.Clone(ds)
	slices.SortStableFunc(sorted, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Span.fileName(), b.Span.fileName()),
			cmp.Compare(a.Span.Line, b.Span.Line),
			cmp.Compare(a.Span.Column, b.Span.Column),
		)
	})
	return slices.Compact(sorted)
}

func (s Span) fileName() string {
	if s.File == nil {
		return ""
	}
	return s.File.Name
}
