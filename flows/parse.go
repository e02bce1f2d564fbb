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
	in := &countingReader{text: []byte(file.Text)}
	decoder := yaml.NewDecoder(in)
	root, err := decodeNode(decoder)
	if errors.Is(err, io.EOF) {
		return empty, nil
	}
	if err != nil {
		return empty, Diagnostics{syntaxError(src, err, in.read())}
	}
	p := &parser{src: src, made: map[*yaml.Node]*Value{}, weight: map[*yaml.Node]int{}}
	v := p.value(root.Content[0], nil)
	switch second, err := decodeNode(decoder); {
	case errors.Is(err, io.EOF):
	case err != nil:
		p.diags = append(p.diags, syntaxError(src, err, in.read()))
	default:
		p.diags = append(p.diags, src.secondDocument(second.Content[0]))
	}
	return v, p.diags
}

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

// A parser makes values of yaml.v3's nodes.
type parser struct {
	src     *source
	made    map[*yaml.Node]*Value // what anchors name; nil while it is being made
	weight  map[*yaml.Node]int    // of how many values what an anchor names is made
	count   int                   // values so far
	aliased int                   // values that aliases stand for
	end     int                   // where the last value ended
	diags   Diagnostics
}

// value makes the value of n. Key is the key whose value it is, or nil.
func (p *parser) value(n *yaml.Node, key *Value) *Value {
	if n.Kind == yaml.AliasNode {
		return p.alias(n)
	}
	before := p.count
	p.count++
	if n.Anchor != "" {
		p.made[n] = nil
	}
	start := p.contentOf(n)
	var v *Value
	switch n.Kind {
	case yaml.MappingNode:
		v = p.mapping(n, start, key)
	case yaml.SequenceNode:
		v = p.sequence(n, start, key)
	default:
		v = p.scalar(n, start, key)
	}
	if n.Anchor != "" {
		p.made[n], p.weight[n] = v, p.count-before
	}
	return v
}

