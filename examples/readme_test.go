package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
)

// A readme is what the README of an example has its reader type.
type readme struct {
	env      map[string]string // what it exports
	commands [][]string        // the words of the others
}

// word is a word of a command, with or without quotes.
var word = regexp.MustCompile(`'[^']*'|\S+`)

// read reads the README of an example.
func read(t *testing.T, name string) readme {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("examples", name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := readme{env: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		command, isCommand := strings.CutPrefix(line, "    ")
		if !isCommand || strings.Contains(line, " = ") { // or a setting of another program
			continue
		}
		words := word.FindAllString(command, -1)
		for i := range words {
			words[i] = strings.Trim(words[i], "'")
		}
		if words[0] != "export" {
			r.commands = append(r.commands, words)
			continue
		}
		for _, variable := range words[1:] {
			name, value, _ := strings.Cut(variable, "=")
			r.env[name] = value
		}
	}
	return r
}

// flowd is the arguments of a command that runs flowd.
func flowd(words []string) (args []string, ok bool) {
	if len(words) < 3 || !slices.Equal(words[:3], []string{"go", "run", "./cmd/flowd"}) {
		return nil, false
	}
	return words[3:], true
}

// paths are what -f names.
func paths(args []string) []string {
	var paths []string
	for i, arg := range args {
		if i > 0 && args[i-1] == "-f" {
			paths = append(paths, arg)
		}
	}
	return paths
}

// documents are what the README has flowd run.
func (r readme) documents(t *testing.T) []string {
	t.Helper()
	for _, words := range r.commands {
		if args, ok := flowd(words); ok && args[0] == "-f" {
			return paths(args)
		}
	}
	t.Fatal("the README does not run flowd")
	return nil
}

// post is what the README sends with curl.
func (r readme) post(t *testing.T) (url, body string) {
	t.Helper()
	for _, words := range r.commands {
		if data := slices.Index(words, "-d"); words[0] == "curl" && data > 0 {
			return words[len(words)-1], words[data+1]
		}
	}
	t.Fatal("the README posts nothing")
	return "", ""
}

func TestEveryCommandOfAREADMEWorks(t *testing.T) {
	t.Chdir("..")
	found, err := filepath.Glob("examples/*/README.md")
	if err != nil || len(found) == 0 {
		t.Fatal("there are no examples: ", err)
	}
	for _, path := range found {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			told := read(t, name)
			env := func(name string) (string, bool) {
				value, ok := told.env[name]
				return value, ok
			}
			for _, words := range told.commands {
				args, ok := flowd(words)
				switch {
				case !ok && words[0] == "go" && words[2] == "./examples/"+name: // a test of its own runs it
				case !ok && !slices.Contains([]string{"curl", "mkdir", "cp", "cat"}, words[0]):
					t.Errorf("what does %q do?", words)
				case !ok:
				case args[0] == "-f":
					right(t, paths(args), env)
				case args[0] == "send":
					if _, err := engine.NewSample(right(t, paths(args), env), registry, args[1], args[2]); err != nil {
						t.Error(err)
					}
				case args[0] == "nodes":
					if len(registry.Lookup(args[1])) == 0 {
						t.Errorf("there is no node type %q", args[1])
					}
				default:
					t.Errorf("what does flowd %q do?", args)
				}
			}
		})
	}
}
