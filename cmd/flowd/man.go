package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
)

func manCommand() *command {
	return &command{
		name:    "man",
		summary: "print the manual page: flowd man > flowd.1",
		flags:   func(*flag.FlagSet, *options) {},
		run: func(_ context.Context, o *options, _ []string) error {
			writeMan(o.out)
			return nil
		},
	}
}

// roff escapes text for a line of a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// writeMan writes the manual page, in the macros of man(7).
func writeMan(w io.Writer) {
	fmt.Fprintf(w, ".TH FLOWD 1 \"\" %q \"User Commands\"\n", "flowd "+version())
	fmt.Fprint(w, ".SH NAME\nflowd \\- run flows of events\n.SH SYNOPSIS\n")
	all := commands()
	for i, c := range all {
		name := c.name
		if i == 0 {
			name = ""
		}
		fmt.Fprintln(w, strings.TrimSpace(".B flowd "+name))
		if c.args != "" {
			fmt.Fprintln(w, roff(c.args))
		}
		fmt.Fprintln(w, ".br")
	}
	fmt.Fprint(w, ".SH DESCRIPTION\n", roff("flowd runs the flows of a flows.yaml: events come in at sources, go through nodes, and are delivered by sinks. Saving the file reloads the flows. flowd nodes lists the node types, flowd nodes TYPE tells all about one."), "\n.SH COMMANDS\n")
	for _, c := range all {
		fmt.Fprintf(w, ".TP\n.B %s\n%s.\n", c.name, roff(c.summary))
		set := flag.NewFlagSet("", flag.ContinueOnError)
		c.flags(set, &options{})
		some := false
		set.VisitAll(func(f *flag.Flag) {
			if !some {
				fmt.Fprint(w, ".RS\n")
				some = true
			}
			arg, text := flag.UnquoteUsage(f)
			fmt.Fprintf(w, ".TP\n.BI %s \" %s\"\n%s.\n", roff(dashed(f.Name)), roff(arg), roff(text))
		})
		if some {
			fmt.Fprint(w, ".RE\n")
		}
	}
	fmt.Fprintf(w, ".SH EXIT STATUS\n.TP\n%d\nfine\n.TP\n%d\nthe flows are wrong, or a test failed\n.TP\n%d\nthe command line is wrong\n.TP\n%d\nit could not go on\n", fine, wrong, misused, broken)
}
