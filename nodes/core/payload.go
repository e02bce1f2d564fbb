package core

import (
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// A Payload is data as the document says it: any value, with {{ EXPRESSION }}
// in its texts. The zero Payload is null.
type Payload struct {
	make  func(e *engine.Event) (any, error)
	shape engine.Shape
}

// Shape is what is known of the payloads.
func (p *Payload) Shape() engine.Shape {
	if p.make == nil {
		return engine.NilShape
	}
	return p.shape
}

// DecodeValue takes any value.
func (p *Payload) DecodeValue(v *flows.Value) flows.Diagnostics {
	var diags flows.Diagnostics
	p.make, diags = payloadOf(v)
	p.shape = shapeOf(v)
	return diags
}

// Eval returns the payload for an event, whose other attributes are known.
func (p *Payload) Eval(e *engine.Event) (any, error) {
	if p.make == nil {
		return nil, nil
	}
	return p.make(e)
}

// shapeOf is what is known of what payloadOf makes.
func shapeOf(v *flows.Value) engine.Shape {
	switch v.Kind {
	case flows.Map:
		shape := engine.Shape{Kinds: engine.CanBeMap, Fields: map[string]engine.Shape{}}
		for _, entry := range v.Entries {
			shape.Fields[entry.Key.Text] = shapeOf(entry.Value)
		}
		return shape
	case flows.List:
		return engine.Shape{Kinds: engine.CanBeList}
	case flows.String:
		return engine.Shape{Kinds: engine.CanBeText}
	}
	return engine.ShapeOf(v.Any())
}

func payloadOf(v *flows.Value) (func(*engine.Event) (any, error), flows.Diagnostics) {
	var diags flows.Diagnostics
	switch {
	case v.Kind == flows.Map:
		parts := map[string]Payload{}
		for _, entry := range v.Entries {
			var part Payload
			diags = append(diags, part.DecodeValue(entry.Value)...)
			parts[entry.Key.Text] = part
		}
		return func(e *engine.Event) (any, error) {
			m := make(map[string]any, len(parts))
			for key, part := range parts {
				value, err := part.Eval(e)
				if err != nil {
					return nil, err
				}
				m[key] = value
			}
			return m, nil
		}, diags
	case v.Kind == flows.List:
		parts := make([]Payload, len(v.Items))
		for i, item := range v.Items {
			diags = append(diags, parts[i].DecodeValue(item)...)
		}
		return func(e *engine.Event) (any, error) {
			list := make([]any, len(parts))
			for i := range parts {
				value, err := parts[i].Eval(e)
				if err != nil {
					return nil, err
				}
				list[i] = value
			}
			return list, nil
		}, diags
	case v.Kind == flows.String && strings.Contains(v.Text, "{{"):
		var text expr.Text
		diags := text.DecodeValue(v)
		text.Forget()
		return func(e *engine.Event) (any, error) { return text.Render(e) }, diags
	}
	plain := v.Any()
	return func(*engine.Event) (any, error) { return plain, nil }, nil
}
