package claude

import (
	"fmt"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

func thing(kind, said string, when time.Time) found {
	return found{event: &engine.Event{Subject: "s", Type: kind, Time: when}, sum: sumOf(said)}
}

func TestAThingThatComesByTwoWaysIsTold(t *testing.T) {
	at := func(s float64) time.Time { return now.Add(time.Duration(s * float64(time.Second))) }
	type arrival struct {
		via  string
		f    found
		told bool
	}
	for _, c := range []struct {
		name     string
		arrivals []arrival
	}{
		{"once within five seconds", []arrival{
			{viaHook, thing(processExit, "", at(0)), true}, {viaRegistry, thing(processExit, "", at(5)), false}, {viaPipe, thing(processExit, "", at(-4)), false}}},
		{"twice when further apart", []arrival{
			{viaHook, thing(processExit, "", at(0)), true}, {viaRegistry, thing(processExit, "", at(6)), true}}},
		{"twice by one way", []arrival{
			{viaTranscript, thing(responseCompleted, "", at(0)), true}, {viaTranscript, thing(responseCompleted, "", at(1)), true}}},
		{"once if it said the same", []arrival{
			{viaHook, thing(responseCompleted, "done", at(0)), true}, {viaTranscript, thing(responseCompleted, " done\n", at(-3600)), false}}},
		{"one for one", []arrival{
			{viaHook, thing(messageReceived, "go", at(0)), true}, {viaHook, thing(messageReceived, "go", at(1)), true},
			{viaTranscript, thing(messageReceived, "go", at(0)), false}, {viaTranscript, thing(messageReceived, "go", at(1)), false},
			{viaTranscript, thing(messageReceived, "go", at(2)), true}}},
		{"with what said the same, not what is nearest", []arrival{
			{viaHook, thing(messageReceived, "a", at(0)), true}, {viaHook, thing(messageReceived, "b", at(2)), true},
			{viaTranscript, thing(messageReceived, "a", at(2)), false}, {viaTranscript, thing(messageReceived, "b", at(0)), false}}},
		{"by type", []arrival{
			{viaHook, thing(processExit, "", at(0)), true}, {viaRegistry, thing(sessionStarted, "", at(0)), true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWays()
			for i, a := range c.arrivals {
				if got := w.first(a.f, a.via, now); got != a.told {
					t.Errorf("arrival %d is told: %v, want %v", i+1, got, a.told)
				}
			}
		})
	}
}

func TestWhatCouldNotBePutInIsNotTold(t *testing.T) {
	w := newWays()
	f := thing(sessionStarted, "", now)
	if !w.begin("s") || !w.first(f, viaHook, now) {
		t.Fatal("it is new")
	}
	w.forget(f, viaHook)
	if !w.begin("s") || !w.first(f, viaTranscript, now) {
		t.Error("it was taken for told")
	}
}

func TestWhatWasToldIsRememberedForAWhileOnly(t *testing.T) {
	w := newWays()
	for i := range 3 * maxTold {
		w.first(thing(responseCompleted, fmt.Sprint(i), now), viaHook, now)
	}
	if len(w.told) > maxTold {
		t.Errorf("%d are remembered", len(w.told))
	}
	later := now.Add(2 * waysKept)
	if w.first(thing(responseCompleted, "x", later), viaHook, later); len(w.told) != 1 {
		t.Errorf("%d are remembered after a while", len(w.told))
	}
}
