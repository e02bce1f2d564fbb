package expr

import (
	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// An Expr is an expression field: an expression, a text with {{ }} in it, or a
// plain value with expressions at its leaves. The zero Expr is unset. It is
// safe for concurrent use.
type Expr struct{ set bool }

// DecodeValue compiles v and finds every mistake that can be found before an
// event comes.
func (x *Expr) DecodeValue(v *flows.Value) flows.Diagnostics { x.set = true; return nil }

// IsSet reports whether the document gave the field.
func (x *Expr) IsSet() bool { return x.set }

// Eval returns the value for an event. An error concerns that event alone.
func (x *Expr) Eval(e *engine.Event) (any, error) { return nil, nil }

// A Condition is an expression field that is true or false.
type Condition struct{ x Expr }

func (c *Condition) DecodeValue(v *flows.Value) flows.Diagnostics { return c.x.DecodeValue(v) }
func (c *Condition) IsSet() bool                                  { return c.x.set }

// True evaluates the condition. A value that is neither true nor false is an
// error, and so is an expression that fails; neither is silently false.
func (c *Condition) True(e *engine.Event) (bool, error) { return false, nil }

// A Text is a text field: text with {{ EXPRESSION }} in it.
type Text struct{ x Expr }

func (t *Text) DecodeValue(v *flows.Value) flows.Diagnostics { return t.x.DecodeValue(v) }
func (t *Text) IsSet() bool                                  { return t.x.set }

// Render returns the text for an event.
func (t *Text) Render(e *engine.Event) (string, error) { return "", nil }

// RenderWith is Render with each value that an expression puts in, but not the
// fixed text, passed through clean.
func (t *Text) RenderWith(e *engine.Event, clean func(string) string) (string, error) {
	return "", nil
}

// Fixed returns the text up to its first expression, and whether that is all.
func (t *Text) Fixed() (prefix string, all bool) { return "", false }

// A Request is an expression over a request rather than an event: body,
// headers, query and path.
type Request struct{ x Expr }

func (r *Request) DecodeValue(v *flows.Value) flows.Diagnostics { return r.x.DecodeValue(v) }
func (r *Request) IsSet() bool                                  { return r.x.set }

// Eval returns the value for the names body, headers, query and path.
func (r *Request) Eval(names map[string]any) (any, error) { return nil, nil }

// MustExpr, MustCondition, MustText and MustRequest compile source, or panic:
// for defaults and tests.
func MustExpr(source string) Expr           { return Expr{set: true} }
func MustCondition(source string) Condition { return Condition{} }
func MustText(source string) Text           { return Text{} }
func MustRequest(source string) Request     { return Request{} }
