package engine

import (
	"maps"
	"slices"

	"github.com/flowd/flowd/flows"
)

// A Language compiles the expressions of the engine's own keys, when and
// order_by. What it returns is safe for concurrent use.
type Language interface {
	Condition(v *flows.Value) (func(*Event) (bool, error), flows.Diagnostics)
	// Key gives equal text for equal values, and only for those.
	Key(v *flows.Value) (func(*Event) (string, error), flows.Diagnostics)
}

// A Registry knows node types. It is a value that never changes: two engines
// may have two.
type Registry struct {
	language Language
	specs    [SinkKind + 1]map[string]*Spec // by kind: a type may be a source and a sink
}

// NewRegistry returns a registry of the given types. language may be nil, if
// no document uses when or order_by.
func NewRegistry(language Language, types ...Declaration) *Registry {
	return (&Registry{language: language}).With(types...)
}

// With returns a registry that knows types too; one of a name that r knows
// takes its place.
func (r *Registry) With(types ...Declaration) *Registry {
	c := &Registry{language: r.language}
	for kind := range c.specs {
		c.specs[kind] = map[string]*Spec{}
		maps.Copy(c.specs[kind], r.specs[kind])
	}
	for _, t := range types {
		spec := t.declare()
		c.specs[spec.Kind][spec.Type] = spec
	}
	return c
}

// Around returns a registry of the same types, whose nodes are what wrap makes
// of them: a node of the same kind. It is for tests of flows, with others in
// the place of the nodes that reach outside. A queue stays a queue.
func (r *Registry) Around(wrap func(spec *Spec, node any) any) *Registry {
	c := &Registry{language: r.language}
	for kind, specs := range r.specs {
		c.specs[kind] = map[string]*Spec{}
		for name, spec := range specs {
			wrapped := *spec
			wrapped.build = func(config any) (any, error) {
				n, err := spec.build(config)
				if err != nil || isQueue(n) {
					return n, err
				}
				return wrap(spec, n), nil
			}
			c.specs[kind][name] = &wrapped
		}
	}
	return c
}

// Specs lists every node type: sources, processors, sinks, each by name.
func (r *Registry) Specs() []*Spec {
	var all []*Spec
	for _, specs := range r.specs {
		for _, name := range slices.Sorted(maps.Keys(specs)) {
			all = append(all, specs[name])
		}
	}
	return all
}

// Lookup returns the specs of a type: none if it is not known, two if it can
// be a source and a sink.
func (r *Registry) Lookup(name string) []*Spec {
	var found []*Spec
	for _, specs := range r.specs {
		if s := specs[name]; s != nil {
			found = append(found, s)
		}
	}
	return found
}

func (r *Registry) names() []string {
	var names []string
	for _, s := range r.Specs() {
		names = append(names, s.Type)
	}
	return names
}
