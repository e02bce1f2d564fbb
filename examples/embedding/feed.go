package main

import (
	"context"
	_ "embed" // for the source
	"time"

	"github.com/flowd/flowd/engine"
)

//go:embed feed.go
var feedSource string

// A line is what the program feeds to the flows. Taken gets nil when it is
// safe, and the reason if it is not: then the program has to feed it again.
type line struct {
	text  string
	taken chan<- error
}

// feedFrom declares the source feed, which puts in what comes over a channel,
// and has finished when that is closed.
func feedFrom(lines <-chan line) engine.SourceSpec[FeedConfig] {
	return engine.SourceSpec[FeedConfig]{
		About:   engine.About{Type: "feed", Summary: "Puts in what the program feeds.", Example: "feed: {type: line}", Source: feedSource},
		Default: FeedConfig{Type: "line"},
		Schema: func(c FeedConfig) engine.Schema { // so that a typo in data.line is found before it runs
			return engine.Schema{{
				Of: "a line", Type: engine.OneOf(c.Type),
				Data: engine.ClosedMap(map[string]engine.Shape{"line": {Kinds: engine.CanBeText}}),
			}}
		},
		New: func(c FeedConfig) (engine.Source, error) { return &feed{c, lines}, nil },
	}
}

// FeedConfig is the configuration of a feed.
type FeedConfig struct {
	// Type is the type of the events.
	Type string `flow:"type,main"`
}

type feed struct {
	config FeedConfig
	lines  <-chan line
}

var _ engine.Source = (*feed)(nil)

// Run puts in line by line until there are no more, or ctx is done.
func (f *feed) Run(ctx context.Context, in engine.Inlet) error {
	for {
		select {
		case l, ok := <-f.lines:
			if !ok {
				return nil
			}
			l.taken <- in.Put(ctx, &engine.Event{
				ID: engine.Digest([]byte(l.text)), Source: "feed", Type: f.config.Type, Time: time.Now(),
				Data: engine.Value(map[string]any{"line": l.text}),
			})
		case <-ctx.Done():
			return nil
		}
	}
}
