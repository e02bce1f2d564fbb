package expr

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// An operation is what a binary operator does with its operands, once both
// have a value.
type operation struct {
	pairs [][3]kinds
	run   func(s *state, a, b any) any
}

// The pairs of kinds that an operator works on, and what comes of them. The
// checker reads them; run fails on any other pair.
var (
	ordered = [][3]kinds{
		{isNumber, isNumber, isBool}, {isText, isText, isBool}, {isTime, isTime, isBool},
		{isDuration, isDuration, isBool},
	}
	numeric = [][3]kinds{{isNumber, isNumber, isNumber}}
	textual = [][3]kinds{{isText | isNil, isText | isNil, isBool}}
)

var operations = map[string]operation{
	"==": {run: func(s *state, a, b any) any { return s.equal(a, b, 0) }},
	"!=": {run: func(s *state, a, b any) any { return !s.equal(a, b, 0) }},
	"<":  {ordered, func(s *state, a, b any) any { return s.less(a, b, func(c int) bool { return c < 0 }) }},
	"<=": {ordered, func(s *state, a, b any) any { return s.less(a, b, func(c int) bool { return c <= 0 }) }},
	">":  {ordered, func(s *state, a, b any) any { return s.less(a, b, func(c int) bool { return c > 0 }) }},
	">=": {ordered, func(s *state, a, b any) any { return s.less(a, b, func(c int) bool { return c >= 0 }) }},
	"+": {[][3]kinds{
		{isNumber, isNumber, isNumber}, {isText, isText, isText}, {isTime, isDuration, isTime},
		{isDuration, isTime, isTime}, {isDuration, isDuration, isDuration},
	}, (*state).add},
	"-": {[][3]kinds{
		{isNumber, isNumber, isNumber}, {isTime, isTime, isDuration}, {isTime, isDuration, isTime},
		{isDuration, isDuration, isDuration},
	}, (*state).subtract},
	"*": {[][3]kinds{
		{isNumber, isNumber, isNumber}, {isDuration, isNumber, isDuration}, {isNumber, isDuration, isDuration},
	}, (*state).multiply},
	"/": {[][3]kinds{
		{isNumber, isNumber, isNumber}, {isDuration, isNumber, isDuration}, {isDuration, isDuration, isNumber},
	}, (*state).divide},
	"%":  {numeric, (*state).modulo},
	"**": {numeric, (*state).power},
	"^":  {numeric, (*state).power},
	"..": {[][3]kinds{{isNumber, isNumber, isList}}, (*state).sequence},
	"in": {[][3]kinds{{isAny, isList | isMap | isNil, isBool}}, (*state).in},

	"startsWith": {textual, func(s *state, a, b any) any {
		return s.texts(a, b, strings.HasPrefix)
	}},
	"endsWith": {textual, func(s *state, a, b any) any { return s.texts(a, b, strings.HasSuffix) }},
	"contains": {textual, func(s *state, a, b any) any { return s.texts(a, b, strings.Contains) }},
	"matches":  {textual, (*state).matches},
}

// verbs are what operators do, for messages: can't VERB a and b.
var verbs = map[string]string{
	"<": "compare", "<=": "compare", ">": "compare", ">=": "compare", "+": "add", "-": "subtract",
	"*": "multiply", "/": "divide", "%": "divide", "**": "raise", "^": "raise",
}

func (c *compiler) unary(n *ast.UnaryNode) part {
	of := c.node(n.Node)
	at := c.site(n, n.Node)
	if n.Operator == "not" || n.Operator == "!" {
		if !c.want(n.Node, of, isBool, n.Operator+" takes true or false") {
			return unknown
		}
		return c.fold(n, part{kinds: isBool, code: func(s *state) any { return !s.truth(of.code(s), at, 0) }}, of)
	}
	if !c.want(n.Node, of, isNumber|isDuration, n.Operator+" takes a number") {
		return unknown
	}
	negative := n.Operator == "-"
	return c.fold(n, part{kinds: of.kinds & (isNumber | isDuration), code: func(s *state) any {
		v := of.code(s)
		s.site = at
		if !kindOf(v).has(isNumber | isDuration) {
			s.failKind(0, v, isNumber)
		}
		if negative {
			return s.negate(v)
		}
		return v
	}}, of)
}

