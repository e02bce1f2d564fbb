package flows

import (
	"fmt"
	"regexp"
	"strings"
)

// syntaxError explains why yaml.v3 could not read a text, of which it had read
// a number of characters when it gave up.
func syntaxError(src *source, err error, read int) Diagnostic {
	src.file.unread = true
	if name, ok := strings.CutPrefix(err.Error(), "yaml: unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return unknownAnchor(src, name, read)
	}
	gaveUp := src.lastText(read)
	if f := proofread(src); f != nil && src.line(f.from) <= src.line(read) {
		return Diagnostic{Span: src.span(f.from, f.to), Message: f.message, Hint: f.hint}
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	message = lineForm.ReplaceAllString(message, "")
	return Diagnostic{Span: src.span(gaveUp, gaveUp+1), Message: notYAML + message}
}

// notYAML begins what is said where only yaml.v3 knows better.
const notYAML = "this is not YAML: "

// lineForm is the place that yaml.v3 names.
var lineForm = regexp.MustCompile(`^line \d+: `)

// lastText is the last character before an offset that is no white space.
func (s *source) lastText(before int) int {
	at := min(before, len(s.runes)) - 1
	for at > 0 && (isBlank(s.at(at)) || isBreak(s.at(at))) {
		at--
	}
	return max(at, 0)
}

var anchorAt = regexp.MustCompile(`&([A-Za-z0-9_-]+)`)

// unknownAnchor is the mistake of *name where no &name stands above.
func unknownAnchor(src *source, name string, read int) Diagnostic {
	text := string(src.runes[:min(read, len(src.runes))])
	at := strings.LastIndex(text, "*"+name)
	from := len([]rune(text[:max(at, 0)]))
	var known []string
	for _, m := range anchorAt.FindAllStringSubmatch(text, -1) {
		known = append(known, m[1])
	}
	d := Diagnostic{Span: src.span(from, from+1+len(name)), Message: fmt.Sprintf("no &%s above", name)}
	if nearest := nearest(name, known); nearest != "" {
		d.Hint = fmt.Sprintf("did you mean *%s?", nearest)
	} else {
		d.Hint = "text that begins with * must be in quotes"
	}
	return d
}
