package admin_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

// bury puts n letters into a store: 1 is the oldest, of n hours ago.
func (w *world) bury(n int) {
	w.t.Helper()
	for i := range n {
		d := engine.DeadLetter{
			Flow:    []string{"calls", "other"}[i%2],
			Event:   &engine.Event{ID: fmt.Sprint("e", i+1), Type: "joined", Node: "feed", Data: engine.JSON([]byte(`{"name": "Aiko"}`))},
			Failure: engine.Failure{Node: []string{"slack", "collect"}[i%2], Message: fmt.Sprintf("Refused with %d", 400+i), Attempts: 3, Last: time.Now().Add(-time.Duration(n-i)*time.Hour + time.Minute)},
		}
		if err := w.store.DeadLetters().Add(w.t.Context(), d); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestDeadLettersAreListedByWhatIsAskedForTheNewestFirst(t *testing.T) {
	w := start(t, document)
	w.bury(6)
	at := func(ago time.Duration) string { return url.QueryEscape(time.Now().Add(-ago).Format(time.RFC3339)) }
	tests := []struct {
		query string
		total int
		ids   string
	}{
		{"", 6, "6 5 4 3 2 1"},
		{"limit=2", 6, "6 5"},
		{"flow=calls", 3, "5 3 1"},
		{"node=collect", 3, "6 4 2"},
		{"flow=calls&node=collect", 0, ""},
		{"error=refused", 6, "6 5 4 3 2 1"},
		{"error=WITH+403", 1, "4"},
		{"since=2h", 2, "6 5"},
		{"before=2h", 4, "4 3 2 1"},
		{"since=" + at(4*time.Hour) + "&before=" + at(2*time.Hour), 2, "4 3"},
		{"before=7d", 0, ""},
	}
	for _, test := range tests {
		var list admin.LetterList
		w.ask("GET", "/api/v1/dead-letters?"+test.query, "", 200, &list)
		var ids []string
		for _, l := range list.Letters {
			ids = append(ids, l.ID)
			if l.Event.Data != nil || l.Event.Meta != nil || l.Event.Type != "joined" {
				t.Errorf("%s: the event is listed as %+v", test.query, l.Event)
			}
		}
		if got := strings.Join(ids, " "); got != test.ids || list.Total != test.total {
			t.Errorf("%s: got %d: %s, want %d: %s", test.query, list.Total, got, test.total, test.ids)
		}
	}
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1000000", "since=yesterday", "before=x"} {
		var refusal admin.Refusal
		w.ask("GET", "/api/v1/dead-letters?"+query, "", 400, &refusal)
		if name, _, _ := strings.Cut(query, "="); !strings.HasPrefix(refusal.Error, name+": want") {
			t.Errorf("%s: got %q", query, refusal.Error)
		}
	}
}

func TestOneDeadLetterIsShownWithItsEvent(t *testing.T) {
	w := start(t, document)
	w.bury(1)
	var l admin.Letter
	w.ask("GET", "/api/v1/dead-letters/1", "", 200, &l)
	if string(l.Event.Data) != `{"name":"Aiko"}` || string(l.Event.Meta) != `{"node":"feed"}` || l.Attempts != 3 || l.Error != "Refused with 400" {
		t.Errorf("got %+v", l)
	}
	w.ask("GET", "/api/v1/dead-letters/2", "", 404, &admin.Refusal{})
}

func TestADeadLetterThatIsNoJSONIsShownAsText(t *testing.T) {
	w := start(t, document)
	d := engine.DeadLetter{Flow: "calls", Event: &engine.Event{Data: engine.JSON([]byte("{no\x00 json")), Meta: engine.Meta{"f": func() {}}}}
	if err := w.store.DeadLetters().Add(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var l admin.Letter
	w.ask("GET", "/api/v1/dead-letters/1", "", 200, &l)
	if string(l.Event.Data) != `"{no\u0000 json"` || l.Event.Meta != nil {
		t.Errorf("got %s and %s", l.Event.Data, l.Event.Meta)
	}
}

func TestDeadLettersAreTriedAgainOrDropped(t *testing.T) {
	w := start(t, document)
	w.bury(6)
	left := func() string {
		var ids []string
		for _, d := range w.letters() {
			ids = append(ids, d.ID)
		}
		return strings.Join(ids, " ")
	}
	steps := []struct {
		action, body string
		status       int
		letters      int
		missing      string
		left         string
	}{
		{"retry", `{"ids":["1","9"]}`, 200, 1, "9", "2 3 4 5 6"},
		{"drop", `{"ids":["2"]}`, 200, 1, "", "3 4 5 6"},
		{"drop", `{"ids":["2"]}`, 200, 0, "2", "3 4 5 6"},
		{"drop", `{"all":true,"flow":"nobody"}`, 200, 0, "", "3 4 5 6"},
		{"retry", `{"all":true,"flow":"calls","error":"404"}`, 200, 1, "", "3 4 6"},
		{"drop", `{"all":true,"since":"` + time.Now().Add(-2*time.Hour).Format(time.RFC3339) + `"}`, 200, 1, "", "3 4"},
		{"retry", `{"all":true}`, 200, 2, "", ""},
	}
	for _, step := range steps {
		var s admin.Settlement
		w.ask("POST", "/api/v1/dead-letters/"+step.action, step.body, step.status, &s)
		if s.Letters != step.letters || strings.Join(s.Missing, " ") != step.missing || s.Left != "" || s.Waiting {
			t.Errorf("%s %s: got %+v", step.action, step.body, s)
		}
		if got := left(); got != step.left {
			t.Errorf("%s %s: %s is left, want %s", step.action, step.body, got, step.left)
		}
	}
	if got := strings.Join(w.delivered(), " "); got != "e1 e3 e4 e5" {
		t.Errorf("%s came to the sinks", got)
	}
}

func TestAChoiceThatIsNotClearIsRefused(t *testing.T) {
	w := start(t, document)
	w.bury(2)
	for _, body := range []string{``, `{}`, `[]`, `{"ids":[]}`, `{"flow":"calls"}`, `{"all":false}`, `{"ids":["1"],"all":true}`,
		`{"ids":["1"],"flow":"calls"}`, `{"al":true}`, `{"all":true,"since":"2h"}`, `{"all":true`} {
		for _, action := range []string{"retry", "drop"} {
			w.ask("POST", "/api/v1/dead-letters/"+action, body, 400, &admin.Refusal{})
		}
	}
	if n := len(w.letters()); n != 2 {
		t.Errorf("%d letters are left, want both", n)
	}
}

func TestWhatCannotBeTriedAgainIsLeft(t *testing.T) {
	w := start(t, document)
	w.bury(2)
	gone := engine.DeadLetter{Flow: "gone", Event: &engine.Event{ID: "e3"}, Failure: engine.Failure{Node: "slack"}}
	if err := w.store.DeadLetters().Add(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	var refusal admin.Refusal
	w.ask("POST", "/api/v1/dead-letters/retry", `{"ids":["3"]}`, 409, &refusal)
	if !strings.Contains(refusal.Error, `flow "gone" has no node "slack" now`) {
		t.Errorf("got %q", refusal.Error)
	}
	var s admin.Settlement
	w.ask("POST", "/api/v1/dead-letters/retry", `{"all":true}`, 200, &s)
	if s.Letters != 2 || !strings.Contains(s.Left, "gone") {
		t.Errorf("got %+v", s)
	}
	if n := len(w.letters()); n != 1 {
		t.Errorf("%d letters are left, want 1", n)
	}
}

func TestAnEventThatIsRefusedAgainIsADeadLetterAgain(t *testing.T) {
	w := start(t, document)
	w.failWith(errors.New("still closed"))
	w.bury(1)
	var s admin.Settlement
	w.ask("POST", "/api/v1/dead-letters/retry", `{"all":true}`, 200, &s)
	if all := w.letters(); len(all) != 1 || all[0].ID == "1" || all[0].Failure.Message != "still closed" {
		t.Errorf("got %+v", all)
	}
}