// contentOf is where n begins behind its anchor and tag.
func (p *parser) contentOf(n *yaml.Node) int {
	at := p.src.offset(n.Line, n.Column)
	for n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		switch r := p.src.at(at); {
		case r == '&' || r == '!':
			for at < len(p.src.runes) && !isBlank(p.src.at(at)) && !isBreak(p.src.at(at)) {
				at++
			}
		case r == '#' && at > 0 && (isBlank(p.src.at(at-1)) || isBreak(p.src.at(at-1))):
			for at < len(p.src.runes) && !isBreak(p.src.at(at)) {
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

func (p *parser) alias(n *yaml.Node) *Value {
	at := p.src.offset(n.Line, n.Column)
	p.end = at + 1 + utf8.RuneCountInString(n.Value)
	none := &Value{Kind: Null, Span: p.src.span(at, p.end)}
	v := p.made[n.Alias]
	if v == nil {
		p.fail(none.Errorf("the alias *%s stands inside what it names", n.Value))
		return none
	}
	p.count += p.weight[n.Alias]
	p.aliased += p.weight[n.Alias]
	if p.aliased > mostAliased {
		if p.aliased-p.weight[n.Alias] <= mostAliased {
			p.fail(none.Errorf("the aliases up to here stand for more than %d values", mostAliased))
		}
		p.count -= p.weight[n.Alias]
		return none
	}
	return v
}

func (p *parser) fail(d Diagnostic) { p.diags = append(p.diags, d) }

func (p *parser) sequence(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Kind: List}
	p.end = max(p.end, start)
	for _, item := range n.Content {
		v.Items = append(v.Items, p.value(item, nil))
	}
	v.Span = p.around(n, start, key, v)
	p.tagged(n, v, "!!seq")
	return v
}

func (p *parser) mapping(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Kind: Map}
	p.end = max(p.end, start)
	given := map[string]*Value{}
	merged := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := p.key(n.Content[i])
		item := p.value(n.Content[i+1], k)
		if k == nil {
			continue
		}
		if first := given[k.Text]; first != nil {
			p.fail(twice(k, first))
			continue
		}
		given[k.Text] = k
		if n.Content[i].Tag == "!!merge" {
			v.Entries = append(v.Entries, p.merge(item, merged)...)
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
	v.Span = p.around(n, start, key, v)
	p.tagged(n, v, "!!map")
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
func (p *parser) merge(from *Value, merged map[string]bool) []Entry {
	maps := []*Value{from}
	if from.Kind == List {
		maps = from.Items
	}
	var entries []Entry
	for _, m := range maps {
		if m.Kind != Map {
			d := m.Errorf("<< takes a map or a list of maps, got %s", m.describe())
			d.Hint = "write <<: *NAME, where &NAME stands at a map"
			p.fail(d)
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
func (p *parser) key(n *yaml.Node) *Value {
	v := p.value(n, nil)
	switch {
	case v.Scalar() && v.Kind != Null:
		if v.Kind != String {
			text := *v
			text.Kind = String
			v = &text
		}
		return v
	case v.Kind == Null:
		p.fail(v.Errorf("a key is missing"))
	case p.src.template(p.src.offset(n.Line, n.Column)):
		d := v.Errorf("text that begins with {{ must be in quotes")
		d.Hint = `write "{{ … }}"`
		p.fail(d)
	default:
		p.fail(v.Errorf("a key must be text, got %s", v.describe()))
	}
	return nil
}

// template reports whether two braces stand at, or before, an offset.
func (s *source) template(at int) bool {
	return s.at(at) == '{' && (s.at(at+1) == '{' || s.at(at-1) == '{')
}

// around is the place of a list or map: what its brackets enclose, or, if it
// has none, its first key or dash, or the key it stands under.
func (p *parser) around(n *yaml.Node, start int, key *Value, v *Value) Span {
	open := p.src.at(start)
	switch {
	case n.Style&yaml.FlowStyle == 0:
		span := p.src.span(start, start+1)
		if key != nil && key.Span.Line < span.Line {
			return key.Span
		}
		if len(v.Entries) > 0 && v.Entries[0].Key.Span.Line == span.Line && v.Entries[0].Key.Span.Column == span.Column {
			return v.Entries[0].Key.Span
		}
		return span
	case open != '{' && open != '[': // a pair in a list: [a: b]
		return p.src.span(start, max(p.end, start+1))
	}
	end := max(p.end, start+1)
	for end < len(p.src.runes) {
		switch r := p.src.at(end); {
		case r == ']' || r == '}':
			p.end = end + 1
			return p.src.span(start, p.end)
		case r == '#':
			for end < len(p.src.runes) && !isBreak(p.src.at(end)) {
				end++
			}
		default:
			end++
		}
	}
	p.end = end
	return p.src.span(start, end)
}

func (p *parser) scalar(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Text: n.Value, Kind: String}
	t := &tracer{src: p.src, pos: start, text: []rune(n.Value)}
	var ok bool
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		p.end, ok = t.quoted()
		v.Span = p.src.span(start, p.end)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		p.end, ok = t.block()
		v.Span = p.src.span(start, start+1)
	case n.Value == "":
		v.Kind = Null
		v.Span = p.nothing(start, key)
		p.tagged(n, v, "!!null")
		return v
	default:
		p.end, ok = t.plain()
		v.Kind = kindOf(n.Value)
		v.Span = p.src.span(start, p.end)
	}
	if ok {
		v.places = t.places
	}
	p.tagged(n, v, "")
	return v
}

// nothing is the place of a value that was left out: its key, or its dash.
func (p *parser) nothing(start int, key *Value) Span {
	if key != nil {
		return key.Span
	}
	for at := start - 1; at >= 0 && p.src.line(at) == p.src.line(start); at-- {
		if r := p.src.at(at); !isBlank(r) {
			return p.src.span(at, at+1)
		}
	}
	return p.src.span(start, start+1)
}

// tagged applies the tag that n is given by hand. Own is the tag its kind has
// anyway, or empty for a scalar.
func (p *parser) tagged(n *yaml.Node, v *Value, own string) {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag == own {
		return
	}
	kinds := map[string]Kind{"!!null": Null, "!!bool": Bool, "!!int": Int, "!!float": Float}
	kind, plain := kinds[n.Tag]
	switch {
	case n.Tag == "!!str" && v.Scalar():
		v.Kind = String
	case plain && v.Scalar() && (kindOf(v.Text) == kind || kind == Float && kindOf(v.Text) == Int):
		v.Kind = kind
	default:
		at := p.src.offset(n.Line, n.Column)
		for p.src.at(at) == '&' {
			for !isBlank(p.src.at(at)) && at < len(p.src.runes) {
				at++
			}
			for isBlank(p.src.at(at)) {
				at++
			}
		}
		end := at
		for end < len(p.src.runes) && !isBlank(p.src.at(end)) && !isBreak(p.src.at(end)) {
			end++
		}
		d := Diagnostic{Span: p.src.span(at, end), Message: fmt.Sprintf("unknown tag %q", string(p.src.runes[at:end]))}
		if strings.HasPrefix(n.Tag, "!!") {
			d.Message = fmt.Sprintf("%s is not %q", v.describe(), string(p.src.runes[at:end]))
		} else {
			d.Hint = "text that begins with ! must be in quotes"
		}
		p.fail(d)
	}
}

// The forms of YAML 1.2's core schema, section 10.3.2.
var (
	intForm   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatForm = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// kindOf is what a plain scalar is. yes, no, on and off are text.
func kindOf(text string) Kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	switch {
	case intForm.MatchString(text):
		return Int
	case floatForm.MatchString(text):
		return Float
	}
	return String
}
