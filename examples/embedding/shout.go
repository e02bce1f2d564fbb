package main

import (
	"context"
	_ "embed" // for the source
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

//go:embed shout.go
var shoutSource string // the comments of the fields in it are their documentation

// shout makes a text loud. It keeps nothing between two events, so that a
// function is enough.
var shout = engine.ProcessorSpec[ShoutConfig]{
	About: engine.About{
		Type: "shout", Summary: "Makes a text loud.", Example: `shout: "{{ data.line }}"`, Source: shoutSource,
	},
	New: func(c ShoutConfig) (engine.Processor, error) {
		return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
			text, err := c.Text.Render(e)
			if err != nil {
				return err
			}
			loud := e.Copy() // an event that came in is never changed
			loud.Data = engine.Value(strings.ToUpper(text) + "!")
			out.Emit(loud)
			return nil
		}), nil
	},
}

// ShoutConfig is the configuration of a shout node.
type ShoutConfig struct {
	// Text is what is made loud. It becomes the payload.
	Text expr.Text `flow:"text,main,required"`
}
