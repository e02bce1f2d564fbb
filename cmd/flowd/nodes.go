package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func nodesCommand() *command {
	markdown := false
	return &command{
		name: "nodes", args: "[TYPE] [--markdown]", most: 1,
		summary: "list the node types, or tell all about one",
		flags: func(set *flag.FlagSet, _ *options) {
			set.BoolVar(&markdown, "markdown", false, "tell all about every type, in Markdown")
		},
		run: func(_ context.Context, o *options, args []string) error {
			specs := registry.Specs()
			if len(args) > 0 {
				if specs = registry.Lookup(args[0]); len(specs) == 0 {
					return usage("unknown node type %q%s", args[0], hint(args[0], typeNames()))
				}
			}
			switch {
			case markdown:
				writeReference(o.out, specs)
			case len(args) == 0:
				listNodes(o.out)
			default:
				for _, s := range specs {
					printNode(o.out, s)
				}
			}
			return nil
		},
	}
}

func listNodes(w io.Writer) {
	for kind := engine.SourceKind; kind <= engine.SinkKind; kind++ {
		fmt.Fprintf(w, "%ss\n", kind)
		for _, s := range registry.Specs() {
			if s.Kind == kind {
				fmt.Fprintf(w, "  %-10s %s\n", s.Type, s.Summary)
			}
		}
	}
}

func printNode(w io.Writer, s *engine.Spec) {
	fmt.Fprintf(w, "%s (%s)\n\n%s\n\n", s.Type, s.Kind, s.Summary)
	if fields := s.Fields(); len(fields) > 0 {
		fmt.Fprint(w, "Settings:\n\n")
		printFields(w, fields, "  ")
	}
	fmt.Fprint(w, "Example:\n\n")
	for i, line := range strings.Split(strings.TrimSpace(s.Example), "\n") {
		lead := "        "
		if i == 0 {
			lead = "      - "
		}
		fmt.Fprintln(w, lead+line)
	}
}

func printFields(w io.Writer, fields []flows.FieldDoc, indent string) {
	for _, f := range fields {
		name := f.Key
		if name == "" {
			name = "NAME"
		}
		notes := []string{f.Type}
		if f.Required {
			notes = append(notes, "required")
		}
		if f.Main {
			notes = append(notes, "may stand alone")
		}
		if f.Default != "" {
			notes = append(notes, "default "+f.Default)
		}
		fmt.Fprintf(w, "%s%s (%s)\n", indent, name, strings.Join(notes, ", "))
		for _, line := range wrap(f.Doc, 76-len(indent)) {
			fmt.Fprintf(w, "%s    %s\n", indent, line)
		}
		fmt.Fprintln(w)
		printFields(w, f.Fields, indent+"    ")
	}
}

// wrap breaks text into lines of at most width characters, at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