func (c *compiler) binary(n *ast.BinaryNode) part {
	at := c.site(n, n.Left, n.Right)
	switch n.Operator {
	case "and", "&&":
		return c.logic(n, c.node(n.Left), c.nodeWhere(n.Left, true, n.Right), at)
	case "or", "||":
		return c.logic(n, c.node(n.Left), c.nodeWhere(n.Left, false, n.Right), at)
	}
	l, r := c.node(n.Left), c.node(n.Right)
	if n.Operator == "??" {
		p := either(l.there(), r)
		p.code = func(s *state) any {
			if v := l.code(s); v != nil {
				return v
			}
			return r.code(s)
		}
		return p
	}
	op, ok := operations[n.Operator]
	if !ok {
		return c.foreign(n)
	}
	p := part{kinds: c.operands(n, op, l, r)}
	if p.kinds == 0 {
		return unknown
	}
	c.texts(n, l, r)
	if text, ok := r.value.(string); ok && n.Operator == "matches" {
		if p.code = c.pattern(n, l, text); p.code == nil {
			return unknown
		}
		return c.fold(n, p, l, r)
	}
	p.code = func(s *state) any {
		a := l.code(s)
		b := r.code(s)
		s.site = at
		return op.run(s, a, b)
	}
	if holds := looks(n.Operator, r); holds != nil && l.text != nil { // what most conditions are
		otherwise := p.code
		p.code = func(s *state) any {
			if text, ok := l.text(s); ok {
				return holds(s, text)
			}
			return otherwise(s)
		}
	}
	return c.fold(n, p, l, r)
}

func (c *compiler) logic(n *ast.BinaryNode, l, r part, at *site) part {
	what := n.Operator + " takes true or false"
	okLeft, okRight := c.want(n.Left, l, isBool, what), c.want(n.Right, r, isBool, what)
	if !okLeft || !okRight {
		return unknown
	}
	or := n.Operator == "or" || n.Operator == "||"
	return c.fold(n, part{kinds: isBool, code: func(s *state) any {
		if s.truth(l.code(s), at, 0) == or {
			return or
		}
		return s.truth(r.code(s), at, 1)
	}}, l, r)
}

// operands is what comes of op, or 0 after the mistake of operands that it
// can't work on.
func (c *compiler) operands(n *ast.BinaryNode, op operation, l, r part) (gives kinds) {
	if op.pairs == nil { // == and !=
		a, b := l.kinds&^isNil, r.kinds&^isNil
		if a != 0 && b != 0 && !a.has(b) {
			d := c.mistake(n, "%s is never equal to %s", named(c.show(n.Left), a), named(c.show(n.Right), b))
			d.Hint = castHint(a, b)
			return 0
		}
		return isBool
	}
	for _, p := range op.pairs { // what may be nil too is meant to be something
		if l.kinds.there().has(p[0]) && r.kinds.there().has(p[1]) {
			gives |= p[2]
		}
	}
	if gives != 0 {
		return gives
	}
	a, b := l.kinds.there(), r.kinds.there()
	d := c.mistake(n, "%s", cannot(n.Operator, c.show(n.Left), c.show(n.Right), a, b))
	switch {
	case n.Operator != "in":
		d.Hint = castHint(a, b)
	case a == isText && b == isText:
		d.Hint = "text is looked for in text with contains"
	}
	return 0
}

// named is what a message calls an operand of some kind.
func named(name string, k kinds) string {
	if name == "" || name == k.String() {
		return k.String()
	}
	return name + " (" + k.String() + ")"
}

// cannot says that an operator does not work on two values.
func cannot(operator, left, right string, l, r kinds) string {
	a, b := named(left, l), named(right, r)
	switch operator {
	case "in":
		return "can't look for " + a + " in " + b + ", only in a list or map"
	case "startsWith", "endsWith", "contains", "matches":
		return operator + " is between texts, got " + a + " and " + b
	case "..":
		return "a range is between whole numbers, got " + a + " and " + b
	}
	return "can't " + verbs[operator] + " " + a + " and " + b
}

// castHint is how the other kind is made of one.
func castHint(l, r kinds) string {
	both := l | r
	switch {
	case l == r:
	case both.has(isTime) && (l == isTime || r == isTime) && both.has(isText):
		return `date("2026-01-31T09:00:00Z") makes a time of text`
	case (l == isText || r == isText) && both.has(isNumber):
		return "string(…) makes text of a number, int(…) and float(…) a number of text"
	case l == isDuration || r == isDuration, both == isTime|isNumber:
		return `duration("1h30m") makes a duration of text`
	}
	return ""
}

// name is what a message calls operand i of what is being done.
func (s *state) name(i int) string {
	return cmp.Or(s.site.label(i), "this")
}

// failPair fails for two values that the operator at hand does not work on.
func (s *state) failPair(a, b any) {
	for i, v := range []any{a, b} {
		if v == nil {
			s.fail("%s is nil", s.name(i))
		}
	}
	n := s.site.node.(*ast.BinaryNode)
	s.fail("%s", cannot(n.Operator, s.site.label(0), s.site.label(1), kindOf(a), kindOf(b)))
}

// failKind fails for a value of a kind that is not wanted.
func (s *state) failKind(i int, v any, want kinds) {
	if v == nil {
		s.fail("%s is nil", s.name(i))
	}
	s.fail("%s is %s, not %s", s.name(i), kindOf(v), want)
}

