package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine"
)

func TestWhatASourceHasInHandOutlastsItsContextForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		late, done := engine.Outlast(ctx)
		defer done()
		begun := time.Now()
		end()
		synctest.Wait()
		if late.Err() != nil {
			t.Error("it ended with its context")
		}
		<-late.Done()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

func TestWhatIsDoneOutlastsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		late, done := engine.Outlast(ctx)
		begun := time.Now()
		end()
		synctest.Wait()
		done()
		synctest.Wait()
		if late.Err() == nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v", late.Err(), time.Since(begun))
		}
	})
}
