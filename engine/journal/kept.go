package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowd/flowd/engine"
)

var _ engine.KeptLog = (*flow)(nil)

// Kept reads the events behind after that are still on disk, a page at a time:
// what is read does not stay in memory, nor hold anything back.
func (fl *flow) Kept(ctx context.Context, after engine.Offset, batch []*engine.Event) (int, error) {
	for len(batch) > 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if fl.j.queue.isClosed() {
			return 0, ErrClosed
		}
		fl.j.mu.Lock()
		after = max(after, fl.dropped) // those are given up, not delivered
		p, found := fl.pageBehind(after)
		fl.j.mu.Unlock()
		if !found {
			break
		}
		events, missing, err := p.events(fl.hash, after)
		switch {
		case errors.Is(err, errGone):
			continue // and no longer in the index
		case err != nil:
			return 0, fmt.Errorf("reading %s: %w", p.seg.name(), err)
		case missing:
			fl.missed(max(after+1, p.first), p.last, events)
		}
		if len(events) > 0 {
			return copy(batch, events), nil
		}
		after = p.last
	}
	return 0, nil
}
