package core

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func newInjectOf(t *testing.T, yaml string) *inject {
	t.Helper()
	config, said := decode(t, Inject.Default, yaml)
	if said != nil {
		t.Fatalf("%s: %q", yaml, said)
	}
	source, err := Inject.New(config)
	if err != nil {
		t.Fatal(err)
	}
	n := source.(*inject)
	if err := n.Open(t.Context(), &engine.Env{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return n
}

// runFor runs an inject for a while in the time of a bubble.
func runFor(t *testing.T, n *inject, in engine.Inlet, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := n.Run(ctx, in); err != nil {
		t.Error(err)
	}
}

func times(events []*engine.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Time.UTC().Format("02T15:04:05"))
	}
	return all
}

func TestAnInjectMakesEventsAtEqualSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInjectOf(t, `{every: 10s, type: tick, data: {room: support-1, n: [3, "at {{ time }}"]}}`)
		var got enginetest.Inlet
		runFor(t, n, &got, 35*time.Second)
		events := got.Events()
		if diff := cmp.Diff([]string{"01T00:00:10", "01T00:00:20", "01T00:00:30"}, times(events)); diff != "" {
			t.Fatal(diff)
		}
		e := events[0]
		if e.Type != "tick" || e.Source != "inject" || e.ID == "" || e.ID == events[1].ID {
			t.Errorf("the event is %+v", e)
		}
		raw, err := e.Data.Bytes()
		if err != nil || !strings.HasPrefix(string(raw), `{"n":[3,"at 2000-01-01T`) {
			t.Errorf("the payload is %s, %v", raw, err)
		}
	})
}

func TestAnInjectFollowsItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInjectOf(t, `{cron: "CRON_TZ=Asia/Tokyo 30 9 * * *"}`)
		var got enginetest.Inlet
		runFor(t, n, &got, 50*time.Hour)
		if diff := cmp.Diff([]string{"01T00:30:00", "02T00:30:00", "03T00:30:00"}, times(got.Events())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTicksThatAreMissedAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInjectOf(t, `{every: 10s}`)
		slow := true
		got := enginetest.Inlet{Fail: func([]*engine.Event) error {
			if slow {
				time.Sleep(25 * time.Second)
			}
			slow = false
			return nil
		}}
		runFor(t, n, &got, 55*time.Second)
		if diff := cmp.Diff([]string{"01T00:00:10", "01T00:00:40", "01T00:00:50"}, times(got.Events())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnInjectOfOneEventFinishes(t *testing.T) {
	n := newInjectOf(t, `{once: true}`)
	var got enginetest.Inlet
	if err := n.Run(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	events := got.Events()
	if len(events) != 1 || events[0].Type != "inject" {
		t.Fatalf("events: %v", events)
	}
	if raw, _ := events[0].Data.Bytes(); string(raw) != "null" {
		t.Errorf("the payload is %s", raw)
	}
}

func TestAnEventThatCouldNotBePutInIsPutInAgainAsItself(t *testing.T) {
	n := newInjectOf(t, `{once: true}`)
	var tried []string
	got := enginetest.Inlet{Fail: func(batch []*engine.Event) error {
		tried = append(tried, batch[0].ID)
		if len(tried) == 1 {
			return errors.New("no room")
		}
		return nil
	}}
	if err := n.Run(t.Context(), &got); err == nil {
		t.Error("the first run tells of no error")
	}
	if err := n.Run(t.Context(), &got); err != nil {
		t.Error(err)
	}
	if len(tried) != 2 || tried[0] != tried[1] || len(got.Events()) != 1 {
		t.Errorf("tried %q, in are %v", tried, got.Events())
	}
}

func TestAPayloadThatFailsMakesAnEventThatHasFailed(t *testing.T) {
	n := newInjectOf(t, `{once: true, data: "{{ data.n + 1 }}"}`)
	var got enginetest.Inlet
	if err := n.Run(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Events()[0].Failure; f == nil || f.Message == "" {
		t.Errorf("failure: %v", f)
	}
}

func TestMistakesInAnInjectAreTold(t *testing.T) {
	mistakes(t, Inject.Default, map[string]string{
		`{}`:                                      "exactly one of",
		`{every: 1s, once: true}`:                 "exactly one of",
		`{every: 1s, cron: "@daily"}`:             "exactly one of",
		`{every: 0s}`:                             "exactly one of",
		`{every: 10us}`:                           "at least 1ms",
		`{once: true, type: ""}`:                  "a name for the type",
		`{cron: "* * * *"}`:                       "want a schedule like",
		`{cron: "61 * * * *"}`:                    "want a schedule like",
		`{cron: "0 0 30 2 *"}`:                    "never comes",
		`{cron: "TZ=UTC"}`:                        "behind the time zone",
		`{cron: "CRON_TZ=Nowhere/Land @daily"}`:   "want a schedule like",
		`{once: true, data: {a: ["{{ nope }}"]}}`: "nope",
	})
}

func FuzzCron(f *testing.F) {
	f.Add("*/5 * * * *")
	f.Add("CRON_TZ=UTC @daily")
	f.Add("TZ=")
	f.Add("@every 1h")
	f.Fuzz(func(t *testing.T, line string) {
		var c Cron
		if err := c.UnmarshalText([]byte(line)); err != nil {
			return
		}
		now := time.Date(2026, 9, 1, 7, 30, 5, 0, time.UTC)
		if next := c.Next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%q: %v does not come after %v", line, next, now)
		}
	})
}
