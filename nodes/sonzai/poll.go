package sonzai

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/flowd/flowd/engine"
)

// poll looks at every feed, waits, and looks again, until ctx ends. It waits
// longer when sonzai asks for that or can't be reached.
func (s *source) poll(ctx context.Context, in engine.Inlet) {
	feeds := s.feeds()
	if !s.config.Poll.Consume {
		for _, f := range feeds {
			if err := f.seen.load(ctx, s.checkpoints, f.name); err != nil {
				s.log.Warn("sonzai: reading which notifications came before; they may come again", "of", f.name, "error", err)
			}
		}
	}
	for ctx.Err() == nil {
		for _, f := range feeds {
			if !time.Now().Before(f.due) {
				s.look(ctx, f, feeds, in)
			}
		}
		next := slices.MinFunc(feeds, func(a, b *feed) int { return a.due.Compare(b.due) })
		sleep(ctx, time.Until(next.due))
	}
}

// look takes what one feed has and says when to look again. The trouble of one
// feed is not that of the others, but for a limit on calls, which is that of
// the key.
func (s *source) look(ctx context.Context, f *feed, feeds []*feed, in engine.Inlet) {
	wait := time.Duration(s.config.Poll.Every)
	err := s.drain(ctx, f, in)
	if err == nil {
		f.pause = 0
		f.due = time.Now().Add(wait)
		return
	}
	wait = max(wait, f.pause.after(err))
	f.due = time.Now().Add(wait)
	if ctx.Err() != nil {
		return
	}
	s.log.Warn("sonzai: taking notifications, will try again", "of", f.name, "in", wait.Round(time.Second), "error", err)
	var refusal *apiError
	if errors.As(err, &refusal) && refusal.status == http.StatusTooManyRequests {
		for _, other := range feeds {
			if other.due.Before(f.due) {
				other.due = f.due
			}
		}
	}
}

// drain takes what a feed has. A list has no cursor: one that is full may have
// more behind it, which shows when its items have been consumed. What is being
// taken when ctx ends is taken to the end, since it would come again else.
func (s *source) drain(ctx context.Context, f *feed, in engine.Inlet) error {
	late, cancel := engine.Outlast(ctx)
	defer cancel()
	for {
		items, err := f.list(ctx)
		if err != nil {
			return err
		}
		fresh, open := f.sort(items)
		if len(fresh) > 0 {
			if err := s.put(late, f, in, fresh); err != nil {
				return err
			}
		}
		consumed := 0
		if f.consume != nil && len(open) > 0 {
			done, err := f.consume(late, open)
			for _, id := range done {
				f.seen.set(id, consumedItem)
			}
			if err != nil {
				return err
			}
			consumed = len(done)
		}
		switch {
		case len(items) < f.limit:
			f.warned = false
			return nil
		case consumed > 0:
		case f.consume == nil && len(fresh) > 0:
			return nil
		default:
			if !f.warned {
				s.log.Warn("sonzai: a full list of notifications has nothing new; older ones may be missing", "of", f.name, "limit", f.limit, "consume", f.consume != nil)
				f.warned = true
			}
			return nil
		}
	}
}

// put puts the events of new items in. Only then are they seen.
func (s *source) put(ctx context.Context, f *feed, in engine.Inlet, fresh []item) error {
	// sonzai does not say in which order it lists them.
	slices.SortStableFunc(fresh, func(a, b item) int { return a.event.Time.Compare(b.event.Time) })
	events := make([]*engine.Event, len(fresh))
	for i, it := range fresh {
		events[i] = it.event
		it.event.Source = s.config.Source
	}
	if err := in.Put(ctx, events...); err != nil {
		return fmt.Errorf("putting notifications in: %w", err)
	}
	for _, it := range fresh {
		f.seen.set(it.id, takenItem)
	}
	if f.consume != nil {
		return nil // sonzai remembers
	}
	if err := f.seen.save(ctx, s.checkpoints, f.name); err != nil {
		s.log.Warn("sonzai: remembering which notifications came; they may come again after a restart", "of", f.name, "error", err)
	}
	return nil
}

// sleep waits and reports whether ctx is still on.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// longestPause is the longest wait of our own; sonzai may ask for more.
const longestPause = 5 * time.Minute

// pause is how often in a row something failed.
type pause int

// after is how long to wait after one more failure: doubling from a second to
// five minutes with some jitter, or what sonzai asked for if that is more.
func (p *pause) after(err error) time.Duration {
	wait := min(time.Second<<min(*p, 20), longestPause)
	*p++
	wait += rand.N(wait/4 + 1)
	var refusal *apiError
	if errors.As(err, &refusal) {
		wait = max(wait, refusal.after)
	}
	return wait
}
