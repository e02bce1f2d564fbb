package expr

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A scope is the names that an expression may use.
type scope struct {
	names  []string
	roots  map[string]root
	events engine.Schema // what is known of the events
	asked  bool          // for what comes of an expression, whatever is wrong with it
}

type root struct {
	kinds kinds
	json  bool // whether it came as JSON
	read  code
	// field reads one field of it, where that is cheaper than all of it.
	field func(s *state, key string) any
	// view is all of it, if it is JSON text.
	view func(s *state) (engine.View, bool)
	// text is what it is if that is always a text.
	text func(e *engine.Event) string
}

func newScope(roots map[string]root) *scope {
	sc := &scope{roots: roots}
	for name := range roots {
		sc.names = append(sc.names, name)
	}
	slices.Sort(sc.names)
	return sc
}

// ofEvent are the names of an event.
var ofEvent = newScope(map[string]root{
	"id":      attribute(func(e *engine.Event) string { return e.ID }),
	"source":  attribute(func(e *engine.Event) string { return e.Source }),
	"type":    attribute(func(e *engine.Event) string { return e.Type }),
	"subject": attribute(func(e *engine.Event) string { return e.Subject }),
	"time":    {kinds: isTime, read: func(s *state) any { return s.event.Time.UTC() }},
	"data":    {kinds: isJSON, json: true, read: readData, view: viewData},
	"meta":    {kinds: isMap, json: true, read: readMeta, field: readMetaField},
	"error":   {kinds: isNil | isMap, json: true, read: readError},
})

func attribute(text func(e *engine.Event) string) root {
	return root{kinds: isText, text: text, read: func(s *state) any { return text(s.event) }}
}

func viewData(s *state) (engine.View, bool) { return s.event.Data.View() }

func readData(s *state) any {
	v, err := s.event.Data.Value()
	if err != nil {
		s.fail("%v", err)
	}
	return s.norm(v)
}

func readMeta(s *state) any {
	if s.meta == nil {
		s.meta = s.event.MetaValue()
	}
	return s.meta
}

func readMetaField(s *state, key string) any {
	if key == "node" {
		return s.event.Node
	}
	return s.event.Meta[key]
}

func readError(s *state) any {
	f := s.event.Failure
	if f == nil {
		return nil
	}
	if s.failure == nil {
		s.failure = failureFields(f)
	}
	return s.failure
}

func failureFields(f *engine.Failure) map[string]any {
	return map[string]any{
		"message": f.Message, "node": f.Node, "attempts": int64(f.Attempts),
		"first": f.First.Format(time.RFC3339Nano), "last": f.Last.Format(time.RFC3339Nano),
	}
}

// ofRequest are the names of a request.
var ofRequest = newScope(map[string]root{
	"body":    {kinds: isJSON, json: true, read: readName("body"), view: viewBody},
	"headers": {kinds: isJSON, json: true, read: readName("headers")},
	"query":   {kinds: isJSON, json: true, read: readName("query")},
	"path":    {kinds: isJSON, json: true, read: readName("path")},
})

func viewBody(s *state) (engine.View, bool) {
	body, _ := s.names["body"].(engine.Data)
	return body.View()
}

func readName(name string) code {
	return func(s *state) any { return s.norm(s.names[name]) }
}

