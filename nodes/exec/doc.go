// Package exec has the node exec, which runs a program for each event.
//
// # The path of an event
//
// exec.go declares the node and goes through a batch, as many events at a time
// as it may. run.go makes the command line of an event, runs the program with a
// bound on its time and its output, and judges how it ended; group_unix.go ends
// it together with what it has started. result.go puts what it wrote into the
// event that goes on. rehearse.go stands in for the program while a flow is
// tested.
//
// # Invariants
//
//  1. No shell reads anything of an event. An event chooses neither the program
//     nor how many arguments it has.
//  2. The program sees of flowd's environment what the document lists.
//  3. No program outlives its time, nor the stop of the flow, and what it writes
//     takes no more memory than it may.
//  4. An event goes on when its program has ended with status 0.
package exec
