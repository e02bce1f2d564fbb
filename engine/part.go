package engine

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A part is the working half of a node: what its constructor made, and its
// configuration. A reload that changes nothing about the configuration keeps
// it, however the node is wired.
type part struct {
	spec   *Spec
	config digest
	impl   any // a Source, Processor or Sink
	opened bool
	run    *sourceRun // of a source, since it was started
	*probe

	reads    readership   // of topics
	spent    atomic.Int64 // events given up in a row; see budget
	requests sync.RWMutex // read-locked by each request that a Router works on
}

// same reports whether two parts of one node id do the same work.
func (p *part) same(q *part) bool {
	return p.spec.Kind == q.spec.Kind && p.spec.Type == q.spec.Type && p.config == q.config
}

func (p *part) open(ctx context.Context, env *Env) error {
	p.opened = true
	if o, ok := p.impl.(Opener); ok {
		return contain(func() error { return o.Open(ctx, env) })
	}
	return nil
}

// close gives back what the part holds, if it was opened, behind the last
// request it works on.
func (p *part) close() error {
	p.requests.Lock()
	defer p.requests.Unlock()
	if c, ok := p.impl.(io.Closer); ok && p.opened {
		return contain(c.Close)
	}
	return nil
}

// A panicked is a panic of a node, as an error.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("the node panicked: %v", p.value) }

// contain calls f and returns its panic as an error.
func contain(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return f()
}
