package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

var runCommand = &command{
	name: "run", args: "[-f PATH]... [flags]",
	summary: "run the flows until SIGINT or SIGTERM, or until all sources have finished",
	flags: func(set *flag.FlagSet, o *options) {
		fileFlag(set, o)
		set.StringVar(&o.store, "store", "", "keep events in `DIR`, or in memory, whatever the document says")
		listenFlag(set, o, "take webhooks at `ADDRESS`, whatever the document says")
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
	// What the start needs only for itself lies among what stays: the sooner it
	// is collected, the less memory they take together from then on.
	percent := debug.SetGCPercent(50)
	doc, diags := o.check()
	o.report(log, diags)
	if diags.Failed() {
		return status(wrong)
	}
	hup := make(chan os.Signal, 1) // from here on, a reload asked for waits until it can be done
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, stop := signals(ctx, log)
	defer stop()
	store, err := o.openStore(doc, log)
	if err != nil {
		log.Error("opening the store", "error", err)
		return status(broken)
	}
	defer store.Close()
	d := newService(o, store, log)
	defer d.section.stop()
	if err := d.start(ctx, doc); err != nil && ctx.Err() == nil {
		return o.failed(log, err)
	}
	debug.SetGCPercent(percent)
	reloads := make(chan struct{})
	go func() {
		defer close(reloads)
		d.reloads(ctx, doc, hup)
	}()
	err = d.engine.Run(ctx)
	stop()
	<-reloads
	if err != nil {
		log.Error("stopped before the work in hand was done", "drain", o.drain.String())
		return status(broken)
	}
	log.Info("stopped")
	return nil
}

// A service is the engine, and what shows it to others.
type service struct {
	*options
	log     *slog.Logger
	engine  *engine.Engine
	metrics *admin.Metrics
	section *adminSection
	opened  storeConfig // what the store was opened with

	applying sync.Mutex // one document at a time
}

func newService(o *options, store engine.Store, log *slog.Logger) *service {
	d := &service{options: o, log: log, metrics: admin.NewMetrics()}
	d.engine = engine.New(registry, engine.Options{
		Store: store, Log: log, Listen: o.listen, Drain: time.Duration(o.drain), Hooks: d.metrics.Hooks(),
	})
	d.section = &adminSection{log: log, admin: admin.New(d.engine, admin.Options{
		Metrics: d.metrics, Log: log,
		Reload: func(ctx context.Context) (engine.Changes, error) {
			_, changes, err := d.reload(ctx)
			return changes, err
		},
	})}
	return d
}

// start runs the first document.
func (d *service) start(ctx context.Context, doc *flows.Document) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	d.opened, _ = d.storeSettings(doc) // which is checked
	section, err := d.section.open(doc)
	if err != nil {
		return err
	}
	d.section.use(section)
	changes, err := d.engine.Apply(ctx, doc)
	if err != nil {
		return err
	}
	doc.Forget()
	go debug.FreeOSMemory() // checking and planning took far more than running does
	d.log.Info("running", "flows", len(changes.FlowsAdded), "nodes", len(changes.Added), "listen", d.engine.Address())
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

// reloads applies the documents anew whenever one of them is saved, and when
// hup asks for it, until ctx is done.
func (d *service) reloads(ctx context.Context, doc *flows.Document, hup <-chan os.Signal) {
	anew := func() *flows.Document {
		doc, _, _ := d.reload(ctx) // which has told what is wrong
		return doc
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	if !d.noWatch {
		watch.Go(func() {
			if err := doc.Watch(ctx, anew); err != nil {
				d.log.Error("watching the documents: save them and send SIGHUP to reload", "error", err)
			}
		})
	}
	for {
		select {
		case <-hup:
			anew()
		case <-ctx.Done():
			return
		}
	}
}

// reload loads the documents again and applies them. It tells and returns what
// is wrong, and returns what it read, with mistakes or without.
func (d *service) reload(ctx context.Context) (*flows.Document, engine.Changes, error) {
	d.applying.Lock()
	defer d.applying.Unlock()
	start := time.Now()
	doc, diags := d.checkBy(d.engine.Check)
	defer doc.Forget()
	d.report(d.log, diags)
	if err := diags.Err(); err != nil {
		d.metrics.Loaded(time.Since(start), err)
		d.log.Error("not reloaded: the flows run on as they were")
		return doc, engine.Changes{}, err
	}
	section, err := d.section.open(doc)
	if err != nil {
		d.metrics.Loaded(time.Since(start), err)
		d.log.Error("not reloaded: the flows run on as they were", "error", err)
		return doc, engine.Changes{}, err
	}
	changes, err := d.engine.Apply(ctx, doc)
	if err != nil {
		d.section.discard(section)
	}
	var found flows.Diagnostics
	switch {
	case errors.As(err, &found):
		d.report(d.log, found)
		d.log.Error("not reloaded: the flows run on as they were")
	case err != nil:
		d.log.Error("not reloaded: the flows run on as they were", "error", err)
	default:
		d.section.use(section)
		defer func() { go debug.FreeOSMemory() }()
		reloaded := []any{"changes", changes.String()}
		if changes.Listener {
			reloaded = append(reloaded, "listen", d.engine.Address())
		}
		d.log.Info("reloaded", reloaded...)
		if settings, _ := d.storeSettings(doc); settings != d.opened {
			d.log.Warn("the store stays as it was: its section is read when flowd starts")
		}
	}
	return doc, changes, err
}
