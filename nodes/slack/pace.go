package slack

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

// A pacer lets one message at a time into each channel, and one a second. All
// nodes that post with the same webhook or token share it, also the old and
// the new form of a node over a reload. It is safe for concurrent use.
type pacer struct {
	mu       sync.Mutex
	channels map[string]*channel
}

type channel struct {
	turn  chan struct{} // holds one while nobody has the turn
	next  time.Time     // when it takes another message; belongs to who has the turn
	users int           // guarded by the pacer
}

// patience is how long a message waits for its turn to come. When Slack asks
// for more, the lane does the waiting: a reload or a stop can end that.
const patience = 5 * time.Second

// manyChannels is how many channels are kept before idle ones are forgotten.
const manyChannels = 1000

func newPacer() (*pacer, error) { return &pacer{channels: map[string]*channel{}}, nil }

// Close does nothing: a pacer holds nothing but times.
func (p *pacer) Close() error { return nil }

// enter waits until the channel takes a message. Whoever enters must leave,
// and says how long the channel is to rest.
func (p *pacer) enter(ctx context.Context, name string) (leave func(rest time.Duration), err error) {
	c := p.use(name)
	select {
	case <-c.turn:
	case <-ctx.Done():
		p.release(c)
		return nil, engine.Unavailable(ctx.Err(), 0)
	}
	start := time.Now()
	leave = func(rest time.Duration) {
		c.next = start.Add(max(rest, spacing))
		c.turn <- struct{}{}
		p.release(c)
	}
	rest := c.next.Sub(start)
	if rest > patience {
		c.turn <- struct{}{}
		p.release(c)
		return nil, engine.Unavailable(fmt.Errorf("slack takes no messages for this channel for %s", rest.Round(time.Second)), rest)
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		start = time.Now()
		return leave, nil
	case <-ctx.Done():
		c.turn <- struct{}{}
		p.release(c)
		return nil, engine.Unavailable(ctx.Err(), 0)
	}
}

func (p *pacer) use(name string) *channel {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.channels[name]
	if c == nil {
		if len(p.channels) >= manyChannels {
			p.forgetIdle()
		}
		c = &channel{turn: make(chan struct{}, 1)}
		c.turn <- struct{}{}
		p.channels[name] = c
	}
	c.users++
	return c
}

func (p *pacer) release(c *channel) {
	p.mu.Lock()
	c.users--
	p.mu.Unlock()
}

// forgetIdle forgets the channels that could take a message at once.
func (p *pacer) forgetIdle() {
	now := time.Now()
	for name, c := range p.channels {
		if c.users == 0 && c.next.Before(now) {
			delete(p.channels, name)
		}
	}
}
