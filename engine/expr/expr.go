package expr

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// An Expr is an expression field: an expression, a text with {{ }} in it, or a
// plain value with expressions at its leaves. The zero Expr is unset. It is
// safe for concurrent use.
type Expr struct{ *field }

// A field is what all kinds of expression field have in common, as far as it is
// needed for evaluating; nil if the field is unset. Of the many fields that
// nodes have, most are.
type field struct {
	code  code
	text  peek
	write write
	scope *scope
	at    *site // all of it
	reads []Path

	sources []*source // in it, until it forgets the document
}

// DecodeValue compiles v and finds every mistake that can be found before an
// event comes.
func (x *Expr) DecodeValue(v *flows.Value) (diags flows.Diagnostics) {
	x.field, diags = decode(v, ofEvent)
	return diags
}

func decode(v *flows.Value, sc *scope) (*field, flows.Diagnostics) {
	t := tree{scope: sc}
	p, at := t.value(v)
	return &field{p.code, p.text, p.write, sc, at, merged(t.reads), t.sources}, t.diags
}

// Forget lets go of the document, behind the last Check, Shape and Narrow.
// Messages keep their places.
func (f *field) Forget() {
	if f == nil {
		return
	}
	for _, src := range f.sources {
		src.forget()
	}
	f.sources = nil
}

// IsSet reports whether the document gave the field.
func (f *field) IsSet() bool { return f != nil }

// Reads lists what the field reads of an event, in order, each once.
func (f *field) Reads() []Path {
	if f == nil {
		return nil
	}
	return slices.Clone(f.reads)
}

// FlowType names the type of the field in the documentation of a node.
func (Expr) FlowType() string { return "expression" }

// Eval returns the value for an event, as a JSON value: a time is its text in
// RFC 3339. It may share lists and maps with the event, so it must not be
// changed. An error concerns that event alone, and is [engine.Permanent].
func (x *Expr) Eval(e *engine.Event) (any, error) { return x.eval(e, nil) }

func (f *field) eval(e *engine.Event, names map[string]any) (any, error) {
	if f == nil {
		return nil, nil
	}
	s := newState(f.at, e, names)
	defer s.free()
	return run(s, func(s *state) any {
		v := f.code(s)
		s.site = f.at
		if !s.built && kindOf(v).has(isList|isMap) {
			return v // of the event itself
		}
		return s.plain(v, 0)
	})
}

// errTooDeep is what makes something that is written no JSON.
var errTooDeep = errors.New("this is deeper than 10000 lists and maps")

// Data is Eval as a payload. What it takes from the payload of the event is not
// decoded, but written on as it came, without space between its tokens.
func (x *Expr) Data(e *engine.Event) (engine.Data, error) {
	if !x.IsSet() || x.write == nil {
		v, err := x.Eval(e)
		return engine.Value(v), err
	}
	s := newState(x.at, e, nil)
	defer s.free()
	_, err := run(s, func(s *state) any {
		s.out = x.write(s, s.out[:0])
		return nil
	})
	if err != nil {
		return engine.Data{}, err
	}
	data := engine.Compact(bytes.Clone(s.out))
	if !data.Valid() {
		return engine.Data{}, engine.Permanent(x.at.wrap(errTooDeep))
	}
	return data, nil
}

// Key is Eval with the value as text that is equal for equal values, and only
// for those: 1 and 1.0 are equal, 1 and "1" are not. It has at most 256 bytes.
func (x *Expr) Key(e *engine.Event) (string, error) {
	if !x.IsSet() {
		return "null", nil
	}
	s := newState(x.at, e, nil)
	defer s.free()
	var key string
	_, err := run(s, func(s *state) any {
		if x.text != nil {
			if text, ok := x.text(s); ok {
				key = textKey(text)
				return nil
			}
		}
		key = s.keyText(x.code(s))
		return nil
	})
	return key, err
}

// A tree compiles a value with expressions at its leaves.
type tree struct {
	scope   *scope
	sources []*source
	reads   []Path
	diags   flows.Diagnostics
}

