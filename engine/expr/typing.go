package expr

import (
	"cmp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// knowing is the scope of expressions on the events of a schema, or on the
// requests that bring them.
func (sc *scope) knowing(events engine.Schema) *scope {
	return &scope{names: sc.names, roots: sc.roots, events: events}
}

// result is the shape of what Eval makes of the value: a time becomes text.
func (p part) result() engine.Shape {
	if p.shape.Kinds != 0 {
		return p.shape
	}
	if p.kinds|isNil == isJSON || p.kinds == isAny {
		return engine.Shape{}
	}
	shape := engine.Shape{Kinds: engine.Kinds(p.kinds & isJSON), Open: true}
	if p.kinds&^isJSON != 0 {
		shape.Kinds |= engine.CanBeText
	}
	return shape
}

// either is what is known of a value that is the one or the other.
func either(a, b part) part {
	return part{kinds: a.kinds | b.kinds, json: a.json && b.json, shape: a.result().Or(b.result())}
}

// there is p where it is not nil.
func (p part) there() part {
	p.shape = p.result()
	if p.kinds &^= isNil; p.shape.Kinds != 0 {
		p.shape.Kinds &^= engine.CanBeNil
	}
	if p.kinds == 0 { // it is always nil
		return part{json: true, shape: engine.NilShape}
	}
	return p
}

func listShape(item *engine.Shape) engine.Shape {
	return engine.Shape{Kinds: engine.CanBeList, Item: item}
}

func listOf(items []part) engine.Shape {
	var all engine.Shape
	for i, item := range items {
		if i == 0 {
			all = item.result()
			continue
		}
		all = all.Or(item.result())
	}
	return listShape(&all)
}

func mapOf(keys, values []part) engine.Shape {
	m := engine.Shape{Kinds: engine.CanBeMap, Fields: make(map[string]engine.Shape, len(keys))}
	for i, key := range keys {
		name, ok := key.value.(string)
		if !ok {
			return engine.Shape{Kinds: engine.CanBeMap, Open: true} // it may be any of the others
		}
		m.Fields[name] = values[i].result()
	}
	return m
}

// shaped is what came as JSON and has a shape.
func shaped(s engine.Shape) part {
	if s.Kinds == 0 {
		return part{kinds: isJSON, json: true}
	}
	return part{kinds: kinds(s.Kinds), json: true, shape: s}
}

// item is what is read of a value by an index.
func item(p part) part {
	switch {
	case p.json && p.shape.Kinds&(engine.CanBeMap|engine.CanBeText) == 0 && p.shape.Item != nil:
		return shaped(p.shape.Item.Or(engine.NilShape))
	case p.json && p.kinds.has(isMap|isList):
		return part{kinds: isJSON, json: true}
	case p.kinds.has(isMap | isList):
		return part{kinds: isAny}
	}
	return part{kinds: isNil | isText}
}

// fields is what is read of a value by the names of fields, one inside the
// other. It is false after the mistake of a field that is never there.
func (c *compiler) fields(from part, base ast.Node, keys []string, places []ast.Node) (part, bool) {
	if !from.json || from.shape.Kinds == 0 {
		from.shape = engine.Shape{}
		return item(from), true
	}
	shape := from.shape
	for i, key := range keys {
		inner, ok := shape.Field(key)
		if !ok && c.scope.asked {
			return shaped(engine.NilShape), true
		}
		if !ok || shape.Growing && shape.Lacks(key) {
			c.unknownField(shape, base, keys[:i], key, places[i])
		}
		if !ok {
			return unknown, false
		}
		shape = inner
	}
	return shaped(shape), true
}

func (c *compiler) unknownField(shape engine.Shape, base ast.Node, path []string, key string, at ast.Node) {
	of := "this"
	if name := c.show(base); name != "" {
		of = strings.Join(append([]string{name}, path...), ".")
	}
	if of == "#" {
		of = "an item"
	}
	switch {
	case shape.Kinds == engine.CanBeNil && of == "error":
		c.mistake(base, "error is always nil here").Hint = "it is there behind an error port: from: ID.error"
	case shape.Kinds == engine.CanBeNil:
		c.mistake(at, "%s is always nil here, so there is no %s in it", of, c.quote(at, key))
	case shape.Kinds&engine.CanBeMap == 0:
		c.mistake(at, "%s is %s, which has no field %s", of, kinds(shape.Kinds).there(), c.quote(at, key))
	default:
		d := c.mistake(at, "unknown field %s in %s of %s", c.quote(at, key), of, c.events)
		d.Hint = flows.DidYouMean(key, shape.Names())
		if types := c.typesWith(base, append(slices.Clone(path), key)); types != "" {
			d.Hint = "it comes with " + types
		}
		if shape.Growing && !flows.IsSlip(key, shape.Names()) {
			d.Severity = flows.Warning
		}
	}
}

// typesWith lists the types of events that could come, but for a condition
// around, and have a field.
func (c *compiler) typesWith(base ast.Node, path []string) string {
	name, ok := base.(*ast.IdentifierNode)
	if !ok {
		return ""
	}
	var types []string
	for _, v := range c.scope.events {
		shape := v.Name(name.Value)
		known := true
		for _, key := range path {
			if known = known && shape.Kinds != 0; known {
				shape, known = shape.Field(key)
			}
		}
		if known && shape.Kinds != 0 {
			types = append(types, v.Type.Values...)
		}
	}
	return strings.Join(types, ", ")
}

// texts tells the mistake of comparing a text that is one of some with another.
func (c *compiler) texts(n *ast.BinaryNode, l, r part) {
	switch n.Operator {
	case "==", "!=":
		c.text(n.Left, l, n.Right)
		c.text(n.Right, r, n.Left)
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, item := range list.Nodes {
				c.text(n.Left, l, item)
			}
		}
	case "startsWith", "endsWith", "contains", "matches":
		c.partOfText(n, l)
	}
}

