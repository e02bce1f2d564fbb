package core

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed transform.go
var transformSource string

// Transform makes another event of each.
var Transform = engine.ProcessorSpec[TransformConfig]{
	About: engine.About{
		Type:    "transform",
		Summary: "Changes each event: its payload, fields of it, its type, subject, id or time.",
		Example: `transform: {data: {who: data.participant.identity, room: data.room.name}, subject: data.room.name}`,
		Source:  transformSource,
	},
	Gives: TransformConfig.gives,
	New:   newTransform,
}

// TransformConfig is the configuration of a transform. First data is replaced,
// then fields are set, then fields are removed, and the others stay as they
// were sent; every expression reads the event as it came in.
type TransformConfig struct {
	// Data is the new payload. A field of the old one that it takes goes on as it
	// was sent: 1.0 stays 1.0.
	Data expr.Expr `flow:"data"`
	// Set are fields of the payload and their new values; `a.b` is the field b
	// inside a, which is made if it is not there.
	Set map[string]expr.Expr `flow:"set"`
	// Remove are fields of the payload to leave out; `a.b` is the field b
	// inside a.
	Remove []string `flow:"remove"`
	// Type is the new type, which can't be empty.
	Type expr.Expr `flow:"type"`
	// Subject is the new subject.
	Subject expr.Expr `flow:"subject"`
	// ID is the new id, which can't be empty.
	ID expr.Expr `flow:"id"`
	// Time is the new time: text like 2026-09-01T07:30:05Z, or Unix time in
	// seconds, or in milliseconds from 100000000000 on.
	Time expr.Expr `flow:"time"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *TransformConfig) Validate(report flows.Report) {
	anything := c.Data.IsSet() || c.Type.IsSet() || c.Subject.IsSet() || c.ID.IsSet() || c.Time.IsSet()
	if !anything && len(c.Set) == 0 && len(c.Remove) == 0 {
		report("", "it changes nothing; want data, set, remove, type, subject, id or time")
	}
	for _, path := range slices.Sorted(maps.Keys(c.Set)) {
		if _, ok := parseField(path); !ok {
			report("set."+path+":", "want fields like a or a.b, got %q", path)
		}
	}
	for i, path := range c.Remove {
		if _, ok := parseField(path); !ok {
			report(fmt.Sprintf("remove.%d", i), "want fields like a or a.b, got %q", path)
		}
	}
}

// Fits says what can't be made where it is known which events come.
func (c TransformConfig) Fits(in engine.Schema, report flows.Report) {
	const scalar = engine.CanBeText | engine.CanBeNumber | engine.CanBeBool
	for _, a := range []struct {
		key   string
		value expr.Expr
		kinds engine.Kinds
	}{
		{"type", c.Type, scalar}, {"id", c.ID, scalar}, {"subject", c.Subject, scalar},
		{"time", c.Time, engine.CanBeText | engine.CanBeNumber},
	} {
		got := a.value.Shape(in)
		if emptied := a.key == "subject" && got.Kinds == engine.CanBeNil; a.value.IsSet() && !emptied && !got.May(a.kinds) {
			report(a.key, "the %s can't be %s", a.key, got.Kinds)
		}
	}
	data := in.Name("data")
	if c.Data.IsSet() {
		data = c.Data.Shape(in)
	}
	t := newSettings(c)
	for _, s := range t.set {
		if i, outer := s.step(data); i < len(s.field) && outer.Kinds != engine.CanBeNil && !outer.May(engine.CanBeMap) {
			report("set."+s.String()+":", "%s is %s, which has no field %q", s.field[:i].inData(), outer.Kinds, s.field[i])
		}
		data = data.With(s.field, s.value.Shape(in))
	}
	for i, f := range t.remove {
		j, outer := f.step(data)
		if j == len(f) {
			continue
		}
		d := report(fmt.Sprintf("remove.%d", i), "unknown field %q in %s of %s", f[j], f[:j].inData(), in)
		d.Hint = flows.DidYouMean(f[j], outer.Names())
		if outer.Growing && !flows.IsSlip(f[j], outer.Names()) {
			d.Severity = flows.Warning
		}
	}
}

// gives is what becomes of each kind of event.
func (c TransformConfig) gives(in engine.Schema) []engine.Schema {
	t := newSettings(c)
	return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
		one := engine.Schema{v}
		if c.Data.IsSet() {
			v.Data, v.Of = c.Data.Shape(one), ""
		}
		for _, s := range t.set {
			v.Data = v.Data.With(s.field, s.value.Shape(one))
		}
		for _, f := range t.remove {
			v.Data = v.Data.Without(f)
		}
		if c.Type.IsSet() {
			if v.Type = c.Type.Shape(one); v.Type.Kinds&^engine.CanBeNil != engine.CanBeText {
				v.Type = engine.Shape{}
			}
			v.Type.Kinds = engine.CanBeText
		}
		return v
	})}
}

// transform is the node.
type transform struct {
	config TransformConfig
	set    []setting // what lies inside another comes behind it
	remove []field
	edit   edit // of both
}

type setting struct {
	field
	value expr.Expr
}

func newTransform(c TransformConfig) (engine.Processor, error) {
	return engine.Each(newSettings(c).each), nil
}

func newSettings(c TransformConfig) *transform {
	t := &transform{config: c}
	for path, value := range c.Set {
		f, _ := parseField(path)
		t.set = append(t.set, setting{f, value})
	}
	slices.SortFunc(t.set, func(a, b setting) int { return slices.Compare(a.field, b.field) })
	for i := range t.set {
		t.edit.set(t.set[i].field, &t.set[i].value)
	}
	for _, path := range c.Remove {
		f, _ := parseField(path)
		t.remove = append(t.remove, f)
		t.edit.at(f).removed = true
	}
	return t
}

var (
	_ flows.Validator = (*TransformConfig)(nil)
	_ engine.Fitter   = TransformConfig{}
)

func (t *transform) each(_ context.Context, e *engine.Event, out *engine.Outlet) error {
	changed := e.Copy()
	if err := t.attributes(e, changed); err != nil {
		return err
	}
	if err := t.payload(e, changed); err != nil {
		return err
	}
	out.Emit(changed)
	return nil
}

// attributes sets the attributes of changed by what the expressions make of e.
func (t *transform) attributes(e, changed *engine.Event) error {
	for _, a := range []struct {
		name  string
		value *expr.Expr
		to    *string
		empty bool // may be
	}{
		{"type", &t.config.Type, &changed.Type, false},
		{"subject", &t.config.Subject, &changed.Subject, true},
		{"id", &t.config.ID, &changed.ID, false},
	} {
		if !a.value.IsSet() {
			continue
		}
		v, err := a.value.Eval(e)
		if err != nil {
			return err
		}
		text, err := asText(v)
		if err == nil && text == "" && !a.empty {
			err = errors.New("it is empty")
		}
		if err != nil {
			return fmt.Errorf("the new %s: %w", a.name, err)
		}
		*a.to = text
	}
	if !t.config.Time.IsSet() {
		return nil
	}
	v, err := t.config.Time.Eval(e)
	if err != nil {
		return err
	}
	if changed.Time, err = asTime(v); err != nil {
		return fmt.Errorf("the new time: %w", err)
	}
	return nil
}

// payload sets the payload of changed.
func (t *transform) payload(e, changed *engine.Event) error {
	if t.config.Data.IsSet() {
		data, err := t.config.Data.Data(e)
		if err != nil {
			return err
		}
		changed.Data = data
	}
	if len(t.set) == 0 && len(t.remove) == 0 {
		return nil
	}
	data, err := t.edit.apply(e, changed.Data)
	if err != nil {
		return fmt.Errorf("setting a field of the data: %w", err)
	}
	changed.Data = data
	return nil
}

// asText is v as an attribute: nothing for nil, a text or a number or a
// boolean as it is.
func asText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []any, map[string]any:
		return "", fmt.Errorf("want text, got %s", kindOf(v))
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// asTime reads a time as senders write it.
func asTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t, nil
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return unixTime(f)
		}
		return time.Time{}, fmt.Errorf("want a time like 2026-09-01T07:30:05Z, got %q", v)
	case int64:
		if v >= firstMilli || v <= -firstMilli {
			return time.UnixMilli(v).UTC(), inYears(time.UnixMilli(v))
		}
		return time.Unix(v, 0).UTC(), nil
	case float64:
		return unixTime(v)
	}
	return time.Time{}, fmt.Errorf("want a time, got %s", kindOf(v))
}

// firstMilli parts seconds from milliseconds: as seconds it is the year 5138,
// as milliseconds 1973.
const firstMilli = 100_000_000_000

func unixTime(f float64) (time.Time, error) {
	if math.IsNaN(f) || math.Abs(f) > 1e15 {
		return time.Time{}, fmt.Errorf("want a time, got %v", f)
	}
	if math.Abs(f) < firstMilli {
		f *= 1000
	}
	t := time.UnixMicro(int64(math.Round(f * 1000))).UTC()
	return t, inYears(t)
}

// inYears says whether t can be written in JSON.
func inYears(t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return errors.New("the year is beyond 9999")
	}
	return nil
}
