package files

import (
	"context"
	"log/slog"
	"time"

	"github.com/flowd/flowd/engine"
)

// A batch is put in when it has so many lines, or bytes, or when there are no
// more at the moment. It is no larger than what a lane takes at once: more in
// hand costs memory and saves no time.
const (
	batchLines = 512
	batchBytes = 1 << 20
)

// A putter puts batches in, one after the other, each while the next one is
// read.
type putter struct {
	in   engine.Inlet
	log  *slog.Logger
	done chan error // of the batch on its way; nil if there is none
}

// begin puts a batch in, behind which end must be called.
func (p *putter) begin(ctx context.Context, batch []*engine.Event) {
	done := make(chan error, 1)
	p.done = done
	go func() { done <- put(ctx, p.in, p.log, batch) }()
}

// end waits until the batch is in. Meanwhile it works whenever due says so. It
// returns an error only when ctx has ended.
func (p *putter) end(due <-chan time.Time, work func()) error {
	for p.done != nil {
		select {
		case err := <-p.done:
			p.done = nil
			return err
		case <-due:
			work()
		}
	}
	return nil
}

// put puts a batch in, and tries again until it is safe: what was read of a
// file that is gone, or of standard input, can't be read a second time. It
// returns an error only when ctx has ended.
func put(ctx context.Context, in engine.Inlet, log *slog.Logger, batch []*engine.Event) error {
	const first, most = time.Second, 30 * time.Second
	late, cancel := engine.Outlast(ctx)
	defer cancel()
	for wait := first; ; wait = min(2*wait, most) {
		err := in.Put(late, batch...)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("waiting to put lines in", "error", err, "events", len(batch), "in", wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		batch = anew(batch)
	}
}

// anew makes the events of a batch anew: an inlet keeps what it was given, also
// when it failed, and may still be about to give it its offset.
func anew(batch []*engine.Event) []*engine.Event {
	fresh := make([]*engine.Event, len(batch))
	for i, e := range batch {
		fresh[i] = &engine.Event{
			ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time,
			Data: e.Data, Meta: e.Meta, Failure: e.Failure,
		}
	}
	return fresh
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
