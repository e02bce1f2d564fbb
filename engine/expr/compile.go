package expr

import (
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A part is a compiled node.
type part struct {
	code  code
	text  peek  // nil where only code knows it
	write write // nil where it is written as the value it is
	kinds kinds
	json  bool         // whether it came as JSON, so that all inside it is JSON
	shape engine.Shape // what more is known of it, as the JSON it is or becomes
	fixed bool         // whether it always has the same value
	value any          // of a fixed part
}

// codesOf are the codes of parts: what is evaluated keeps nothing else of them.
func codesOf(parts []part) []code {
	codes := make([]code, len(parts))
	for i := range parts {
		codes[i] = parts[i].code
	}
	return codes
}

// A compiler compiles one expression. It goes on after a mistake.
type compiler struct {
	src   *source
	scope *scope
	diags flows.Diagnostics

	nodes    int           // compiled so far
	vars     []variable    // of the lets around
	items    []part        // of the loops around
	events   engine.Schema // that can come to where the compiler is
	narrower narrower      // of the conditions in it
	folded   int           // steps that fixed parts took
	kept     int           // bytes that they hold
	impure   bool          // whether it may give another value each time
}

type variable struct {
	name string
	part part
}

const tooLarge = "this expression is too large"

// compile compiles the expression of src over the names of scope.
func compile(src *source, sc *scope) (ast.Node, part, flows.Diagnostics) {
	n, diags := parse(src)
	if diags != nil {
		return nil, unknown, diags
	}
	c := &compiler{src: src, scope: sc, events: sc.events, narrower: narrower{src: src}}
	p := c.node(n)
	if c.nodes > mostNodes { // what else was found may be half of the truth
		d := src.v.Errorf("%s: it has more than %d parts", tooLarge, mostNodes)
		return nil, unknown, flows.Diagnostics{d}
	}
	return n, p, c.diags
}

// unknown is what a part with a mistake compiles to, so that it is no mistake
// of what it stands in.
var unknown = part{code: func(*state) any { return nil }, kinds: isAny}

// mistake notes what is wrong with n.
func (c *compiler) mistake(n ast.Node, format string, args ...any) *flows.Diagnostic {
	if c.nodes > mostNodes { // n may be far larger than what was compiled of it
		return &flows.Diagnostic{}
	}
	from, to := extent(n)
	return c.mistakeAt(from, to, format, args...)
}

func (c *compiler) mistakeAt(from, to int, format string, args ...any) *flows.Diagnostic {
	d := c.src.v.Errorf(format, args...)
	d.Span = c.src.span(from, to)
	c.diags = append(c.diags, d)
	return &c.diags[len(c.diags)-1]
}

// show is n for a message; it is empty if n may be secret.
func (c *compiler) show(n ast.Node) string {
	if c.nodes > mostNodes {
		return ""
	}
	return c.site(n, n).label(0)
}

// quote is a name that n has for a message, unless it may be secret.
func (c *compiler) quote(n ast.Node, name string) string {
	if c.src.hidden && c.src.hides(extent(n)) {
		return "***"
	}
	return strconv.Quote(name)
}

func (c *compiler) site(n ast.Node, parts ...ast.Node) *site {
	return &site{src: c.src, node: n, parts: parts}
}

// node compiles n. A tree may hold one node twice (1 < x < 2), so what is
// counted is how often a node is compiled.
func (c *compiler) node(n ast.Node) part {
	if c.nodes++; c.nodes > mostNodes {
		return unknown
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return fixed(nil)
	case *ast.IntegerNode:
		return fixed(int64(n.Value))
	case *ast.FloatNode:
		return fixed(n.Value)
	case *ast.BoolNode:
		return fixed(n.Value)
	case *ast.StringNode:
		return fixed(n.Value)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.ChainNode:
		return c.node(n.Node)
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.MemberNode); ok {
			return c.method(n, callee)
		}
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, callee.Value, n.Arguments)
		}
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.SequenceNode:
		return c.sequence(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.MapNode:
		return c.mapping(n)
	}
	return c.foreign(n)
}

// foreign is what the parser knows and the language does not.
func (c *compiler) foreign(n ast.Node) part {
	c.mistake(n, "this is not a part of the language")
	return unknown
}

// fixed is the part of a constant.
func fixed(v any) part {
	p := part{kinds: kindOf(v), fixed: true, value: v, code: func(*state) any { return v }}
	if p.kinds&^isJSON == 0 {
		p.shape = engine.ShapeOf(v)
	}
	p.json = !p.kinds.has(isList | isMap) // which may hold times
	if p.kinds.has(isList | isMap) {
		p.code = func(s *state) any {
			s.built = true
			return v
		}
	}
	return p
}

// mostKept is how many bytes the fixed parts of an expression may hold; what is
// larger is made anew for each event.
const mostKept = 64 << 10

