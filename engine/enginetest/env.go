package enginetest

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/flowd/flowd/engine"
)

// NewEnv returns what a node finds around it when it is opened, in memory, and
// its log.
func NewEnv(flow, node string) (*engine.Env, *Log) {
	log := &Log{}
	keys, _ := engine.MemoryStore().Keys(context.Background(), flow, node) // memory does not fail
	return &engine.Env{
		Flow: flow, Node: node, Log: slog.New(slog.NewTextHandler(log, nil)),
		Keys: keys, Checkpoints: &Checkpoints{}, Share: &engine.Share{},
	}, log
}

// A Log is what was logged, as text. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Checkpoints are kept in memory, and fail where they are told to. The zero
// Checkpoints are ready, and safe for concurrent use.
type Checkpoints struct {
	mu     sync.Mutex
	fail   error
	values map[string][]byte
}

// FailWith makes every Save fail from now on, unless err is nil.
func (c *Checkpoints) FailWith(err error) *Checkpoints {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
	return c
}

// Load returns what was saved.
func (c *Checkpoints) Load(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key], nil
}

// Save keeps a value, or removes it if it is nil.
func (c *Checkpoints) Save(_ context.Context, key string, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fail != nil:
		return c.fail
	case value == nil:
		delete(c.values, key)
	case c.values == nil:
		c.values = map[string][]byte{key: value}
	default:
		c.values[key] = value
	}
	return nil
}

// Range goes over what was saved, by key.
func (c *Checkpoints) Range(_ context.Context, yield func(key string, value []byte) bool) error {
	c.mu.Lock()
	values := maps.Clone(c.values)
	c.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !yield(key, values[key]) {
			break
		}
	}
	return nil
}

// Len counts what is kept.
func (c *Checkpoints) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values)
}

var _ engine.Checkpoints = (*Checkpoints)(nil)