func (c *compiler) identifier(n *ast.IdentifierNode) part {
	if slot := c.variable(n.Value); slot >= 0 {
		v := c.vars[slot].part
		return part{kinds: v.kinds, json: v.json, shape: v.shape, code: func(s *state) any { return s.vars[slot] }}
	}
	if r, ok := c.scope.roots[n.Value]; ok {
		at := c.site(n, n)
		p := part{kinds: r.kinds, json: r.json, shape: c.events.Name(n.Value), code: func(s *state) any {
			s.site = at
			return r.read(s)
		}}
		if p.shape.Kinds != 0 {
			p.kinds &= kinds(p.shape.Kinds)
		}
		switch {
		case r.view != nil:
			return c.lookup(p, r, p.code, nil)
		case r.text != nil:
			p.text = func(s *state) (string, bool) { return r.text(s.event), true }
			p.write = func(s *state, b []byte) []byte { return engine.AppendText(b, r.text(s.event)) }
		}
		return p
	}
	if n.Value == "$env" {
		c.mistake(n, "$env is not a part of the language").Hint = "write the names themselves: " + strings.Join(c.scope.names, ", ")
		return unknown
	}
	d := c.mistake(n, "unknown name %s", c.quote(n, n.Value))
	if _, ok := functions[n.Value]; ok || isLoop(n.Value) {
		d.Hint = n.Value + " is a function: " + n.Value + "(…)"
		return unknown
	}
	known := slices.Clone(c.scope.names)
	for _, v := range c.vars {
		known = append(known, v.name)
	}
	d.Hint = flows.DidYouMean(n.Value, known)
	if !strings.HasPrefix(d.Hint, "did you mean") && !c.src.hidden {
		meant, whole := n.Value, false
		if text := strings.TrimSpace(c.src.text); words.MatchString(text) {
			meant, whole = text, true
		}
		d.Hint = strings.TrimPrefix(d.Hint+"; "+c.src.textHint(meant, whole), "; ")
	}
	return unknown
}

func (c *compiler) pointer(n *ast.PointerNode) part {
	switch {
	case len(c.items) == 0: // the parser has said so
		return c.foreign(n)
	case n.Name == "":
		p := c.items[len(c.items)-1]
		p.code = func(s *state) any { return s.frames[len(s.frames)-1].item }
		return p
	case n.Name == "index":
		return part{kinds: isNumber, code: func(s *state) any { return int64(s.frames[len(s.frames)-1].index) }}
	case n.Name == "acc":
		return part{kinds: isAny, code: func(s *state) any { return s.frames[len(s.frames)-1].acc }}
	default:
		c.mistake(n, "unknown name %s", c.quote(n, "#"+n.Name)).Suggest("#"+n.Name, []string{"#", "#index", "#acc"})
	}
	return unknown
}

// member compiles a.b and a[b].
func (c *compiler) member(n *ast.MemberNode) part {
	if _, ok := n.Property.(*ast.StringNode); ok {
		return c.path(n)
	}
	base, key := c.node(n.Node), c.node(n.Property)
	if !c.readable(n, n.Node, base, "can't be read by index") {
		return unknown
	}
	if !key.kinds.has(isNumber | isText | isNil) {
		c.mistake(n.Property, "an index is a number or a key, got %s", key.kinds)
		return unknown
	}
	at := c.site(n, n.Node, n.Property)
	p := item(base)
	p.code = func(s *state) any {
		v, k := base.code(s), key.code(s)
		s.site = at
		return s.index(v, k)
	}
	return c.fold(n, p, base, key)
}

// path compiles a chain of fields, data.room.name, as one step.
func (c *compiler) path(n *ast.MemberNode) part {
	var keys []string
	var places []ast.Node // of the keys
	var base ast.Node = n
	for {
		if chain, ok := base.(*ast.ChainNode); ok {
			base = chain.Node
			continue
		}
		m, ok := base.(*ast.MemberNode)
		if !ok {
			break
		}
		key, ok := m.Property.(*ast.StringNode)
		if !ok {
			break
		}
		keys, places = append(keys, key.Value), append(places, key)
		base = m.Node
		c.nodes++
	}
	slices.Reverse(keys)
	slices.Reverse(places)
	from := c.node(base)
	if !c.readable(n, base, from, "has no field "+c.quote(places[0], keys[0])) {
		return unknown
	}
	c.headers(n, base, keys)
	p, ok := c.fields(from, base, keys, places)
	if !ok {
		return unknown
	}
	if name, ok := base.(*ast.IdentifierNode); ok {
		switch r := c.scope.roots[name.Value]; {
		case r.view != nil:
			return c.lookup(p, r, from.code, keys)
		case r.field != nil:
			p.code = func(s *state) any { return s.walk(r.field(s, keys[0]), keys[1:]) }
			return p
		}
	}
	p.code = func(s *state) any { return s.walk(from.code(s), keys) }
	return c.fold(n, p, from)
}

