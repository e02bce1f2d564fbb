package core

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed split.go
var splitSource string

// Split makes an event of each item of a list.
var Split = engine.ProcessorSpec[SplitConfig]{
	About: engine.About{
		Type:    "split",
		Summary: "Makes an event of each item of a list in an event.",
		Example: `split: data.participants`,
		Source:  splitSource,
	},
	Gives: SplitConfig.gives,
	New:   newSplit,
}

// SplitConfig is the configuration of a split.
type SplitConfig struct {
	// Items is the list. Each of its items becomes the data of an event of its
	// own, which has the id `ID/0`, `ID/1` and so on, and is otherwise as the
	// event was. Of an empty list, or where there is none, no event goes on. An
	// event with something else in that place is given up.
	Items expr.Expr `flow:"items,main,required"`
}

// Fits says what is wrong with the list where it is known which events come.
func (c SplitConfig) Fits(in engine.Schema, report flows.Report) {
	if got := c.Items.Shape(in); !got.May(engine.CanBeList) {
		report("items", "want a list to split, and this is %s", got.Kinds)
	}
}

func (c SplitConfig) gives(in engine.Schema) []engine.Schema {
	return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
		items := c.Items.Shape(engine.Schema{v})
		v.Data, v.Of = engine.Shape{}, ""
		if items.Item != nil {
			v.Data = *items.Item
		}
		return v
	})}
}

func newSplit(c SplitConfig) (engine.Processor, error) {
	return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
		data, err := c.Items.Data(e)
		if err != nil {
			return err
		}
		items, err := viewOf(data)
		if err != nil {
			return err
		}
		if !items.IsList() {
			v := items.Value()
			if v == nil {
				return nil
			}
			return engine.Permanent(fmt.Errorf("want a list to split, got %s", kindOf(v)))
		}
		i := 0
		for _, item := range items.All() {
			c := e.Copy()
			c.ID = e.ID + "/" + strconv.Itoa(i)
			c.Data = engine.Compact(item.AppendJSON(nil))
			out.Emit(c)
			i++
		}
		return nil
	}), nil
}

var _ engine.Fitter = SplitConfig{}
