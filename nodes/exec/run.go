package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
)

// A run is what one event makes of the command.
type run struct {
	args  []string // without the program
	stdin []byte
}

// newRun makes the run of an event. Its errors are the event's fault.
func (s *sink) newRun(e *engine.Event) (*run, error) {
	r := &run{}
	for i := range s.Command[1:] {
		arg, err := s.Command[i+1].Render(e)
		if err != nil {
			return nil, err
		}
		if strings.Contains(arg, "\x00") {
			return nil, fmt.Errorf("argument %d has a zero byte in it, which no program can be given", i+1)
		}
		r.args = append(r.args, arg)
	}
	data := e.Data
	if s.Stdin.IsSet() {
		v, err := s.Stdin.Eval(e)
		if err != nil {
			return nil, err
		}
		data = engine.Value(v)
	}
	v, err := data.Value()
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
	case string:
		r.stdin = []byte(v)
	default:
		r.stdin, err = data.Bytes()
	}
	return r, err
}

// straggling is how long a program that has ended, or was ended, may leave its
// output open by way of another that it has started.
const straggling = time.Second

// start runs the program and returns what it wrote.
func (s *sink) start(ctx context.Context, r *run) ([]byte, error) {
	limit := engine.Timeout(ctx, runTime)
	inTime, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	// A batch has the time of its events together, so that time being over is
	// no reason to end this one.
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	output := &bounded{most: int(s.MaxOutput), full: cancel}
	complaint := &tail{}
	cmd := exec.CommandContext(inTime, s.program, r.args...)
	cmd.Args[0], _ = s.Command[0].Fixed()
	cmd.Env, cmd.Dir = s.env, s.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(r.stdin), output, complaint
	cmd.WaitDelay = straggling
	endGroup := group(cmd)
	err := cmd.Run()
	if err == nil {
		return output.text.Bytes(), nil
	}
	endGroup()
	var status *exec.ExitError
	switch {
	case output.over:
		return nil, engine.Permanent(fmt.Errorf("the program wrote more than %s", s.MaxOutput))
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, engine.ErrNotTried
	case inTime.Err() != nil:
		return nil, fmt.Errorf("the program did not end within %s", limit)
	case errors.As(err, &status):
		return nil, fmt.Errorf("the program failed: %w%s", err, complaint)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("the program ended and left its output open to another that it has started")
	case cmd.Process != nil:
		return nil, fmt.Errorf("running the program: %w%s", err, complaint)
	case errors.Is(err, syscall.E2BIG):
		return nil, engine.Permanent(fmt.Errorf("starting the program: %w", err))
	}
	return nil, engine.Unavailable(fmt.Errorf("starting the program: %w", err), 0)
}

// bounded keeps what is written, up to a limit.
type bounded struct {
	text bytes.Buffer
	most int
	over bool
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.most {
		b.over = true
		b.full()
		return 0, errors.New("too much output")
	}
	return b.text.Write(p)
}

// tail keeps the end of what is written, for messages.
type tail struct{ text []byte }

const tailSize = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if n := len(t.text) - tailSize; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.text), "\uFFFD"))
	if text == "" {
		return ""
	}
	return ": " + text
}
