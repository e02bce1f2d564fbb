package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/flowd/flowd/engine"
)

var checkCommand = &command{
	name: "check", args: "[-f PATH]... [--strict]",
	summary: "tell every mistake in the documents, and run nothing",
	flags: func(set *flag.FlagSet, o *options) {
		fileFlag(set, o)
		set.BoolVar(&o.strict, "strict", false, "take warnings for errors")
	},
	run: func(_ context.Context, o *options, _ []string) error {
		doc, diags := o.check(registry)
		diags = append(diags, engine.Advice(doc, registry)...).Sorted()
		fmt.Fprint(o.err, diags.Format())
		if diags.Failed() || o.strict && len(diags) > 0 {
			return status(wrong)
		}
		fmt.Fprintf(o.out, "%s, no mistakes\n", count(len(doc.Flows), "flow"))
		return nil
	},
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
