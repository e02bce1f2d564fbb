package journal_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine/journal"
)

func TestWhatIsNoEventGoesWithTheEventsThatKeepComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, journal.Options{})
		checkpoints := must(f.Checkpoints(bg, "f", "n"))(f)
		add := func() {
			t.Helper()
			if err := f.add(1); err != nil {
				t.Fatal(err)
			}
		}
		add()
		before := f.Stats().Syncs
		done := make(chan error, 2)
		go func() { done <- f.cursor.Commit(bg, 1) }()
		go func() { done <- checkpoints.Save(bg, "k", []byte("v")) }()
		synctest.Wait()
		add()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := f.Stats().Syncs - before; got != 1 {
			t.Errorf("%d syncs for an event, a cursor and a checkpoint, want 1", got)
		}
		f.Close()
	})
}

func TestWhatIsNoEventWaitsAMomentAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, journal.Options{})
		for _, at := range []struct{ after, most time.Duration }{
			{after: 0, most: time.Millisecond},
			{after: time.Second, most: 0}, // no events come any more
		} {
			if err := f.add(1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(at.after)
			start := time.Now()
			if f.deliver(); time.Since(start) > at.most {
				t.Errorf("the commit %v after an event took %v, want %v at most", at.after, time.Since(start), at.most)
			}
		}
		f.Close()
	})
}
