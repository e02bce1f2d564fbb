package flows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A File is the text of a document, kept so that a diagnostic can show its
// line.
type File struct {
	Name string // as the user gave it
	Text string
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
	fmt.Fprintf(&b, "%s\n%5d | %s\n      | ", head, d.Span.Line, line)
	for i, r := range []rune(line) {
		if i >= d.Span.Column-1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat("^", max(1, d.Span.Length)))
	if d.Hint != "" {
		b.WriteString(" " + d.Hint)
	}
	b.WriteByte('\n')
	return b.String()
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
