package journal

import (
	"context"

	"github.com/flowd/flowd/engine"
)

// Queue is Log: here nothing waits for a cursor.
func (j *Journal) Queue(ctx context.Context, name string) (engine.Log, error) {
	return j.Log(ctx, name)
}
