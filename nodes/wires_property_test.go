package nodes_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// A laboratory has sources whose events are known, and probes: sinks that keep
// what the check knows of the events that come, and say which are otherwise.
type laboratory struct {
	events map[string][]*engine.Event // by source
	known  map[string]engine.Schema   // by probe

	mu     sync.Mutex
	came   int
	faults []error
}

// lab is where supplies and probes work; there is one at a time.
var lab *laboratory

// fed are the schemas of supplies: those of sources, and one with much in lists.
var fed = func() map[string]engine.Schema {
	item := engine.ClosedMap(map[string]engine.Shape{"sku": engine.TextShape, "n": engine.NumberShape, "gift": {Kinds: engine.CanBeBool | engine.CanBeNil}})
	order := engine.ClosedMap(map[string]engine.Shape{
		"id": engine.TextShape, "items": engine.ListShape(item), "tags": engine.ListShape(engine.TextShape), "two-part": engine.OneOf("a", "b"),
		"grid": engine.ListShape(engine.ListShape(engine.NumberShape)),
	})
	all := maps.Clone(schemas)
	all["orders"] = engine.Schema{
		{Of: "an order", Source: engine.OneOf("shop"), Type: engine.OneOf("placed", "changed"), Data: order},
		{Of: "an order", Source: engine.OneOf("shop"), Type: engine.OneOf("cancelled"), Data: engine.ClosedMap(map[string]engine.Shape{
			"id": engine.TextShape, "reason": engine.OneOf("a", "late"), "order": order,
		})},
		{Of: "an order", Source: engine.OneOf("shop"), Type: engine.OneOf("listed"), Data: engine.ListShape(item)},
	}
	return all
}()

type supplyConfig struct {
	Of string `flow:"of,main,required"`
}

type supply string

