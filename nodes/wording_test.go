package nodes_test

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// A wording is one text that a message may be, with what is put into it left
// open.
type wording struct {
	pattern string // a regular expression
	foreign bool   // it is, or holds, what an error of another module says
	at      token.Pos
}

const whatever = ".*"

var word = regexp.MustCompile(`[A-Za-z]{2,}`)

// own reports whether w has a word that stands in the sources.
func (w wording) own() bool { return word.MatchString(strings.ReplaceAll(w.pattern, whatever, " ")) }

func isForeign(w wording) bool { return w.foreign }

func open(e ast.Expr) []wording { return []wording{{pattern: whatever, at: e.Pos()}} }

func foreign(e ast.Expr) []wording { return []wording{{whatever, true, e.Pos()}} }

// A reader finds the wordings of texts and errors in the sources.
type reader struct {
	*sources
	document types.Object // what a document says: the text of its values
	visiting map[any]bool
	inside   bool // what a parameter is given
}

// slot is the wordings of all that a variable, a field or a result is given.
func (r *reader) slot(slot any) []wording {
	if r.visiting[slot] {
		return nil
	}
	r.visiting[slot] = true
	defer delete(r.visiting, slot)
	var all []wording
	for _, g := range r.givenTo(slot) {
		call, isCall := ast.Unparen(g.expr).(*ast.CallExpr)
		switch {
		case g.format:
			all = append(all, r.format(call.Pos(), call.Args[g.n:])...)
		case isCall:
			all = append(all, r.call(call, g.n)...)
		default:
			all = append(all, r.text(g.expr)...)
		}
	}
	if res, ok := slot.(result); ok && r.named[res] != nil {
		all = append(all, r.slot(r.named[res])...)
	}
	return all
}

// text is the wordings of an expression; none if it is nil or an empty text.
func (r *reader) text(e ast.Expr) []wording {
	e = ast.Unparen(e)
	known := r.info.Types[e]
	if v := known.Value; v != nil && v.Kind() == constant.String {
		if constant.StringVal(v) == "" {
			return nil
		}
		return []wording{{pattern: regexp.QuoteMeta(constant.StringVal(v)), at: e.Pos()}}
	}
	if known.IsNil() {
		return nil
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return r.join(e.Pos(), []any{e.X, e.Y})
	case *ast.CallExpr:
		return r.call(e, 0)
	case *ast.IndexExpr:
		return r.elements(e.X)
	}
	if v := r.variable(e); v != nil && v != r.document && len(r.givenTo(v)) > 0 {
		return r.slot(v)
	}
	if f := r.errorOf(known.Type); f != nil {
		return r.slot(result{f, 0})
	}
	return open(e)
}

// errorOf is the method Error of a type of the module, or nil.
func (r *reader) errorOf(t types.Type) *types.Func {
	if t == nil || types.IsInterface(t) {
		return nil
	}
	m, _, _ := types.LookupFieldOrMethod(t, true, nil, "Error")
	if f, ok := m.(*types.Func); ok && r.ours(f) {
		return f.Origin()
	}
	return nil
}

// elements is the wordings of what a map or a list is declared with.
func (r *reader) elements(e ast.Expr) []wording {
	lists := []ast.Expr{e}
	if v := r.variable(e); v != nil {
		lists = nil
		for _, g := range r.givenTo(v) {
			lists = append(lists, g.expr)
		}
	}
	var all []wording
	for _, list := range lists {
		lit, ok := ast.Unparen(list).(*ast.CompositeLit)
		if !ok {
			return open(e)
		}
		for _, item := range lit.Elts {
			if kv, ok := item.(*ast.KeyValueExpr); ok {
				item = kv.Value
			}
			all = append(all, r.text(item)...)
		}
	}
	return all
}

// join is the wordings of parts one behind the other, each a string or an
// expression. Every wording of a part is in one of them, beside others that are
// left open.
func (r *reader) join(at token.Pos, parts []any) []wording {
	all := beside(at, parts, r.part)
	if !slices.ContainsFunc(all, wording.own) {
		all = beside(at, parts, func(e ast.Expr) []wording { return named(e, r.text(e)) })
		if slices.ContainsFunc(all, wording.own) {
			return slices.DeleteFunc(all, func(w wording) bool { return !w.own() })
		}
		return []wording{{whatever, slices.ContainsFunc(all, isForeign), at}}
	}
	return slices.DeleteFunc(all, func(w wording) bool { return !w.own() && w.foreign })
}

func beside(at token.Pos, parts []any, read func(e ast.Expr) []wording) []wording {
	wordings := make([][]wording, len(parts))
	for i, p := range parts {
		switch p := p.(type) {
		case string:
			wordings[i] = []wording{{pattern: regexp.QuoteMeta(p)}}
		case ast.Expr:
			wordings[i] = read(p)
		}
	}
	// with is the parts with one of them as it is said.
	with := func(at int, said wording) wording {
		var b strings.Builder
		for i, of := range wordings {
			switch {
			case i == at:
				b.WriteString(said.pattern)
			case len(of) == 1:
				b.WriteString(of[0].pattern)
				said.foreign = said.foreign || at < 0 && of[0].foreign
			default:
				b.WriteString(whatever)
			}
		}
		said.pattern = b.String()
		return said
	}
	var all []wording
	for i, of := range wordings {
		if len(of) > 1 {
			for _, w := range of {
				all = append(all, with(i, w))
			}
		}
	}
	if all == nil {
		all = append(all, with(-1, wording{at: at}))
	}
	return all
}

