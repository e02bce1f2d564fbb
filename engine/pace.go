package engine

import (
	"context"
	"time"
)

const (
	// nearby is how far a source may be ahead of the reader without waiting.
	nearby = batchSize / 2
	// longestPace is how long a batch may make it wait.
	longestPace = 20 * time.Millisecond
)

// pace has a source that puts in batch after batch, as a file does, stay near
// the reader: an event that the reader finds in memory takes a third less of
// the processor than one that must be read back and gone through again. It is
// a wait of a moment for a reader that moves, and none for one that stands
// still: what a sink can't take is for the log to hold, not for the source.
func (f *flow) pace(ctx context.Context, batch []*Event) {
	if len(batch) < batchSize {
		return
	}
	last, taken := uint64(batch[len(batch)-1].Offset), f.taken.Load()
	if f.paced.Swap(taken) == taken || last <= taken+nearby {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestPace)
	defer cancel()
	look := time.NewTicker(time.Millisecond / 4)
	defer look.Stop()
	for last > f.taken.Load()+nearby {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
