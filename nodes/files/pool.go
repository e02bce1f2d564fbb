package files

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	mostOpen  = 128
	idleAfter = time.Minute
)

// A pool holds the files that are open for writing. All file sinks of an
// engine share one, so that two that write to one file do so one after the
// other, also over a reload.
type pool struct {
	log    *slog.Logger
	ctx    context.Context // ends when the pool is closed
	cancel context.CancelFunc
	behind sync.WaitGroup // work in the background
	tidy   sync.Mutex     // held by the one that tidies up rotated files

	mu    sync.Mutex
	files map[string]*appender // by path
	sweep *time.Timer          // closes idle files; nil if none is open
}

func newPool(log *slog.Logger) *pool {
	p := &pool{log: log, files: map[string]*appender{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// use returns the appender of a file, to be given back with done.
func (p *pool) use(at place) *appender {
	p.mu.Lock()
	a := p.files[at.path()]
	var oldest *appender
	if a == nil {
		a = &appender{pool: p, at: at}
		if len(p.files) >= mostOpen {
			oldest = p.takeOldest()
		}
		p.files[at.path()] = a
	}
	a.users++
	if p.sweep == nil {
		p.sweep = time.AfterFunc(idleAfter, p.closeIdle)
	}
	p.mu.Unlock()
	if oldest != nil {
		p.close(oldest)
	}
	return a
}

// takeOldest takes out the file that was used longest ago and is not in use.
func (p *pool) takeOldest() *appender {
	var oldest *appender
	for _, a := range p.files {
		if a.users == 0 && (oldest == nil || a.used.Before(oldest.used)) {
			oldest = a
		}
	}
	if oldest != nil {
		delete(p.files, oldest.at.path())
	}
	return oldest
}

func (p *pool) done(a *appender) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.users--
	a.used = time.Now()
}

// closeIdle closes what was not used for a while.
func (p *pool) closeIdle() {
	var idle []*appender
	p.mu.Lock()
	for path, a := range p.files {
		if a.users == 0 && time.Since(a.used) >= idleAfter {
			delete(p.files, path)
			idle = append(idle, a)
		}
	}
	if p.sweep != nil && len(p.files) > 0 {
		p.sweep.Reset(idleAfter)
	} else {
		p.sweep = nil
	}
	p.mu.Unlock()
	for _, a := range idle {
		p.close(a)
	}
}

func (p *pool) close(a *appender) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.close(); err != nil {
		p.log.Error("closing a file", "path", a.at.path(), "error", err)
	}
}

// Close closes all files.
func (p *pool) Close() error {
	p.cancel()
	p.mu.Lock()
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	files := p.files
	p.files = map[string]*appender{}
	p.mu.Unlock()
	var errs []error
	for _, a := range files {
		a.mu.Lock()
		errs = append(errs, a.close())
		a.mu.Unlock()
	}
	p.behind.Wait()
	return errors.Join(errs...)
}
