package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var runCommand = &command{
	name: "run", args: "[-f PATH]... [flags]",
	summary: "run the flows until SIGINT or SIGTERM, or until all sources have finished",
	flags: func(set *flag.FlagSet, o *options) {
		fileFlag(set, o)
		set.StringVar(&o.store, "store", "", "keep events in `DIR`, or in memory, whatever the document says")
		set.StringVar(&o.listen, "listen", "", "take webhooks at `ADDRESS`, whatever the document says")
		set.StringVar(&o.logLevel, "log-level", "info", "log from `LEVEL` on: debug, info, warn or error (default info)")
		set.StringVar(&o.logFormat, "log-format", "", "write the log as `FORMAT`: text or json (default text on a terminal, else json)")
		set.BoolVar(&o.noWatch, "no-watch", false, "do not reload when a document is saved")
		o.drain = flows.Duration(10 * time.Second)
		set.TextVar(&o.drain, "drain", o.drain, "give work in hand `TIME` at the end (default 10s)")
	},
	run: runFlows,
}

// runFlows is the life of the daemon.
func runFlows(ctx context.Context, o *options, _ []string) error {
	log, err := o.logger()
	if err != nil {
		return err
	}
	doc, diags := o.check(registry)
	o.report(log, diags)
	if diags.Failed() {
		return status(wrong)
	}
	store, err := o.openStore(doc, log)
	if err != nil {
		log.Error("opening the store", "error", err)
		return status(broken)
	}
	defer store.Close()
	eng := engine.New(registry, engine.Options{
		Store: store, Log: log, Listen: o.listen, Drain: time.Duration(o.drain),
	})
	changes, err := eng.Apply(ctx, doc)
	if err != nil {
		return o.failed(log, err)
	}
	log.Info("running", "flows", len(changes.FlowsAdded), "nodes", len(changes.Added), "listen", eng.Address())
	ctx, stop := signals(ctx, log)
	defer stop()
	reloads := make(chan struct{})
	go func() {
		defer close(reloads)
		o.reload(ctx, eng, log, doc)
	}()
	err = eng.Run(ctx)
	stop()
	<-reloads
	if err != nil {
		return fmt.Errorf("stopping: work in hand took longer than %s", o.drain)
	}
	log.Info("stopped")
	return nil
}

// failed reports why a document that is right could not be run.
func (o *options) failed(log *slog.Logger, err error) error {
	var diags flows.Diagnostics
	if errors.As(err, &diags) {
		o.report(log, diags)
		return status(wrong)
	}
	log.Error("starting", "error", err)
	return status(broken)
}

// together is how close to the first a second signal counts as the same:
// timeout(1), for one, signals the process and then its group.
const together = 100 * time.Millisecond

// signals returns a context that ends at the first SIGINT or SIGTERM. The
// second one ends the process at once.
func signals(ctx context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	came := make(chan os.Signal, 2)
	over := make(chan struct{})
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	go func() {
		var first time.Time
		for n := 0; ; n++ {
			select {
			case s := <-came:
				if n > 0 && time.Since(first) < together {
					continue
				}
				if n > 0 {
					log.Warn("stopped at once", "signal", s.String())
					os.Exit(broken)
				}
				first = time.Now()
				log.Info("stopping; a second signal stops at once", "signal", s.String())
				cancel()
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		cancel()
		signal.Stop(came)
		close(over)
	})
}

// reload applies the documents anew whenever one of them is saved, and at
// SIGHUP, until ctx is done.
func (o *options) reload(ctx context.Context, eng *engine.Engine, log *slog.Logger, doc *flows.Document) {
	var one sync.Mutex
	anew := func() *flows.Document {
		one.Lock()
		defer one.Unlock()
		return o.applyAnew(ctx, eng, log)
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	if !o.noWatch {
		watch.Go(func() {
			if err := doc.Watch(ctx, anew); err != nil {
				log.Error("watching the documents: save them and send SIGHUP to reload", "error", err)
			}
		})
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			anew()
		case <-ctx.Done():
			return
		}
	}
}

// applyAnew loads the documents again and returns what it read, with mistakes
// or without.
func (o *options) applyAnew(ctx context.Context, eng *engine.Engine, log *slog.Logger) *flows.Document {
	doc, diags := o.check(registry)
	o.report(log, diags)
	if diags.Failed() {
		log.Error("not reloaded: the flows run on as they were")
		return doc
	}
	changes, err := eng.Apply(ctx, doc)
	if err != nil {
		var found flows.Diagnostics
		if errors.As(err, &found) {
			o.report(log, found)
			log.Error("not reloaded: the flows run on as they were")
		} else {
			log.Error("not reloaded: the flows run on as they were", "error", err)
		}
		return doc
	}
	log.Info("reloaded", "changes", changes.String())
	return doc
}