func (f supply) Run(ctx context.Context, in engine.Inlet) error {
	for _, e := range lab.events[string(f)] {
		if err := in.Put(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

var supplySource = engine.SourceSpec[supplyConfig]{
	About:  engine.About{Type: "supply"},
	Schema: func(c supplyConfig) engine.Schema { return fed[c.Of] },
	New:    func(c supplyConfig) (engine.Source, error) { return supply(c.Of), nil },
}

// A probe is a name, which the check shows what is known.
type probe string

type probeConfig struct {
	Name probe `flow:"name,main,required"`
}

func (p *probe) Check(in engine.Schema) flows.Diagnostics {
	lab.known[string(*p)] = slices.Clone(in)
	return nil
}

func (*probe) Forget() {}

var _ engine.Checked = (*probe)(nil)

func (p probe) Write(_ context.Context, batch []*engine.Event) error {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	for _, e := range batch {
		lab.came++
		known, ok := lab.known[string(p)]
		if !ok {
			lab.faults = append(lab.faults, fmt.Errorf("at %s: no event can come here, and one of type %q did", p, e.Type))
			continue
		}
		err := enginetest.Fits(known, e)
		failure := engine.CanBeNil
		if e.Failure != nil {
			failure = engine.CanBeMap
		}
		if !known.Name("error").May(failure) {
			err = cmp.Or(err, errors.New("error is thought otherwise"))
		}
		if err != nil {
			data, _ := e.Data.Bytes()
			lab.faults = append(lab.faults, fmt.Errorf("at %s: %w: %q %s", p, err, e.Type, data))
		}
	}
	return nil
}

var probeSink = engine.SinkSpec[probeConfig]{
	About: engine.About{Type: "probe"},
	New:   func(c probeConfig) (engine.Sink, error) { return c.Name, nil },
}

// An outlet is where nodes may take events from.
type outlet struct {
	ref   string
	known engine.Schema
}

// A draft is a flow that grows node by node, of which each is accepted.
type draft struct {
	lines   []string
	outlets []outlet
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reading draws an expression that reads what is in a shape, or, now and then,
// what is not.
func reading(t *rapid.T, text string, s engine.Shape) string {
	for range deep {
		names := slices.Sorted(maps.Keys(s.Fields))
		switch {
		case len(names) > 0 && rapid.IntRange(0, 4).Draw(t, "in") > 0:
			name := rapid.SampledFrom(names).Draw(t, "field")
			s = s.Fields[name]
			if rapid.IntRange(0, 30).Draw(t, "slip") == 0 {
				name = misspelt(name)
				s = engine.Shape{}
			}
			if identifier.MatchString(name) {
				text += "." + name
			} else {
				text += "[" + strconv.Quote(name) + "]"
			}
		case s.Item != nil && rapid.Bool().Draw(t, "item"):
			text, s = text+rapid.SampledFrom([]string{"[0]", "[-1]", "[7]"}).Draw(t, "index"), *s.Item
		default:
			return text
		}
	}
	return text
}

// value draws an expression over events that are known.
func (o outlet) value(t *rapid.T) string {
	v := o.known[rapid.IntRange(0, len(o.known)-1).Draw(t, "variant")]
	switch rapid.IntRange(0, 9).Draw(t, "value") {
	case 0:
		return rapid.SampledFrom([]string{"id", "source", "type", "subject", "meta", "meta.node", "data", "error", "nil"}).Draw(t, "name")
	case 1:
		return reading(t, "error", v.Error)
	case 2:
		return reading(t, "meta", v.Meta)
	case 3:
		return rapid.SampledFrom([]string{`"a"`, "1", "true", "[1, 2]", `{a: 1}`}).Draw(t, "constant")
	}
	return reading(t, "data", v.Data)
}

// expression draws one that makes something of them.
func (o outlet) expression(t *rapid.T, depth int) string {
	if depth == 0 {
		return o.value(t)
	}
	inner := func() string { return o.expression(t, depth-1) }
	switch rapid.IntRange(0, 13).Draw(t, "expression") {
	case 0:
		return "{a: " + inner() + ", b: " + inner() + "}"
	case 1:
		return "[" + inner() + ", " + inner() + "]"
	case 2:
		return "(" + inner() + ") ?? (" + inner() + ")"
	case 3:
		return "(" + o.condition(t, 0) + ") ? (" + inner() + ") : (" + inner() + ")"
	case 4:
		return "map(" + inner() + ", {item: #, i: #index})"
	case 5:
		return "filter(" + inner() + ", # != nil)"
	case 6:
		return "find(" + inner() + ", # != nil)"
	case 7:
		return "string(" + inner() + ")"
	case 8:
		return "int(" + inner() + ")"
	case 9:
		return "let x = (" + inner() + "); [x, x]"
	case 10:
		return "groupBy(" + inner() + ", string(#))"
	case 11:
		return "concat(" + inner() + ", " + inner() + ")"
	}
	return inner()
}

func (o outlet) condition(t *rapid.T, depth int) string {
	if depth > 0 {
		a, b := o.condition(t, depth-1), o.condition(t, depth-1)
		return rapid.SampledFrom([]string{
			"(" + a + ") && (" + b + ")", "(" + a + ") || (" + b + ")", "not (" + a + ")", a,
		}).Draw(t, "condition")
	}
	other := func(s engine.Shape) string {
		if len(s.Values) > 0 && rapid.Bool().Draw(t, "known") {
			return strconv.Quote(rapid.SampledFrom(s.Values).Draw(t, "text"))
		}
		return o.value(t)
	}
	operator := rapid.SampledFrom([]string{"==", "!=", "in", "startsWith"}).Draw(t, "operator")
	if rapid.Bool().Draw(t, "of the type") {
		return "type " + operator + " " + other(o.known.Name("type"))
	}
	return o.value(t) + " " + operator + " " + other(engine.Shape{})
}

// quoted is an expression as YAML, which takes JSON.
func quoted(expression string) string {
	text, _ := json.Marshal(expression)
	return string(text)
}

// node draws a node and its ports.
func (o outlet) node(t *rapid.T) (config string, ports []string) {
	x := func() string { return quoted(o.expression(t, rapid.IntRange(0, 2).Draw(t, "depth"))) }
	when := func() string { return quoted(o.condition(t, rapid.IntRange(0, 2).Draw(t, "depth"))) }
	by := func() string {
		if rapid.Bool().Draw(t, "by") {
			return ", by: " + x()
		}
		return ""
	}
	switch rapid.IntRange(0, 13).Draw(t, "node") {
	case 0, 1:
		return "filter: " + when(), nil
	case 2:
		all := rapid.SampledFrom([]string{"", ", all: true"}).Draw(t, "all")
		return fmt.Sprintf("switch: {a: %s, b: %s, else: c%s}", when(), when(), all), []string{".a", ".b", ".c"}
	case 3, 4:
		return "transform: {data: " + x() + "}", nil
	case 5:
		return fmt.Sprintf("transform: {data: {a: %s, b: %s}, type: %s}", x(), x(), rapid.SampledFrom([]string{`"'made'"`, x()}).Draw(t, "type")), nil
	case 6:
		field := strings.TrimPrefix(reading(t, "", o.known[rapid.IntRange(0, len(o.known)-1).Draw(t, "of")].Data), ".")
		return fmt.Sprintf("transform: {set: {%s: %s, x.y: %s}, remove: [%s]}", quoted(field), x(), x(),
			rapid.SampledFrom([]string{"x.z", quoted(field)}).Draw(t, "remove")), nil
	case 7:
		return "split: " + x(), nil
	case 8:
		return fmt.Sprintf("batch: {size: %d, wait: 1s%s}", rapid.IntRange(1, 3).Draw(t, "size"), by()), nil
	case 9:
		return fmt.Sprintf("aggregate: {window: 1s%s, sum: {total: %s}, max: {most: %s}, last: {who: %s}}", by(), x(), x(), x()), nil
	case 10:
		return "silence: {after: 1s" + by() + "}", nil
	case 11:
		return "dedupe: " + x(), nil
	case 12:
		return "throttle: {rate: 1/s, over: drop" + by() + "}", nil
	}
	return rapid.SampledFrom([]string{"delay: 1s", "queue: "}).Draw(t, "held"), nil
}

// text is the document with a probe behind each outlet.
func (d *draft) text() string {
	return "flows:\n  f:\n    nodes:\n      - " + strings.Join(d.lines, "\n      - ") + "\n"
}

// grow adds a node that is drawn, if it is accepted.
func (d *draft) grow(t *rapid.T, load func(text string) (*flows.Document, flows.Diagnostics), n int) {
	from := []outlet{d.outlets[rapid.IntRange(0, len(d.outlets)-1).Draw(t, "from")]}
	refs := from[0].ref
	known := from[0].known
	if rapid.IntRange(0, 3).Draw(t, "union") == 0 {
		other := d.outlets[rapid.IntRange(0, len(d.outlets)-1).Draw(t, "and from")]
		refs, known = refs+", "+other.ref, known.And(other.known)
	}
	config, ports := outlet{known: known}.node(t)
	id := fmt.Sprintf("n%d", n)
	line := fmt.Sprintf("{id: %s, from: [%s], %s", id, refs, config)
	if rapid.IntRange(0, 3).Draw(t, "when") == 0 {
		line += ", when: " + quoted(outlet{known: known}.condition(t, 1))
	}
	d.add(id, line+"}", append(ports, ".error"), load)
}

// add adds a node and a probe at each of its ports, if that is accepted.
func (d *draft) add(id, line string, ports []string, load func(text string) (*flows.Document, flows.Diagnostics)) {
	before := len(d.lines)
	d.lines = append(d.lines, line)
	if len(ports) == 1 {
		ports = append(ports, "")
	}
	var outlets []outlet
	for _, port := range ports {
		name := "p-" + id + strings.ReplaceAll(port, ".", "-")
		d.lines = append(d.lines, fmt.Sprintf("{id: %s, from: [%s%s], probe: %s}", name, id, port, name))
		outlets = append(outlets, outlet{ref: id + port})
	}
	if _, diags := load(d.text()); diags.Failed() {
		d.lines = d.lines[:before]
		return
	}
	for i, port := range ports {
		outlets[i].known = lab.known["p-"+id+strings.ReplaceAll(port, ".", "-")]
		if len(outlets[i].known) > 0 {
			d.outlets = append(d.outlets, outlets[i])
		}
	}
}

// TestWhatIsKnownOfEventsIsTrueOfAllThatCome grows flows of all kinds of nodes
// that the check accepts, and runs them: each event that comes to a node is as
// it is known there. So what is accepted never reads what no event has.
func TestWhatIsKnownOfEventsIsTrueOfAllThatCome(t *testing.T) {
	registry := nodes.All().With(supplySource, probeSink)
	dir := t.TempDir()
	path := filepath.Join(dir, "flows.yaml")
	load := func(text string) (*flows.Document, flows.Diagnostics) {
		clear(lab.known)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, os.LookupEnv)
		return doc, append(diags, engine.Check(doc, registry)...)
	}
	came := 0
	rapid.Check(t, func(r *rapid.T) {
		lab = &laboratory{events: map[string][]*engine.Event{}, known: map[string]engine.Schema{}}
		d := &draft{}
		for i := range rapid.IntRange(1, 2).Draw(r, "sources") {
			of := rapid.SampledFrom(slices.Sorted(maps.Keys(fed))).Draw(r, "source")
			if lab.events[of] != nil {
				break
			}
			for k := range rapid.IntRange(1, 6).Draw(r, "events") {
				e := event(r, fed[of][rapid.IntRange(0, len(fed[of])-1).Draw(r, "of")])
				e.ID = fmt.Sprint(of, k)
				lab.events[of] = append(lab.events[of], e)
			}
			id := fmt.Sprintf("s%d", i)
			d.lines = append(d.lines, fmt.Sprintf("{id: %s, supply: %s}", id, of))
			d.outlets = append(d.outlets, outlet{id, fed[of]})
		}
		for n := range rapid.IntRange(1, 8).Draw(r, "nodes") {
			d.grow(r, load, n)
		}
		doc, diags := load(d.text())
		if diags.Failed() {
			r.Fatalf("%s%s", d.text(), diags.Format())
		}
		var failed error
		synctest.Test(t, func(b *testing.T) {
			eng := engine.New(registry, engine.Options{Store: engine.MemoryStore()})
			if _, failed = eng.Apply(b.Context(), doc); failed == nil {
				failed = eng.Run(b.Context())
			}
		})
		came += lab.came
		if failed = errors.Join(append(lab.faults, failed)...); failed != nil {
			r.Fatalf("%s%v", d.text(), failed)
		}
	})
	if came == 0 {
		t.Error("no event came anywhere")
	}
}