func (c *compiler) text(of ast.Node, p part, with ast.Node) {
	text, ok := with.(*ast.StringNode)
	if !ok || !isOneOfSome(p) || slices.Contains(p.shape.Known, text.Value) || p.shape.MayBeText(text.Value) && !p.shape.Growing {
		return
	}
	name, _ := of.(*ast.IdentifierNode)
	maybe := p.shape.Growing && !flows.IsSlip(text.Value, p.shape.Known)
	subject, says := cmp.Or(c.show(of), "this"), "is never"
	switch isType := name != nil && name.Value == "type"; {
	case isType && maybe:
		subject, says = "no event that comes here", "is known to have the type"
	case isType:
		subject, says = "no event that comes here", "has the type"
	case maybe:
		says = "is not known to be"
	}
	d := c.mistake(with, "%s %s %s", subject, says, c.quote(text, text.Value))
	d.Hint = flows.DidYouMean(text.Value, p.shape.Known)
	if maybe || name != nil && name.Value == "source" && !flows.IsSlip(text.Value, p.shape.Known) {
		d.Severity = flows.Warning
	}
}

// isOneOfSome reports whether p is a text of which it is known what it may be.
func isOneOfSome(p part) bool {
	return len(p.shape.Known) > 0 && !p.fixed && p.shape.May(engine.CanBeText)
}

// partOfText tells the mistake of looking for what is in none of the texts that
// one may be.
func (c *compiler) partOfText(n *ast.BinaryNode, p part) {
	with, ok := n.Right.(*ast.StringNode)
	if !ok || !isOneOfSome(p) {
		return
	}
	is := tests[n.Operator]
	if n.Operator == "matches" {
		re, err := compilePattern(with.Value)
		if err != nil { // which is told already
			return
		}
		is = func(text, _ string) bool { return re.MatchString(text) }
	}
	if slices.ContainsFunc(p.shape.Known, func(text string) bool { return is(text, with.Value) }) {
		return
	}
	parts := partsOf(n.Operator, p.shape.Known)
	name, _ := n.Left.(*ast.IdentifierNode)
	maybe := p.shape.Growing && !flows.IsSlip(with.Value, parts)
	var subject string
	switch isType := name != nil && name.Value == "type"; {
	case isType && maybe:
		subject = "no type that is known of an event that comes here"
	case isType:
		subject = "no type of an event that comes here"
	case maybe:
		subject = "none of the texts that " + cmp.Or(c.show(n.Left), "this") + " is known to be"
	default:
		subject = "none of the texts that " + cmp.Or(c.show(n.Left), "this") + " may be"
	}
	says := map[string]string{"startsWith": "starts with", "endsWith": "ends with"}
	d := c.mistake(with, "%s %s %s", subject, cmp.Or(says[n.Operator], n.Operator), c.quote(with, with.Value))
	if d.Hint = flows.DidYouMean(with.Value, parts); !strings.HasPrefix(d.Hint, "did you mean") {
		d.Hint = flows.DidYouMean("", p.shape.Known)
	}
	if maybe {
		d.Severity = flows.Warning
	}
}

