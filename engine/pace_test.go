package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestASourceOfBatchesStaysNearAReaderThatMoves(t *testing.T) {
	const far = 100 * batchSize
	for _, test := range []struct {
		name        string
		size        int           // of the batch that was put in
		last        Offset        // of it
		moved       bool          // the reader has, since the batch before
		catchesUp   time.Duration // after that; never if 0
		cancelled   time.Duration // ctx, after that; never if 0
		atLeast, to time.Duration
	}{
		{name: "near", size: batchSize, last: nearby + 1, moved: true},
		{name: "far, and the reader stands still", size: batchSize, last: far},
		{name: "far, with few events", size: 1, last: far, moved: true, catchesUp: time.Millisecond},
		{name: "far", size: batchSize, last: far, moved: true, catchesUp: 3 * time.Millisecond, atLeast: 3 * time.Millisecond, to: 4 * time.Millisecond},
		{name: "too far", size: batchSize, last: far, moved: true, atLeast: longestPace, to: longestPace},
		{name: "far, when its time is over", size: batchSize, last: far, moved: true, cancelled: time.Millisecond, atLeast: time.Millisecond, to: time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f := &flow{}
				if test.moved {
					f.taken.Store(1)
				}
				batch := make([]*Event, test.size)
				batch[test.size-1] = &Event{Offset: test.last}
				if test.catchesUp > 0 {
					time.AfterFunc(test.catchesUp, func() { f.taken.Store(uint64(test.last) - nearby) })
				}
				if test.cancelled > 0 {
					time.AfterFunc(test.cancelled, cancel)
				}
				began := time.Now()
				f.pace(ctx, batch)
				if took := time.Since(began); took < test.atLeast || took > test.to {
					t.Errorf("it waited %v, want %v to %v", took, test.atLeast, test.to)
				}
			})
		})
	}
}
