package nodes_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sources is the module, read and type-checked: what each of its variables,
// fields and parameters is given, and what each of its functions returns.
type sources struct {
	fset    *token.FileSet
	info    *types.Info
	module  map[string]*types.Package
	given   map[any][]given          // to a *types.Var or a result
	named   map[result]*types.Var    // results that have names
	params  map[*types.Var]any       // the function that a parameter is of
	holders map[any][]*types.Var     // what is given a function, or what another variable holds
	dynamic map[any][]*ast.CallExpr  // calls of the function that a variable holds
	methods map[string][]*types.Func // by name
}

// A given is the value of an expression, or the n-th result of a call. Or it is
// what a call formats, as Printf does, from one of its arguments on.
type given struct {
	expr   ast.Expr
	n      int
	format bool
}

// A result is the n-th of a function: of a *types.Func or an *ast.FuncLit.
type result struct {
	function any
	n        int
}

// readSources reads the packages of the module, as they are built for this
// machine.
func readSources(t *testing.T) *sources {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Module", "./...")
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &sources{
		fset: token.NewFileSet(), module: map[string]*types.Package{},
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
			Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		},
		given: map[any][]given{}, params: map[*types.Var]any{}, named: map[result]*types.Var{}, holders: map[any][]*types.Var{},
		dynamic: map[any][]*ast.CallExpr{}, methods: map[string][]*types.Func{},
	}
	exports := map[string]string{}
	compiled := importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	config := types.Config{Importer: importing(func(path string) (*types.Package, error) {
		if p := s.module[path]; p != nil {
			return p, nil
		}
		return compiled.Import(path)
	})}
	var all []*ast.File
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
			Module                  *struct{ Main bool }
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.Module == nil || !p.Module.Main {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(s.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		if s.module[p.ImportPath], err = config.Check(p.ImportPath, s.fset, files, s.info); err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	for _, object := range s.info.Defs {
		if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil && !types.IsInterface(f.Signature().Recv().Type()) {
			s.methods[f.Name()] = append(s.methods[f.Name()], f)
		}
	}
	for _, f := range all {
		s.note(f, nil)
	}
	return s
}

type importing func(path string) (*types.Package, error)

func (f importing) Import(path string) (*types.Package, error) { return f(path) }

// note notes what is given to what inside n, which is a part of a function.
func (s *sources) note(n ast.Node, function any) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			f := s.info.Defs[n.Name].(*types.Func)
			if n.Body != nil {
				s.body(f, f.Signature(), n.Body)
			}
			return false
		case *ast.FuncLit:
			s.body(n, s.info.TypeOf(n).(*types.Signature), n.Body)
			return false
		case *ast.ReturnStmt:
			slots := make([]any, len(n.Results))
			if len(n.Results) == 1 {
				if tuple, ok := s.info.TypeOf(n.Results[0]).(*types.Tuple); ok {
					slots = make([]any, tuple.Len())
				}
			}
			for i := range slots {
				slots[i] = result{function, i}
			}
			s.assign(slots, n.Results)
		case *ast.AssignStmt:
			slots := make([]any, len(n.Lhs))
			for i, e := range n.Lhs {
				if v := s.variable(e); v != nil {
					slots[i] = v
				}
			}
			s.assign(slots, n.Rhs)
		case *ast.ValueSpec:
			slots := make([]any, len(n.Names))
			for i, name := range n.Names {
				slots[i] = s.info.Defs[name]
			}
			s.assign(slots, n.Values)
		case *ast.CompositeLit:
			s.composite(n)
		case *ast.CallExpr:
			s.call(n)
		}
		return true
	})
}

// body notes the parameters of a function and what is given inside it.
func (s *sources) body(function any, of *types.Signature, block *ast.BlockStmt) {
	for p := range of.Params().Variables() {
		s.params[p] = function
	}
	for i := range of.Results().Len() {
		if r := of.Results().At(i); r.Name() != "" {
			s.named[result{function, i}] = r
		}
	}
	for _, stmt := range block.List {
		s.note(stmt, function)
	}
}

// assign notes that slots, of which some may be nil, are given values.
func (s *sources) assign(slots []any, values []ast.Expr) {
	for i, slot := range slots {
		switch {
		case slot == nil || len(values) == 0:
		case len(values) == len(slots):
			s.give(slot, given{expr: values[i]})
		default:
			s.give(slot, given{expr: values[0], n: i})
		}
	}
}

