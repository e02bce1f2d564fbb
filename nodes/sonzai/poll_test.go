package sonzai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// run runs a source against a sonzai until the returned function is called. It
// belongs into a synctest bubble.
func run(t *testing.T, s *source, api *fakeAPI, in engine.Inlet) (stop func()) {
	s.http.Transport = handlerTransport{api}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, in) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func notifications(t *testing.T, name string) []json.RawMessage {
	t.Helper()
	var list struct {
		Notifications []json.RawMessage `json:"notifications"`
	}
	if err := json.Unmarshal(readFile(t, "api", name), &list); err != nil {
		t.Fatal(err)
	}
	return list.Notifications
}

func TestAnAgentsNotificationsAreTakenAndConsumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: notifications(t, "notifications.pending.json")}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko / 愛子}", env), api, in)
		defer stop()

		if diff := cmp.Diff([]string{"pm_0001", "pm_0002", "pm_0003"}, ids(in.Events())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"pm_0001", "pm_0002", "pm_0003"}, api.consumed()); diff != "" {
			t.Errorf("consumed (-want +got):\n%s", diff)
		}
		e := in.Events()[2]
		if e.Source != "sonzai" || e.Type != "interest_followup" || e.Subject != "6f0a5b52-0d7e-4c55-9a51-2f1c6f2e7a10" || e.Meta["poll"] != "agent" {
			t.Errorf("got %+v", e)
		}
		if !e.Time.Equal(time.Date(2026, 4, 5, 9, 3, 0, 0, time.UTC)) {
			t.Errorf("time %s", e.Time)
		}
		data, _ := e.Data.Value()
		if got := data.(map[string]any)["generated_message"]; got != `<b>&amp; 日本語 "quoted"</b>` {
			t.Errorf("message %q", got)
		}
		want := "GET /api/v1/agents/aiko%20%2F%20%E6%84%9B%E5%AD%90/notifications?limit=50&status=pending"
		if got := api.seen()[0]; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		api.add(message(9))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := ids(in.Events()); len(got) != 4 || got[3] != "m0009" {
			t.Errorf("the next look gave %v", got)
		}
	})
}

func TestAProjectsNotificationsAreTakenAndAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		raws := notifications(t, "project_notifications.json")
		api := &fakeAPI{idKey: "notification_id", pending: raws}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, project: p1}", env), api, in)
		defer stop()

		events := in.Events()
		if diff := cmp.Diff([]string{"n_01", "n_02"}, ids(events)); diff != "" {
			t.Fatalf("events (-want +got):\n%s", diff)
		}
		first := value(t, raws[0]).(map[string]any)
		got, err := events[0].Data.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first["payload"], value(t, got)); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
		delete(first, "payload")
		if diff := cmp.Diff(first, events[0].Meta["envelope"]); diff != "" {
			t.Errorf("meta.envelope (-want +got):\n%s", diff)
		}
		if events[0].Type != "on_wakeup_ready" || events[0].Subject == "" || events[1].Subject != "" {
			t.Errorf("got type %q, subjects %q and %q", events[0].Type, events[0].Subject, events[1].Subject)
		}
		want := []string{"GET /api/v1/projects/p1/notifications?limit=200", "POST /api/v1/projects/p1/notifications/acknowledge"}
		if diff := cmp.Diff(want, api.seen()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"n_01", "n_02"}, api.consumed()); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsConsumedBeforeItIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: []json.RawMessage{message(1)}}
		var full atomic.Bool
		full.Store(true)
		in := &enginetest.Inlet{Fail: func([]*engine.Event) error {
			if full.Load() {
				return engine.ErrFull
			}
			if done := api.consumed(); len(done) > 0 {
				return fmt.Errorf("%v was consumed already", done)
			}
			return nil
		}}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		if len(api.consumed()) > 0 {
			t.Fatal("consumed an event that was refused")
		}
		full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"m0001"}, ids(in.Events())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"m0001"}, api.consumed()); diff != "" {
			t.Errorf("consumed (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsBeingTakenAtAReloadIsConsumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: notifications(t, "notifications.pending.json")}
		in := &enginetest.Inlet{Fail: func([]*engine.Event) error {
			time.Sleep(time.Second) // a slow disk
			return nil
		}}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		if n := len(in.Events()); n != 0 {
			t.Fatalf("%d events are in already", n)
		}
		stop()
		if n := len(in.Events()); n != 3 {
			t.Errorf("%d events are in", n)
		}
		if diff := cmp.Diff(ids(in.Events()), api.consumed()); diff != "" {
			t.Errorf("consumed (-put in +got):\n%s", diff)
		}
	})
}

func TestAFullListIsAskedForAgainUntilItIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id"}
		for i := range 120 {
			api.add(message(i))
		}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		if got := ids(in.Events()); len(got) != 120 || !slices.IsSorted(got) {
			t.Errorf("got %d events, want 120 in order", len(got))
		}
		if n := len(api.consumed()); n != 120 {
			t.Errorf("%d consumed", n)
		}
	})
}

func TestWhatWasConsumedAndShowsAgainIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{idKey: "message_id", stale: true}
		for i := range 50 {
			api.add(message(i))
		}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n, m := len(in.Events()), len(api.consumed()); n != 50 || m != 50 {
			t.Errorf("%d events and %d consumed, want 50 of each", n, m)
		}
		if n := strings.Count(log.String(), "older ones may be missing"); n != 1 {
			t.Errorf("warned %d times:\n%s", n, log)
		}
	})
}

func TestAConsumeThatFailedIsTriedAgainWithoutASecondEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: []json.RawMessage{message(1), message(2), message(3)}}
		in := &enginetest.Inlet{}
		list := api.list
		api.say(list, reply(200, `{"success":true}`), reply(500, `oops`))
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(in.Events()); n != 3 {
			t.Errorf("%d events", n)
		}
		if diff := cmp.Diff([]string{"m0002", "m0003"}, api.consumed()); diff != "" {
			t.Errorf("consumed later (-want +got):\n%s", diff)
		}
	})
}

func TestWhatSomebodyElseConsumedIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: notifications(t, "notifications.history.json")}
		api.say(api.list, reply(404, `{"title":"Not Found","status":404}`))
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		if diff := cmp.Diff([]string{"pm_0003"}, ids(in.Events())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if strings.Contains(log.String(), "WARN") {
			t.Errorf("the log says:\n%s", log)
		}
	})
}

func TestWithoutConsumeEachNotificationComesOnceAlsoOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{idKey: "message_id"}
		for i := range 500 {
			api.add(message(i))
		}
		in := &enginetest.Inlet{}
		const config = "poll: {api_key: sk_1, agents: aiko, consume: false, every: 1m}"
		for range 2 {
			stop := run(t, newTest(t, config, env), api, in)
			time.Sleep(5*time.Minute + time.Second)
			stop()
		}
		if n := len(in.Events()); n != 500 {
			t.Errorf("%d events, want 500", n)
		}
		for _, call := range api.seen() {
			if call != "GET /api/v1/agents/aiko/notifications?limit=500&status=pending" {
				t.Fatalf("called %s", call)
			}
		}
		if n := len(api.seen()); n != 12 {
			t.Errorf("%d looks in two times five minutes", n)
		}
		if n := strings.Count(log.String(), "older ones may be missing"); n != 2 {
			t.Errorf("warned %d times, want once a run:\n%s", n, log)
		}
	})
}

func TestSonzaiSaysHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: []json.RawMessage{message(1)}}
		api.say(reply(429, `{"error":"slow down"}`, "Retry-After", "90"))
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: [aiko, ren]}", env), api, in)
		defer stop()
		time.Sleep(89 * time.Second)
		synctest.Wait()
		if n := len(api.seen()); n != 1 {
			t.Errorf("called %d times before the 90 s were over: %v", n, api.seen())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(in.Events()); n != 1 {
			t.Errorf("%d events after 90 s", n)
		}
		if !strings.Contains(log.String(), "slow down") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	})
}

func TestALimitOnCallsShortensNobodysPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{refuse: "/agents/down/", refusal: reply(503, ``, "Retry-After", "600")}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: [down, aiko]}", env), api, &enginetest.Inlet{})
		defer stop()
		time.Sleep(10 * time.Second)
		api.say(reply(429, ``, "Retry-After", "1"))
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		looks := 0
		for _, call := range api.seen() {
			if strings.Contains(call, "down") {
				looks++
			}
		}
		if looks != 1 {
			t.Errorf("%d looks in the ten minutes that were asked for", looks)
		}
	})
}

func TestALookThatFailsIsRepeatedLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{}
		for range 1000 {
			api.say(reply(503, ``))
		}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, project: p, every: 1s}", env), api, &enginetest.Inlet{})
		defer stop()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		// Nine steps up to 5 min, and then one call each 5 min to 6 min 15 s.
		if n := len(api.seen()); n < 9+16 || n > 9+25 {
			t.Errorf("%d calls in two hours", n)
		}
	})
}

func TestTheTroubleOfOneAgentIsNotThatOfTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: []json.RawMessage{message(1)}}
		api.refuse, api.refusal = "/agents/typo/", reply(404, string(readFile(t, "api", "error.problem.json")))
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: [typo, aiko]}", env), api, in)
		defer stop()
		if n := len(in.Events()); n != 1 {
			t.Errorf("%d events", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		looks := map[bool]int{}
		for _, call := range api.seen() {
			looks[strings.Contains(call, "typo")]++
		}
		if n := looks[false]; n != 122 { // every 30 s, and one to consume
			t.Errorf("%d calls for the other agent in an hour", n)
		}
		if n := looks[true]; n < 12 || n > 20 {
			t.Errorf("%d looks at the one that is not there", n)
		}
		for _, want := range []string{"agent typo", "validation failed", "body.webhook_url: expected string to be RFC 3986 uri", "names of agents"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in the log:\n%s", want, log)
			}
		}
	})
}

func TestAnEmptyListIsFine(t *testing.T) {
	for _, body := range []string{string(readFile(t, "api", "notifications.empty_null.json")), `{}`, `{"notifications":[]}`} {
		synctest.Test(t, func(t *testing.T) {
			env, log := newEnv()
			api := &fakeAPI{}
			api.say(reply(200, body))
			stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, &enginetest.Inlet{})
			defer stop()
			if len(api.seen()) != 1 || log.String() != "" {
				t.Errorf("calls %v, log:\n%s", api.seen(), log)
			}
		})
	}
}

func TestANotificationWithOnlyWhatItMustHaveIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{idKey: "message_id", pending: append(notifications(t, "notifications.minimal.json"),
			json.RawMessage(`{"status":"pending"}`), json.RawMessage(`{"message_id":"pm_0009"}`))}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko}", env), api, in)
		defer stop()
		time.Sleep(5 * time.Minute)
		events := in.Events()
		if len(events) != 2 || events[0].Type != "notification" || events[1].ID != "pm_0009" {
			t.Errorf("got %v", ids(events))
		}
		if diff := cmp.Diff([]string{"pm_0009"}, api.consumed()); diff != "" {
			t.Errorf("consumed (-want +got):\n%s", diff)
		}
	})
}

func TestMemoryOfNotificationsIsBounded(t *testing.T) {
	var r recent
	for i := range maxRecent + 10 {
		r.set(fmt.Sprint(i), takenItem)
		r.set(fmt.Sprint(i), consumedItem)
	}
	if len(r.order) != maxRecent || len(r.state) != maxRecent {
		t.Errorf("%d in order, %d states", len(r.order), len(r.state))
	}
	if r.state["9"] != 0 || r.state["10"] != consumedItem {
		t.Error("it is not the oldest that is forgotten")
	}
}

func TestACheckpointThatCannotBeWrittenOnlyWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		env.Checkpoints = new(enginetest.Checkpoints).FailWith(errors.New("disk full"))
		api := &fakeAPI{idKey: "message_id", pending: []json.RawMessage{message(1)}}
		in := &enginetest.Inlet{}
		stop := run(t, newTest(t, "poll: {api_key: sk_1, agents: aiko, consume: false}", env), api, in)
		defer stop()
		time.Sleep(5 * time.Minute)
		if len(in.Events()) != 1 || !strings.Contains(log.String(), "disk full") {
			t.Errorf("%d events, log:\n%s", len(in.Events()), log)
		}
	})
}
