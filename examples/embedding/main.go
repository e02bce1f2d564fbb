// Command embedding runs flows inside a Go program, with a node type of its
// own: shout, which makes a text loud.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// ShoutConfig is the configuration of a shout node.
type ShoutConfig struct {
	// Text is what is made loud. It becomes the payload.
	Text expr.Text `flow:"text,main,required"`
}

var shout = engine.ProcessorSpec[ShoutConfig]{
	About: engine.About{Type: "shout", Summary: "Makes a text loud.", Example: `shout: "{{ data.line }}"`},
	New: func(c ShoutConfig) (engine.Processor, error) {
		return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
			text, err := c.Text.Render(e)
			if err != nil {
				return err
			}
			loud := e.Copy()
			loud.Data = engine.Value(strings.ToUpper(text) + "!")
			out.Emit(loud)
			return nil
		}), nil
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the documents until ctx is done or all sources have finished.
func run(ctx context.Context, documents []string) error {
	doc, diags := flows.Load(documents, os.LookupEnv)
	if err := diags.Err(); err != nil {
		return err
	}
	eng := engine.New(nodes.All().With(shout), engine.Options{})
	if _, err := eng.Apply(ctx, doc); err != nil {
		return err
	}
	return eng.Run(ctx)
}