func (s *state) truth(v any, at *site, i int) bool {
	b, ok := v.(bool)
	if !ok {
		s.site = at
		s.fail("%s is %s, neither true nor false", s.name(i), kindOf(v))
	}
	return b
}

// equal compares any two values; those of different kinds are not equal.
func (s *state) equal(a, b any, depth int) bool {
	if depth > mostDepth {
		s.fail("this is deeper than %d lists and maps", mostDepth)
	}
	switch a := s.norm(a).(type) {
	case string:
		b, ok := s.norm(b).(string)
		if !ok || len(a) != len(b) {
			return false
		}
		s.scan(len(a))
		return a == b
	case int64, float64:
		c, ok := compareNumbers(a, s.norm(b))
		return ok && c == 0
	case []any:
		b, ok := s.norm(b).([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		s.spend(len(a))
		for i := range a {
			if !s.equal(a[i], b[i], depth+1) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := s.norm(b).(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		s.spend(4 * len(a))
		for k, v := range a {
			if w, ok := b[k]; !ok || !s.equal(v, w, depth+1) {
				return false
			}
		}
		return true
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	default: // nil, bool, a duration, a time zone
		return a == s.norm(b)
	}
}

// compare orders two values of one kind; those of two kinds have no order.
func (s *state) compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case int64, float64:
		return compareNumbers(a, b)
	case string:
		if b, ok := b.(string); ok {
			s.scan(min(len(a), len(b)))
			return strings.Compare(a, b), true
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b), true
		}
	case time.Duration:
		if b, ok := b.(time.Duration); ok {
			return cmp.Compare(a, b), true
		}
	}
	return 0, false
}

// less is the work of < and its like: false beside nil.
func (s *state) less(a, b any, is func(order int) bool) bool {
	if a == nil || b == nil {
		return false
	}
	order, ok := s.compare(a, b)
	if !ok {
		s.failPair(a, b)
	}
	return is(order)
}

func (s *state) in(a, b any) any {
	switch b := b.(type) {
	case nil:
		return false
	case []any:
		if a == nil {
			return false
		}
		s.spend(len(b))
		for _, item := range b {
			if s.equal(a, item, 0) {
				return true
			}
		}
		return false
	case map[string]any:
		k, ok := a.(string)
		if ok {
			s.scan(len(k))
			_, ok = b[k]
		}
		return ok
	}
	s.failPair(a, b)
	return nil
}

// texts is the work of startsWith and its like: false beside nil.
func (s *state) texts(a, b any, is func(a, b string) bool) any {
	if a == nil || b == nil {
		return false
	}
	x, okX := a.(string)
	y, okY := b.(string)
	if !okX || !okY {
		s.failPair(a, b)
	}
	s.scan(len(x) + len(y))
	return is(x, y)
}

func (s *state) sequence(a, b any) any {
	from, okFrom := whole(a)
	to, okTo := whole(b)
	if !okFrom || !okTo {
		s.failPair(a, b)
	}
	if to < from {
		return []any{}
	}
	n := uint64(to) - uint64(from) + 1
	if n == 0 || n > mostBytes {
		n = mostBytes // refused
	}
	s.take(int(n) * itemSize)
	list := make([]any, n)
	for i := range list {
		list[i] = from + int64(i)
	}
	return list
}

func (s *state) matches(a, b any) any {
	if a == nil || b == nil {
		return false
	}
	text, okText := a.(string)
	pattern, okPattern := b.(string)
	if !okText || !okPattern {
		s.failPair(a, b)
	}
	s.spend(min(patternCost(pattern), mostSteps+1))
	re, err := compilePattern(pattern)
	if err != nil {
		s.fail("%v", err)
	}
	s.spend(re.size * patternSteps)
	return re.match(s, text)
}

// pattern compiles `left matches "text"`, or tells what is wrong with text.
func (c *compiler) pattern(n *ast.BinaryNode, left part, text string) code {
	if c.folded += patternCost(text); c.folded > mostSteps {
		c.mistake(n.Right, "this expression takes too long to compile: its regular expressions are too large")
		return nil
	}
	re, err := compilePattern(text)
	if err != nil {
		c.mistake(n.Right, "%v", err)
		return nil
	}
	at := c.site(n, n.Left, n.Right)
	return func(s *state) any {
		text, ok := left.peek(s)
		if !ok {
			v := left.code(s)
			if v == nil {
				return false
			}
			if text, ok = v.(string); !ok {
				s.site = at
				s.failPair(v, re.String())
			}
		}
		s.site = at
		return re.match(s, text)
	}
}

// whole is a number without a fraction.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && v >= -1<<63 && v < 1<<63 {
			return int64(v), true
		}
	}
	return 0, false
}
