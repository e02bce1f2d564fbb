package main

import (
	"context"
	_ "embed" // for the source
	"fmt"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

//go:embed tell.go
var tellSource string

// tellTo declares the sink tell, which calls a function with a text of each
// event.
func tellTo(call func(text string) error) engine.SinkSpec[TellConfig] {
	return engine.SinkSpec[TellConfig]{
		About: engine.About{Type: "tell", Summary: "Tells the program.", Example: `tell: "{{ data }}"`, Source: tellSource},
		New:   func(c TellConfig) (engine.Sink, error) { return &tell{c, call}, nil },
	}
}

// TellConfig is the configuration of a tell node.
type TellConfig struct {
	// Text is what is told.
	Text expr.Text `flow:"text,main,required"`
}

type tell struct {
	config TellConfig
	call   func(text string) error
}

var _ engine.Sink = (*tell)(nil)

// Write tells event by event. What can't be told is tried again, and what has
// no text never will be.
func (t *tell) Write(_ context.Context, batch []*engine.Event) error {
	var failed engine.Failures
	for _, e := range batch {
		text, err := t.config.Text.Render(e)
		if err != nil {
			failed = append(failed, engine.Failed{Event: e, Err: engine.Permanent(err)})
			continue
		}
		if err := t.call(text); err != nil {
			failed = append(failed, engine.Failed{Event: e, Err: fmt.Errorf("telling: %w", err)})
		}
	}
	if len(failed) > 0 { // a nil Failures in an error would be one
		return failed
	}
	return nil
}
