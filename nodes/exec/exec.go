package exec

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed exec.go
var execSource string

// Exec runs a program for each event.
var Exec = engine.SinkSpec[Config]{
	About: engine.About{
		Type:    "exec",
		Summary: "Runs a program for each event, without a shell, and passes the event on with what it wrote.",
		Example: `exec: {command: [jq, -c, .participants], result: people, format: json}`,
		Source:  execSource,
	},
	Default: Config{
		Format: "text", Env: []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"},
		Concurrency: 1, MaxOutput: 1 << 20,
	},
	Gives:   Config.gives,
	Retry:   engine.Retry{Attempts: 3},
	Timeout: runTime,
	New:     newExec,
}

// runTime is how long a program may run where nothing else is said.
const runTime = 30 * time.Second

// Config is the configuration of an exec.
type Config struct {
	// Command is the program and its arguments, a list. No shell reads them:
	// an argument is one argument, whatever an event puts into it. It may be
	// taken for an option, though, if it can begin with a hyphen: write `--`
	// before it if the program knows that. The program itself is fixed. It may
	// run for 30s, or the node's timeout. One that ends with another status
	// than 0 is tried again, up to 3 times in all, or as retry says.
	Command []expr.Text `flow:"command,main,required"`
	// Stdin is what the program reads: a text as it is, anything else as JSON.
	// The default is the event's data.
	Stdin expr.Expr `flow:"stdin"`
	// Result is the field of data, such as reply or order.reply, that what the
	// program writes to its standard output is put into; `.` puts it in the
	// place of the data. Without it the event goes on as it was.
	Result string `flow:"result"`
	// Format is how that output is read: text, without the end of its last
	// line, or json, which must be one value.
	Format string `flow:"format"`
	// Env lists the environment variables of flowd that the program has. The
	// default is PATH, HOME, LANG, TZ and TMPDIR.
	Env []string `flow:"env"`
	// Dir is the folder it runs in; the default is that of flowd.
	Dir string `flow:"dir"`
	// Concurrency is how many programs run at a time. With 1, events keep their
	// order, and one that is tried again holds up those behind it.
	Concurrency int `flow:"concurrency"`
	// MaxOutput is how much a program may write to its standard output. One
	// that writes more is stopped, and its event given up.
	MaxOutput flows.Size `flow:"max_output"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *Config) Validate(report flows.Report) {
	if len(c.Command) == 0 {
		report("command", "want a program")
	} else if program, fixed := c.Command[0].Fixed(); !fixed {
		report("command", "an event must not choose the program: want one without {{ }}")
	} else if program == "" {
		report("command", "want a program")
	} else if len(c.Command) == 1 && strings.Contains(program, " ") {
		report("command", "no shell reads this: write the program and its arguments as a list, as in [%s]",
			strings.Join(strings.Fields(program), ", "))
	}
	if c.Result != "" && c.Result != whole && slices.Contains(strings.Split(c.Result, "."), "") {
		report("result", "want a field like reply or order.reply, or . for all of the data, got %q", c.Result)
	}
	if c.Format != "text" && c.Format != "json" {
		report("format", "want text or json, got %q", c.Format)
	}
	for i, name := range c.Env {
		if name == "" || strings.Contains(name, "=") {
			report(fmt.Sprintf("env.%d", i), "want names of environment variables, got %q", name)
		}
	}
	if c.Concurrency < 1 || c.Concurrency > 256 {
		report("concurrency", "want 1 to 256, got %d", c.Concurrency)
	}
	if c.MaxOutput < 1 || c.MaxOutput > 64<<20 {
		report("max_output", "want 1 byte to 64MiB")
	}
}

func (c Config) gives(in engine.Schema) []engine.Schema {
	result := engine.Shape{Kinds: engine.CanBeText}
	if c.Format == "json" {
		result = engine.Shape{}
	}
	return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
		switch c.Result {
		case "":
		case whole:
			v.Data, v.Of = result, ""
		default:
			v.Data = v.Data.With(strings.Split(c.Result, "."), result)
		}
		return v
	})}
}

type sink struct {
	Config
	program string // its path
	env     []string
	slots   chan struct{}
	outside http.RoundTripper // in a rehearsal
}

func newExec(c Config) (engine.Sink, error) {
	s := &sink{Config: c, slots: make(chan struct{}, c.Concurrency)}
	if c.Result != "" {
		return &relay{s}, nil
	}
	return s, nil
}

// Open finds the program, so that one that is not there is told at once.
func (s *sink) Open(_ context.Context, env *engine.Env) error {
	name, _ := s.Command[0].Fixed()
	if env.Outside != nil {
		s.program, s.outside = name, env.Outside.HTTP
		return nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if s.program, err = filepath.Abs(path); err != nil {
		return err
	}
	s.env = []string{}
	for _, name := range s.Env {
		if value, ok := os.LookupEnv(name); ok {
			s.env = append(s.env, name+"="+value)
		}
	}
	return nil
}

// Write runs the program for each event of a batch.
func (s *sink) Write(ctx context.Context, batch []*engine.Event) error {
	_, err := s.deliver(ctx, batch)
	return err
}

// A relay is an exec whose output goes on with the events.
type relay struct{ *sink }

// WriteOut runs the program for each event of a batch, and emits the events
// with what it wrote.
func (r *relay) WriteOut(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	made, err := r.deliver(ctx, batch)
	for _, e := range made {
		if e != nil {
			out.Emit(e)
		}
	}
	return err
}

// deliver returns what goes on in the place of each event of a batch, nil for
// one that failed.
func (s *sink) deliver(ctx context.Context, batch []*engine.Event) ([]*engine.Event, error) {
	made := make([]*engine.Event, len(batch))
	errs := make([]error, len(batch))
	var next atomic.Int64
	var stop atomic.Bool
	var workers sync.WaitGroup
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(batch) {
				return
			}
			if errs[i] = engine.ErrNotTried; stop.Load() {
				continue
			}
			made[i], errs[i] = s.handle(ctx, batch[i])
			if _, unavailable := engine.IsUnavailable(errs[i]); unavailable ||
				s.Concurrency == 1 && errs[i] != nil && !engine.IsPermanent(errs[i]) {
				stop.Store(true)
			}
		}
	}
	for range min(s.Concurrency, len(batch)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
	var failures engine.Failures
	for i, err := range errs {
		if err != nil {
			failures = append(failures, engine.Failed{Event: batch[i], Err: err})
		}
	}
	if failures == nil {
		return made, nil
	}
	return made, failures
}

// handle runs the program for one event, when its turn has come, and returns
// the event that goes on.
func (s *sink) handle(ctx context.Context, e *engine.Event) (*engine.Event, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, engine.ErrNotTried
	}
	r, err := s.newRun(e)
	if err != nil {
		return nil, engine.Permanent(err)
	}
	start := s.start
	if s.outside != nil {
		start = s.rehearse
	}
	output, err := start(ctx, r)
	if err != nil {
		return nil, err
	}
	if s.Result == "" {
		return e, nil
	}
	c := e.Copy()
	if c.Data, err = s.withResult(e.Data, output); err != nil {
		return nil, engine.Permanent(err)
	}
	return c, nil
}

var (
	_ engine.Sink     = (*sink)(nil)
	_ engine.Opener   = (*sink)(nil)
	_ engine.Relay    = (*relay)(nil)
	_ flows.Validator = (*Config)(nil)
)
