package engine

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/flowd/flowd/flows"
)

// Checked is a field of a configuration that reads events: an expression. The
// engine finds it by reflection, in exported fields.
type Checked interface {
	// Check tells the mistakes that can be found where it is known which
	// events come.
	Check(in Schema) flows.Diagnostics
	// Forget lets go of the document, before the node runs.
	Forget()
}

// A Fitter is a configuration that can tell mistakes of its own, beside those
// of its expressions, where it is known which events come: a text where a list
// is wanted.
type Fitter interface {
	Fits(in Schema, report flows.Report)
}

// A TypedLanguage is a [Language] that checks the expressions of the engine's
// own keys against what is known of the events.
type TypedLanguage interface {
	Language
	// CheckCondition parts the events that come into those that the condition
	// may be true for and those that it may be false for.
	CheckCondition(v *flows.Value, in Schema) (yes, no Schema, diags flows.Diagnostics)
	CheckKey(v *flows.Value, in Schema) flows.Diagnostics
}

// A typing carries what is known of the events along the wires of a flow.
type typing struct {
	graph    *graph
	language TypedLanguage // nil if the engine has none that knows types
	in       map[*node]Schema
	out      map[*node][]Schema // by port
}

// check finds the mistakes that only show where it is known which events come
// to a node. What stands at the place of a mistake told already is not told.
func (g *graph) check(doc *flows.Flow, reg *Registry, told flows.Diagnostics) (mistakes, advice flows.Diagnostics) {
	t := &typing{graph: g, in: map[*node]Schema{}, out: map[*node][]Schema{}}
	t.language, _ = reg.language.(TypedLanguage)
	var diags flows.Diagnostics
	entering := Schema{}
	for _, n := range g.nodes {
		if n.declared != nil && n.declared.Kind == SourceKind {
			t.out[n] = []Schema{n.schema()}
			entering = entering.And(t.out[n][0])
			if n.declared.check != nil && n.sound {
				diags = append(diags, n.declared.check(n.settings)...)
			}
			continue
		}
		diags = append(diags, t.node(n)...)
	}
	if t.language != nil && doc.OrderBy != nil {
		diags = append(diags, t.order(doc, entering)...)
	}
	mistakes = slices.DeleteFunc(diags, func(d flows.Diagnostic) bool {
		return slices.ContainsFunc(told, func(e flows.Diagnostic) bool { return e.Span == d.Span })
	})
	return mistakes, t.advise()
}

// order checks order_by with the events that come into the flow. The lanes
// behind a queue order by it too, what comes to them: it may be made of what is
// no longer there, and then they work as one.
func (t *typing) order(doc *flows.Flow, entering Schema) flows.Diagnostics {
	var diags flows.Diagnostics
	if len(entering) > 0 {
		diags = t.language.CheckKey(doc.OrderBy, entering)
	}
	for _, n := range t.graph.nodes {
		if n.part == nil || !isQueue(n.impl) || len(t.in[n]) == 0 || len(diags) > 0 || doc.Lanes == 1 {
			continue
		}
		for _, d := range t.language.CheckKey(doc.OrderBy, t.in[n]) {
			d.Severity = flows.Warning
			d.Message = fmt.Sprintf("behind %q, where events are ordered anew: %s", n.id, d.Message)
			diags = append(diags, d)
		}
	}
	return diags
}

// schema is what is known of the events of a source.
func (n *node) schema() Schema {
	if n.declared.schema == nil || !n.sound {
		return AnyEvent
	}
	return n.declared.schema(n.settings).orAny().Each(func(v Variant) Variant {
		if v.Error.Kinds == 0 {
			v.Error = NilShape
		}
		return v
	})
}

// node checks a node with the events that come to it, and finds those that
// come out.
func (t *typing) node(n *node) flows.Diagnostics {
	in := t.incoming(n)
	t.in[n] = in
	if len(in) == 0 {
		t.out[n] = nil
		return nil
	}
	var diags flows.Diagnostics
	yes, no := in, Schema{}
	if t.language != nil && n.doc.When != nil && n.doc.When.Whole() {
		yes, no, diags = t.language.CheckCondition(n.doc.When, in)
	}
	if len(yes) > 0 && n.settings != nil {
		eachField(reflect.ValueOf(n.settings), func(c Checked) {
			diags = append(diags, c.Check(yes)...)
		})
		if f, ok := n.settings.(Fitter); ok && n.part != nil {
			told := diags
			f.Fits(yes, func(key, format string, args ...any) *flows.Diagnostic {
				at := cmp.Or(n.doc.Config, n.doc.At).Blame(key, told)
				if at == nil {
					return new(flows.Diagnostic)
				}
				diags = append(diags, at.Errorf(format, args...))
				return &diags[len(diags)-1]
			})
		}
	}
	t.out[n] = n.gives(yes)
	for i, out := range t.out[n] {
		t.out[n][i] = out.Each(func(v Variant) Variant {
			v.Of = cmp.Or(v.Of, fmt.Sprintf("an event from %q", n.id))
			return v
		})
	}
	if len(no) > 0 {
		t.out[n] = slices.Clone(t.out[n])
		t.out[n][0] = t.out[n][0].And(no)
	}
	return diags
}

// incoming is what comes to a node from all that leads to it.
func (t *typing) incoming(n *node) Schema {
	in := Schema{}
	for _, i := range t.graph.inputs[n] {
		switch {
		case i.port != toError:
			if out := t.out[i.from]; i.port < len(out) {
				in = in.And(out[i.port])
			}
		case i.from.declared != nil && i.from.declared.Kind == SourceKind:
			in = in.And(AnyEvent)
		default:
			in = in.And(t.in[i.from].Each(func(v Variant) Variant {
				v.Error = failureShape
				return v
			}))
		}
	}
	return in
}

// failureShape is that of a [Failure].
var failureShape = Shape{Kinds: CanBeMap, Fields: map[string]Shape{
	"message": {Kinds: CanBeText}, "node": {Kinds: CanBeText}, "attempts": {Kinds: CanBeNumber},
	"first": {Kinds: CanBeText}, "last": {Kinds: CanBeText},
}}

// gives is what comes out of each port of a node. Where its settings are wrong
// that is known of what passes events on whatever they are.
func (n *node) gives(in Schema) []Schema {
	spec, ports := n.declared, max(1, len(n.ports))
	switch {
	case spec == nil:
		return slices.Repeat([]Schema{AnyEvent}, ports)
	case len(in) == 0, spec.passes && (spec.gives == nil || n.part == nil):
		return slices.Repeat([]Schema{in}, ports)
	case spec.gives != nil && (n.part != nil || spec.Kind == SinkKind && n.sound):
		return spec.gives(n.settings, in)
	case spec.gives == nil && spec.Kind == SinkKind && (n.part == nil || !isRelay(n.impl)):
		return slices.Repeat([]Schema{in}, ports)
	}
	return slices.Repeat([]Schema{AnyEvent}, ports)
}

func isRelay(impl any) bool {
	_, ok := impl.(Relay)
	return ok
}

// eachField calls f with what is a T in v, a configuration.
func eachField[T any](v reflect.Value, f func(T)) {
	if v.IsValid() && v.CanInterface() {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		if t, ok := p.Interface().(T); ok {
			f(t)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachField(v.Field(i), f)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachField(v.Index(i), f)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			eachField(v.MapIndex(key), f)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			eachField(v.Elem(), f)
		}
	}
}

// filesOf are the files that a configuration depends on.
func filesOf(config any) (files flows.Fingerprints) {
	eachField(reflect.ValueOf(config), func(d flows.Dependent) { files = files.And(d.Files()) })
	return files
}
