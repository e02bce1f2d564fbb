package nodes_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A constructor is an exported function that returns an exported type of its
// own package.
func TestEveryConstructorHasAnExample(t *testing.T) {
	for _, dir := range []string{"../flows", "../engine", "../engine/expr", "../engine/journal", "../engine/admin", "../engine/enginetest", "."} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(paths), err)
		}
		constructors, shown := map[string]bool{}, map[string]bool{}
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			test := strings.HasSuffix(path, "_test.go")
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				switch {
				case !ok || f.Recv != nil:
				case !test && f.Name.IsExported() && f.Type.Results != nil && namesAType(f.Type.Results):
					constructors[f.Name.Name] = true
				case test && strings.HasPrefix(f.Name.Name, "Example"):
					for name := range selected(f.Body) {
						shown[name] = true
					}
				}
			}
		}
		for name := range constructors {
			if !shown[name] {
				t.Errorf("%s: no example calls %s", dir, name)
			}
		}
	}
}

// namesAType reports whether results have a type of the package itself.
func namesAType(results *ast.FieldList) bool {
	found := false
	ast.Inspect(results, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.IsExported() {
			found = true
		}
		_, elsewhere := n.(*ast.SelectorExpr)
		return !elsewhere
	})
	return found
}

// selected are the names that a body takes from packages and values.
func selected(body *ast.BlockStmt) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			names[s.Sel.Name] = true
		}
		return true
	})
	return names
}