// value compiles v; the site is that of all of it.
func (t *tree) value(v *flows.Value) (part, *site) {
	at := &site{src: &source{v: v}}
	t.sources = append(t.sources, at.src)
	switch {
	case v.Scalar() && !v.Whole() && !isTemplate(v.Text): // its mistake is told
		return unknown, at
	case v.Kind == flows.String && !isTemplate(v.Text):
		return t.expression(v, at)
	case v.Kind == flows.String:
		segments, reads, diags := compileText(v, t.scope)
		t.reads, t.diags = append(t.reads, reads...), append(t.diags, diags...)
		for _, seg := range segments {
			if seg.site != nil {
				t.sources = append(t.sources, seg.site.src)
			}
		}
		return template(segments), at
	case v.Kind == flows.List:
		return t.list(v), at
	case v.Kind == flows.Map:
		return t.mapping(v), at
	}
	constant := v.Any()
	if f, ok := constant.(float64); ok && f-f != 0 {
		t.diags = append(t.diags, v.Errorf("%s is no number of JSON", v.Text))
	}
	return fixed(constant), at
}

func (t *tree) expression(v *flows.Value, at *site) (part, *site) {
	src := newSource(v, v.Text, 0)
	t.sources = append(t.sources, src)
	n, p, diags := compile(src, t.scope)
	t.diags = append(t.diags, diags...)
	if diags.Failed() {
		return p, at
	}
	t.reads = append(t.reads, readsOf(n, t.scope)...)
	return p, &site{src: src, node: n}
}

func (t *tree) list(v *flows.Value) part {
	items := make([]part, len(v.Items))
	for i, item := range v.Items {
		items[i], _ = t.value(item)
	}
	codes := codesOf(items)
	return part{kinds: isList, shape: listOf(items), write: writeList(items), code: func(s *state) any {
		s.take(len(codes) * itemSize)
		list := make([]any, len(codes))
		for i, item := range codes {
			list[i] = item(s)
		}
		return list
	}}
}

func (t *tree) mapping(v *flows.Value) part {
	names := make([]string, len(v.Entries))
	keys, values := make([]part, len(v.Entries)), make([]part, len(v.Entries))
	for i, e := range v.Entries {
		names[i], keys[i] = e.Key.Text, fixed(e.Key.Text)
		values[i], _ = t.value(e.Value)
	}
	codes := codesOf(values)
	return part{kinds: isMap, shape: mapOf(keys, values), write: writeMap(keys, values), code: func(s *state) any {
		s.take(len(codes) * entrySize)
		m := make(map[string]any, len(codes))
		for i, value := range codes {
			m[names[i]] = value(s)
		}
		return m
	}}
}

// A Condition is an expression field that is true or false.
type Condition struct{ *field }

// DecodeValue compiles v and finds every mistake that can be found before an
// event comes: also an expression that can't be true or false.
func (c *Condition) DecodeValue(v *flows.Value) flows.Diagnostics { return c.decode(v, ofEvent) }

func (c *Condition) decode(v *flows.Value, sc *scope) flows.Diagnostics {
	if v.Kind == flows.List || v.Kind == flows.Map || v.Kind == flows.Null {
		return flows.Diagnostics{v.Errorf("want a condition, got %s", article(v.Kind))}
	}
	src := newSource(v, v.Text, 0)
	n, p, diags := compile(src, sc)
	c.field = &field{code: p.code, text: p.text, scope: sc, at: &site{src: src}, sources: []*source{src}}
	if diags.Failed() {
		return diags
	}
	c.at, c.reads = &site{src: src, node: n}, merged(readsOf(n, ofEvent))
	if !p.kinds.has(isBool) {
		d := v.Errorf("a condition is true or false, and this is %s", p.kinds.there())
		d.Span = src.span(extent(n))
		diags = append(diags, d)
	}
	return diags
}

// FlowType names the type of the field in the documentation of a node.
func (Condition) FlowType() string { return "condition" }

// True evaluates the condition. A value that is neither true nor false is an
// error, and so is an expression that fails; neither is silently false. The
// error is [engine.Permanent]. An unset condition is true.
func (c *Condition) True(e *engine.Event) (bool, error) {
	if !c.IsSet() {
		return true, nil
	}
	s := newState(c.at, e, nil)
	defer s.free()
	v, err := run(s, c.code)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, engine.Permanent(c.at.wrap(fmt.Errorf("the condition is %s, neither true nor false", kindOf(v))))
	}
	return b, nil
}

