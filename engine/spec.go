package engine

import (
	"time"

	"github.com/flowd/flowd/flows"
)

// About is what a node type says of itself to people.
type About struct {
	Type    string // the key in a flow: filter
	Summary string // one sentence
	Example string // YAML of one node that runs: `filter: type == "room_started"`
	Source  string // Go source that declares the configuration; the comments of its fields are their documentation
}

// Retry is how often and how long a node's failed work is tried again.
type Retry struct {
	// Attempts is how often one event is tried before it is given up. Left
	// out, an event is tried as often as its node's type says, and an
	// unreachable destination without end.
	Attempts int `flow:"attempts"`
	// First is the wait before the second attempt; each wait doubles.
	First flows.Duration `flow:"first"`
	// Max is the longest wait.
	Max flows.Duration `flow:"max"`
}

// A SourceSpec declares a type of source: its configuration C, a struct whose
// tags, comments and defaults are its documentation, and its constructor.
type SourceSpec[C any] struct {
	About
	Default C
	New     func(C) (Source, error) // pure: acquires nothing
}

// A ProcessorSpec declares a type of processor.
type ProcessorSpec[C any] struct {
	About
	Default C
	Ports   func(C) []string // names of its ports, for from: ID.PORT; one without a name if nil
	Timeout time.Duration    // for one attempt; none if 0
	New     func(C) (Processor, error)
}

// A SinkSpec declares a type of sink.
type SinkSpec[C any] struct {
	About
	Default C
	Retry   Retry         // default; see [DefaultRetry]
	Timeout time.Duration // for one attempt; none if 0
	New     func(C) (Sink, error)
}
