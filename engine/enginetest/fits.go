package enginetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/flowd/flowd/engine"
)

// Fits says in what an event is not as a source's schema says that its events
// are: what the check of a document relies on. A field that nobody declared is
// no fault of a map that may grow.
func Fits(schema engine.Schema, e *engine.Event) error {
	data, err := e.Data.Value()
	if err != nil {
		return err
	}
	var fault error
	for _, v := range schema {
		if !v.Type.MayBeText(e.Type) || !v.Source.MayBeText(e.Source) {
			continue
		}
		err := cmp.Or(fits(v.Data, data, "data"), fits(v.Meta, e.MetaValue(), "meta"))
		if err == nil {
			return nil
		}
		fault = cmp.Or(fault, err)
	}
	if fault != nil {
		return fault
	}
	return fmt.Errorf("no event of type %q from %q is declared", e.Type, e.Source)
}

// FitsShape says in what a value is not of a shape.
func FitsShape(s engine.Shape, value any) error { return fits(s, value, "the value") }

func fits(s engine.Shape, value any, path string) error {
	kind := engine.ShapeOf(value).Kinds
	if !s.May(kind) {
		return fmt.Errorf("%s is declared otherwise than as %T", path, value)
	}
	if s.Kinds == 0 {
		return nil
	}
	switch v := value.(type) {
	case string:
		if !s.MayBeText(v) {
			return fmt.Errorf("%s is %q, which is not declared", path, v)
		}
	case []any:
		for i, item := range v {
			if s.Item == nil {
				break
			}
			if err := fits(*s.Item, item, path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if s.Lacks(name) && !s.Growing {
				return fmt.Errorf("%s has a field %q, which is not declared", path, name)
			}
			if field, ok := s.Fields[name]; ok {
				if err := fits(field, v[name], path+"."+name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
