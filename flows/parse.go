package flows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// mostAliased is how many values the aliases of one document may stand for, so
// that a few lines can't ask for more memory than there is.
const mostAliased = 100_000

// ParseValue reads one YAML text, for tests and for the examples of nodes.
// ${…} stays as it is written. An empty text is null.
func ParseValue(text string) (*Value, Diagnostics) {
	return parse(&File{Text: text})
}

// parse reads the text of a file. The value is never nil; after a syntax error
// it is null.
func parse(file *File) (*Value, Diagnostics) {
	file.Text = strings.TrimPrefix(file.Text, "\ufeff")
	empty := &Value{Kind: Null, Span: Span{File: file, Line: 1, Column: 1, Length: 1}}
	if d, ok := unreadable(file); ok {
		return empty, Diagnostics{d}
	}
	src := newSource(file)
	in := &countingReader{text: []byte(version.ReplaceAllString(file.Text, "${1}1"))}
	decoder := yaml.NewDecoder(in)
	root, err := decodeNode(decoder)
	if errors.Is(err, io.EOF) {
		return empty, nil
	}
	if err != nil {
		return empty, Diagnostics{syntaxError(src, err, in.read())}
	}
	c := &composer{src: src, made: map[*yaml.Node]*Value{}, weight: map[*yaml.Node]int{}}
	v := c.value(root.Content[0], nil)
	switch second, err := decodeNode(decoder); {
	case errors.Is(err, io.EOF):
	case err != nil:
		c.diags = append(c.diags, syntaxError(src, err, in.read()))
	default:
		c.diags = append(c.diags, src.secondDocument(second.Content[0]))
	}
	return v, c.diags
}

// version is the directive %YAML 1.2 at the beginning of a text. yaml.v3 refuses
// it and reads by 1.2 what says 1.1, as far as flows go (see kindOf).
var version = regexp.MustCompile(`^((?:(?:[ \t]*|[#%].*)\r?\n)*%YAML[ \t]+1\.)2\b`)

// decodeNode reads the next document of a stream. yaml.v3 answers some inputs
// with a panic of its own.
func decodeNode(decoder *yaml.Decoder) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("%v", r)
		}
	}()
	root = &yaml.Node{}
	err = decoder.Decode(root)
	return root, err
}

// A countingReader gives a text byte by byte, so that what was read when
// yaml.v3 gave up tells where it did: its error often names another line.
type countingReader struct {
	text []byte
	n    int
}

func (r *countingReader) Read(p []byte) (int, error) {
	if r.n == len(r.text) {
		return 0, io.EOF
	}
	p[0] = r.text[r.n]
	r.n++
	return 1, nil
}

// read is how many characters have been read.
func (r *countingReader) read() int { return utf8.RuneCount(r.text[:r.n]) }

// unreadable reports the first character that can't be part of a document.
func unreadable(file *File) (Diagnostic, bool) {
	for i, r := range file.Text {
		var message, hint string
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(file.Text[i:], "\ufffd"):
			message, hint = "the file is not UTF-8 text", "save it as UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			message, hint = fmt.Sprintf("a document can't hold the control character U+%04X", r), "take it out, or write it as an escape in double quotes"
		default:
			continue
		}
		before := file.Text[:i]
		line := strings.Count(before, "\n")
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		span := Span{File: file, Line: line + 1, Column: column + 1, Length: 1}
		return Diagnostic{Span: span, Message: message, Hint: hint}, true
	}
	return Diagnostic{}, false
}

// secondDocument is the mistake of a file that goes on after its document.
func (s *source) secondDocument(root *yaml.Node) Diagnostic {
	line := s.line(s.offset(root.Line, root.Column))
	for line > 0 && !bytes.HasPrefix([]byte(string(s.text(line))), []byte("---")) {
		line--
	}
	at := s.lines[line]
	return Diagnostic{
		Span:    s.span(at, at+3),
		Message: "a second document begins here, and a file holds one",
		Hint:    "put it into a file of its own",
	}
}

// A composer makes values of yaml.v3's nodes.
type composer struct {
	src     *source
	made    map[*yaml.Node]*Value // what anchors name; nil while it is being made
	weight  map[*yaml.Node]int    // of how many values what an anchor names is made
	count   int                   // values so far
	aliased int                   // values that aliases stand for
	end     int                   // where the last value ended
	text    []rune                // of the last scalar
	diags   Diagnostics
}

// value makes the value of n. Key is the key whose value it is, or nil.
func (c *composer) value(n *yaml.Node, key *Value) *Value {
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	before := c.count
	c.count++
	if n.Anchor != "" {
		c.made[n] = nil
	}
	start := c.contentOf(n)
	var v *Value
	switch n.Kind {
	case yaml.MappingNode:
		v = c.mapping(n, start, key)
	case yaml.SequenceNode:
		v = c.sequence(n, start, key)
	default:
		v = c.scalar(n, start, key)
	}
	if n.Anchor != "" {
		c.made[n], c.weight[n] = v, c.count-before
	}
	return v
}

// contentOf is where n begins behind its anchor and tag.
func (c *composer) contentOf(n *yaml.Node) int {
	at := c.src.offset(n.Line, n.Column)
	for n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		switch r := c.src.at(at); {
		case r == '&' || r == '!':
			for at < len(c.src.runes) && !isBlank(c.src.at(at)) && !isBreak(c.src.at(at)) {
				at++
			}
		case r == '#' && at > 0 && (isBlank(c.src.at(at-1)) || isBreak(c.src.at(at-1))):
			for at < len(c.src.runes) && !isBreak(c.src.at(at)) {
				at++
			}
		case isBlank(r) || isBreak(r):
			at++
		default:
			return at
		}
	}
	return at
}

