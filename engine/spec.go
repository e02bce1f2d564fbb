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
	Schema  func(C) Schema            // what is known of its events; nothing if nil
	Check   func(C) flows.Diagnostics // tells mistakes in expressions over what comes from outside
	New     func(C) (Source, error)   // pure: acquires nothing
}

// A ProcessorSpec declares a type of processor.
type ProcessorSpec[C any] struct {
	About
	Default C
	Ports   func(C) []string // names of its ports, for from: ID.PORT; one without a name if nil
	// Passes is whether what is known of the events that come in holds for those
	// that it emits, whatever its settings are.
	Passes bool
	// Gives is what comes out of each port when such events come in. If nil, it
	// is what comes in if the processor Passes, and anything if not.
	Gives   func(c C, in Schema) []Schema
	Timeout time.Duration // for one attempt; none if 0
	New     func(C) (Processor, error)
}

// A SinkSpec declares a type of sink.
type SinkSpec[C any] struct {
	About
	Default C
	Remote  bool                          // it delivers to what may be down while flowd is not
	Gives   func(c C, in Schema) []Schema // of a [Relay], as that of a processor; other sinks pass events on
	Retry   Retry                         // default; see [DefaultRetry]
	Timeout time.Duration                 // for one attempt at one event; none if 0
	New     func(C) (Sink, error)
}

// A Spec is what a registry holds of a node type.
type Spec struct {
	About
	Kind    Kind
	Default any // the configuration's defaults, a struct
	Retry   Retry
	Timeout time.Duration
	Remote  bool // of a sink: it delivers to what may be down while flowd is not

	passes bool
	decode func(v *flows.Value) (any, flows.Diagnostics)
	build  func(config any) (any, error)
	ports  func(config any) []string
	schema func(config any) Schema
	check  func(config any) flows.Diagnostics
	gives  func(config any, in Schema) []Schema
}

// A Kind is the part a node plays in a flow.
type Kind uint8

const (
	SourceKind Kind = iota
	ProcessorKind
	SinkKind
)

func (k Kind) String() string { return [...]string{"source", "processor", "sink"}[k] }

// A Declaration is a [SourceSpec], [ProcessorSpec] or [SinkSpec].
type Declaration interface{ declare() *Spec }

func (s SourceSpec[C]) declare() *Spec {
	spec := declare(s.About, SourceKind, s.Default, s.New)
	spec.Retry = Retry{First: DefaultRetry.First, Max: DefaultRetry.Max}
	if s.Schema != nil {
		spec.schema = func(config any) Schema { return s.Schema(config.(C)) }
	}
	if s.Check != nil {
		spec.check = func(config any) flows.Diagnostics { return s.Check(config.(C)) }
	}
	return spec
}

func (s ProcessorSpec[C]) declare() *Spec {
	spec := declare(s.About, ProcessorKind, s.Default, s.New)
	spec.Timeout = s.Timeout
	spec.passes = s.Passes
	spec.Retry = Retry{Attempts: 1, First: DefaultRetry.First, Max: DefaultRetry.Max}
	if s.Ports != nil {
		spec.ports = func(config any) []string { return s.Ports(config.(C)) }
	}
	if s.Gives != nil {
		spec.gives = func(config any, in Schema) []Schema { return s.Gives(config.(C), in) }
	}
	return spec
}

func (s SinkSpec[C]) declare() *Spec {
	spec := declare(s.About, SinkKind, s.Default, s.New)
	spec.Timeout = s.Timeout
	spec.Remote = s.Remote
	spec.Retry = s.Retry.or(DefaultRetry)
	if s.Gives != nil {
		spec.gives = func(config any, in Schema) []Schema { return s.Gives(config.(C), in) }
	}
	return spec
}

func declare[C, N any](about About, kind Kind, defaults C, create func(C) (N, error)) *Spec {
	return &Spec{
		About: about, Kind: kind, Default: defaults,
		decode: func(v *flows.Value) (any, flows.Diagnostics) {
			config := defaults
			diags := flows.Decode(v, &config)
			return config, diags
		},
		build: func(config any) (any, error) { return create(config.(C)) },
	}
}

// DefaultRetry is how a sink's work is tried again where neither the document
// nor its type says how.
var DefaultRetry = Retry{Attempts: 8, First: flows.Duration(time.Second), Max: flows.Duration(5 * time.Minute)}

// or fills what r leaves out.
func (r Retry) or(d Retry) Retry {
	if r.Attempts == 0 {
		r.Attempts = d.Attempts
	}
	if r.First == 0 {
		r.First = d.First
	}
	if r.Max == 0 {
		r.Max = d.Max
	}
	return r
}

// Validate refuses what can't be meant.
func (r *Retry) Validate(report flows.Report) {
	if r.Attempts < 0 {
		report("attempts", "attempts must be 1 or more")
	}
	if r.Max > 0 && r.First > r.Max {
		report("first", "the first wait is longer than the longest, %s", r.Max)
	}
}

// Fields documents the settings of the node type.
func (s *Spec) Fields() []flows.FieldDoc { return flows.Describe(s.Default, s.Source) }
