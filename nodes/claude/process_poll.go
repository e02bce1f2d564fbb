package claude

import (
	"context"
	"time"
)

// A running process reports its end: wait waits for it, or returns false when
// ctx is done. It is called once.
type running interface {
	wait(ctx context.Context, every time.Duration) bool
}

// A polled process is looked for now and then.
type polled struct {
	pid   int
	start string
}

func (p polled) wait(ctx context.Context, every time.Duration) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if !alive(p.pid, p.start) {
				return true
			}
		}
	}
}
