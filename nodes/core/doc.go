// Package core holds the nodes that every flow is made of: the source inject,
// the processors filter, switch, transform, dedupe and split, those that keep
// events back (batch, throttle, delay, aggregate, silence), and the sinks topic
// and debug.
//
// # The path of an event
//
// Each file is one node. inject.go makes events by the clock (schedule.go) with
// a payload from the document (payload.go). filter.go and switch.go choose
// where an event goes on, transform.go makes another of it (edit.go changes
// what is inside a payload), dedupe.go stops the second of two, split.go makes several
// of one. batch.go, throttle.go (by the rates of rate.go), delay.go,
// aggregate.go and silence.go hold events (hold.go) until they are due.
// topic.go leads from flow to flow. debug.go shows events on standard output,
// and screen.go writes there.
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
//  5. What is held is in the log, and an event made of several has the smallest
//     of their offsets: after a crash, or when its way is cut short, all of it
//     comes again. Nothing goes on before its time.
//  6. No node holds more than it may: beyond that the log does.
//  7. What debug writes for one batch is one write, of whole lines, in which
//     nothing that came from an event moves a cursor or sets a colour.
package core
