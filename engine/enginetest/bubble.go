package enginetest

import (
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// epoch is when time begins in a bubble.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// inBubble runs f where time is virtual: it passes when nothing else can
// happen. All goroutines that f starts must end before it returns. It needs no
// test around it, so that a command may run tests of flows: package synctest
// asks for a T only to hand one on.
func inBubble(f func()) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // goroutines that never end
			if v := recover(); v != nil {
				err = fmt.Errorf("%v", v)
			}
		}()
		synctest.Test(new(testing.T), func(*testing.T) {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
				}
			}()
			f()
		})
	}()
	<-done
	return err
}
