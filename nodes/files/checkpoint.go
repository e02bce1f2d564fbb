package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

const (
	headBytes = 1 << 10            // so much of a file's beginning tells it from another
	keepFor   = 7 * 24 * time.Hour // so long the checkpoint of a file that can't be found is kept
	startedAt = "started "         // with a pattern behind it: the key that says that it was looked for before
)

// A checkpoint says how far a file was read. It is kept under the identity of
// the file, which a rename does not change.
type checkpoint struct {
	Path string `json:"path"` // where it was found
	// Generation tells what the file held before it was truncated, or another
	// file that had the same inode, from what it holds now.
	Generation string    `json:"generation,omitempty"`
	Offset     int64     `json:"offset"`
	Head       int       `json:"head"` // how many bytes of its beginning Sum is the hash of
	Sum        []byte    `json:"sum,omitempty"`
	Saved      time.Time `json:"saved"`
}

// newGeneration is a name that no file had before.
func newGeneration() string { return rand.Text()[:16] }

func sum(head []byte) []byte {
	s := sha256.Sum256(head)
	return s[:16]
}

// describes reports whether c is about a file that begins with head and is
// size bytes long.
func (c *checkpoint) describes(head []byte, size int64) bool {
	return size >= c.Offset && len(head) >= c.Head && bytes.Equal(c.Sum, sum(head[:c.Head]))
}

// checkpoints keeps the checkpoints of a node, for every pattern it ever had.
type checkpoints struct{ store engine.Checkpoints }

// load returns the checkpoint of a file, or nil if there is none.
func (c checkpoints) load(ctx context.Context, id string) (*checkpoint, error) {
	value, err := c.store.Load(ctx, id)
	if err != nil || value == nil {
		return nil, err
	}
	return decodeCheckpoint(id, value)
}

func decodeCheckpoint(id string, value []byte) (*checkpoint, error) {
	var found checkpoint
	if err := json.Unmarshal(value, &found); err != nil {
		return nil, fmt.Errorf("reading the checkpoint of file %s: %w", id, err)
	}
	return &found, nil
}

// save saves also when ctx has just ended: what was put in should not come
// again only because the node is being stopped.
func (c checkpoints) save(ctx context.Context, id string, cp checkpoint) error {
	cp.Saved = time.Now().UTC()
	value, err := json.Marshal(cp)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return c.store.Save(ctx, id, value)
}

func (c checkpoints) remove(ctx context.Context, id string) error { return c.store.Save(ctx, id, nil) }

// first reports whether the node has never looked for a pattern.
func (c checkpoints) first(ctx context.Context, pattern string) (bool, error) {
	value, err := c.store.Load(ctx, startedAt+pattern)
	return value == nil, err
}

// begun remembers that the node has looked for a pattern.
func (c checkpoints) begun(ctx context.Context, pattern string) error {
	return c.store.Save(ctx, startedAt+pattern, []byte(`{}`))
}

// all lists the checkpoints of all files, by identity.
func (c checkpoints) all(ctx context.Context) (map[string]*checkpoint, error) {
	all := map[string]*checkpoint{}
	var broken error
	err := c.store.Range(ctx, func(id string, value []byte) bool {
		if strings.HasPrefix(id, startedAt) {
			return true
		}
		all[id], broken = decodeCheckpoint(id, value)
		return broken == nil
	})
	if err == nil {
		err = broken
	}
	return all, err
}
