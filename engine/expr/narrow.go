package expr

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/engine"
)

// Shape is what is known of the value for such events.
func (f *field) Shape(in engine.Schema) engine.Shape {
	if f == nil {
		return engine.NilShape
	}
	sc := f.scope.knowing(in)
	sc.asked = true
	t := tree{scope: sc}
	p, _ := t.value(f.at.src.v)
	return p.result()
}

// Narrow parts events into those that the condition may be true for, and those
// that it may be false for.
func (c *Condition) Narrow(in engine.Schema) (yes, no engine.Schema) {
	if !c.IsSet() || c.at.node == nil || new(Condition).decode(c.at.src.v, c.scope.knowing(in)).Failed() {
		return in, in
	}
	n := &narrower{src: c.at.src}
	return n.narrow(c.at.node, in, true), n.narrow(c.at.node, in, false)
}

// A narrower finds out which events the conditions of one expression may be true
// for, and false for.
type narrower struct {
	src   *source
	tried map[ast.Node]*trial
	steps int // that trials took
}

// A trial is of a condition that depends on nothing but the type of the event.
type trial struct {
	code  code // nil where it depends on more
	holds map[string]verdict
}

type verdict struct{ yes, no bool } // whether it may be true, and false

// mostTried is how many steps trials may take. What would take more may be true
// and may be false.
const mostTried = mostSteps / 10

func (w *narrower) trial(condition ast.Node) *trial {
	if t := w.tried[condition]; t != nil {
		return t
	}
	t := &trial{holds: map[string]verdict{}}
	reads := readsOf(condition, ofEvent)
	elsewhere := func(p Path) bool { return p.Names[0] != "type" }
	if len(reads) > 0 && !slices.ContainsFunc(reads, elsewhere) {
		c := &compiler{src: w.src, scope: ofEvent}
		if p := c.node(condition); c.diags == nil && !c.impure {
			t.code = p.code
		}
	}
	if w.tried == nil {
		w.tried = map[ast.Node]*trial{}
	}
	w.tried[condition] = t
	return t
}

// try evaluates a condition on an event of a type.
func (w *narrower) try(condition ast.Node, eventType string) verdict {
	t := w.trial(condition)
	if v, known := t.holds[eventType]; known {
		return v
	}
	v := verdict{true, true}
	if t.code == nil || w.steps > mostTried {
		return v
	}
	s := newState(&site{src: w.src, node: condition}, &engine.Event{Type: eventType}, nil)
	defer s.free()
	s.steps = mostTried
	is, failed := try(s, t.code)
	w.steps += mostTried - s.steps
	if holds, ok := is.(bool); ok && failed == nil {
		v = verdict{holds, !holds}
	}
	t.holds[eventType] = v
	return v
}

// narrow is those events for which a condition may be true, or false.
func (w *narrower) narrow(condition ast.Node, events engine.Schema, holds bool) engine.Schema {
	if events == nil {
		return nil
	}
	kept := engine.Schema{}
	for _, v := range events {
		a := asker{w, v}
		if yes, no := a.ask(condition); holds && yes || !holds && no {
			kept = append(kept, v)
		}
	}
	return kept
}

// An asker finds out what conditions may be for one kind of event. What it does
// not understand may be true and may be false.
type asker struct {
	*narrower
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
		if yes, no = a.binary(n); !yes || !no {
			return yes, no
		}
	case *ast.IdentifierNode, *ast.MemberNode:
		is := a.shape(n).May(engine.CanBeBool)
		return is, is
	}
	return a.byType(n)
}

// byType tries a condition with each type that the event may have, if it reads
// nothing else.
func (a *asker) byType(n ast.Node) (yes, no bool) {
	if !isSet(a.event.Type) {
		return true, true
	}
	for _, eventType := range a.event.Type.Values {
		v := a.try(n, eventType)
		yes, no = yes || v.yes, no || v.no
	}
	return yes, no
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
		left := a.shape(n.Left)
		if left.Kinds == engine.CanBeNil { // nil is in no list
			return false, true
		}
		always := false
		for _, item := range list.Nodes {
			is, isNot := equal(left, a.shape(item))
			yes, always = yes || is, always || !isNot
		}
		return yes, !always
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

// tests are the operators that look for a text in another.
var tests = map[string]func(s, t string) bool{
	"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
}

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
	test := tests[operator]
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
