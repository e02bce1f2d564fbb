package slack

import (
	"encoding/json"
	"net/http"

	"github.com/flowd/flowd/engine"
)

// Rehearse shows a message by its text, channel, blocks and thread, and answers
// as Slack does, to a webhook as to the Web API.
func (s *sink) Rehearse(_ *http.Request, body []byte) (map[string]any, engine.Answer) {
	shown := map[string]any{}
	var sent map[string]any
	if json.Unmarshal(body, &sent) == nil {
		for _, key := range []string{"text", "channel", "blocks", "thread_ts"} {
			if v, ok := sent[key]; ok {
				shown[key] = v
			}
		}
	}
	return shown, engine.Answer{
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(`{"ok":true,"ts":"1000000000.000001"}`),
	}
}

var _ engine.Rehearser = (*sink)(nil)
