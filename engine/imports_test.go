package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flowd/flowd"

// users says which packages of the module may import a module from outside:
// one dependency, one job.
var users = map[string][]string{
	"github.com/expr-lang/expr":           {"engine/expr"},
	"gopkg.in/yaml.v3":                    {"flows"},
	"github.com/fsnotify/fsnotify":        {"flows", "nodes/claude", "nodes/files"},
	"github.com/livekit/protocol":         {"nodes/livekit"},
	"google.golang.org/protobuf":          {"nodes/livekit"},
	"github.com/golang-jwt/jwt/v5":        {"nodes/livekit"},
	"github.com/go-resty/resty/v2":        {"nodes/web"},
	"github.com/robfig/cron/v3":           {"nodes/core"},
	"github.com/google/go-cmp":            {"engine/enginetest"},
	"golang.org/x/term":                   {"cmd/flowd", "nodes/core"},
	"golang.org/x/sys":                    {"engine/journal", "nodes/claude", "nodes/files"},
	"github.com/prometheus/client_golang": {"engine/admin"},
	"github.com/prometheus/client_model":  {"engine/admin"},
	"github.com/prometheus/common":        {"engine/admin"},
}

// aPackage is what go list says of a package.
type aPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

func list(t *testing.T, args ...string) []aPackage {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps,Module"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []aPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p aPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestTheEngineNeedsNothingButFlows(t *testing.T) {
	ours := list(t, module+"/flows")[0]
	for _, dep := range list(t, "-deps", module+"/engine") {
		if !dep.Standard && dep.ImportPath != module+"/engine" && dep.ImportPath != ours.ImportPath && !slices.Contains(ours.Deps, dep.ImportPath) {
			t.Errorf("engine depends on %s", dep.ImportPath)
		}
	}
	for _, dep := range ours.Deps {
		if strings.HasPrefix(dep, module) {
			t.Errorf("flows depends on %s", dep)
		}
	}
}

// TestImportsGoOneWay holds flows ← engine ← engine/*, nodes/* ← nodes ← cmd.
func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module+"/")
			switch {
			case !ours:
				if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && !mayUse(from, imported) {
					t.Errorf("%s imports %s", from, imported)
				}
			case from == "cmd/flowd", strings.HasPrefix(from, "examples"):
			case to == "flows":
			case to == "engine" && from != "flows":
			case strings.HasPrefix(to, "engine/") && strings.HasPrefix(from, "nodes"):
			case from == "engine/enginetest" && strings.HasPrefix(to, "engine/"):
			case strings.HasPrefix(from, to+"/"): // a part of the package that tests use
			case from == "nodes" && strings.HasPrefix(to, "nodes/"):
			default:
				t.Errorf("%s imports %s", from, to)
			}
		}
	}
}

func mayUse(from, imported string) bool {
	if strings.HasPrefix(from, "examples/bench") { // no part of flowd: what it is measured against
		return true
	}
	for dependency, packages := range users {
		if imported == dependency || strings.HasPrefix(imported, dependency+"/") {
			return slices.Contains(packages, from)
		}
	}
	return false
}
