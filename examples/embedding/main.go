// Command embedding runs flows inside a Go program, with a node type of its
// own: shout, which makes a field of the payload loud.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// ShoutConfig is the configuration of a shout node.
type ShoutConfig struct {
	// Field is the field of data that is made loud.
	Field string `flow:"field,main,required"`
}

var shout = engine.ProcessorSpec[ShoutConfig]{
	About: engine.About{Type: "shout", Summary: "Makes a field of the payload loud.", Example: "shout: line"},
	New: func(c ShoutConfig) (engine.Processor, error) {
		return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
			value, err := e.Data.Value()
			if err != nil {
				return err
			}
			before, _ := value.(map[string]any)
			after := map[string]any{}
			for key, v := range before {
				after[key] = v
			}
			after[c.Field] = strings.ToUpper(fmt.Sprint(before[c.Field])) + "!"
			loud := e.Copy()
			loud.Data = engine.Value(after)
			out.Emit(loud)
			return nil
		}), nil
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the documents until ctx is done or all sources have finished.
func run(ctx context.Context, documents ...string) error {
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
