package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// A Path is something that an expression reads: a name and the fields inside
// it, data.room.name. Nothing else of an event decides what the expression
// gives.
type Path struct {
	Names []string
	// Whole is whether all that is inside is read, if it is a list or map: it
	// is passed on, gone through or compared with another value. Otherwise
	// only a text, number, boolean, time or nil makes a difference.
	Whole bool
}

// readsOf lists what n reads.
func readsOf(n ast.Node, sc *scope) []Path {
	r := reader{scope: sc}
	r.read(n, true)
	return r.paths
}

type reader struct {
	scope *scope
	paths []Path
}

// read notes what n reads; whole is what [Path] says of its value.
func (r *reader) read(n ast.Node, whole bool) {
	switch n := n.(type) {
	case nil:
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		r.path(n, nil, whole)
	case *ast.UnaryNode:
		r.read(n.Node, false)
	case *ast.BinaryNode:
		r.binary(n, whole)
	case *ast.ConditionalNode:
		r.read(n.Cond, false)
		r.read(n.Exp1, whole)
		r.read(n.Exp2, whole)
	case *ast.SliceNode:
		r.all(true, n.Node, n.From, n.To)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.MemberNode); ok {
			r.read(callee.Node, false)
		}
		r.all(true, n.Arguments...)
	case *ast.BuiltinNode:
		r.all(true, n.Arguments...)
	case *ast.PredicateNode:
		r.read(n.Node, true)
	case *ast.VariableDeclaratorNode:
		r.all(true, n.Value, n.Expr)
	case *ast.SequenceNode:
		r.all(true, n.Nodes...)
	case *ast.ArrayNode:
		r.all(true, n.Nodes...)
	case *ast.MapNode:
		r.all(true, n.Pairs...)
	case *ast.PairNode:
		r.all(true, n.Key, n.Value)
	}
}

func (r *reader) all(whole bool, nodes ...ast.Node) {
	for _, n := range nodes {
		r.read(n, whole)
	}
}

func (r *reader) binary(n *ast.BinaryNode, whole bool) {
	switch n.Operator {
	case "??":
		r.all(whole, n.Left, n.Right)
	case "in":
		r.all(true, n.Left, n.Right)
	case "==", "!=":
		r.read(n.Left, !isScalar(n.Right))
		r.read(n.Right, !isScalar(n.Left))
	default:
		r.all(false, n.Left, n.Right)
	}
}

func isScalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	return false
}

// path notes a chain of fields, whose last is in fields already. One that goes
// on by an index that is not known reads all that it comes to.
func (r *reader) path(n ast.Node, fields []string, whole bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		r.path(n.Node, fields, whole)
	case *ast.IdentifierNode:
		if _, ok := r.scope.roots[n.Value]; ok {
			slices.Reverse(fields)
			r.paths = append(r.paths, Path{append([]string{n.Value}, fields...), whole})
		}
	case *ast.MemberNode:
		if key, ok := n.Property.(*ast.StringNode); ok {
			r.path(n.Node, append(fields, key.Value), whole)
			return
		}
		r.read(n.Property, false)
		r.path(n.Node, nil, true)
	default:
		r.read(n, true)
	}
}

// merged sorts paths and leaves out those that others include.
func merged(paths []Path) []Path {
	slices.SortFunc(paths, func(a, b Path) int {
		order := slices.Compare(a.Names, b.Names)
		if order == 0 && a.Whole && !b.Whole {
			return -1
		}
		return order
	})
	var kept []Path
	for _, p := range paths {
		included := slices.ContainsFunc(kept, func(k Path) bool {
			if len(k.Names) > len(p.Names) || !slices.Equal(k.Names, p.Names[:len(k.Names)]) {
				return false
			}
			return k.Whole || len(k.Names) == len(p.Names)
		})
		if !included {
			kept = append(kept, p)
		}
	}
	return kept
}