func (c *composer) alias(n *yaml.Node) *Value {
	at := c.src.offset(n.Line, n.Column)
	c.end = at + 1 + utf8.RuneCountInString(n.Value)
	none := &Value{Kind: Null, Span: c.src.span(at, c.end), broken: true}
	v := c.made[n.Alias]
	if v == nil {
		c.fail(none.Errorf("the alias *%s stands inside what it names", n.Value))
		return none
	}
	c.count += c.weight[n.Alias]
	c.aliased += c.weight[n.Alias]
	if c.aliased > mostAliased {
		if c.aliased-c.weight[n.Alias] <= mostAliased {
			c.fail(none.Errorf("the aliases up to here stand for more than %d values", mostAliased))
		}
		c.count -= c.weight[n.Alias]
		return none
	}
	return v
}

func (c *composer) fail(d Diagnostic) { c.diags = append(c.diags, d) }

func (c *composer) sequence(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Kind: List}
	c.end = max(c.end, start)
	for _, item := range n.Content {
		v.Items = append(v.Items, c.value(item, nil))
	}
	v.Span = c.around(n, start, key, v)
	c.tagged(n, v, "!!seq")
	return v
}

func (c *composer) mapping(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Kind: Map}
	c.end = max(c.end, start)
	given := map[string]*Value{}
	merged := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := c.key(n.Content[i])
		item := c.value(n.Content[i+1], k)
		if k == nil {
			continue
		}
		if first := given[k.Text]; first != nil {
			c.fail(twice(k, first))
			continue
		}
		given[k.Text] = k
		if n.Content[i].Tag == "!!merge" {
			v.Entries = append(v.Entries, c.merge(item, merged)...)
			continue
		}
		v.Entries = append(v.Entries, Entry{Key: k, Value: item})
	}
	if len(merged) > 0 {
		kept := v.Entries[:0]
		for _, e := range v.Entries {
			if k := given[e.Key.Text]; k == nil || k == e.Key {
				kept = append(kept, e)
			}
		}
		v.Entries = kept
	}
	v.Span = c.around(n, start, key, v)
	c.tagged(n, v, "!!map")
	return v
}

// twice is the mistake of a name given a second time.
func twice(second, first *Value) Diagnostic {
	d := second.Errorf("%q is given twice", second.Text)
	d.Hint = "first at " + first.Span.String()
	if first.Span.File == second.Span.File {
		d.Hint = fmt.Sprintf("first in line %d", first.Span.Line)
	}
	return d
}

// merge returns the entries that << puts in: of one map, or of several of
// which the first wins.
func (c *composer) merge(from *Value, merged map[string]bool) []Entry {
	maps := []*Value{from}
	if from.Kind == List {
		maps = from.Items
	}
	var entries []Entry
	for _, m := range maps {
		if m.Kind != Map {
			d := m.Errorf("<< takes a map or a list of maps, got %s", m.describe())
			d.Hint = "write <<: *NAME, where &NAME stands at a map"
			c.fail(d)
			continue
		}
		for _, e := range m.Entries {
			if !merged[e.Key.Text] {
				merged[e.Key.Text] = true
				entries = append(entries, e)
			}
		}
	}
	return entries
}

// key makes the key of an entry, which is text however it looks, or nil if it
// can't be one.
func (c *composer) key(n *yaml.Node) *Value {
	v := c.value(n, nil)
	switch {
	case v.Scalar() && v.Kind != Null:
		if v.Kind != String {
			text := *v
			text.Kind = String
			v = &text
		}
		return v
	case v.Kind == Null:
		c.fail(v.Errorf("a key is missing"))
	case c.template(n):
		f := template(c.src.offset(n.Line, n.Column)-1, c.end+1)
		c.fail(Diagnostic{Span: c.src.span(f.from, f.to), Message: f.message, Hint: f.hint})
	default:
		c.fail(v.Errorf("a key must be text, got %s", v.describe()))
	}
	return nil
}

// template reports whether n is the inner map of a {{ }} without quotes.
func (c *composer) template(n *yaml.Node) bool {
	at := c.src.offset(n.Line, n.Column)
	return c.src.at(at) == '{' && c.src.at(at-1) == '{' && c.src.at(c.end) == '}'
}

// around is the place of a list or map: what its brackets enclose, or, if it
// has none, its first key or dash, or the key it stands under.
func (c *composer) around(n *yaml.Node, start int, key *Value, v *Value) Span {
	open := c.src.at(start)
	switch {
	case n.Style&yaml.FlowStyle == 0:
		span := c.src.span(start, start+1)
		if key != nil && key.Span.Line < span.Line {
			return key.Span
		}
		if len(v.Entries) > 0 && v.Entries[0].Key.Span.Line == span.Line && v.Entries[0].Key.Span.Column == span.Column {
			return v.Entries[0].Key.Span
		}
		return span
	case open != '{' && open != '[': // a pair in a list: [a: b]
		return c.src.span(start, max(c.end, start+1))
	}
	end := max(c.end, start+1)
	for end < len(c.src.runes) {
		switch r := c.src.at(end); {
		case r == ']' || r == '}':
			c.end = end + 1
			return c.src.span(start, c.end)
		case r == '#':
			for end < len(c.src.runes) && !isBreak(c.src.at(end)) {
				end++
			}
		default:
			end++
		}
	}
	c.end = end
	return c.src.span(start, end)
}