// part is the wordings of what is put into a message: open, but for constants,
// errors, and words that a caller hands in.
func (r *reader) part(e ast.Expr) []wording {
	e = ast.Unparen(e)
	known := r.info.Types[e]
	if known.Value != nil || isError(known.Type) {
		return r.text(e)
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return r.text(e)
	case *ast.CallExpr:
		if f, ok := r.object(e.Fun).(*types.Func); ok && f.FullName() == "fmt.Sprintf" {
			return r.text(e)
		}
	case *ast.Ident:
		if v := r.variable(e); v != nil && r.params[v] != nil && isString(v.Type()) && !r.inside {
			r.inside = true
			defer func() { r.inside = false }()
			return named(e, r.slot(v))
		}
	}
	return open(e)
}

// named leaves open what is a name rather than words.
func named(e ast.Expr, all []wording) []wording {
	words := slices.DeleteFunc(slices.Clone(all), func(w wording) bool {
		return len(word.FindAllString(w.pattern, -1)) < 3
	})
	if len(words) == len(all) && len(all) > 0 {
		return words
	}
	return append(words, wording{whatever, slices.ContainsFunc(all, isForeign), e.Pos()})
}

var failure = types.Universe.Lookup("error").Type().Underlying().(*types.Interface)

func isError(t types.Type) bool { return t != nil && types.Implements(t, failure) }

func isString(t types.Type) bool { return types.Identical(t, types.Typ[types.String]) }

// running are functions whose errors are not about a document: what they do may
// fail for one that has no mistake.
var running = map[string]bool{
	"(*github.com/flowd/flowd/engine.part).open":    true, // a node acquires what it needs
	"(*github.com/flowd/flowd/engine.Engine).Apply": true, // and the engine its logs and listeners
}

// call is the wordings of the n-th result of a call.
func (r *reader) call(e *ast.CallExpr, n int) []wording {
	if r.info.Types[e.Fun].IsType() { // a conversion
		return r.text(e.Args[0])
	}
	f, _ := r.object(e.Fun).(*types.Func)
	if f == nil {
		var all []wording
		for _, function := range r.functions(e.Fun) {
			all = append(all, r.slot(result{function, n})...)
		}
		if all == nil {
			return open(e)
		}
		return all
	}
	switch f.FullName() {
	case "fmt.Sprintf", "fmt.Errorf":
		if e.Ellipsis.IsValid() { // its caller's
			return r.text(e.Args[0])
		}
		return r.format(e.Pos(), e.Args)
	case "errors.New", "strings.TrimPrefix", "strings.TrimSuffix", "strings.TrimSpace", "strings.ReplaceAll",
		"(*regexp.Regexp).ReplaceAllString":
		return r.text(e.Args[0])
	case "(error).Error":
		return r.text(e.Fun.(*ast.SelectorExpr).X)
	case "cmp.Or", "errors.Join":
		var all []wording
		for _, arg := range e.Args {
			all = append(all, r.text(arg)...)
		}
		return all
	case "strconv.Quote":
		return []wording{{pattern: `".*"`, at: e.Pos()}}
	}
	fails := n < f.Signature().Results().Len() && isError(f.Signature().Results().At(n).Type())
	abstract := f.Signature().Recv() != nil && types.IsInterface(f.Signature().Recv().Type())
	switch {
	case abstract && !fails: // what a value calls itself
		return open(e)
	case running[f.FullName()], abstract && f.Pkg() == r.module[module+"engine"]: // of a node, or of the store
		return foreign(e)
	}
	var all []wording
	for _, f := range r.callees(f) {
		if r.ours(f) {
			all = append(all, r.slot(result{f, n})...)
		}
	}
	switch {
	case r.ours(f):
	case fails:
		all = append(all, foreign(e)...)
	default:
		all = append(all, open(e)...)
	}
	return all
}

var verb = regexp.MustCompile(`%[-+#0]*[0-9]*(\.[0-9]+)?[a-zA-Z%]`)

// format is the wordings of a format and its arguments.
func (r *reader) format(at token.Pos, args []ast.Expr) []wording {
	format := r.info.Types[args[0]].Value
	if format == nil {
		return open(args[0])
	}
	args = args[1:]
	var parts []any
	text, from := constant.StringVal(format), 0
	for _, place := range verb.FindAllStringIndex(text, -1) {
		v := text[place[0]:place[1]]
		parts = append(parts, text[from:place[0]])
		from = place[1]
		switch {
		case v == "%%":
			parts = append(parts, "%")
			continue
		case strings.HasSuffix(v, "q"):
			parts = append(parts, nil) // open
		default:
			parts = append(parts, args[0])
		}
		args = args[1:]
	}
	return r.join(at, append(parts, text[from:]))
}
