package nodes_test

import (
	"fmt"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const module = "github.com/flowd/flowd/"

// unshown are messages that no golden file shows, and why.
var unshown = map[string]string{
	"a mistake of flowd itself: .*":        "who knows how to make one mends it",
	"the test can't be run: .*":            "goroutines of a node that never end: no node has such",
	"the test can't be run: panic: .*\n.*": "a node that panics where nothing contains it: no node does",
	"starting the flow: .*":                "the machine refuses a listener or a log, and a test has neither",
	"reading what .* wrote: .*":            "somebody removes the folder of a test while it runs",
}

// TestEveryMessageThatCanBeMadeIsInAGoldenFile follows the text of each
// diagnostic, and of each failure of an expression, back to the literals in the
// sources that it is made of.
func TestEveryMessageThatCanBeMadeIsInAGoldenFile(t *testing.T) {
	s := readSources(t)
	r := &reader{sources: s, document: s.field("flows", "Value", "Text"), visiting: map[any]bool{}}
	messages, hints := shown(t)
	used := map[string]bool{}
	look := func(what string, slot any, known []string) {
		seen := map[string]bool{}
		for _, w := range r.slot(slot) {
			at := s.fset.Position(w.at)
			if w.foreign && !w.own() {
				continue
			}
			if !w.own() {
				t.Errorf("%s:%d: it can't be seen what this %s says", at.Filename, at.Line, what)
				continue
			}
			if seen[w.pattern] {
				continue
			}
			seen[w.pattern] = true
			form := regexp.MustCompile("^" + w.pattern + "$")
			found := slices.ContainsFunc(known, form.MatchString)
			if _, excused := unshown[w.pattern]; excused {
				used[w.pattern] = true
				if found {
					t.Errorf("%s:%d: it is shown all the same: %s", at.Filename, at.Line, w.pattern)
				}
			} else if !found {
				t.Errorf("%s:%d: no golden file shows the %s %s", at.Filename, at.Line, what, w.pattern)
			}
		}
		if len(seen) < 50 {
			t.Errorf("only %d %ss were found", len(seen), what)
		}
	}
	look("message", s.field("flows", "Diagnostic", "Message"), messages)
	look("hint", s.field("flows", "Diagnostic", "Hint"), hints)
	look("failure", s.method("engine/expr", "site", "wrap").Signature().Params().At(0), messages)
	for pattern := range unshown {
		if !used[pattern] {
			t.Errorf("nothing says this any more: %s", pattern)
		}
	}
}

func (s *sources) field(pkg, of, name string) types.Object {
	t := s.module[module+pkg].Scope().Lookup(of)
	found, _, _ := types.LookupFieldOrMethod(t.Type(), true, t.Pkg(), name)
	return found
}

func (s *sources) method(pkg, of, name string) *types.Func {
	return s.field(pkg, of, name).(*types.Func)
}

// shown is what the golden files of the module show: messages and hints.
func shown(t *testing.T) (messages, hints []string) {
	t.Helper()
	line := regexp.MustCompile(`(?:^|[ \t])(?:error|warning): (?:evaluating .* at :\d+:\d+: )?(.*)$`)
	caret := regexp.MustCompile(`^ *\|[ \t]*\^+ (.*)$`)
	read := func(path string, text []byte) {
		for l := range strings.Lines(string(text)) {
			l = strings.TrimRight(l, "\n")
			if m := caret.FindStringSubmatch(l); m != nil {
				hints = append(hints, m[1])
			}
			m := line.FindStringSubmatch(l)
			if m == nil {
				continue
			}
			messages = append(messages, m[1])
			for i := range m[1] { // message (hint)
				if strings.HasPrefix(m[1][i:], " (") && strings.HasSuffix(m[1], ")") {
					messages = append(messages, m[1][:i])
					hints = append(hints, m[1][i+2:len(m[1])-1])
				}
			}
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "testdata") {
			return err
		}
		text, err := os.ReadFile(path)
		switch filepath.Ext(path) {
		case ".golden":
			read(path, text)
		case ".txtar":
			for _, f := range txtar.Parse(text).Files {
				if strings.HasPrefix(f.Name, "want") {
					read(fmt.Sprintf("%s/%s", path, f.Name), f.Data)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return messages, hints
}