// fold evaluates p now if all that it is made of is fixed. What would fail on
// every event is a mistake.
func (c *compiler) fold(n ast.Node, p part, of ...part) part {
	if slices.ContainsFunc(of, func(o part) bool { return !o.fixed }) || c.diags != nil || c.folded > mostSteps {
		return p
	}
	s := newState(c.site(n), nil, nil)
	defer s.free()
	v, f := try(s, p.code)
	c.folded += mostSteps - s.steps
	if f != nil {
		c.mistake(f.site.node, "%s", f.message)
		return unknown
	}
	if c.kept += mostBytes - s.bytes; c.kept > mostKept {
		return p
	}
	return fixed(v)
}

func try(s *state, c code) (v any, f *fault) {
	defer func() {
		if r := recover(); r != nil {
			got, ok := r.(fault)
			if !ok {
				panic(r)
			}
			f = &got
		}
	}()
	return c(s), nil
}

// want tells the mistake of a part that can't be of the kinds that are wanted.
func (c *compiler) want(n ast.Node, p part, want kinds, what string) bool {
	if p.kinds.there().has(want) { // what may be nil too is meant to be something
		return true
	}
	c.mistake(n, "%s, got %s", what, p.kinds.there())
	return false
}

func (c *compiler) conditional(n *ast.ConditionalNode) part {
	cond := c.node(n.Cond)
	yes, no := c.nodeWhere(n.Cond, true, n.Exp1), c.nodeWhere(n.Cond, false, n.Exp2)
	if !c.want(n.Cond, cond, isBool, "a condition is true or false") {
		return unknown
	}
	at := c.site(n.Cond, n.Cond)
	p := either(yes, no)
	p.code = func(s *state) any {
		if s.truth(cond.code(s), at, 0) {
			return yes.code(s)
		}
		return no.code(s)
	}
	return p
}

func (c *compiler) let(n *ast.VariableDeclaratorNode) part {
	value := c.node(n.Value)
	_, isRoot := c.scope.roots[n.Name]
	if isRoot || c.variable(n.Name) >= 0 {
		c.mistakeAt(n.Location().From, n.Location().To, "%s is a name already", c.quote(n, n.Name))
		return unknown
	}
	slot := len(c.vars)
	c.vars = append(c.vars, variable{n.Name, value})
	body := c.node(n.Expr)
	c.vars = c.vars[:slot]
	return part{kinds: body.kinds, json: body.json, shape: body.shape, code: func(s *state) any {
		v := value.code(s)
		for len(s.vars) <= slot {
			s.vars = append(s.vars, nil)
		}
		s.vars[slot] = v
		return body.code(s)
	}}
}

// variable is the slot of a let around, or -1.
func (c *compiler) variable(name string) int {
	return slices.IndexFunc(c.vars, func(v variable) bool { return v.name == name })
}

func (c *compiler) sequence(n *ast.SequenceNode) part {
	var last part
	codes := make([]code, len(n.Nodes))
	for i, item := range n.Nodes {
		last = c.node(item)
		codes[i] = last.code
	}
	return part{kinds: last.kinds, json: last.json, shape: last.shape, code: func(s *state) (v any) {
		for _, item := range codes {
			v = item(s)
		}
		return v
	}}
}

func (c *compiler) array(n *ast.ArrayNode) part {
	items := make([]part, len(n.Nodes))
	for i, item := range n.Nodes {
		items[i] = c.node(item)
	}
	at, codes := c.site(n), codesOf(items)
	return c.fold(n, part{kinds: isList, shape: listOf(items), write: writeList(items), code: func(s *state) any {
		s.site = at
		s.take(len(codes) * itemSize)
		list := make([]any, len(codes))
		for i, item := range codes {
			list[i] = item(s)
		}
		return list
	}}, items...)
}

func (c *compiler) mapping(n *ast.MapNode) part {
	keys, values := make([]part, len(n.Pairs)), make([]part, len(n.Pairs))
	sites := make([]*site, len(n.Pairs))
	for i, p := range n.Pairs {
		pair := p.(*ast.PairNode)
		keys[i], values[i] = c.node(pair.Key), c.node(pair.Value)
		c.want(pair.Key, keys[i], isText, "a key is text")
		sites[i] = c.site(pair.Key, pair.Key)
	}
	at := c.site(n)
	p := part{kinds: isMap, shape: mapOf(keys, values), write: writeMap(keys, values)}
	named, codes := codesOf(keys), codesOf(values)
	p.code = func(s *state) any {
		s.site = at
		s.take(len(codes) * entrySize)
		m := make(map[string]any, len(codes))
		for i, value := range codes {
			key, ok := named[i](s).(string)
			if !ok {
				s.site = sites[i]
				s.fail("%s is no text, as a key must be", s.name(0))
			}
			m[key] = value(s)
		}
		return m
	}
	return c.fold(n, p, append(keys, values...)...)
}
