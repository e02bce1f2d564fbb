package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var checkCommand = &command{
	name: "check", args: "[-f PATH]... [--strict] [--format FORMAT]",
	summary: "tell every mistake in the documents, and run nothing",
	flags: func(set *flag.FlagSet, o *options) {
		fileFlag(set, o)
		set.BoolVar(&o.strict, "strict", false, "take warnings for errors")
		set.StringVar(&o.format, "format", "text", "tell mistakes as `FORMAT`: text, json, or github, which annotates the lines of a pull request")
	},
	run: func(_ context.Context, o *options, _ []string) error {
		tell, known := formats[o.format]
		if !known {
			return usage("--format is text, json or github, not %q", o.format)
		}
		doc, diags := o.check()
		diags = append(diags, engine.Advice(doc, registry)...).Sorted()
		if err := tell(o, diags); err != nil {
			return err
		}
		if diags.Failed() || o.strict && len(diags) > 0 {
			return status(wrong)
		}
		if o.format == "text" {
			fmt.Fprintf(o.out, "%s, no mistakes\n", count(len(doc.Flows), "flow"))
		}
		return nil
	},
}

// formats are the ways to tell mistakes: to a person, to a program, and to
// GitHub, whose workflow commands put them beside the lines of a pull request.
var formats = map[string]func(*options, flows.Diagnostics) error{
	"text": func(o *options, diags flows.Diagnostics) error {
		_, err := fmt.Fprint(o.err, diags.Format())
		return err
	},
	"json": func(o *options, diags flows.Diagnostics) error {
		told := make([]told, len(diags))
		for i, d := range diags {
			told[i].Severity, told[i].Message, told[i].Hint = d.Severity.String(), d.Message, d.Hint
			if d.Span.File != nil {
				told[i].File = d.Span.File.Name
			}
			told[i].Line, told[i].Column, told[i].Length = d.Span.Line, d.Span.Column, d.Span.Length
		}
		enc := json.NewEncoder(o.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(told)
	},
	"github": func(o *options, diags flows.Diagnostics) error {
		for _, d := range diags {
			message := d.Message
			if d.Hint != "" {
				message += " (" + d.Hint + ")"
			}
			place := ""
			if d.Span.File != nil {
				place = fmt.Sprintf(" file=%s,line=%d,col=%d", property.Replace(d.Span.File.Name), d.Span.Line, d.Span.Column)
			}
			if _, err := fmt.Fprintf(o.out, "::%s%s::%s\n", d.Severity, place, escape.Replace(message)); err != nil {
				return err
			}
		}
		return nil
	},
}

// told is a mistake as a program reads it. Lines and columns count from 1;
// without a file it is about the command line or the whole.
type told struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Length   int    `json:"length,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// What a workflow command can't hold, in its text and in its properties.
var (
	escape   = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
