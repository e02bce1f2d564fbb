package core

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"os"

	"github.com/flowd/flowd/engine"
)

//go:embed debug.go
var debugSource string

// Debug prints events on standard output.
var Debug = engine.SinkSpec[DebugConfig]{
	About: engine.About{
		Type:    "debug",
		Summary: "Prints each event on standard output: readable on a terminal, elsewhere as one JSON object a line.",
		Example: `debug: after the filter`,
		Source:  debugSource,
	},
	New: func(c DebugConfig) (engine.Sink, error) { return &debug{config: c}, nil },
}

// DebugConfig is the configuration of a debug.
type DebugConfig struct {
	// Label is printed with each event; the default is FLOW.NODE.
	Label string `flow:"label,main"`
}

type debug struct {
	config  DebugConfig
	label   string
	screen  *screen
	release func() error
}

var (
	_ engine.Sink   = (*debug)(nil)
	_ engine.Opener = (*debug)(nil)
	_ engine.Closer = (*debug)(nil)
)

func (d *debug) Open(_ context.Context, env *engine.Env) (err error) {
	d.label = cmp.Or(d.config.Label, env.Flow+"."+env.Node)
	if env.Outside != nil {
		d.screen = &screen{out: env.Outside.Stdout}
		return nil
	}
	d.screen, d.release, err = engine.Use(env.Share, "debug", func() (*screen, error) {
		return newScreen(os.Stdout, os.Getenv), nil
	})
	return err
}

func (d *debug) Close() error {
	if d.release == nil {
		return nil
	}
	return d.release()
}

func (d *debug) Write(_ context.Context, batch []*engine.Event) error {
	var text bytes.Buffer
	var failed engine.Failures
	for _, e := range batch {
		if d.screen.person {
			d.screen.forPerson(&text, d.label, e)
		} else if err := forProgram(&text, d.label, e); err != nil {
			failed = append(failed, engine.Failed{Event: e, Err: err})
		}
	}
	if err := d.screen.write(text.Bytes()); err != nil {
		return err
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}
