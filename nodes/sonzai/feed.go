package sonzai

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// A feed is one list of notifications: an agent's or a project's. It belongs to
// one goroutine.
type feed struct {
	api   *client
	name  string // in the log, and of its checkpoint
	path  string // of the list
	query string
	limit int // how many are given at once

	// event makes the event of a notification, and id is the field that names
	// it.
	event func(raw json.RawMessage) *engine.Event
	id    string

	// consume tells sonzai that notifications are safely in, and returns those
	// that it heard of. It is nil where they are to be left.
	consume func(ctx context.Context, ids []string) (consumed []string, err error)

	due    time.Time // when to look again
	pause  pause
	seen   recent
	warned bool // that some may be missing
}

func (s *source) feeds() []*feed {
	c := s.config.Poll
	var feeds []*feed
	if c.Project != "" {
		feeds = append(feeds, projectFeed(c.Project))
	}
	for _, agent := range c.Agents {
		feeds = append(feeds, agentFeed(agent, c.Consume))
	}
	for _, f := range feeds {
		f.api = s.client(c.APIKey)
		if !c.Consume {
			f.consume = nil
		}
	}
	return feeds
}

// agentFeed is the list of what an agent has said to its users unasked. An
// event's data is the notification as it is, and its type the kind of check
// that made the agent speak.
func agentFeed(agent string, consume bool) *feed {
	f := &feed{
		name: "agent " + agent, path: "/agents/" + url.PathEscape(agent) + "/notifications", query: "status=pending",
		limit: 50, id: "message_id",
	}
	if !consume {
		f.limit = 500 // the most there is: nothing makes room for more
	}
	f.event = func(raw json.RawMessage) *engine.Event {
		e := eventOf(raw, objectOf(raw).text("check_type"), "")
		e.Meta["poll"] = "agent"
		return e
	}
	f.consume = func(ctx context.Context, ids []string) ([]string, error) {
		for i, id := range ids {
			err := f.api.call(ctx, http.MethodPost, f.path+"/"+url.PathEscape(id)+"/consume", nil, nil)
			if err != nil && !gone(err) {
				return ids[:i], fmt.Errorf("consuming notification %q: %w", id, err)
			}
		}
		return ids, nil
	}
	return f
}

// gone reports whether somebody else has consumed a notification.
func gone(err error) bool {
	var refusal *apiError
	return errors.As(err, &refusal) &&
		slices.Contains([]int{http.StatusNotFound, http.StatusConflict, http.StatusGone}, refusal.status)
}

// projectFeed is the list of what a project's agents would tell by webhook,
// with event types and payloads.
func projectFeed(project string) *feed {
	f := &feed{
		name: "project " + project, path: "/projects/" + url.PathEscape(project) + "/notifications",
		limit: 200, id: "notification_id",
	}
	f.event = func(raw json.RawMessage) *engine.Event {
		e := eventOf(raw, "", "payload")
		e.Meta["poll"] = "project"
		return e
	}
	f.consume = func(ctx context.Context, ids []string) ([]string, error) {
		body := map[string][]string{"notification_ids": ids}
		if err := f.api.call(ctx, http.MethodPost, f.path+"/acknowledge", body, nil); err != nil {
			return nil, fmt.Errorf("acknowledging %d notifications: %w", len(ids), err)
		}
		return ids, nil
	}
	return f
}

// An item is a notification of a list.
type item struct {
	id    string
	event *engine.Event
	over  bool // somebody has it already
}

// list asks for the pending notifications of a feed.
func (f *feed) list(ctx context.Context) ([]item, error) {
	var reply struct {
		Notifications []json.RawMessage `json:"notifications"` // null for none
	}
	path := fmt.Sprintf("%s?limit=%d&%s", f.path, f.limit, f.query)
	if err := f.api.call(ctx, http.MethodGet, strings.TrimSuffix(path, "&"), nil, &reply); err != nil {
		return nil, err
	}
	items := make([]item, len(reply.Notifications))
	for i, raw := range reply.Notifications {
		fields := objectOf(raw)
		e := f.event(raw)
		e.Type = cmp.Or(e.Type, "notification")
		items[i] = item{fields.text(f.id), e, over[fields.text("status")]}
	}
	return items, nil
}

// over are the states of notifications that are not pending any more: lists
// come from caches.
var over = map[string]bool{"consumed": true, "acknowledged": true, "expired": true}

// sort parts the items that were not taken yet, each once, and the ids of all
// that are to be consumed. What was consumed may show up for a while yet, from
// sonzai's caches.
func (f *feed) sort(items []item) (fresh []item, open []string) {
	met := map[string]bool{}
	for _, it := range items {
		named := it.id != ""
		if !named {
			it.id = it.event.ID
		}
		if it.over || met[it.id] {
			continue
		}
		met[it.id] = true
		switch f.seen.state[it.id] {
		case consumedItem:
			continue
		case takenItem:
		default:
			fresh = append(fresh, it)
		}
		if named {
			open = append(open, it.id)
		}
	}
	return fresh, open
}
