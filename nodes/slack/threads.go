package slack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

const (
	// threadAge is how long after its last message a thread is remembered.
	threadAge = 30 * 24 * time.Hour
	// maxThreads is how many threads a node remembers: the latest.
	maxThreads = 10000
	// restamp is how old the remembered use of a thread grows before it is
	// written anew: not each message costs a write.
	restamp = 24 * time.Hour

	threadPrefix = "thread/"
)

// threads remembers which message began each thread of a node, in memory and
// among its checkpoints. The old and the new form of a node share it over a
// reload. It is safe for concurrent use.
type threads struct {
	checkpoints engine.Checkpoints

	mu    sync.Mutex
	known map[string]thread
}

// A thread is known by the message that began it.
type thread struct {
	TS   string    `json:"ts"`
	Used time.Time `json:"used"`
}

// loadThreads reads what is remembered, and forgets what is too old.
func loadThreads(ctx context.Context, from engine.Checkpoints) (*threads, error) {
	t := &threads{checkpoints: from, known: map[string]thread{}}
	var old []string
	err := from.Range(ctx, func(key string, value []byte) bool {
		if !strings.HasPrefix(key, threadPrefix) {
			return true
		}
		var th thread
		if json.Unmarshal(value, &th) != nil || th.TS == "" || time.Since(th.Used) > threadAge {
			old = append(old, key)
		} else {
			t.known[key] = th
		}
		return true
	})
	for _, key := range old {
		if err == nil {
			err = from.Save(ctx, key, nil)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the threads: %w", err)
	}
	return t, nil
}

// Close does nothing: what is worth keeping was saved.
func (t *threads) Close() error { return nil }

// threadKey names the thread of a value in a channel.
func threadKey(channel, value string) string {
	sum := sha256.Sum256([]byte(channel + "\x00" + value))
	return threadPrefix + hex.EncodeToString(sum[:16])
}

// ts is the message that began a thread, or "" if there is none.
func (t *threads) ts(key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	th := t.known[key]
	if time.Since(th.Used) > threadAge {
		return ""
	}
	return th.TS
}

// used remembers that a message went into the thread that ts began. After an
// error it is remembered until the process ends.
func (t *threads) used(ctx context.Context, key, ts string) error {
	t.mu.Lock()
	now := time.Now()
	th := t.known[key]
	save := th.TS != ts || now.Sub(th.Used) > restamp
	var forget []string
	if save {
		t.known[key] = thread{ts, now}
		forget = t.crowd()
	}
	t.mu.Unlock()
	if !save {
		return nil
	}
	value, err := json.Marshal(thread{ts, now})
	if err != nil {
		return err
	}
	for _, key := range forget {
		if err := t.checkpoints.Save(ctx, key, nil); err != nil {
			return err
		}
	}
	return t.checkpoints.Save(ctx, key, value)
}

// crowd takes out the threads longest unused when there are too many, a tenth
// of them at once, and returns their keys.
func (t *threads) crowd() []string {
	if len(t.known) <= maxThreads {
		return nil
	}
	keys := make([]string, 0, len(t.known))
	for key := range t.known {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(t.known[a].Used.Compare(t.known[b].Used), cmp.Compare(a, b))
	})
	keys = keys[:len(keys)/10]
	for _, key := range keys {
		delete(t.known, key)
	}
	return keys
}

// forget forgets a thread whose first message is gone.
func (t *threads) forget(ctx context.Context, key string) error {
	t.mu.Lock()
	delete(t.known, key)
	t.mu.Unlock()
	return t.checkpoints.Save(ctx, key, nil)
}
