package expr

import (
	"cmp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// knowing is the scope of expressions on the events of a schema.
func knowing(events engine.Schema) *scope {
	return &scope{names: ofEvent.names, roots: ofEvent.roots, events: events}
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
		c.mistake(at, "%s is always nil here, so there is no %s in it", of, c.quote(key))
	case shape.Kinds&engine.CanBeMap == 0:
		c.mistake(at, "%s is %s, which has no field %s", of, kinds(shape.Kinds).there(), c.quote(key))
	default:
		d := c.mistake(at, "unknown field %s in %s of %s", c.quote(key), of, c.events)
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
	}
}

func (c *compiler) text(of ast.Node, p part, with ast.Node) {
	text, ok := with.(*ast.StringNode)
	if !ok || len(p.shape.Known) == 0 || p.fixed || !p.shape.May(engine.CanBeText) ||
		slices.Contains(p.shape.Known, text.Value) || p.shape.MayBeText(text.Value) && !p.shape.Growing {
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
	d := c.mistake(with, "%s %s %s", subject, says, c.quote(text.Value))
	d.Hint = flows.DidYouMean(text.Value, p.shape.Known)
	if maybe || name != nil && name.Value == "source" && !flows.IsSlip(text.Value, p.shape.Known) {
		d.Severity = flows.Warning
	}
}

// nodeWhere compiles n, which is evaluated where a condition is true, or is
// not.
func (c *compiler) nodeWhere(condition ast.Node, holds bool, n ast.Node) part {
	before := c.events
	if c.events = narrow(condition, before, holds); len(c.events) == 0 {
		c.events = nil // what is never evaluated has no mistakes of its own
	}
	p := c.node(n)
	c.events = before
	return p
}

// narrow is those events for which a condition may be true, or false.
func narrow(condition ast.Node, events engine.Schema, holds bool) engine.Schema {
	if events == nil {
		return nil
	}
	kept := engine.Schema{}
	for _, v := range events {
		a := asker{v}
		if yes, no := a.ask(condition); holds && yes || !holds && no {
			kept = append(kept, v)
		}
	}
	return kept
}

// An asker finds out what conditions may be for one kind of event. What it does
// not understand may be true and may be false.
type asker struct {
	event engine.Variant
}

func (a *asker) ask(n ast.Node) (yes, no bool) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value, !n.Value
	case *ast.ChainNode:
		return a.ask(n.Node)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			no, yes = a.ask(n.Node)
			return yes, no
		}
	case *ast.ConditionalNode:
		is, isNot := a.ask(n.Cond)
		yes1, no1 := a.ask(n.Exp1)
		yes2, no2 := a.ask(n.Exp2)
		return is && yes1 || isNot && yes2, is && no1 || isNot && no2
	case *ast.BinaryNode:
		return a.binary(n)
	case *ast.IdentifierNode, *ast.MemberNode:
		is := a.shape(n).May(engine.CanBeBool)
		return is, is
	}
	return true, true
}

func (a *asker) binary(n *ast.BinaryNode) (yes, no bool) {
	switch n.Operator {
	case "and", "&&":
		yes1, no1 := a.ask(n.Left)
		yes2, no2 := a.ask(n.Right)
		return yes1 && yes2, no1 || yes1 && no2
	case "or", "||":
		yes1, no1 := a.ask(n.Left)
		yes2, no2 := a.ask(n.Right)
		return yes1 || no1 && yes2, no1 && no2
	case "==":
		return equal(a.shape(n.Left), a.shape(n.Right))
	case "!=":
		no, yes = equal(a.shape(n.Left), a.shape(n.Right))
		return yes, no
	case "in":
		list, ok := n.Right.(*ast.ArrayNode)
		if !ok {
			break
		}
		no = true
		left := a.shape(n.Left)
		for _, item := range list.Nodes {
			is, isNot := equal(left, a.shape(item))
			yes, no = yes || is, no && isNot
		}
		return yes, no
	case "startsWith", "endsWith", "contains":
		return between(n.Operator, a.shape(n.Left), a.shape(n.Right))
	}
	return true, true
}

// equal is whether values of two shapes may be equal, and may not be.
func equal(a, b engine.Shape) (yes, no bool) {
	if a.Kinds == 0 || b.Kinds == 0 {
		return true, true
	}
	both := a.Kinds & b.Kinds
	no = a.Kinds != engine.CanBeNil || b.Kinds != engine.CanBeNil
	if both != engine.CanBeText {
		return both != 0, no
	}
	for _, text := range a.Values {
		yes = yes || b.MayBeText(text)
	}
	for _, text := range b.Values {
		yes = yes || a.MayBeText(text)
	}
	if isSet(a) && isSet(b) {
		same := a.Kinds|b.Kinds == engine.CanBeText && len(a.Values) == 1 && slices.Equal(a.Values, b.Values)
		return yes, !same
	}
	if len(a.Values) == 0 && len(b.Values) == 0 {
		yes = true
	}
	return yes || !isSet(a) && !isSet(b), true
}

