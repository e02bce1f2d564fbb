package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/nodes"
)

// A source is run with an Inlet, which records what it puts in, and can refuse
// it.
func ExampleInlet() {
	ticks := source(func(ctx context.Context, in engine.Inlet) error {
		return in.Put(ctx, &engine.Event{Type: "tick"})
	})
	var in enginetest.Inlet
	fmt.Println(ticks.Run(context.Background(), &in), in.Events()[0].Type)
	in.Fail = func([]*engine.Event) error { return engine.ErrFull }
	fmt.Println(errors.Is(ticks.Run(context.Background(), &in), engine.ErrFull), len(in.Events()))
	// Output:
	// <nil> tick
	// true 1
}

type source func(ctx context.Context, in engine.Inlet) error

func (run source) Run(ctx context.Context, in engine.Inlet) error { return run(ctx, in) }

// A processor writes to an Outlet, which says what became of the batch.
func Example() {
	positive := engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
		if n, err := e.Data.Value(); err != nil || n.(int64) < 0 {
			return fmt.Errorf("%v is not positive", n)
		}
		out.Emit(e)
		return nil
	})
	var out engine.Outlet
	batch := []*engine.Event{{Data: engine.JSON([]byte("1"))}, {Data: engine.JSON([]byte("-1"))}}
	fmt.Println(positive.Process(context.Background(), batch, &out))
	fmt.Println(len(out.Emitted(0)), "passed,", out.Failures()[0].Err)
	// Output:
	// <nil>
	// 1 passed, -1 is not positive
}

// What a node wants to find when it is opened comes from NewEnv.
func ExampleNewEnv() {
	env, log := enginetest.NewEnv("orders", "mine")
	env.Log.Info("opened", "node", env.Node)
	if err := env.Checkpoints.Save(context.Background(), "at", []byte("7")); err != nil {
		panic(err)
	}
	at, err := env.Checkpoints.Load(context.Background(), "at")
	fmt.Println(len(log.String()) > 0, string(at), err)
	// Output: true 7 <nil>
}

// What a source puts in fits what it says of its events, or a typo in an
// expression would go unnoticed.
func ExampleFits() {
	schema := engine.Schema{{Of: "a tick", Data: engine.ClosedMap(map[string]engine.Shape{"n": {Kinds: engine.CanBeNumber}})}}
	fmt.Println(enginetest.Fits(schema, &engine.Event{Data: engine.Value(map[string]any{"n": 1})}))
	fmt.Println(enginetest.Fits(schema, &engine.Event{Data: engine.Value(map[string]any{"m": 1})}) != nil)
	// Output:
	// <nil>
	// true
}

// A file of tests is run as flowd test does.
func ExampleReadSuite() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flows_test.yaml")
	for name, text := range map[string]string{
		"flows.yaml":      "flows: {greet: {nodes: [webhook: /in, dedupe: , debug: ]}}",
		"flows_test.yaml": "tests: [{name: twice, send: [{id: 1, data: a}, {id: 1, data: a}], expect: {debug: [{data: b}]}}]",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	registry := nodes.All()
	suite, diags := enginetest.ReadSuite(path)
	doc, found := suite.Load(path, nil, os.LookupEnv)
	if diags = append(append(diags, found...), engine.Check(doc, registry)...); diags.Failed() {
		panic(diags)
	}
	for _, test := range suite.Tests {
		result := test.Run(doc, registry)
		fmt.Println(result.Name, result.Passed(), result.Mistakes[0].Message)
		for _, way := range result.Ways {
			fmt.Println(way)
		}
	}
	// Output:
	// twice false debug: data is "a"
	// 1. 1: delivered by debug
	// 2. 1: stopped by dedupe
}

// A Go program tests the flows of its own node types beside it.
func ExampleTestFlows() {
	_ = func(t *testing.T) {
		enginetest.TestFlows(t, nodes.All(), "flows_test.yaml")
	}
}

// A store passes the tests that those of flowd pass.
func ExampleTestStore() {
	_ = func(t *testing.T) {
		open := func(*testing.T) engine.Store { return engine.MemoryStore() }
		enginetest.TestStore(t, open, nil) // it forgets, so it is not opened again
	}
}
