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
	return narrow(c.at.node, in, true), narrow(c.at.node, in, false)
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
