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
	c.Forget()
	return c.True, diags
}

// Key compiles v as an [Expr] and gives its [Expr.Key].
func (language) Key(v *flows.Value) (func(*engine.Event) (string, error), flows.Diagnostics) {
	x := new(Expr)
	diags := flows.Decode(v, x)
	x.Forget()
	return x.Key, diags
}

// CheckCondition is [Condition.Check] and [Condition.Narrow].
func (language) CheckCondition(v *flows.Value, in engine.Schema) (yes, no engine.Schema, diags flows.Diagnostics) {
	c := new(Condition)
	if c.DecodeValue(v).Failed() {
		return in, in, nil
	}
	yes, no = c.Narrow(in)
	return yes, no, c.Check(in)
}

// CheckKey is [Expr.Check].
func (language) CheckKey(v *flows.Value, in engine.Schema) flows.Diagnostics {
	x := new(Expr)
	if x.DecodeValue(v).Failed() {
		return nil
	}
	return x.Check(in)
}

var _ engine.TypedLanguage = language{}
