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

// Run puts in line by line, in batches of what has come, without waiting for
// a batch to be full.
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
	for ctx.Err() == nil {
		s.take()
		if len(s.input.batch) > 0 {
			if err := put(ctx, in, s.env.Log, s.input.batch); err != nil {
				return nil // ctx has ended; the batch stays for whoever reads next
			}
			s.input.batch, s.input.bytes = nil, 0
			continue
		}
		if s.input.ended {
			return nil
		}
		select {
		case c, ok := <-s.input.chunks:
			s.receive(c, ok)
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *stdin) receive(c chunk, ok bool) {
	if !ok {
		s.input.ended = true
		return
	}
	s.input.framer.write(c.text)
	if c.err != nil {
		s.env.Log.Error("reading standard input", "error", c.err)
	}
}

// take takes the lines there are, up to a full batch.
func (s *stdin) take() {
	in := s.input
	for len(in.batch) < batchLines && in.bytes < batchBytes {
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
		e.ID = lineID(in.stream, at, l.text)
		e.Source, e.Type = "stdin", s.config.Type
		e.Meta = engine.Meta{"offset": at}
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
	stream string
	framer framer
	next   int64 // where the next line begins
	batch  []*engine.Event
	bytes  int
	ended  bool

	chunks chan chunk // closed at the end
	closed chan struct{}
}

type chunk struct {
	text []byte
	err  error
}

func newInput(from io.Reader) *input {
	in := &input{
		turn: make(chan struct{}, 1), stream: newGeneration(), framer: framer{max: maxLine},
		chunks: make(chan chunk), closed: make(chan struct{}),
	}
	go in.read(from)
	return in
}

func (in *input) read(from io.Reader) {
	defer close(in.chunks)
	for {
		buf := make([]byte, 64<<10)
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

// Close lets go of the goroutine that reads.
func (in *input) Close() error {
	close(in.closed)
	return nil
}
