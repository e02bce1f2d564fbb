package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

// forgetCommand drops what waits for a flow that is not in the document, by the
// API of the flowd that runs, or in the folder of the store.
func forgetCommand() *command {
	var yes bool
	return &command{
		name: "forget", args: "[FLOW | FLOW.NODE] [--yes] [-f PATH]...",
		summary: "list or drop the events that wait for a flow that is no longer in the document",
		most:    1,
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.StringVar(&o.store, "store", "", "look into the store at `DIR` if flowd is not running, whatever the document says")
			set.BoolVar(&yes, "yes", false, "drop them without asking")
		},
		run: func(ctx context.Context, o *options, args []string) error {
			doc, diags, err := o.document()
			if err != nil {
				return err
			}
			w, done, err := o.waiting(ctx, doc, diags)
			if err != nil {
				return err
			}
			defer done()
			if len(args) == 0 {
				return o.listOrphans(ctx, w)
			}
			return o.forget(ctx, w, args[0], yes, os.Stdin)
		},
	}
}

// waiting is what waits for nobody in a running flowd, or in its store.
type waiting struct {
	orphans func(context.Context) ([]engine.Orphan, error)
	forget  func(ctx context.Context, name string) (uint64, error)
}

func (o *options) waiting(ctx context.Context, doc *flows.Document, diags flows.Diagnostics) (w waiting, done func(), err error) {
	client, why, err := findDaemon(ctx, doc, diags)
	if err != nil {
		return w, nil, err
	}
	if client != nil {
		return client.waiting(), client.http.CloseIdleConnections, nil
	}
	store, err := o.storeAtRest(doc, why)
	if err != nil {
		return w, nil, err
	}
	return waiting{
		func(context.Context) ([]engine.Orphan, error) { return engine.StoredOrphans(store, doc, registry) },
		func(ctx context.Context, name string) (uint64, error) {
			return engine.ForgetStored(ctx, store, doc, registry, name)
		},
	}, func() { store.Close() }, nil
}

func (c *adminClient) waiting() waiting {
	return waiting{
		func(ctx context.Context) (orphans []engine.Orphan, err error) {
			var list admin.FlowList
			err = c.ask(ctx, "GET", apiPath("flows"), nil, &list)
			for _, o := range list.Orphaned {
				orphans = append(orphans, engine.Orphan{Log: o.Log, Cursor: o.Name, Events: o.Events})
			}
			return orphans, err
		},
		func(ctx context.Context, name string) (uint64, error) {
			var gone admin.Forgotten
			err := c.ask(ctx, "POST", apiPath("flows", name, "forget"), nil, &gone)
			return gone.Events, err
		},
	}
}

func (o *options) listOrphans(ctx context.Context, w waiting) error {
	orphans, err := w.orphans(ctx)
	if err != nil {
		return err
	}
	if len(orphans) == 0 {
		fmt.Fprintln(o.out, "nothing waits for a flow that is not in the document")
	}
	for _, orphan := range orphans {
		fmt.Fprintln(o.out, waitsFor(orphan))
	}
	return nil
}

func waitsFor(o engine.Orphan) string {
	events := int(o.Events)
	if o.Cursor == o.Log {
		return count(events, "event") + " for " + o.Cursor
	}
	return fmt.Sprintf("%s for %s in %s", count(events, "event"), o.Cursor, o.Log)
}

// forget drops what waits for a flow, when a person has agreed.
func (o *options) forget(ctx context.Context, w waiting, name string, yes bool, in io.Reader) error {
	if !yes {
		orphans, err := w.orphans(ctx)
		if err != nil {
			return err
		}
		var parts []string
		for _, orphan := range orphans {
			if orphan.Of(name) {
				parts = append(parts, waitsFor(orphan))
			}
		}
		if len(parts) == 0 {
			return fmt.Errorf("%q: %w", name, engine.ErrNoOrphan)
		}
		fmt.Fprintf(o.err, "drop %s? They were never delivered. [y/N] ", strings.Join(parts, ", "))
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			fmt.Fprintln(o.err)
			return usage("nobody answers: say --yes")
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return errors.New("nothing was dropped")
		}
	}
	n, err := w.forget(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s dropped\n", count(int(n), "event"))
	return nil
}
