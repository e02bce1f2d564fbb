package web

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"github.com/flowd/flowd/engine"
)

// Samples lists the types of event that Sample knows best.
func (w *webhook) Samples() []string {
	switch v := w.Verify; {
	case v.GitHub != nil:
		return []string{"push", "pull_request", "issues", "ping"}
	case v.Stripe != nil:
		return []string{"payment_intent.succeeded", "customer.created", "invoice.paid"}
	case v.Slack != nil:
		return []string{"message", "app_mention", "reaction_added"}
	}
	return []string{"sample"}
}

// Sample makes a request as a sender makes it, signed with the webhook's first
// secret: one of any type, or of the first that Samples lists if it is empty.
// It is sent with the method of the route.
func (w *webhook) Sample(eventType string) (path string, header http.Header, body []byte, err error) {
	if eventType == "" {
		eventType = w.Samples()[0]
	}
	id, now := rand.Text(), time.Now()
	h := http.Header{"Content-Type": {"application/json"}}
	var data map[string]any
	switch v := w.Verify; {
	case v.GitHub != nil:
		h.Set("X-GitHub-Event", eventType)
		h.Set("X-GitHub-Delivery", id)
		data = map[string]any{
			"action":     "opened",
			"repository": map[string]any{"full_name": "octocat/hello-world"},
			"sender":     map[string]any{"login": "octocat"},
		}
	case v.Stripe != nil:
		data = map[string]any{
			"id": "evt_" + id, "object": "event", "type": eventType, "created": now.Unix(),
			"data": map[string]any{"object": map[string]any{"id": "obj_sample", "amount": 1200, "currency": "eur"}},
		}
	case v.Slack != nil:
		data = map[string]any{
			"type": "event_callback", "event_id": "Ev" + id, "event_time": now.Unix(),
			"event": map[string]any{"type": eventType, "channel": "C0SAMPLE", "user": "U0SAMPLE", "text": "hello"},
		}
	default:
		if w.Verify.StandardWebhooks != nil {
			h.Set("webhook-id", "msg_"+id)
		}
		data = map[string]any{
			"type": eventType, "timestamp": now.UTC().Format(time.RFC3339), "data": map[string]any{"message": "hello"},
		}
	}
	path = w.Path
	if w.Method == http.MethodGet {
		h.Del("Content-Type")
		path += "?" + url.Values{"type": {eventType}, "message": {"hello"}}.Encode()
	} else if body, err = engine.Value(data).Bytes(); err != nil {
		return "", nil, nil, err
	}
	r, err := http.NewRequest(w.Method, "http://localhost"+path, nil)
	if err != nil {
		return "", nil, nil, err
	}
	r.Header = h
	return path, h, body, w.scheme.sign(r, body)
}
