package sonzai

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Samples lists the event types that sonzai is known to send: those of its
// dispatcher, and those of its older documentation.
func (s *source) Samples() []string {
	return []string{
		"on_wakeup_ready", "on_recurring_event_due", "on_diary_generated",
		"on_personality_updated", "on_mood_updated", "on_breakthrough_detected",
		"agent.message", "agent.mood_change", "agent.memory_added",
		"agent.breakthrough", "agent.wakeup", "agent.consolidation",
	}
}

// Sample is a webhook as sonzai posts it, of the present time and signed with
// the source's secret. Any event type will do: the set is open.
func (s *source) Sample(eventType string) (path string, header http.Header, body []byte, err error) {
	if !s.config.webhooks() {
		return "", nil, nil, errors.New("this source only polls; it takes no webhooks")
	}
	now := time.Now().UTC()
	data := map[string]any{}
	if fill := samples[eventType]; fill != nil {
		data = fill(rand.Text()[:10], now)
	}
	body, err = json.Marshal(map[string]any{
		"event_type": eventType,
		"agent_id":   sampleAgent,
		"user_id":    sampleUser,
		"project_id": "b9d5b2de-7c1b-4a55-8a0e-5d1c2e3f4a5b",
		"timestamp":  now.Format(time.RFC3339Nano),
		"data":       data,
	})
	if err != nil {
		return "", nil, nil, fmt.Errorf("writing a sonzai webhook: %w", err)
	}
	header = http.Header{}
	if s.config.signed() {
		secrets, _ := s.secrets(eventType)
		if len(secrets) == 0 {
			return "", nil, nil, fmt.Errorf("no signing secret for %q is known here: one that register was given is in the store of the running flowd; put it into secrets", eventType)
		}
		header = sign(secrets[0], now, body)
	}
	header.Set("Content-Type", "application/json")
	if want := s.config.AuthHeader.Reveal(); want != "" {
		header.Set("Authorization", want)
	}
	return s.config.Path + "/" + url.PathEscape(eventType), header, body, nil
}

// Of whom samples tell.
const sampleAgent, sampleUser = "6f0a5b52-0d7e-4c55-9a51-2f1c6f2e7a10", "user-123"

// samples make the data of an event type. Only that of on_wakeup_ready is
// known from sonzai's demo; the others are likely.
var samples = map[string]func(id string, now time.Time) map[string]any{
	"on_wakeup_ready": func(id string, now time.Time) map[string]any {
		return map[string]any{
			"wakeup": map[string]any{
				"wakeup_id":    "wk_" + id,
				"agent_id":     sampleAgent,
				"user_id":      sampleUser,
				"check_type":   "interest_followup",
				"intent":       "ask about the job interview",
				"occasion":     "interview day",
				"status":       "executed",
				"scheduled_at": now.Add(-31 * time.Second).Format(time.RFC3339),
				"created_at":   now.Add(-23 * time.Hour).Format(time.RFC3339),
				"executed_at":  now.Format(time.RFC3339),
			},
			"memory_context":    map[string]any{"facts": []any{map[string]any{"fact_id": "f_1", "content": "has an interview on Monday"}}},
			"has_energy":        true,
			"generated_message": "今日は面接だよね。準備はどう？",
		}
	},
	"on_recurring_event_due": func(id string, _ time.Time) map[string]any {
		return map[string]any{"schedule_id": "sch_" + id, "check_type": "reminder", "intent": "take medicine", "generated_message": "薬の時間だよ。"}
	},
	"on_diary_generated": func(id string, _ time.Time) map[string]any {
		return map[string]any{"diary_id": "d_" + id, "title": "A quiet day", "content": "We talked about tea."}
	},
	"on_personality_updated": func(string, time.Time) map[string]any {
		return map[string]any{"big5": map[string]any{
			"openness": 0.71, "conscientiousness": 0.55, "extraversion": 0.4, "agreeableness": 0.66, "neuroticism": 0.3,
		}}
	},
	"on_mood_updated": func(string, time.Time) map[string]any {
		return map[string]any{"mood": map[string]any{"valence": 72, "arousal": 40, "tension": 35, "affiliation": 80}, "label": "content"}
	},
	"on_breakthrough_detected": func(id string, _ time.Time) map[string]any {
		return map[string]any{"breakthrough_id": "b_" + id, "summary": "first time asking for advice"}
	},
	"agent.message": func(id string, _ time.Time) map[string]any {
		return map[string]any{"message_id": "msg_" + id, "content": "Good morning!"}
	},
	"agent.mood_change": func(string, time.Time) map[string]any {
		return map[string]any{"from": "calm", "to": "excited"}
	},
	"agent.memory_added": func(id string, _ time.Time) map[string]any {
		return map[string]any{"fact_id": "f_" + id, "content": "likes green tea"}
	},
	"agent.breakthrough": func(string, time.Time) map[string]any {
		return map[string]any{"summary": "first time asking for advice"}
	},
	"agent.wakeup": func(id string, now time.Time) map[string]any {
		return map[string]any{"wakeup_id": "wk_" + id, "scheduled_at": now.Add(-31 * time.Second).Format(time.RFC3339)}
	},
	"agent.consolidation": func(string, time.Time) map[string]any {
		return map[string]any{"facts_added": 3, "facts_merged": 1}
	},
}
