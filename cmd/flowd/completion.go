package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var shells = map[string]string{
	"bash": `_flowd() {
  local IFS=$'\n'
  COMPREPLY=($(flowd completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _flowd flowd
`,
	"zsh": `#compdef flowd
_flowd() {
  local -a found
  found=(${(f)"$(flowd completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _flowd flowd
`,
	"fish": `function __flowd_words
  set -l words (commandline -opc) (commandline -ct)
  flowd completion words -- $words[2..-1] 2>/dev/null
end
complete -c flowd -a '(__flowd_words)'
`,
}

func completionCommand() *command {
	return &command{
		name: "completion", args: "bash|zsh|fish", least: 1, most: 1 << 10,
		summary: "print what makes a shell complete commands, flags, flows and nodes",
		flags:   func(*flag.FlagSet, *options) {},
		run: func(_ context.Context, o *options, args []string) error {
			if script, ok := shells[args[0]]; ok && len(args) == 1 {
				_, err := io.WriteString(o.out, script)
				return err
			}
			if args[0] != "words" {
				return usage("unknown shell %q%s", args[0], hint(args[0], []string{"bash", "zsh", "fish"}))
			}
			for _, word := range complete(args[1:]) {
				fmt.Fprintln(o.out, word)
			}
			return nil
		},
	}
}

// complete lists what the last of some words may become. It lists nothing
// where a path is wanted.
func complete(words []string) []string {
	last := ""
	if len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	all := commands()
	c := all[0]
	var found []string
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		i := slices.IndexFunc(all, func(c *command) bool { return c.name == words[0] })
		if i < 0 {
			return nil
		}
		c, words = all[i], words[1:]
	} else if len(words) == 0 {
		found = append(names(all), "help")
	}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	o := &options{out: io.Discard, err: io.Discard}
	c.flags(set, o)
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "-") && wantsValue(set, words[n-1]) {
		_, err := parse(set, words[:n-1]) // for the documents that it names
		if err != nil {
			return nil
		}
		return beginning(o.values(set.Lookup(strings.TrimLeft(words[n-1], "-"))), last)
	}
	if strings.HasPrefix(last, "-") {
		set.VisitAll(func(f *flag.Flag) { found = append(found, dashed(f.Name)) })
		return beginning(found, last)
	}
	set.SetOutput(io.Discard)
	rest, err := parse(set, words)
	if err != nil {
		rest = nil
	}
	return beginning(append(found, o.arguments(c.name, rest)...), last)
}

// dashed is a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func wantsValue(set *flag.FlagSet, word string) bool {
	f := set.Lookup(strings.TrimLeft(word, "-"))
	if f == nil || strings.Contains(word, "=") {
		return false
	}
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// arguments lists what the next argument of a command may be.
func (o *options) arguments(command string, before []string) []string {
	switch {
	case command == "nodes" && len(before) == 0, command == "init":
		return typeNames()
	case command == "completion":
		return []string{"bash", "zsh", "fish"}
	case command == "dead" && len(before) == 0:
		return []string{"list", "show", "retry", "drop"}
	case command == "graph" && len(before) == 0:
		return o.flowNames()
	case command == "tail":
		return o.inDocument(func(f *flows.Flow) []string {
			all := []string{f.Name}
			for _, n := range f.Nodes {
				all = append(all, f.Name+"."+n.ID)
			}
			return all
		})
	case command == "send" && len(before) == 0:
		return o.inDocument(func(f *flows.Flow) (ids []string) {
			for i, n := range f.Nodes {
				if kindOf(n, i == 0) == engine.SourceKind.String() {
					ids = append(ids, n.ID)
				}
			}
			return ids
		})
	}
	return nil
}

// values lists what a flag may be, where there are few, as its usage has them.
func (o *options) values(f *flag.Flag) []string {
	switch f.Name {
	case "flow":
		return o.flowNames()
	case "format", "log-format", "log-level":
		_, list, _ := strings.Cut(f.Usage, ": ")
		list, _, _ = strings.Cut(list, " (")
		list, _, _ = strings.Cut(list, ", which")
		return strings.FieldsFunc(strings.ReplaceAll(list, " or ", ","), func(r rune) bool { return r == ',' || r == ' ' })
	}
	return nil
}

func (o *options) flowNames() []string {
	return o.inDocument(func(f *flows.Flow) []string { return []string{f.Name} })
}

func (o *options) inDocument(namesOf func(*flows.Flow) []string) (all []string) {
	doc, _ := flows.Load(o.documents(), os.LookupEnv) // with mistakes or without
	for _, f := range doc.Flows {
		all = append(all, namesOf(f)...)
	}
	return all
}

// beginning are the words that begin as one does, each once.
func beginning(words []string, with string) []string {
	words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, with) })
	slices.Sort(words)
	return slices.Compact(words)
}