// isSet reports whether a text is one of its values and nothing else.
func isSet(s engine.Shape) bool { return s.Values != nil && !s.Growing }

// between is whether an operator of two texts may be true, and may be false.
// Beside nil it is false, and beside anything else it fails.
func between(operator string, a, b engine.Shape) (yes, no bool) {
	if !a.May(engine.CanBeText) || !b.May(engine.CanBeText) {
		return false, true
	}
	if !isSet(a) || !isSet(b) || a.Kinds == 0 || b.Kinds == 0 {
		return true, true
	}
	no = a.Kinds != engine.CanBeText || b.Kinds != engine.CanBeText
	test := map[string]func(s, t string) bool{
		"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
	}[operator]
	for _, s := range a.Values {
		for _, t := range b.Values {
			is := test(s, t)
			yes, no = yes || is, no || !is
		}
	}
	return yes, no
}

// shape is what is known of a value, as far as it is a path or constant.
func (a *asker) shape(n ast.Node) engine.Shape {
	switch n := n.(type) {
	case *ast.NilNode:
		return engine.NilShape
	case *ast.StringNode:
		return engine.OneOf(n.Value)
	case *ast.BoolNode:
		return engine.Shape{Kinds: engine.CanBeBool}
	case *ast.IntegerNode, *ast.FloatNode:
		return engine.Shape{Kinds: engine.CanBeNumber}
	case *ast.IdentifierNode:
		return a.event.Name(n.Value)
	case *ast.ChainNode:
		return a.shape(n.Node)
	case *ast.MemberNode:
		if key, ok := n.Property.(*ast.StringNode); ok {
			field, _ := a.shape(n.Node).Field(key.Value)
			return field
		}
	case *ast.BinaryNode:
		if n.Operator == "??" {
			left := a.shape(n.Left)
			if !left.May(engine.CanBeNil) {
				return left
			}
			if left.Kinds == engine.CanBeNil {
				return a.shape(n.Right)
			}
			if left.Kinds != 0 {
				left.Kinds &^= engine.CanBeNil
			}
			return left.Or(a.shape(n.Right))
		}
	}
	return engine.Shape{}
}

// Check tells the mistakes that can be found where it is known which events
// come, beyond those that [Expr.DecodeValue] tells.
func (f *field) Check(in engine.Schema) flows.Diagnostics {
	if f.at == nil {
		return nil
	}
	t := tree{scope: knowing(in)}
	t.value(f.at.src.v)
	return t.diags
}

// Shape is what is known of the value for such events.
func (f *field) Shape(in engine.Schema) engine.Shape {
	if f.at == nil {
		return engine.NilShape
	}
	t := tree{scope: knowing(in)}
	p, _ := t.value(f.at.src.v)
	return p.result()
}

// Check tells the mistakes that can be found where it is known which events
// come: also that it is never true.
func (c *Condition) Check(in engine.Schema) flows.Diagnostics {
	if c.at == nil {
		return nil
	}
	fresh := new(Condition)
	diags := fresh.decode(c.at.src.v, knowing(in))
	if yes, _ := fresh.Narrow(in); len(in) > 0 && len(yes) == 0 && len(diags) == 0 && fresh.reads != nil {
		d := c.at.src.v.Warnf("this is never true for %s", in)
		d.Span = c.at.src.span(extent(fresh.at.node))
		diags = append(diags, d)
	}
	return diags
}

// Narrow parts events into those that the condition may be true for, and those
// that it may be false for.
func (c *Condition) Narrow(in engine.Schema) (yes, no engine.Schema) {
	if c.at == nil || c.at.node == nil || new(Condition).decode(c.at.src.v, knowing(in)).Failed() {
		return in, in
	}
	return narrow(c.at.node, in, true), narrow(c.at.node, in, false)
}

// Check is described at [Expr.Check].
func (t *Text) Check(in engine.Schema) flows.Diagnostics {
	if t.at == nil {
		return nil
	}
	_, _, diags := compileText(t.at.src.v, knowing(in))
	return diags
}

var (
	_ engine.Checked = (*Expr)(nil)
	_ engine.Checked = (*Condition)(nil)
	_ engine.Checked = (*Text)(nil)
)
