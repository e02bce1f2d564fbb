package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

// replayCommand takes delivered events through their flow again, by the API of
// the flowd that runs. Where none does, it counts them in the folder.
func replayCommand() *command {
	var asked admin.Replay
	var flow string
	return &command{
		name: "replay", args: "--flow NAME --since TIME [--type TYPE]... [--to NODE] [--dry-run] [-f PATH]...",
		summary: "take delivered events that are still kept through their flow as it is now",
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.StringVar(&o.store, "store", "", "look into the store at `DIR` if flowd is not running, whatever the document says")
			set.StringVar(&flow, "flow", "", "those of the flow `NAME`")
			set.StringVar(&asked.Since, "since", "", "those that happened at `TIME` or later: 2006-01-02T15:04:05Z, or how long ago: 2h, 7d")
			set.Func("type", "those of `TYPE`; any number of times", func(t string) error {
				asked.Types = append(asked.Types, t)
				return nil
			})
			set.StringVar(&asked.To, "to", "", "have them enter at the node `ID`, instead of at their source")
			set.BoolVar(&asked.DryRun, "dry-run", false, "only count them")
		},
		run: func(ctx context.Context, o *options, _ []string) error {
			if flow == "" || asked.Since == "" {
				return usage("say which: flowd replay --flow NAME --since TIME")
			}
			chosen, err := asked.Options()
			if err != nil {
				return usage("--since: %v", err)
			}
			doc, diags, err := o.document()
			if err != nil {
				return err
			}
			n, err := o.replay(ctx, doc, diags, flow, asked, chosen)
			what := "replayed"
			if asked.DryRun {
				what = "would be replayed"
			}
			if err == nil || n > 0 {
				fmt.Fprintf(o.out, "%s %s\n", count(n, "event"), what)
			}
			return err
		},
	}
}

// replay has the flowd that runs doc replay, or counts in its store.
func (o *options) replay(ctx context.Context, doc *flows.Document, diags flows.Diagnostics, flow string, asked admin.Replay, chosen engine.ReplayOptions) (int, error) {
	client, why, err := findDaemon(ctx, doc, diags)
	if err != nil {
		return 0, err
	}
	if client != nil {
		defer client.http.CloseIdleConnections()
		return o.replayRemote(ctx, client, flow, asked)
	}
	if !asked.DryRun {
		return 0, fmt.Errorf("%w: it must run to replay; --dry-run counts the events in its store", why)
	}
	store, err := o.storeAtRest(doc, why)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	return engine.CountReplay(ctx, store, doc, registry, flow, chosen)
}

// replayRemote has a running flowd replay, and shows on a terminal how far it
// has come.
func (o *options) replayRemote(ctx context.Context, client *adminClient, flow string, asked admin.Replay) (int, error) {
	resp, err := client.send(ctx, "POST", apiPath("flows", flow, "replay"), asked)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var now admin.Replayed
	for lines := json.NewDecoder(resp.Body); !now.Done; {
		if err := lines.Decode(&now); err != nil {
			return now.Events, fmt.Errorf("flowd has ended the connection, and with it the replay: %w", err)
		}
		if isTerminal(o.err) {
			fmt.Fprintf(o.err, "\r%s so far ", count(now.Events, "event"))
		}
	}
	if isTerminal(o.err) {
		fmt.Fprint(o.err, "\r"+strings.Repeat(" ", 40)+"\r")
	}
	if now.Error != "" {
		return now.Events, errors.New(now.Error)
	}
	return now.Events, nil
}