func (s *sources) give(slot any, g given) {
	s.given[slot] = append(s.given[slot], g)
	v, ok := slot.(*types.Var)
	if !ok {
		return
	}
	if lit, ok := ast.Unparen(g.expr).(*ast.FuncLit); ok {
		s.holders[lit] = append(s.holders[lit], v)
	} else if o := s.object(g.expr); o != nil {
		s.holders[o] = append(s.holders[o], v)
	}
}

func (s *sources) composite(n *ast.CompositeLit) {
	t := s.info.TypeOf(n)
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	fields, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			s.give(s.info.Uses[kv.Key.(*ast.Ident)].(*types.Var).Origin(), given{expr: kv.Value})
			continue
		}
		s.give(fields.Field(i).Origin(), given{expr: e})
	}
}

// call notes what a call gives to the parameters of what it calls.
func (s *sources) call(n *ast.CallExpr) {
	switch f := s.object(n.Fun).(type) {
	case *types.Func:
		for _, f := range s.callees(f) {
			s.arguments(n, f.Signature())
		}
	case *types.Var:
		s.dynamic[f] = append(s.dynamic[f], n)
	}
}

func (s *sources) arguments(n *ast.CallExpr, of *types.Signature) {
	for i := range n.Args {
		if p := of.Params(); p.Len() > 0 {
			s.give(p.At(min(i, p.Len()-1)), argument(n, of, i))
		}
	}
}

// argument is the i-th of a call. A format is given with what is put into it,
// unless all of it is passed on.
func argument(n *ast.CallExpr, of *types.Signature, i int) given {
	if of.Variadic() && i == of.Params().Len()-2 && !n.Ellipsis.IsValid() &&
		isString(of.Params().At(i).Type()) && of.Params().At(i+1).Type().String() == "[]any" {
		return given{expr: n, n: i, format: true}
	}
	return given{expr: n.Args[i]}
}

// ours reports whether f is of the module.
func (s *sources) ours(f *types.Func) bool { return f.Pkg() != nil && s.module[f.Pkg().Path()] != nil }

// callees are the functions that a call of f may call: f, or what implements it.
func (s *sources) callees(f *types.Func) []*types.Func {
	recv := f.Signature().Recv()
	if recv == nil || !types.IsInterface(recv.Type()) {
		return []*types.Func{f}
	}
	var all []*types.Func
	for _, m := range s.methods[f.Name()] {
		if types.Identical(m.Type(), f.Type()) {
			all = append(all, m)
		}
	}
	return all
}

// object is the function, variable or field that e names, as it is declared.
func (s *sources) object(e ast.Expr) types.Object {
	var o types.Object
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if o = s.info.Uses[e]; o == nil {
			o = s.info.Defs[e]
		}
	case *ast.SelectorExpr:
		o = s.info.Uses[e.Sel]
	case *ast.IndexExpr: // an instance of what is generic
		if tv := s.info.Types[e.Index]; tv.IsType() {
			return s.object(e.X)
		}
	}
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return nil
}

func (s *sources) variable(e ast.Expr) *types.Var {
	v, _ := s.object(e).(*types.Var)
	return v
}

// functions are those that e may be.
func (s *sources) functions(e ast.Expr) []any {
	seen := map[any]bool{}
	var all []any
	var visit func(e ast.Expr)
	visit = func(e ast.Expr) {
		switch e := ast.Unparen(e).(type) {
		case *ast.FuncLit:
			all = append(all, e)
			return
		}
		switch o := s.object(e).(type) {
		case *types.Func:
			for _, f := range s.callees(o) {
				all = append(all, f)
			}
		case *types.Var:
			if seen[o] {
				return
			}
			seen[o] = true
			for _, g := range s.givenTo(o) {
				visit(g.expr)
			}
		}
	}
	visit(e)
	return all
}

// givenTo is what a variable, a parameter, a field or a result is given.
func (s *sources) givenTo(slot any) []given {
	all := s.given[slot]
	v, ok := slot.(*types.Var)
	if !ok {
		return all
	}
	function, ok := s.params[v]
	if !ok {
		return all
	}
	// A function that a variable holds is called by its name.
	seen := map[any]bool{}
	var visit func(held any)
	visit = func(held any) {
		for _, holder := range s.holders[held] {
			if seen[holder] {
				continue
			}
			seen[holder] = true
			for _, call := range s.dynamic[holder] {
				var of *types.Signature
				switch f := function.(type) {
				case *types.Func:
					of = f.Signature()
				case *ast.FuncLit:
					of = s.info.TypeOf(f).(*types.Signature)
				}
				for i := range of.Params().Len() {
					if of.Params().At(i) == v && i < len(call.Args) {
						all = append(all, argument(call, of, i))
					}
				}
			}
			visit(holder)
		}
	}
	visit(function)
	return all
}
