package engine_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// count puts in the numbers up to its limit.
var count = engine.SourceSpec[countConfig]{
	About: engine.About{Type: "count", Summary: "Counts."},
	New:   func(c countConfig) (engine.Source, error) { return c, nil },
}

type countConfig struct {
	// To is the last number.
	To int `flow:"to,main,required"`
}

func (c countConfig) Run(ctx context.Context, in engine.Inlet) error {
	for n := range c.To {
		if err := in.Put(ctx, &engine.Event{Type: "number", Data: engine.Value(n + 1)}); err != nil {
			return err
		}
	}
	return nil
}

// double makes numbers twice as big.
var double = engine.ProcessorSpec[struct{}]{
	About:  engine.About{Type: "double", Summary: "Doubles."},
	Passes: true, // what is known of the events before it holds behind it, too
	New: func(struct{}) (engine.Processor, error) {
		return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
			n, err := e.Data.Value()
			if err != nil {
				return err
			}
			twice := e.Copy()
			twice.Data = engine.Value(2 * n.(int64))
			out.Emit(twice)
			return nil
		}), nil
	},
}

// show prints events.
var show = engine.SinkSpec[struct{}]{
	About: engine.About{Type: "show", Summary: "Prints."},
	New:   func(struct{}) (engine.Sink, error) { return printer{}, nil },
}

type printer struct{}

func (printer) Write(_ context.Context, batch []*engine.Event) error {
	for _, e := range batch {
		text, err := e.Data.Bytes()
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", e.Type, text)
	}
	return nil
}

// read makes a document of the given text.
func read(text string) *flows.Document {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flows.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		panic(diags)
	}
	return doc
}

// A program with node types of its own runs a document.
func ExampleNew() {
	registry := engine.NewRegistry(nil, count, double, show)
	eng := engine.New(registry, engine.Options{Store: engine.MemoryStore()})
	doc := read("flows: {f: {nodes: [count: 3, double: , show: ]}}")
	if _, err := eng.Apply(context.Background(), doc); err != nil {
		fmt.Println(err)
		return
	}
	if err := eng.Run(context.Background()); err != nil { // until the source has finished
		fmt.Println(err)
	}
	// Output:
	// number 2
	// number 4
	// number 6
}

func ExampleCheck() {
	registry := engine.NewRegistry(nil, count, double, show)
	for _, d := range engine.Check(read("flows: {f: {nodes: [count: 3, dubble: , show: ]}}"), registry) {
		fmt.Printf("%s: %s\n", d.Message, d.Hint)
	}
	// Output: unknown node type "dubble": did you mean "double"?
}

func ExampleValue() {
	made := engine.Value(map[string]any{"n": 1})
	came := engine.JSON([]byte(`{"n":   1}`))
	wrote, _ := engine.AppendJSON(nil, map[string]any{"n": 1})
	for _, data := range []engine.Data{made, came, engine.Compact(wrote)} {
		text, err := data.Bytes()
		fmt.Printf("%s %v\n", text, err)
	}
	// Output:
	// {"n":1} <nil>
	// {"n":   1} <nil>
	// {"n":1} <nil>
}

func ExampleMetaOf() {
	r := httptest.NewRequest("POST", "/in", strings.NewReader("{}"))
	r.Header.Set("X-Kind", "order")
	r.Header.Set("Authorization", "Bearer secret")
	fmt.Println(engine.MetaOf(r))
	// Output: map[headers:map[x-kind:order] path:/in]
}

func ExampleAccepted() {
	fmt.Println(engine.Accepted(nil).Status, engine.Accepted(engine.ErrFull).Status)
	fmt.Printf("%s", engine.Text(400, "no room").Body)
	// Output:
	// 200 503
	// no room
}

// A source says what is known of its payloads, so that mistakes in expressions
// are found before anything runs.
func ExampleOpenMap() {
	order := engine.OpenMap(map[string]engine.Shape{ // there may be more
		"state": engine.OneOf("new", "paid"),
		"items": engine.ListShape(engine.ClosedMap(map[string]engine.Shape{"sku": {Kinds: engine.CanBeText}})),
	})
	items, _ := order.Field("items")
	fmt.Println(order.Names(), items.Item.Lacks("skew"), order.Lacks("note"))
	fmt.Println(engine.ShapeOf(map[string]any{"learned": "from a sample"}).Names())
	// Output:
	// [items state] true false
	// [learned]
}

// A sample is signed as the sender's requests are.
func ExampleNewSample() {
	doc := read("flows: {calls: {nodes: [livekit: {api_key: key, api_secret: secret}, debug: ]}}")
	r, err := engine.NewSample(doc, nodes.All(), "livekit", "room_started")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Method, r.URL, len(r.Header.Get("Authorization")) > 0)
	// Output: POST http://127.0.0.1:8080/livekit true
}

// Nodes that name the same thing share one of it.
func ExampleUse() {
	var share engine.Share
	open := func() (io.Closer, error) {
		fmt.Println("opened")
		return io.NopCloser(nil), nil
	}
	for range 2 {
		_, release, err := engine.Use(&share, "show:out", open)
		fmt.Println(err)
		defer release()
	}
	// Output:
	// opened
	// <nil>
	// <nil>
}

func ExampleStoredOrphans() {
	orphans, err := engine.StoredOrphans(engine.MemoryStore(), new(flows.Document), engine.NewRegistry(nil))
	fmt.Println(len(orphans), err)
	// Output: 0 <nil>
}

func ExampleHashKey() {
	var keys engine.KeyTable
	keys.Set(engine.HashKey("order 7"), engine.KeyOwner{Offset: 3})
	owner, known := keys.Get(engine.HashKey("order 7"))
	fmt.Println(owner.Offset, known)
	// Output: 3 true
}
