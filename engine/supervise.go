package engine

import (
	"context"
	"sync"
	"time"
)

// A sourceRun is a source at work.
type sourceRun struct {
	source Source
	cancel context.CancelFunc
	done   chan struct{} // closed when Run has returned for good
}

// start runs a source until it finishes or is cancelled. The run of before, the
// source it takes the place of, ends first: two of them would read the same
// file.
func (e *Engine) start(f *flow, n *node, before *part) {
	if _, ok := n.impl.(interface{ waits() }); ok { // as well without a goroutine
		done := make(chan struct{})
		n.run = &sourceRun{source: n.impl.(Source), cancel: sync.OnceFunc(func() { close(done) }), done: done}
		e.running[n.part] = n.run
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	source, in := n.impl.(Source), f.inlet(n.id)
	run := &sourceRun{source: source, cancel: cancel, done: make(chan struct{})}
	n.run, e.running[n.part] = run, run
	e.sources.Go(func() {
		defer close(run.done)
		defer cancel()
		if before != nil && before.run != nil {
			<-before.run.done
		}
		for try := 1; ; try++ {
			started := time.Now()
			err := contain(func() error { return source.Run(ctx, in) })
			if err == nil || ctx.Err() != nil {
				return
			}
			n.failedWith(err)
			if time.Since(started) > time.Duration(n.retry.Max) {
				try = 1 // it had worked for long
			}
			pause := backoff(n.retry, try)
			f.log(n).Error("the source failed, it is run again", "error", err, "in", pause.Round(time.Millisecond))
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	})
}
