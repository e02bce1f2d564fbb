package web

import (
	"maps"
	"slices"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// requests are what is known of the requests that bring such bodies.
func requests(body engine.Shape) engine.Schema {
	named := engine.Shape{Kinds: engine.CanBeMap, Open: true}
	return engine.Schema{{Of: "a webhook request", Data: body, Meta: engine.Shape{
		Kinds:  engine.CanBeMap,
		Fields: map[string]engine.Shape{"headers": named, "query": named, "path": {Kinds: engine.CanBeText}},
	}}}
}

// checkWebhook tells the mistakes in the expressions over the request.
func checkWebhook(c WebhookConfig) flows.Diagnostics {
	const scalar = engine.CanBeBool | engine.CanBeNumber | engine.CanBeText
	in := requests(c.Schema.Shape())
	var diags flows.Diagnostics
	diags = append(diags, c.Type.CheckAs("text", scalar, in)...)
	diags = append(diags, c.ID.CheckAs("text", scalar, in)...)
	diags = append(diags, c.Subject.CheckAs("text", scalar, in)...)
	diags = append(diags, c.Time.CheckAs("a time", engine.CanBeNumber|engine.CanBeText, in)...)
	if c.Verify.HMAC != nil { // whose body is the text as it came
		diags = append(diags, c.Verify.HMAC.Content.Check(requests(engine.Shape{Kinds: engine.CanBeText}))...)
	}
	return diags
}

// webhookSchema is what is known of the events. Where each body that the schema
// knows leads to a type, it is known by type.
func webhookSchema(c WebhookConfig) engine.Schema {
	all := engine.Variant{Of: "a webhook event", Data: c.Schema.Shape(), Again: c.Verify.repeats()}
	if c.Source != "" {
		all.Source = engine.OneOf(c.Source)
	}
	only := true // whether there is no other type
	byType := map[string]engine.Shape{}
	for _, body := range c.Schema.Bodies() {
		types, closed := c.types(body)
		if len(types) == 0 {
			return engine.Schema{all}
		}
		only = only && closed
		for _, name := range types {
			shape, known := byType[name]
			if byType[name] = body.Shape; known {
				byType[name] = body.Shape.Or(shape)
			}
		}
	}
	known := slices.Sorted(maps.Keys(byType))
	var schema engine.Schema
	for _, name := range known {
		v := all
		v.Type = engine.Shape{Kinds: engine.CanBeText, Values: []string{name}, Known: known}
		v.Data = byType[name]
		schema = append(schema, v)
	}
	if !only {
		all.Type = engine.Shape{Kinds: engine.CanBeText, Values: []string{}, Known: known, Growing: true}
		all.Data.Open = true
		schema = append(schema, all)
	}
	return schema
}

// types are the types of the events that such a body brings, none if they can't
// be told, and whether they are so of every one: what type gives is never null.
func (c WebhookConfig) types(body engine.Body) (types []string, closed bool) {
	x := c.Type
	if !x.IsSet() {
		x = c.Verify.typeOf()
	}
	const text = engine.CanBeText
	shape := x.Shape(requests(body.Shape))
	if shape.Kinds|engine.CanBeNil == text|engine.CanBeNil && !shape.Growing && len(shape.Values) > 0 {
		return shape.Values, shape.Kinds == text
	}
	elsewhere := func(p expr.Path) bool { return p.Names[0] != "body" }
	if body.Sample == nil || !x.IsSet() || slices.ContainsFunc(x.Reads(), elsewhere) {
		return nil, false
	}
	v, err := x.Eval(map[string]any{"body": engine.Value(body.Sample)})
	name, ok := scalar(v)
	if err != nil || !ok || name == "" {
		return nil, false
	}
	return []string{name}, false
}
