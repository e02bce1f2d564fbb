package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// Letters are the dead letters of a store, as the API and the command line deal
// with them.
type Letters struct {
	Dead engine.DeadLetters
	// Again puts in again those for which the function is true, as
	// [engine.Engine.Retry] does.
	Again func(ctx context.Context, which func(engine.DeadLetter) bool) (int, error)
}

// A Letter is a dead letter as it is shown.
type Letter struct {
	ID       string    `json:"id"`
	Flow     string    `json:"flow"`
	Node     string    `json:"node"` // that gave the event up
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first,omitzero"` // of the attempts
	Last     time.Time `json:"last"`
	Event    Event     `json:"event"` // in a list without meta and data
}

// An Event is an event as it is shown.
type Event struct {
	ID      string          `json:"id"`
	Source  string          `json:"source"`
	Type    string          `json:"type"`
	Subject string          `json:"subject"`
	Time    string          `json:"time"` // RFC 3339
	Meta    json.RawMessage `json:"meta,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"` // what is no JSON is shown as text
	Error   *engine.Failure `json:"error,omitempty"`
}

func outline(e *engine.Event) Event {
	return Event{ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC().Format(time.RFC3339Nano), Error: e.Failure}
}

func whole(e *engine.Event) Event {
	shown := outline(e)
	shown.Meta, _ = json.Marshal(e.MetaValue()) // what can't be written is left out
	raw, err := e.Data.Bytes()
	if err != nil {
		raw = []byte(err.Error())
	}
	if shown.Data = raw; !json.Valid(raw) {
		shown.Data, _ = json.Marshal(string(raw)) // a string can always be written
	}
	return shown
}

func letterOf(d engine.DeadLetter, show func(*engine.Event) Event) Letter {
	f := d.Failure
	return Letter{d.ID, d.Flow, f.Node, f.Message, f.Attempts, f.First, f.Last, show(d.Event)}
}

// A Filter chooses dead letters. What is zero does not matter.
type Filter struct {
	Flow   string    `json:"flow,omitempty"`
	Node   string    `json:"node,omitempty"`
	Error  string    `json:"error,omitempty"` // a part of it, in any case
	Before time.Time `json:"before,omitzero"` // given up before
	Since  time.Time `json:"since,omitzero"`
}

// Matches reports whether f chooses d.
func (f Filter) Matches(d engine.DeadLetter) bool {
	return (f.Flow == "" || f.Flow == d.Flow) &&
		(f.Node == "" || f.Node == d.Failure.Node) &&
		strings.Contains(strings.ToLower(d.Failure.Message), strings.ToLower(f.Error)) &&
		(f.Before.IsZero() || d.Failure.Last.Before(f.Before)) &&
		!d.Failure.Last.Before(f.Since)
}

// Query is f as the parameters of a URL.
func (f Filter) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"flow": f.Flow, "node": f.Node, "error": f.Error} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"before": f.Before, "since": f.Since} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// ParseMoment reads a time, as RFC 3339 has it, or a duration that has passed
// since: 2h.
func ParseMoment(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	var ago flows.Duration
	if err := ago.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, fmt.Errorf("want a time like 2006-01-02T15:04:05Z or how long ago like 2h or 7d, got %q", text)
	}
	return time.Now().Add(-time.Duration(ago)), nil
}

func filterOf(q url.Values) (f Filter, limit int, err error) {
	f = Filter{Flow: q.Get("flow"), Node: q.Get("node"), Error: q.Get("error")}
	for name, into := range map[string]*time.Time{"before": &f.Before, "since": &f.Since} {
		if text := q.Get(name); text != "" {
			if *into, err = ParseMoment(text); err != nil {
				return f, 0, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	limit = DefaultLimit
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > MaxLimit {
			return f, 0, fmt.Errorf("limit: want a number from 1 to %d, got %q", MaxLimit, text)
		}
	}
	return f, limit, nil
}

// How many letters a list shows.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
)

// A LetterList is the newest of the letters that a filter chooses.
type LetterList struct {
	Total   int      `json:"total"` // that it chooses
	Letters []Letter `json:"letters"`
}

// List lists the newest letters that f chooses, the newest first.
func (l Letters) List(ctx context.Context, f Filter, limit int) (LetterList, error) {
	all, err := l.Dead.List(ctx)
	list := LetterList{Letters: []Letter{}}
	for _, d := range slices.Backward(all) {
		if !f.Matches(d) {
			continue
		}
		if list.Total++; list.Total <= limit {
			list.Letters = append(list.Letters, letterOf(d, outline))
		}
	}
	return list, err
}

// ErrNoLetter is returned for the id of a letter that is not there.
var ErrNoLetter = errors.New("no such dead letter")

// Show returns one letter with its event as it was.
func (l Letters) Show(ctx context.Context, id string) (Letter, error) {
	all, err := l.Dead.List(ctx)
	if err != nil {
		return Letter{}, err
	}
	for _, d := range all {
		if d.ID == id {
			return letterOf(d, whole), nil
		}
	}
	return Letter{}, fmt.Errorf("%w: %s", ErrNoLetter, id)
}

// A Choice names letters by id, or says that all are meant that the filter
// chooses.
type Choice struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
	Filter
}