// readable tells the mistake of reading on, in n, from what has nothing inside.
func (c *compiler) readable(n *ast.MemberNode, from ast.Node, p part, what string) bool {
	_, field := n.Property.(*ast.StringNode)
	has := isMap | isList | isNil
	if !field {
		has |= isText
	}
	if p.kinds.has(has) {
		return true
	}
	d := c.mistake(n, "%s is %s, which %s", cmp.Or(c.show(from), "this"), p.kinds, what)
	if p.kinds == isTime || p.kinds == isDuration {
		if s, ok := n.Property.(*ast.StringNode); ok {
			d.Hint = methodHint(p.kinds, s.Value)
		}
	}
	return false
}

// headers warns of a header whose name is not as they are kept: in lower case.
func (c *compiler) headers(n *ast.MemberNode, base ast.Node, keys []string) {
	name, ok := base.(*ast.IdentifierNode)
	if !ok {
		return
	}
	full := append([]string{name.Value}, keys...)
	i := slices.Index(full, "headers")
	if i < 0 || i+1 >= len(full) || i > 1 || (i == 1) != (full[0] == "meta") {
		return
	}
	if key := full[i+1]; strings.ToLower(key) != key {
		d := c.mistake(n, "the names of headers are in lower case here, so %s is always nil", c.quote(n, key))
		d.Severity = flows.Warning
		d.Hint = "did you mean " + c.quote(n, strings.ToLower(key)) + "?"
	}
}

// walk reads keys one inside the other. What is not there is nil.
func (s *state) walk(v any, keys []string) any {
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			if m, ok = s.norm(v).(map[string]any); !ok {
				return nil
			}
		}
		v = m[key]
	}
	return s.norm(v)
}

// index reads v[key]. What is not there is nil.
func (s *state) index(v, key any) any {
	switch v := v.(type) {
	case map[string]any:
		if k, ok := key.(string); ok {
			s.scan(len(k))
			return s.norm(v[k])
		}
	case []any:
		if i, ok := place(key, len(v)); ok && i < len(v) {
			return s.norm(v[i])
		}
	case string:
		s.spend(len(v) >> 3)
		if i, ok := place(key, utf8.RuneCountInString(v)); ok {
			return runes(v, i, i+1)
		}
	}
	return nil
}

// place is an index into n items, counted from the end if it is negative.
func place(key any, n int) (int, bool) {
	i, ok := whole(key)
	if !ok {
		return 0, false
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

// runes is the characters of text from the one to before the other.
func runes(text string, from, to int) string {
	start, end, n := len(text), len(text), 0
	for i := range text {
		if n == from {
			start = i
		}
		if n == to {
			end = i
			break
		}
		n++
	}
	return text[min(start, end):end]
}

func (c *compiler) slice(n *ast.SliceNode) part {
	base, from, to := c.node(n.Node), fixed(int64(0)), fixed(nil)
	if n.From != nil {
		from = c.node(n.From)
		c.want(n.From, from, isNumber, "a slice begins at a number")
	}
	if n.To != nil {
		to = c.node(n.To)
		c.want(n.To, to, isNumber, "a slice ends at a number")
	}
	if !c.want(n.Node, base, isList|isText|isNil, "a slice is of a list or text") {
		return unknown
	}
	at := c.site(n, n.Node)
	toEnd := n.To == nil
	return c.fold(n, part{kinds: base.kinds & (isList | isText | isNil), code: func(s *state) any {
		v, a, b := base.code(s), from.code(s), to.code(s)
		s.site = at
		return s.slice(v, a, b, toEnd)
	}}, base, from, to)
}

func (s *state) slice(v, from, to any, toEnd bool) any {
	bound := func(v any, n int) int {
		i, ok := whole(v)
		if !ok {
			s.fail("a slice is between whole numbers")
		}
		if i < 0 {
			i += int64(n)
		}
		return int(min(max(i, 0), int64(n)))
	}
	cut := func(n int) (int, int) {
		a, b := bound(from, n), n
		if !toEnd {
			b = bound(to, n)
		}
		return min(a, b), b
	}
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		a, b := cut(len(v))
		return v[a:b:b]
	case string:
		s.scan(2 * len(v))
		a, b := cut(utf8.RuneCountInString(v))
		return runes(v, a, b)
	}
	s.fail("%s is %s, and a slice is of a list or text", s.name(0), kindOf(v))
	return nil
}
