package sonzai

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/flowd/flowd/engine"
)

// maxRecent is how many notifications of a feed are remembered: several times
// the longest list, since only what is still listed can come again.
const maxRecent = 2000

// A state is what became of a notification.
type state uint8

const (
	takenItem    state = iota + 1 // it is safely in
	consumedItem                  // and sonzai knows
)

// recent remembers the latest notifications, so that one that is listed again
// is taken once. The zero recent is empty.
type recent struct {
	state map[string]state
	order []string // oldest first
}

func (r *recent) set(id string, s state) {
	if r.state == nil {
		r.state = map[string]state{}
	}
	if r.state[id] == 0 {
		r.order = append(r.order, id)
	}
	r.state[id] = s
	if len(r.order) > maxRecent {
		delete(r.state, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	}
}

func (r *recent) load(ctx context.Context, from engine.Checkpoints, feed string) error {
	value, err := from.Load(ctx, "seen/"+feed)
	if err != nil || value == nil {
		return err
	}
	var ids []string
	if err := json.Unmarshal(value, &ids); err != nil {
		return err
	}
	for _, id := range ids {
		r.set(id, takenItem)
	}
	return nil
}

func (r *recent) save(ctx context.Context, to engine.Checkpoints, feed string) error {
	value, err := json.Marshal(r.order)
	if err != nil {
		return err
	}
	return to.Save(ctx, "seen/"+feed, value)
}
