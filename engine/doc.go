// Package engine runs flows: it takes events in at sources, walks them through
// processors and has sinks deliver them, and loses none on the way.
//
// # Words
//
//   - An event is one thing that happened, with the attributes of CloudEvents
//     and a payload ([Event]).
//   - A node is a step of a flow: a source brings events in, a processor turns
//     events into others, a sink takes them out ([Source], [Processor], [Sink]).
//   - A port is one of the ways out of a node. Every node has the port error.
//   - A flow is a graph of nodes.
//   - A log keeps the events that came into a flow, in order; an offset is a
//     position in it, and a cursor remembers how far the flow has come ([Log],
//     [Offset], [Cursor]).
//   - A lane is a goroutine that walks batches of events through the nodes.
//   - A store keeps logs, cursors, keys, checkpoints and dead letters ([Store]).
//   - A dead letter is an event that a node gave up ([DeadLetter]).
//   - A diagnostic is a mistake in a document, with its place
//     (flows.Diagnostic).
//
// # The path of an event
//
//  1. A source puts it in (node.go, flow.go): over HTTP by way of the listener
//     that all sources of an address share (listen.go, web.go), or by itself
//     (supervise.go).
//  2. It is appended to the flow's log (store.go; memory.go is the log of a
//     flow that may forget). Only then is its sender told that it is safe; one
//     that puts in batch after batch is kept near the reader (pace.go).
//  3. The reader reads it at the cursor and hands it to a lane (reader.go).
//  4. The lane walks its batch through the nodes in topological order
//     (lane.go), and settles what went wrong: tries again, takes the error
//     port, or makes it a dead letter (settle.go).
//  5. A node may keep an event back. What it lets go later is walked by a lane
//     behind that node alone (reader.go).
//  6. The cursor is committed, while the lane goes on (reader.go).
//
// A request whose sender waits for an answer goes beside the log (ask.go).
//
// The payload of an event stays the text that it came as (event.go). Who first
// reads it goes through it once, which finds it to be JSON and leaves an index
// (index.go); a part of it is looked up there and decoded alone (view.go).
// json.go writes values.
//
// A document becomes what runs in plan.go, and takes the place of the one
// before in apply.go. What waits in queues meanwhile is in succession.go. What
// runs does not hold its document: the next one is compared with digests
// (digest.go).
//
// # What holds
//
//  1. Put returns nil only for an event that is in the log: durable, or with
//     the in-memory store, through the flow.
//  2. The cursor is committed only behind events that are settled: delivered,
//     dropped by a node, or stored as dead letters; never behind one that a
//     node holds back.
//  3. Every lane works by one plan at a time, and changes plans only between
//     two batches.
//  4. Equal keys (with one lane: all events) reach each node in the order of
//     their offsets; behind a node that keeps events back, in the order in
//     which it lets them go.
//  5. A plan begins when those before it have delivered, to the sinks that they
//     share, what waits in queues that the reload has taken out. What waits in
//     another queue goes on by a new plan only where nothing has moved across
//     that queue.
//  6. A part of a node is closed when no plan, request or lane uses it.
//  7. All that can fail in an Apply happens before anything that runs is
//     touched.
//  8. An event reads the same before and behind a log: what a source or node
//     written in Go has put into it reads as what comes of that in JSON.
package engine
