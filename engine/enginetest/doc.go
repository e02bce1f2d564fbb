// Package enginetest helps to test nodes and stores: an inlet that records
// what a source puts in, and the suites that every Log, Keys and Checkpoints
// must pass.
package enginetest
