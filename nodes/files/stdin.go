package files

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"os"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed stdin.go
var stdinSource string

// Stdin reads the lines of standard input.
var Stdin = engine.SourceSpec[StdinConfig]{
	About: engine.About{
		Type:    "stdin",
		Summary: "Reads the lines of standard input, one event a line, and finishes at its end.",
		Example: `stdin: {format: text}`,
		Source:  stdinSource,
	},
	Default: StdinConfig{Format: formatJSON, Type: "line"},
	Schema:  func(c StdinConfig) engine.Schema { return c.Format.schema("stdin", c.Type, c.Schema) },
	New:     func(c StdinConfig) (engine.Source, error) { return &stdin{config: c, from: os.Stdin}, nil },
}

// StdinConfig is the configuration of a stdin.
type StdinConfig struct {
	// Format is what a line is: `json`, the default, makes the value of the
	// line the event's data, and a line that is not JSON a dead letter; `text`
	// makes the line itself the data. Empty lines are no events in `json`, and
	// a line of more than 16 MiB is none in either.
	Format Format `flow:"format,main"`
	// Type is the type of the events.
	Type string `flow:"type"`
	// Schema is the path of a JSON Schema of the payloads, or of lines as they
	// come, from which their fields are learned; or a list of such paths. With
	// it, expressions behind this node are checked against what is there.
	Schema engine.SchemaFiles `flow:"schema"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *StdinConfig) Validate(report flows.Report) {
	if c.Type == "" {
		report("type", "want a name for the type of the events")
	}
}

type stdin struct {
	config  StdinConfig
	from    io.Reader
	env     *engine.Env
	input   *input
	release func() error
}

var (
	_ engine.Source   = (*stdin)(nil)
	_ engine.Opener   = (*stdin)(nil)
	_ engine.Closer   = (*stdin)(nil)
	_ flows.Validator = (*StdinConfig)(nil)
)

func (s *stdin) Open(_ context.Context, env *engine.Env) (err error) {
	s.env = env
	s.input, s.release, err = engine.Use(env.Share, "stdin", func() (*input, error) {
		return newInput(s.from), nil
	})
	return err
}

func (s *stdin) Close() error {
	if s.release == nil {
		return nil
	}
	return s.release()
}

// Run puts in line by line, in batches of what has come while the one before
// was on its way.
func (s *stdin) Run(ctx context.Context, in engine.Inlet) error {
	select {
	case s.input.turn <- struct{}{}:
	default:
		s.env.Log.Warn("standard input is being read by another node, waiting until it is done")
		select {
		case s.input.turn <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
	}
	defer func() { <-s.input.turn }()
	p := putter{in: in, log: s.env.Log}
	for input := s.input; ; {
		s.take()
		if p.done == nil && !input.give(ctx, &p) && input.ended {
			return nil
		}
		chunks := input.chunks
		if input.ended || input.full() {
			chunks = nil
		}
		select {
		case c, ok := <-chunks:
			s.receive(c, ok)
		case err := <-p.done:
			p.done = nil
			if !input.arrived(err) {
				return nil
			}
		case <-ctx.Done():
			for input.arrived(p.end(nil, nil)) && input.give(ctx, &p) { // nobody can read it again
			}
			return nil
		}
	}
}

func (s *stdin) receive(c chunk, ok bool) {
	if !ok {
		s.input.ended = true
		return
	}
	s.input.framer.add(copy(s.input.framer.room(len(c.text)), c.text))
	s.input.free <- c.text[:cap(c.text)]
	if c.err != nil {
		s.env.Log.Error("reading standard input", "error", c.err)
	}
}

// take takes the lines there are, up to a full batch.
func (s *stdin) take() {
	in := s.input
	for !in.full() {
		l, ok := in.framer.next()
		if !ok && in.ended {
			l, ok = in.framer.rest()
		}
		if !ok {
			return
		}
		at := in.next
		in.next += l.size
		if l.long {
			s.env.Log.Warn("skipped a line that is too long", "offset", at, "bytes", l.size)
			continue
		}
		e := s.config.Format.event(l.text)
		if e == nil {
			continue
		}
		e.ID = in.lines.id(at, l.text)
		e.Source, e.Type = "stdin", s.config.Type
		in.batch = append(in.batch, e)
		in.bytes += len(l.text)
	}
}

// An input is standard input, as the nodes that read it one after another over
// reloads share it: what one has taken and not put in, the next one puts in.
// A read can't be interrupted, so it has a goroutine of its own, which ends
// with the process, or with the next read after Close.
type input struct {
	turn   chan struct{} // full while a node reads; what follows is that node's
	lines  series
	framer framer
	next   int64           // where the next line begins
	batch  []*engine.Event // taken, to be put in
	bytes  int             // of them
	given  []*engine.Event // on their way in, before batch; nil if none are
	ended  bool

	chunks chan chunk  // closed at the end
	free   chan []byte // to read into
	closed chan struct{}
}

type chunk struct {
	text []byte
	err  error
}

func newInput(from io.Reader) *input {
	in := &input{
		turn: make(chan struct{}, 1), lines: newSeries(newGeneration()), framer: framer{max: maxLine},
		chunks: make(chan chunk), free: make(chan []byte, 2), closed: make(chan struct{}),
	}
	for range cap(in.free) {
		in.free <- make([]byte, mostRead)
	}
	go in.read(from)
	return in
}

func (in *input) read(from io.Reader) {
	defer close(in.chunks)
	for buf := range in.free {
		n, err := from.Read(buf)
		c := chunk{text: buf[:n]}
		if err != nil && !errors.Is(err, io.EOF) {
			c.err = err
		}
		select {
		case in.chunks <- c:
		case <-in.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// full reports whether no more lines are to be taken.
func (in *input) full() bool { return len(in.batch) >= batchLines || in.bytes >= batchBytes }

// give begins to put in what was taken, and reports whether that is anything.
func (in *input) give(ctx context.Context, p *putter) bool {
	if in.given == nil {
		in.given, in.batch, in.bytes = in.batch, nil, 0
	}
	if in.given != nil {
		p.begin(ctx, in.given)
	}
	return in.given != nil
}

// arrived reports whether what was given is in. If not, it stays for whoever
// reads next.
func (in *input) arrived(err error) bool {
	if err != nil {
		in.given = anew(in.given)
		return false
	}
	in.given = nil
	return true
}

// Close lets go of the goroutine that reads.
func (in *input) Close() error {
	close(in.closed)
	return nil
}
