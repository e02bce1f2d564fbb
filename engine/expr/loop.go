package expr

import (
	"cmp"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// loops are the functions that evaluate an argument for each item of a list.
var loops = []string{
	"all", "any", "count", "filter", "find", "findIndex", "findLast", "findLastIndex",
	"groupBy", "map", "none", "one", "reduce", "sortBy", "sum",
}

func isLoop(name string) bool { return slices.Contains(loops, name) }

// A loop evaluates body for each item of list. A list of nil is empty.
type loop struct {
	list   code
	body   code
	weight int // steps of one round
	site   *site
	truth  *site // of a body that must be true or false
}

// each runs the body for each item, until f returns false.
func (l *loop) each(s *state, backwards bool, f func(list []any, i int, v any) bool) {
	v := l.list(s)
	s.site = l.site
	list := s.list(v)
	depth := len(s.frames)
	s.frames = append(s.frames, frame{})
	for n := range list {
		i := n
		if backwards {
			i = len(list) - 1 - n
		}
		s.site = l.site
		s.spend(l.weight)
		in := &s.frames[depth]
		in.item, in.index = s.norm(list[i]), i
		if !f(list, i, l.body(s)) {
			break
		}
	}
	s.frames = s.frames[:depth]
}

// holds runs a body that is true or false.
func (l *loop) holds(s *state, backwards bool, f func(list []any, i int, holds bool) bool) {
	l.each(s, backwards, func(list []any, i int, v any) bool {
		return f(list, i, s.truth(v, l.truth, 0))
	})
}

// list is the items of v, which are none if it is nil.
func (s *state) list(v any) []any {
	switch v := v.(type) {
	case nil:
		return []any{}
	case []any:
		return v
	}
	s.failKind(0, v, isList)
	return nil
}

func (c *compiler) loop(n *ast.BuiltinNode) part {
	list := c.node(n.Arguments[0])
	okList := c.want(n.Arguments[0], list, isList|isNil, n.Name+" takes a list")
	l := &loop{list: list.code, site: c.site(n, n.Arguments[0])}
	body := item(list)
	body.code = func(s *state) any { return s.frames[len(s.frames)-1].item }
	l.weight = 2
	var bodyNode ast.Node = n
	if len(n.Arguments) > 1 {
		bodyNode = n.Arguments[1]
		if p, ok := bodyNode.(*ast.PredicateNode); ok {
			bodyNode = p.Node
		}
		if len(c.items) == mostNesting {
			c.mistake(n, "%s stands inside %d other loops, and no more are allowed", n.Name, mostNesting)
			return unknown
		}
		before := c.nodes
		c.items = append(c.items, item(list))
		body = c.node(bodyNode)
		c.items = c.items[:len(c.items)-1]
		l.weight += 2 * (c.nodes - before)
	}
	l.body = body.code
	l.truth = c.site(bodyNode, bodyNode)
	var third part
	if len(n.Arguments) > 2 {
		third = c.node(n.Arguments[2])
	}
	if !okList {
		return unknown
	}
	if slices.Contains([]string{"all", "any", "none", "one", "count", "filter", "find", "findIndex", "findLast", "findLastIndex"}, n.Name) &&
		!c.want(bodyNode, body, isBool, n.Name+" asks for true or false") {
		return unknown
	}
	switch n.Name {
	case "all", "any", "none":
		return l.until(n.Name)
	case "one", "count":
		return l.counting(n.Name)
	case "filter":
		return l.filter(list)
	case "find", "findIndex", "findLast", "findLastIndex":
		return l.find(n.Name, item(list))
	case "map":
		return l.mapped(body)
	case "sum":
		return l.sum()
	case "groupBy":
		return l.group()
	case "sortBy":
		return c.sortBy(n, l, third)
	}
	return l.reduce(third)
}

func (l *loop) until(name string) part {
	stop := name != "all" // the answer that ends the loop
	return part{kinds: isBool, code: func(s *state) any {
		stopped := false
		l.holds(s, false, func(_ []any, _ int, holds bool) bool {
			stopped = holds == stop
			return !stopped
		})
		return stopped == (name == "any")
	}}
}

func (l *loop) counting(name string) part {
	count := func(s *state) int64 {
		n := int64(0)
		l.holds(s, false, func(_ []any, _ int, holds bool) bool {
			if holds {
				n++
			}
			return true
		})
		return n
	}
	if name == "one" {
		return part{kinds: isBool, code: func(s *state) any { return count(s) == 1 }}
	}
	return part{kinds: isNumber, code: func(s *state) any { return count(s) }}
}

func (l *loop) filter(list part) part {
	return part{kinds: isList, json: list.json, shape: listShape(list.shape.Item), code: func(s *state) any {
		kept := []any{}
		l.holds(s, false, func(list []any, i int, holds bool) bool {
			if holds {
				s.take(itemSize)
				kept = append(kept, list[i])
			}
			return true
		})
		return kept
	}}
}

func (l *loop) find(name string, p part) part {
	backwards := name == "findLast" || name == "findLastIndex"
	index := name == "findIndex" || name == "findLastIndex"
	if index {
		p = part{kinds: isNumber}
	}
	p = either(p, fixed(nil))
	p.code = func(s *state) (found any) {
		l.holds(s, backwards, func(list []any, i int, holds bool) bool {
			switch {
			case holds && index:
				found = int64(i)
			case holds:
				found = s.norm(list[i])
			}
			return !holds
		})
		return found
	}
	return p
}

func (l *loop) mapped(body part) part {
	result := body.result()
	return part{kinds: isList, shape: listShape(&result), code: func(s *state) any {
		made := []any{}
		l.each(s, false, func(list []any, i int, v any) bool {
			if i == 0 {
				s.take(len(list) * itemSize)
				made = make([]any, 0, len(list))
			}
			made = append(made, v)
			return true
		})
		return made
	}}
}

func (l *loop) sum() part {
	return part{kinds: isNumber | isDuration, code: func(s *state) any {
		var sum any = int64(0)
		l.each(s, false, func(_ []any, i int, v any) bool {
			s.site = l.truth
			k := kindOf(v)
			if !k.has(isNumber | isDuration) {
				s.fail("item %d of %s is %s, not a number", i, s.itemsOf(l), k)
			}
			if i == 0 && k == isDuration {
				sum = v
				return true
			}
			if kindOf(sum) != k {
				s.fail("%s holds numbers and durations", s.itemsOf(l))
			}
			sum = s.add(sum, v)
			return true
		})
		return sum
	}}
}

// itemsOf is what a message calls the list of a loop.
func (s *state) itemsOf(l *loop) string {
	return cmp.Or(l.site.label(0), "the list")
}

func (l *loop) group() part {
	return part{kinds: isMap, code: func(s *state) any {
		groups := map[string]any{}
		l.each(s, false, func(list []any, i int, v any) bool {
			s.site = l.truth
			if k := kindOf(v); !k.has(isText | isNumber | isBool | isNil) {
				s.fail("%s is %s, and a group is by text or a number", s.name(0), k)
			}
			key := s.text(v)
			s.scan(len(key))
			group, _ := groups[key].([]any)
			if group == nil {
				s.take(entrySize + len(key))
			}
			s.take(itemSize)
			groups[key] = append(group, list[i])
			return true
		})
		return groups
	}}
}

func (c *compiler) sortBy(n *ast.BuiltinNode, l *loop, order part) part {
	if order.code == nil {
		order = fixed("asc")
	} else if !c.want(n.Arguments[2], order, isText, `the order is "asc" or "desc"`) {
		return unknown
	}
	return part{kinds: isList, code: func(s *state) any {
		o := order.code(s)
		var keys, items []any
		l.each(s, false, func(list []any, i int, v any) bool {
			if i == 0 {
				s.take(2 * len(list) * itemSize)
				keys = make([]any, 0, len(list))
				items = slices.Clone(list)
			}
			keys = append(keys, v)
			return true
		})
		s.site = l.site
		return s.sorted(items, keys, o)
	}}
}

func (l *loop) reduce(initial part) part {
	return part{kinds: isAny, code: func(s *state) any {
		var acc any
		given := initial.code != nil
		if given {
			acc = initial.code(s)
		}
		return l.fold(s, acc, given)
	}}
}

// fold is the work of reduce. Without a first value it is the first item.
func (l *loop) fold(s *state, acc any, given bool) any {
	v := l.list(s)
	s.site = l.site
	list := s.list(v)
	if !given && len(list) == 0 {
		return nil
	}
	depth := len(s.frames)
	s.frames = append(s.frames, frame{acc: acc})
	for i, item := range list {
		item = s.norm(item)
		if i == 0 && !given {
			s.frames[depth].acc = item
			continue
		}
		s.site = l.site
		s.spend(l.weight)
		s.frames[depth].item, s.frames[depth].index = item, i
		acc := l.body(s)
		s.frames[depth].acc = acc
	}
	acc = s.frames[depth].acc
	s.frames = s.frames[:depth]
	return acc
}