// A Text is a text field: text with {{ EXPRESSION }} in it.
type Text struct {
	segments []segment
	at       *site // all of it; nil if it is unset
	reads    []Path
}

// DecodeValue compiles v and finds every mistake that can be found before an
// event comes.
func (t *Text) DecodeValue(v *flows.Value) flows.Diagnostics {
	if v.Kind == flows.List || v.Kind == flows.Map || v.Kind == flows.Null {
		return flows.Diagnostics{v.Errorf("want text, got %s", article(v.Kind))}
	}
	segments, reads, diags := compileText(v, ofEvent)
	*t = Text{segments, &site{src: &source{v: v}}, merged(reads)}
	return diags
}

func article(k flows.Kind) string {
	if k == flows.Null {
		return "nothing"
	}
	return "a " + k.String()
}

// Forget is described at [Expr.Forget].
func (t *Text) Forget() {
	if t.at == nil {
		return
	}
	t.at.src.forget()
	for _, seg := range t.segments {
		if seg.site != nil {
			seg.site.src.forget()
		}
	}
}

// IsSet reports whether the document gave the field.
func (t *Text) IsSet() bool { return t.at != nil }

// Reads lists what the field reads of an event, in order, each once.
func (t *Text) Reads() []Path { return slices.Clone(t.reads) }

// FlowType names the type of the field in the documentation of a node.
func (Text) FlowType() string { return "text with {{ }}" }

// Render returns the text for an event: at most 1 MiB of it. nil is nothing, a
// list or map its JSON, a time RFC 3339. An error concerns that event alone,
// and is [engine.Permanent].
func (t *Text) Render(e *engine.Event) (string, error) { return t.RenderWith(e, nil) }

// RenderWith is Render with each value that an expression puts in, but not the
// fixed text, passed through clean.
func (t *Text) RenderWith(e *engine.Event, clean func(string) string) (string, error) {
	if fixed, all := t.Fixed(); all {
		return fixed, nil
	}
	s := newState(t.at, e, nil)
	defer s.free()
	_, err := run(s, func(s *state) any {
		s.out = s.render(s.out[:0], t.segments, clean)
		return nil
	})
	if err != nil {
		return "", err
	}
	return string(s.out), nil
}

// Fixed returns the text up to its first expression, and whether that is all.
func (t *Text) Fixed() (prefix string, all bool) {
	for _, seg := range t.segments {
		if seg.value.code != nil {
			return prefix, false
		}
		prefix += seg.fixed
	}
	return prefix, true
}

// A Request is an expression over a request rather than an event: body,
// headers, query and path.
type Request struct{ *field }

// DecodeValue compiles v and finds every mistake that can be found before a
// request comes.
func (r *Request) DecodeValue(v *flows.Value) (diags flows.Diagnostics) {
	r.field, diags = decode(v, ofRequest)
	return diags
}

// FlowType names the type of the field in the documentation of a node.
func (Request) FlowType() string { return "expression over the request" }

// Eval returns the value for the names body, headers, query and path, as
// [Expr.Eval] does. They are values of JSON; of a body that is an [engine.Data]
// only what is asked for is decoded.
func (r *Request) Eval(names map[string]any) (any, error) { return r.eval(nil, names) }

// MustExpr, MustCondition, MustText and MustRequest compile source, or panic:
// for defaults and tests.
func MustExpr(source string) Expr { return must[Expr](source) }

// MustCondition is described at [MustExpr].
func MustCondition(source string) Condition { return must[Condition](source) }

// MustText is described at [MustExpr].
func MustText(source string) Text { return must[Text](source) }

// MustRequest is described at [MustExpr].
func MustRequest(source string) Request { return must[Request](source) }

func must[T any, P interface {
	*T
	flows.Decoder
}](source string) T {
	var x T
	if diags := P(&x).DecodeValue(&flows.Value{Kind: flows.String, Text: source}); diags.Failed() {
		panic(fmt.Sprintf("expr: %q: %v", source, diags))
	}
	return x
}

var (
	_ flows.Decoder = (*Expr)(nil)
	_ flows.Decoder = (*Condition)(nil)
	_ flows.Decoder = (*Text)(nil)
	_ flows.Decoder = (*Request)(nil)
)