var errChoice = errors.New("want either ids, or all with or without a filter")

func (c Choice) valid() error {
	if (len(c.IDs) > 0) == c.All || !c.All && c.Filter != (Filter{}) {
		return errChoice
	}
	return nil
}

// A Settlement is what became of a [Choice].
type Settlement struct {
	Letters int      `json:"letters"`           // that were put in again, or dropped
	Missing []string `json:"missing,omitempty"` // ids that are not there
	Left    string   `json:"left,omitempty"`    // why others were left
	Waiting bool     `json:"waiting,omitempty"` // they are put in again, and not all are safe yet
}

// Retry puts letters in again at the nodes that gave them up.
func (l Letters) Retry(ctx context.Context, c Choice) (Settlement, error) {
	return l.settle(c, func(which func(engine.DeadLetter) bool) (int, error) {
		return l.Again(ctx, which)
	})
}

// Drop removes letters for good.
func (l Letters) Drop(ctx context.Context, c Choice) (Settlement, error) {
	return l.settle(c, func(which func(engine.DeadLetter) bool) (int, error) {
		all, err := l.Dead.List(ctx)
		if err != nil {
			return 0, err
		}
		var ids []string
		for _, d := range all {
			if which(d) {
				ids = append(ids, d.ID)
			}
		}
		return len(ids), l.Dead.Remove(ctx, ids...)
	})
}

func (l Letters) settle(c Choice, do func(which func(engine.DeadLetter) bool) (int, error)) (Settlement, error) {
	if err := c.valid(); err != nil {
		return Settlement{}, err
	}
	missing := map[string]bool{}
	for _, id := range c.IDs {
		missing[id] = true
	}
	n, err := do(func(d engine.DeadLetter) bool {
		if c.All {
			return c.Matches(d)
		}
		wanted := missing[d.ID]
		delete(missing, d.ID)
		return wanted
	})
	s := Settlement{Letters: n}
	for _, id := range c.IDs {
		if missing[id] {
			s.Missing = append(s.Missing, id)
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.Waiting = true
	case err != nil && n == 0 && len(s.Missing) == 0:
		return s, err
	case err != nil:
		s.Left = err.Error()
	}
	return s, nil
}

func (a *Admin) listLetters(w http.ResponseWriter, r *http.Request) {
	f, limit, err := filterOf(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	list, err := a.letters.List(r.Context(), f, limit)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, list)
}

func (a *Admin) showLetter(w http.ResponseWriter, r *http.Request) {
	letter, err := a.letters.Show(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, ErrNoLetter):
		refuse(w, http.StatusNotFound, err.Error())
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	default:
		reply(w, http.StatusOK, letter)
	}
}

// settleTime bounds how long an answer waits for letters to be safe.
const settleTime = 10 * time.Second

func (a *Admin) settleLetters(settle func(context.Context, Choice) (Settlement, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c Choice
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			refuse(w, http.StatusBadRequest, "reading the request: "+err.Error())
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), settleTime)
		defer cancel()
		s, err := settle(ctx, c)
		switch {
		case errors.Is(err, errChoice):
			refuse(w, http.StatusBadRequest, err.Error())
		case err != nil:
			refuse(w, http.StatusConflict, err.Error())
		case s.Waiting:
			reply(w, http.StatusAccepted, s)
		default:
			a.log.Info("by request", "path", r.URL.Path, "letters", s.Letters)
			reply(w, http.StatusOK, s)
		}
	}
}
