package journal

import (
	"bytes"
	"context"

	"github.com/flowd/flowd/engine"
)

// checkpoints are those of a node.
type checkpoints struct {
	j     *Journal
	scope scope
}

var _ engine.Checkpoints = (*checkpoints)(nil)

func (c *checkpoints) usable(ctx context.Context) error {
	if c.j.queue.isClosed() {
		return ErrClosed
	}
	return ctx.Err()
}

func (c *checkpoints) Load(ctx context.Context, key string) ([]byte, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	return bytes.Clone(c.j.checkpoints[c.scope][key]), nil
}

func (c *checkpoints) Save(ctx context.Context, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.j.submitPatiently(ctx, &checkpointOp{c, key, bytes.Clone(value)})
}

func (c *checkpoints) Range(ctx context.Context, yield func(key string, value []byte) bool) error {
	if err := c.usable(ctx); err != nil {
		return err
	}
	c.j.mu.Lock()
	values := make(map[string][]byte, len(c.j.checkpoints[c.scope]))
	for key, value := range c.j.checkpoints[c.scope] {
		values[key] = bytes.Clone(value)
	}
	c.j.mu.Unlock()
	for key, value := range values {
		if !yield(key, value) {
			break
		}
	}
	return nil
}

type checkpointOp struct {
	c     *checkpoints
	key   string
	value []byte
}

func (o *checkpointOp) bulky() bool    { return false }
func (o *checkpointOp) size() int      { return 40 + len(o.key) + len(o.value) }
func (o *checkpointOp) write(f *frame) { f.checkpoint(o.c.scope, o.key, o.value) }

func (o *checkpointOp) written(err error) {
	if err == nil {
		o.c.j.setCheckpoint(o.c.scope, o.key, o.value)
	}
}

// setCheckpoint keeps value, or removes the checkpoint if it is nil.
// Journal.mu is held.
func (j *Journal) setCheckpoint(s scope, key string, value []byte) {
	switch values := j.checkpoints[s]; {
	case value == nil:
		if delete(values, key); len(values) == 0 {
			delete(j.checkpoints, s)
		}
	case values == nil:
		j.checkpoints[s] = map[string][]byte{key: value}
	default:
		values[key] = value
	}
}
