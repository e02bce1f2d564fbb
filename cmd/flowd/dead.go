package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

// deadCommand looks at the dead letters and settles them: by the API of the
// flowd that runs, or in the folder of the store if none does.
func deadCommand() *command {
	d := &dead{}
	return &command{
		name: "dead", args: "list|show|retry|drop [ID]... [flags]",
		summary: "show the events that a node gave up, try them again there, or drop them",
		least:   1, most: math.MaxInt,
		flags: d.flags,
		run:   d.run,
	}
}

// dead is what the command line says.
type dead struct {
	choice        admin.Choice
	before, since string
	limit         int
}

func (d *dead) flags(set *flag.FlagSet, o *options) {
	fileFlag(set, o)
	set.StringVar(&o.store, "store", "", "look into the store at `DIR` if flowd is not running, whatever the document says")
	set.StringVar(&d.choice.Flow, "flow", "", "those of the flow `NAME`")
	set.StringVar(&d.choice.Node, "node", "", "those that the node `ID` gave up")
	set.StringVar(&d.choice.Error, "error", "", "those whose error contains `TEXT`")
	set.StringVar(&d.before, "older", "", "those given up longer ago than `AGE` (2h, 7d), or before a time")
	set.StringVar(&d.since, "since", "", "those given up in the last `AGE`, or since a time")
	set.BoolVar(&d.choice.All, "all", false, "retry or drop all that match")
	set.IntVar(&d.limit, "limit", admin.DefaultLimit, "list at most `N` (default 100)")
}

func (d *dead) run(ctx context.Context, o *options, args []string) error {
	action, ids := args[0], args[1:]
	d.choice.IDs = ids
	if err := d.check(action); err != nil {
		return err
	}
	doc, diags, err := o.document()
	if err != nil {
		return err
	}
	letters, done, err := o.deadLetters(ctx, doc, diags)
	if err != nil {
		return err
	}
	defer done()
	switch action {
	case "list":
		list, err := letters.List(ctx, d.choice.Filter, d.limit)
		if err != nil {
			return err
		}
		return o.printLetters(list)
	case "show":
		letter, err := letters.Show(ctx, ids[0])
		if err != nil {
			return err
		}
		return printIndented(o.out, letter)
	case "retry":
		s, err := letters.Retry(ctx, d.choice)
		return o.settled("put in again", s, err)
	}
	s, err := letters.Drop(ctx, d.choice)
	return o.settled("dropped", s, err)
}

// check finds what is wrong with the command line.
func (d *dead) check(action string) (err error) {
	for text, into := range map[*string]*time.Time{&d.before: &d.choice.Before, &d.since: &d.choice.Since} {
		if *text == "" {
			continue
		}
		if *into, err = admin.ParseMoment(*text); err != nil {
			return usage("%v", err)
		}
	}
	filtered := d.choice.Filter != (admin.Filter{})
	switch action {
	case "list":
		if len(d.choice.IDs) > 0 || d.choice.All {
			return usage("flowd dead list takes a filter: --flow, --node, --error, --older, --since")
		}
		if d.limit < 1 || d.limit > admin.MaxLimit {
			return usage("--limit is 1 to %d, not %d", admin.MaxLimit, d.limit)
		}
	case "show":
		if len(d.choice.IDs) != 1 || d.choice.All || filtered {
			return usage("usage: flowd dead show ID")
		}
	case "retry", "drop":
		if (len(d.choice.IDs) > 0) == d.choice.All || !d.choice.All && filtered {
			return usage("say which: flowd dead %s ID..., or --all, which --flow, --node, --error, --older and --since narrow", action)
		}
	default:
		return usage("unknown action %q%s", action, hint(action, []string{"list", "show", "retry", "drop"}))
	}
	return nil
}

