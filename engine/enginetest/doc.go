// Package enginetest helps to test nodes, stores and flows.
//
// Of a node on its own: an inlet that records what a source puts in (inlet.go)
// and the environment that it is opened in (env.go), and whether its events are what its schema says (fits.go). Of a store: the suites that
// every Log, Keys and Checkpoints must pass (store.go). Of a flow: the tests
// that users write in NAME_test.yaml, for flowd test and, with [TestFlows], for
// Go programs that bring node types of their own.
//
// # The way of a test of a flow
//
//  1. suite.go reads the file; its mistakes have places like a document's.
//  2. scenario.go runs one test: an engine with the flow's real nodes, in a
//     bubble in which time is virtual (bubble.go).
//  3. stage.go puts sources and sinks on stage. A source does not run: what the
//     test sends comes in by its inlet, and bodies are read by the source itself,
//     as if their sender had proved who it is (source.go). A sink does its work,
//     and what it sends is shown to the test instead (sent.go, engine.Outside).
//  4. ways.go follows each event from node to node; cover.go counts what was
//     reached.
//  5. expect.go compares; a difference is a diagnostic at the expectation.
//     update.go writes what came into the file.
//  6. save.go makes a file of tests of what came into a flow that runs
//     (recording.go), and leaves out what is secret.
//
// # What holds
//
//  1. Nothing that a test sends leaves the machine, and no file is written but
//     below a folder that is gone after the test.
//  2. A test takes no longer than its work: waiting costs nothing.
//  3. What is given up, or not settled in the end, fails a test that does not
//     expect it.
package enginetest
