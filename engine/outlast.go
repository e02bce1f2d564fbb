package engine

import (
	"context"
	"time"
)

// outlasting is how long what a source has in hand may take when its Run is to
// end.
const outlasting = 2 * time.Second

// Outlast returns ctx with two seconds left after its end, for a Put and the
// checkpoint that follows it: what is being put in when Run is to end would
// else be in, and not be known to be, and come again.
func Outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-late.Done():
		case <-time.After(outlasting):
			cancel()
		}
	})
	return late, func() {
		stop()
		cancel()
	}
}