// settled tells what became of a choice.
func (o *options) settled(what string, s admin.Settlement, err error) error {
	if err != nil {
		return err
	}
	if s.Waiting {
		fmt.Fprintln(o.out, "on their way; they are dead letters until they are safe")
	} else {
		fmt.Fprintf(o.out, "%s %s\n", count(s.Letters, "dead letter"), what)
	}
	if len(s.Missing) > 0 {
		err = fmt.Errorf("%w: %s", admin.ErrNoLetter, strings.Join(s.Missing, ", "))
	}
	if s.Left != "" {
		err = errors.Join(err, errors.New(s.Left))
	}
	return err
}

// printLetters writes a table for a person, and one JSON object a line
// otherwise.
func (o *options) printLetters(list admin.LetterList) error {
	if !isTerminal(o.out) {
		enc := json.NewEncoder(o.out)
		enc.SetEscapeHTML(false)
		for _, l := range list.Letters {
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	return letterTable(o.out, list, time.Now())
}

func letterTable(w io.Writer, list admin.LetterList, now time.Time) error {
	if list.Total == 0 {
		_, err := fmt.Fprintln(w, "no dead letters")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNODE\tAGE\tATTEMPTS\tTYPE\tERROR")
	for _, l := range list.Letters {
		fmt.Fprintf(table, "%s\t%s.%s\t%s\t%d\t%s\t%s\n", l.ID, l.Flow, l.Node, age(now.Sub(l.Last)), l.Attempts,
			seen(l.Event.Type), seen(l.Error))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := list.Total - len(list.Letters); more > 0 {
		fmt.Fprintf(w, "and %d more: --limit N shows more of them\n", more)
	}
	return nil
}

// age is how long ago something was, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

func printIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// deadLetters are the dead letters of a running flowd, or of its store.
type deadLetters interface {
	List(ctx context.Context, f admin.Filter, limit int) (admin.LetterList, error)
	Show(ctx context.Context, id string) (admin.Letter, error)
	Retry(ctx context.Context, c admin.Choice) (admin.Settlement, error)
	Drop(ctx context.Context, c admin.Choice) (admin.Settlement, error)
}

var (
	_ deadLetters = admin.Letters{}
	_ deadLetters = remoteLetters{}
)

// deadLetters finds the dead letters of doc, and a function to be called behind
// their last use. diags are the mistakes of doc.
func (o *options) deadLetters(ctx context.Context, doc *flows.Document, diags flows.Diagnostics) (deadLetters, func(), error) {
	client, why, err := findDaemon(ctx, doc, diags)
	if err != nil {
		return nil, nil, err
	}
	if client != nil {
		return remoteLetters{client}, client.http.CloseIdleConnections, nil
	}
	store, err := o.storeAtRest(doc, why)
	if err != nil {
		return nil, nil, err
	}
	again := func(ctx context.Context, which func(engine.DeadLetter) bool) (int, error) {
		return engine.RetryStored(ctx, store, doc, registry, which)
	}
	return admin.Letters{Dead: store.DeadLetters(), Again: again}, func() { store.Close() }, nil
}

// remoteLetters are those of a running flowd.
type remoteLetters struct{ *adminClient }

func (r remoteLetters) List(ctx context.Context, f admin.Filter, limit int) (list admin.LetterList, err error) {
	q := f.Query()
	q.Set("limit", strconv.Itoa(limit))
	err = r.ask(ctx, "GET", apiPath("dead-letters")+"?"+q.Encode(), nil, &list)
	return list, err
}

func (r remoteLetters) Show(ctx context.Context, id string) (l admin.Letter, err error) {
	err = r.ask(ctx, "GET", apiPath("dead-letters", id), nil, &l)
	return l, err
}

func (r remoteLetters) Retry(ctx context.Context, c admin.Choice) (s admin.Settlement, err error) {
	err = r.ask(ctx, "POST", apiPath("dead-letters", "retry"), c, &s)
	return s, err
}

func (r remoteLetters) Drop(ctx context.Context, c admin.Choice) (s admin.Settlement, err error) {
	err = r.ask(ctx, "POST", apiPath("dead-letters", "drop"), c, &s)
	return s, err
}
