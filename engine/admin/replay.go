package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/flowd/flowd/engine"
)

// A Replay asks for delivered events to go through their flow again.
type Replay struct {
	Since  string   `json:"since"`           // as [ParseMoment] reads it
	Types  []string `json:"types,omitempty"` // all if there are none
	To     string   `json:"to,omitempty"`    // node that they enter at, instead of their source
	DryRun bool     `json:"dry_run,omitempty"`
}

// Options are what the engine is asked for.
func (r Replay) Options() (engine.ReplayOptions, error) {
	since, err := ParseMoment(r.Since)
	return engine.ReplayOptions{Since: since, Types: r.Types, To: r.To, DryRun: r.DryRun}, err
}

// Replayed is how far a replay has come: a line of the answer to its request.
type Replayed struct {
	Events int    `json:"events"`
	Done   bool   `json:"done"`            // this is the last line
	Error  string `json:"error,omitempty"` // why it has ended before all were in
}

// replayTell is how often a replay tells how far it has come.
const replayTell = time.Second

// replay has a flow replay events for as long as the client listens. What can
// be told at once to be wrong is refused; else the answer is a line of JSON
// every second.
func (a *Admin) replay(w http.ResponseWriter, r *http.Request) {
	var asked Replay
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "reading the request: "+err.Error())
		return
	}
	o, err := asked.Options()
	if err != nil {
		refuse(w, http.StatusBadRequest, "since: "+err.Error())
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	lines := json.NewEncoder(w)
	began := false
	last := time.Now()
	tell := func(now Replayed) {
		if !began {
			began = true
			w.Header().Set("Content-Type", "application/jsonl")
			w.Header().Set("X-Accel-Buffering", "no") // nginx would keep lines back
		}
		patient(w, time.Now().Add(tapTime))
		if lines.Encode(now) != nil || http.NewResponseController(w).Flush() != nil {
			cancel()
		}
		last = time.Now()
	}
	o.Progress = func(events int) {
		select {
		case <-closing(r):
			cancel()
		default:
		}
		if time.Since(last) >= replayTell {
			tell(Replayed{Events: events})
		}
	}
	n, err := a.engine.Replay(ctx, r.PathValue("flow"), o)
	switch {
	case err == nil:
		a.log.Info("by request", "path", r.URL.Path, "events", n, "dry", o.DryRun)
		tell(Replayed{Events: n, Done: true})
	case began || n > 0:
		a.log.Warn("by request, and not finished", "path", r.URL.Path, "events", n, "error", err)
		tell(Replayed{Events: n, Done: true, Error: err.Error()})
	case errors.Is(err, engine.ErrNoFlow):
		refuse(w, http.StatusNotFound, err.Error())
	case errors.Is(err, engine.ErrNotKept):
		refuse(w, http.StatusNotImplemented, err.Error())
	default:
		refuse(w, http.StatusInternalServerError, err.Error())
	}
}
