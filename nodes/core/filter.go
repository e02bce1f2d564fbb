package core

import (
	"context"
	_ "embed"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

//go:embed filter.go
var filterSource string

// Filter lets the events go on for which an expression is true.
var Filter = engine.ProcessorSpec[FilterConfig]{
	About: engine.About{
		Type:    "filter",
		Summary: "Lets those events go on for which an expression is true.",
		Example: `filter: type == "participant_joined"`,
		Source:  filterSource,
	},
	Passes: true,
	Gives: func(c FilterConfig, in engine.Schema) []engine.Schema {
		yes, _ := c.Where.Narrow(in)
		return []engine.Schema{yes}
	},
	New: newFilter,
}

// FilterConfig is the configuration of a filter.
type FilterConfig struct {
	// Where is true for the events that go on. An event for which it can't be
	// told, since the expression fails, is given up.
	Where expr.Condition `flow:"where,main,required"`
}

func newFilter(c FilterConfig) (engine.Processor, error) {
	return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
		ok, err := c.Where.True(e)
		if ok && err == nil {
			out.Emit(e)
		}
		return err
	}), nil
}
