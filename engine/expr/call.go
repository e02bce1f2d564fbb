package expr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/flows"
)

// A function is one of the language's functions. Its first argument may always
// be nil: what comes of it is nil then, unless the function takes nil itself.
type function struct {
	takes  []kinds
	least  int  // arguments that must be given, if not all; -1 is none
	more   bool // whether the last may be given any number of times
	gives  kinds
	impure bool // gives another value each time
	run    func(s *state, args []any) any
}

func (f *function) needs() int {
	if f.least == 0 {
		return len(f.takes)
	}
	return max(f.least, 0)
}

func (f *function) param(i int) kinds {
	if i < len(f.takes) {
		return f.takes[i]
	}
	return f.takes[len(f.takes)-1]
}

// arity says how many arguments f takes.
func (f *function) arity() string {
	least, most := f.needs(), len(f.takes)
	switch {
	case f.more:
		return "at least " + counted(least)
	case least == most:
		return counted(most)
	}
	return fmt.Sprintf("%d to %s", least, counted(most))
}

func counted(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// call compiles name(args).
func (c *compiler) call(n ast.Node, name string, args []ast.Node) part {
	if isLoop(name) {
		return c.loop(n.(*ast.BuiltinNode))
	}
	f, ok := functions[name]
	if !ok {
		c.unknownFunction(n, name, args)
		return unknown
	}
	parts := make([]part, len(args))
	for i, arg := range args {
		parts[i] = c.node(arg)
	}
	if len(args) < f.needs() || len(args) > len(f.takes) && !f.more {
		c.mistakeAt(n.Location().From, n.Location().To, "%s takes %s, got %d", name, f.arity(), len(args))
		return unknown
	}
	for i, p := range parts {
		want := f.param(i)
		if i == 0 {
			want |= isNil
		}
		if !c.want(args[i], p, want, name+" takes "+(f.param(i)&^isNil).String()) {
			return unknown
		}
	}
	p := part{kinds: f.gives, code: f.code(parts, c.site(n, args...))}
	if len(parts) > 0 && parts[0].kinds.has(isNil) && !f.param(0).has(isNil) {
		p.kinds |= isNil
	}
	if f.impure {
		c.impure = true
		return p
	}
	return c.fold(n, p, parts...)
}

func (c *compiler) unknownFunction(n ast.Node, name string, args []ast.Node) {
	for _, arg := range args {
		c.node(arg)
	}
	from, to := n.Location().From, n.Location().To
	if _, ok := c.scope.roots[name]; ok || c.variable(name) >= 0 {
		c.mistakeAt(from, to, "%s is not a function", c.quote(n, name))
		return
	}
	known := slices.Concat(slices.Collect(maps.Keys(functions)), loops)
	d := c.mistakeAt(from, to, "unknown function %s", c.quote(n, name))
	d.Hint = flows.DidYouMean(name, known)
}

// code calls f with the values of parts, which lie on the stack of the state.
func (f *function) code(parts []part, at *site) code {
	return func(s *state) any {
		base := len(s.stack)
		for i := range parts {
			v := parts[i].code(s)
			s.stack = append(s.stack, v)
		}
		args := s.stack[base:]
		s.site = at
		var v any
		if f.ready(s, args) {
			v = f.run(s, args)
		}
		s.stack = s.stack[:base]
		return v
	}
}

// ready reports whether f is to be run; it fails for arguments of the wrong
// kind.
func (f *function) ready(s *state, args []any) bool {
	for i, v := range args {
		want := f.param(i)
		if kindOf(v).has(want) {
			continue
		}
		if v == nil && i == 0 {
			return false
		}
		s.failKind(i, v, want&^isNil)
	}
	return true
}

// method compiles base.name(args): times and durations have functions of their
// own.
func (c *compiler) method(n *ast.CallNode, callee *ast.MemberNode) part {
	base := c.node(callee.Node)
	args := []part{base}
	nodes := []ast.Node{callee.Node}
	for _, arg := range n.Arguments {
		args = append(args, c.node(arg))
		nodes = append(nodes, arg)
	}
	loc := callee.Property.Location()
	property, ok := callee.Property.(*ast.StringNode)
	if !ok || !base.kinds.has(isTime|isDuration) {
		d := c.mistakeAt(loc.From, loc.To, "%s is %s, which has no functions of its own", cmp.Or(c.show(callee.Node), "this"), base.kinds)
		if ok && functions[property.Value] != nil && !c.src.hidden {
			d.Hint = "write " + property.Value + "(…) around it, or | " + property.Value + "()"
		} else if ok && methods[property.Value] != nil {
			d.Hint = "date(…) makes a time of text, duration(…) a duration"
		}
		return unknown
	}
	name := property.Value
	f := methods[name]
	if f == nil || !base.kinds.has(f.takes[0]) {
		d := c.mistakeAt(loc.From, loc.To, "unknown function %s of %s", c.quote(property, name), base.kinds&(isTime|isDuration))
		d.Hint = methodHint(base.kinds, name)
		return unknown
	}
	if want := len(f.takes); len(args) != want {
		c.mistakeAt(loc.From, loc.To, "%s takes %s, got %d", name, counted(want-1), len(args)-1)
		return unknown
	}
	for i, p := range args[1:] {
		if !c.want(n.Arguments[i], p, f.takes[i+1], name+" takes "+f.takes[i+1].String()) {
			return unknown
		}
	}
	return c.fold(n, part{kinds: f.gives | base.kinds&isNil, code: f.code(args, c.site(n, nodes...))}, args...)
}

// methodHint names the functions of a time or a duration, or the nearest one.
func methodHint(of kinds, name string) string {
	var known []string
	for method, f := range methods {
		if of.has(f.takes[0]) {
			if strings.EqualFold(method, name) {
				return "did you mean " + method + "()?"
			}
			known = append(known, method)
		}
	}
	hint := flows.DidYouMean(name, known)
	if strings.HasPrefix(hint, "did you mean") {
		return hint
	}
	slices.Sort(known)
	return "it has " + strings.Join(known, ", ")
}
