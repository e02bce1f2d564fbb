// Package core holds the nodes that every flow is made of: the source inject,
// the processors filter, switch, transform and dedupe, and the sink debug.
//
// # The path of an event
//
// Each file is one node. inject.go makes events by the clock (schedule.go) with
// a payload from the document (payload.go). filter.go and switch.go choose
// where an event goes on, transform.go makes another of it (place.go reaches
// inside a payload), dedupe.go stops the second of two. debug.go shows events
// on standard output, and screen.go writes there.
//
// # Invariants
//
//  1. No node changes an event or a payload it was given.
//  2. An expression that fails, or gives what can't be used, fails the event
//     and never counts as false or as a key.
//  3. A key of dedupe belongs to the offset of the event that came first, so
//     that an event that comes again after a crash wins its own key.
//  4. One tick of inject is one event with one id, also when putting it in had
//     to be tried again.
//  5. What debug writes for one batch is one write, of whole lines, in which
//     nothing that came from an event moves a cursor or sets a colour.
package core
