package expr

import (
	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// Language compiles the expressions of the engine's own keys, when and
// order_by, for [engine.NewRegistry].
var Language engine.Language = language{}

type language struct{}

// Condition compiles v as a [Condition].
func (language) Condition(v *flows.Value) (func(*engine.Event) (bool, error), flows.Diagnostics) {
	c := new(Condition)
	diags := flows.Decode(v, c)
	return c.True, diags
}

// Key compiles v as an [Expr] and gives its [Expr.Key].
func (language) Key(v *flows.Value) (func(*engine.Event) (string, error), flows.Diagnostics) {
	x := new(Expr)
	diags := flows.Decode(v, x)
	return x.Key, diags
}