// partsOf are the parts of texts that an operator is likely to look for: what is
// up to a mark like _, behind one, or between two.
func partsOf(operator string, texts []string) []string {
	const marks = "_.-:/ "
	var parts []string
	for _, text := range texts {
		for from := 0; from < len(text); {
			to := len(text)
			if i := strings.IndexAny(text[from:], marks); i >= 0 {
				to = from + i + 1
			}
			switch operator {
			case "startsWith":
				parts = append(parts, text[:to])
			case "endsWith":
				parts = append(parts, text[from:], text[max(from-1, 0):])
			case "contains":
				parts = append(parts, strings.TrimRight(text[from:to], marks))
			}
			from = to
		}
	}
	return parts
}

// nodeWhere compiles n, which is evaluated where a condition is true, or is
// not.
func (c *compiler) nodeWhere(condition ast.Node, holds bool, n ast.Node) part {
	before := c.events
	if c.events = c.narrower.narrow(condition, before, holds); len(c.events) == 0 {
		c.events = nil // what is never evaluated has no mistakes of its own
	}
	p := c.node(n)
	c.events = before
	return p
}

// Check tells the mistakes that can be found where it is known which events
// come, beyond those that [Expr.DecodeValue] tells.
func (f *field) Check(in engine.Schema) flows.Diagnostics {
	if f == nil {
		return nil
	}
	t := tree{scope: f.scope.knowing(in)}
	t.value(f.at.src.v)
	return t.diags
}

// Check tells the mistakes that can be found where it is known which events
// come: also that it is never true.
func (c *Condition) Check(in engine.Schema) flows.Diagnostics {
	if !c.IsSet() {
		return nil
	}
	fresh := new(Condition)
	diags := fresh.decode(c.at.src.v, c.scope.knowing(in))
	if yes, _ := fresh.Narrow(in); len(in) > 0 && len(yes) == 0 && len(diags) == 0 && fresh.reads != nil {
		d := c.at.src.v.Warnf("this is never true for %s", in)
		d.Span = c.at.src.span(extent(fresh.at.node))
		diags = append(diags, d)
	}
	return diags
}

// CheckAs tells the mistakes that can be found where it is known which requests
// come: also that the value can't be of the kinds that are wanted.
func (r *Request) CheckAs(want string, may engine.Kinds, in engine.Schema) flows.Diagnostics {
	diags := r.Check(in)
	if shape := r.Shape(in); len(diags) == 0 && shape.Kinds&^engine.CanBeNil != 0 && !shape.May(may) {
		d := r.at.src.v.Errorf("want %s, got %s", want, kinds(shape.Kinds).there())
		if r.at.node != nil {
			d.Span = r.at.src.span(extent(r.at.node))
		}
		diags = append(diags, d)
	}
	return diags
}

// Check is described at [Expr.Check].
func (t *Text) Check(in engine.Schema) flows.Diagnostics {
	if t.at == nil {
		return nil
	}
	_, _, diags := compileText(t.at.src.v, ofEvent.knowing(in))
	return diags
}

var (
	_ engine.Checked = (*Expr)(nil)
	_ engine.Checked = (*Condition)(nil)
	_ engine.Checked = (*Text)(nil)
)
