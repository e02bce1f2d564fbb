package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// Exit statuses.
const (
	fine    = 0
	wrong   = 1 // the flows are wrong
	misused = 2 // the command line is wrong
	broken  = 3 // it could not go on
)

// A command is one subcommand: a small file of its own.
type command struct {
	name    string
	args    string // of its usage line
	summary string
	flags   func(*flag.FlagSet, *options)
	run     func(ctx context.Context, o *options, args []string) error
	most    int // arguments it takes at the most
	least   int
}

func (c *command) usage() string { return strings.TrimSpace("flowd " + c.name + " " + c.args) }

// commands lists them in the order of the help text. The first runs without
// its name.
func commands() []*command {
	return []*command{
		runCommand, checkCommand, testCommand(), initCommand, graphCommand(), configCommand, schemaCommand,
		sendCommand, tailCommand(), deadCommand(), replayCommand(), forgetCommand(), nodesCommand(),
		completionCommand(), manCommand(), versionCommand,
	}
}

// options are what the flags say, and where to print.
type options struct {
	files     paths
	store     string
	listen    string
	logLevel  string
	logFormat string
	noWatch   bool
	drain     flows.Duration
	strict    bool
	format    string

	out, err io.Writer
}

// paths is a flag that may be given many times.
type paths []string

func (p *paths) String() string { return strings.Join(*p, " ") }

func (p *paths) Set(s string) error {
	if s == "" {
		return errors.New("want the path of a document or a folder")
	}
	*p = append(*p, s)
	return nil
}

// A status is an error with the exit status it leads to. What there was to say
// is said already.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usage is an error of the command line.
func usage(format string, args ...any) error { return misuse(fmt.Sprintf(format, args...)) }

type misuse string

func (m misuse) Error() string { return string(m) }

// run runs flowd with the given arguments and returns its exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o := &options{out: out, err: errOut}
	err := dispatch(ctx, o, args)
	var code status
	var use misuse
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return fine
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &use):
		fmt.Fprintf(errOut, "flowd: %s\nRun flowd --help for help.\n", use)
		return misused
	}
	var diags flows.Diagnostics
	if errors.As(err, &diags) {
		fmt.Fprint(errOut, diags.Format())
		return wrong
	}
	fmt.Fprintf(errOut, "flowd: %v\n", err)
	return broken
}

func dispatch(ctx context.Context, o *options, args []string) error {
	all := commands()
	c := all[0]
	if len(args) > 0 && args[0] == "--version" {
		args = append([]string{versionCommand.name}, args[1:]...)
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name := args[0]
		if name == "help" && len(args) == 1 {
			printHelp(o.out, all)
			return nil
		}
		if name == "help" {
			name, args = args[1], []string{"help", "--help"}
		}
		i := slices.IndexFunc(all, func(c *command) bool { return c.name == name })
		if i < 0 && strings.ContainsAny(name, "./") {
			return usage("%q is no command: did you mean -f %s?", name, name)
		}
		if i < 0 {
			return usage("unknown command %q%s", name, hint(name, names(all)))
		}
		c, args = all[i], args[1:]
	}
	set := flag.NewFlagSet("flowd "+c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	c.flags(set, o)
	rest, err := parse(set, args)
	if errors.Is(err, flag.ErrHelp) {
		if c == all[0] {
			printHelp(o.out, all)
		} else {
			fmt.Fprintf(o.out, "Usage: %s\n\n%s\n", c.usage(), c.summary)
		}
		printFlags(o.out, set)
		return err
	}
	if err != nil {
		return usage("%v", err)
	}
	tooMany := len(rest) > c.most
	if meant := documentsIn(rest, tooMany); meant != "" && set.Lookup("f") != nil {
		return usage("documents are given with -f: did you mean%s?", meant)
	}
	if tooMany || len(rest) < c.least {
		return usage("usage: %s", c.usage())
	}
	return c.run(ctx, o, rest)
}

// documentsIn are the arguments that can only be meant as documents, as flags.
// Where there should be fewer arguments, any path may be.
func documentsIn(args []string, tooMany bool) (meant string) {
	for _, arg := range args {
		extension := filepath.Ext(arg)
		is := (extension == ".yaml" || extension == ".yml") && !enginetest.IsSuite(arg)
		if _, err := os.Stat(arg); is || tooMany && err == nil {
			meant += " -f " + arg
		}
	}
	return meant
}

// parse parses flags that may stand before, between and behind the arguments.
func parse(set *flag.FlagSet, args []string) (rest []string, err error) {
	var words []string // behind --, whatever they look like
	if i := slices.Index(args, "--"); i >= 0 {
		args, words = args[:i], args[i+1:]
	}
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if args = set.Args(); len(args) == 0 {
			return append(rest, words...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

func names(all []*command) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

func hint(name string, known []string) string {
	if h := flows.DidYouMean(name, known); h != "" {
		return " (" + h + ")"
	}
	return ""
}

func printHelp(w io.Writer, all []*command) {
	fmt.Fprint(w, "flowd runs the flows of a flows.yaml: events come in at sources, go through\nnodes, and are delivered by sinks. Saving the file reloads the flows.\n\nUsage:\n")
	for _, c := range all {
		name := c.name + " "
		if c == all[0] {
			name = ""
		}
		fmt.Fprintf(w, "  flowd %-32s %s\n", name+c.args, c.summary)
	}
}

func printFlags(w io.Writer, set *flag.FlagSet) {
	title := "\nFlags:\n"
	set.VisitAll(func(f *flag.Flag) {
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		arg, text := flag.UnquoteUsage(f)
		fmt.Fprint(w, title)
		title = ""
		fmt.Fprintf(w, "  %-22s %s\n", strings.TrimSpace(dashes+f.Name+" "+arg), text)
	})
}

// listenFlag is the flag of an address, which is looked at before anything runs.
func listenFlag(set *flag.FlagSet, o *options, text string) {
	set.Func("listen", text, func(address string) error {
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return errors.New("want an address like 127.0.0.1:8080")
		}
		o.listen = address
		return nil
	})
}

func fileFlag(set *flag.FlagSet, o *options) {
	set.Var(&o.files, "f", "read the document at `PATH`, or a folder of them; any number of times (default flows.yaml)")
}

// load reads the documents that the command line names. Warnings are left to
// the caller; with an error the document is what could be saved.
func (o *options) load() (*flows.Document, flows.Diagnostics) {
	return flows.Load(o.documents(), os.LookupEnv)
}

func (o *options) documents() []string {
	if len(o.files) == 0 {
		return []string{"flows.yaml"}
	}
	return o.files
}

// check is load, and everything else that can be found without running the
// document.
func (o *options) check() (*flows.Document, flows.Diagnostics) {
	return o.checkBy(func(doc *flows.Document) flows.Diagnostics { return engine.Check(doc, registry) })
}

// checkBy is check with what finds the mistakes in flows.
func (o *options) checkBy(find func(*flows.Document) flows.Diagnostics) (*flows.Document, flows.Diagnostics) {
	doc, diags := o.load()
	diags = append(diags, find(doc)...)
	_, found := o.storeSettings(doc)
	diags = append(diags, found...)
	_, found = adminSettings(doc)
	diags = append(diags, found...)
	return doc, diags.Sorted()
}

// registry is the node types of this flowd.
var registry = nodes.All()
