package core

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decode fills a configuration from YAML, and returns the mistakes as lines.
func decode[C any](t *testing.T, config C, yaml string) (C, []string) {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	if diags.Failed() {
		t.Fatal(diags)
	}
	var said []string
	for _, d := range flows.Decode(v, &config) {
		said = append(said, d.Message)
	}
	return config, said
}

// processor builds a processor from YAML and opens it.
func processor[C any](t *testing.T, spec engine.ProcessorSpec[C], yaml string) engine.Processor {
	t.Helper()
	config, said := decode(t, spec.Default, yaml)
	if said != nil {
		t.Fatalf("%s: %q", yaml, said)
	}
	p, err := spec.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := p.(engine.Opener); ok {
		if err := o.Open(t.Context(), newEnv(t)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func newEnv(t *testing.T) *engine.Env {
	t.Helper()
	keys, err := engine.MemoryStore().Keys(t.Context(), "flow", "node")
	if err != nil {
		t.Fatal(err)
	}
	return &engine.Env{Flow: "flow", Node: "node", Log: slog.New(slog.DiscardHandler), Keys: keys, Share: &engine.Share{}}
}

// process gives a processor a batch.
func process(t *testing.T, p engine.Processor, batch ...*engine.Event) *engine.Outlet {
	t.Helper()
	var out engine.Outlet
	if err := p.Process(t.Context(), batch, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func event(id, data string) *engine.Event {
	return &engine.Event{ID: id, Source: "test", Type: "made", Subject: "room", Data: engine.JSON([]byte(data))}
}

// deepest is JSON that has as many lists inside each other as it may, but for
// so many.
func deepest(but int) string {
	const most = 10_000
	return strings.Repeat("[", most-but) + strings.Repeat("]", most-but)
}

func ids(events []*engine.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID)
	}
	return strings.Join(all, " ")
}

func mistakes[C any](t *testing.T, config C, cases map[string]string) {
	t.Helper()
	for yaml, want := range cases {
		_, said := decode(t, config, yaml)
		if len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s:\ngot  %q\nwant one with %q", yaml, said, want)
		}
	}
}

func TestAFilterLetsTrueGoOnAndGivesUpWhatItCannotTell(t *testing.T) {
	p := processor(t, Filter, `data.n > 1`)
	out := process(t, p, event("1", `{"n":1}`), event("2", `{"n":2}`), event("3", `{"n":"x"}`), event("4", `{}`))
	if got := ids(out.Emitted(0)); got != "2" {
		t.Errorf("%q went on, want 2", got)
	}
	if f := out.Failures(); len(f) != 1 || f[0].Event.ID != "3" {
		t.Errorf("failed: %v", f)
	}
}

func TestTheFirstTrueCaseOfASwitchTakesTheEvent(t *testing.T) {
	events := func() []*engine.Event {
		return []*engine.Event{event("1", `1`), event("2", `2`), event("3", `3`), event("x", `"x"`)}
	}
	for yaml, want := range map[string][]string{
		`{z: data < 3, a: data < 2}`:                     {"1 2", ""},
		`{z: data < 2, a: data < 3}`:                     {"1", "2"},
		`{z: data < 2, a: data < 3, else: m}`:            {"1", "2", "3"},
		`{else: z, z: data < 2, a: data < 3}`:            {"1 3", "2"},
		`{all: true, z: data < 2, a: data < 3, else: m}`: {"1", "1 2", "3"},
	} {
		p := processor(t, Switch, yaml)
		out := process(t, p, events()...)
		for port := range want {
			if got := ids(out.Emitted(port)); got != want[port] {
				t.Errorf("%s: port %d takes %q, want %q", yaml, port, got, want[port])
			}
		}
		if f := out.Failures(); len(f) != 1 || f[0].Event.ID != "x" {
			t.Errorf("%s: failed: %v", yaml, f)
		}
	}
}

func TestPortsAreInTheOrderOfTheDocument(t *testing.T) {
	for yaml, want := range map[string][]string{
		`{z: true, else: m, a: true}`: {"z", "a", "m"},
		`{z: true, a: true, else: a}`: {"z", "a"},
		`{z: true}`:                   {"z"},
	} {
		config, _ := decode(t, Switch.Default, yaml)
		if diff := cmp.Diff(want, Switch.Ports(config)); diff != "" {
			t.Errorf("%s: %s", yaml, diff)
		}
	}
}

func TestMistakesInASwitchAreTold(t *testing.T) {
	mistakes(t, Switch.Default, map[string]string{
		`{}`:                      "at least one port",
		`{else: x}`:               "at least one port",
		`{error: true}`:           "a port error already",
		`{Upper: true}`:           "the name of a port",
		`{a: true, else: "no.!"}`: "the name of a port",
		`type == "x"`:             "want a map",
		`{a: 17}`:                 "true or false",
	})
}

func TestABranchOfASwitchHasItsOwnEvent(t *testing.T) {
	p := processor(t, Switch, `{a: true, b: true, all: true}`)
	out := process(t, p, event("1", `1`))
	if out.Emitted(0)[0] == out.Emitted(1)[0] {
		t.Error("two ports gave one and the same event")
	}
}

func TestADedupeLetsTheFirstOfEachKeyGoOn(t *testing.T) {
	at := func(offset engine.Offset, id, data string) *engine.Event {
		e := event(id, data)
		e.Offset = offset
		return e
	}
	p := processor(t, Dedupe, `data.k`)
	first := []*engine.Event{at(1, "a", `{"k":1}`), at(2, "b", `{"k":1}`), at(3, "c", `{"k":"1"}`), at(4, "d", `{"k":2}`)}
	if got := ids(process(t, p, first...).Emitted(0)); got != "a c d" {
		t.Errorf("%q went on, want a c d", got)
	}
	if got := ids(process(t, p, first...).Emitted(0)); got != "a c d" {
		t.Errorf("coming again from the same offsets, %q went on, want a c d", got)
	}
	if got := ids(process(t, p, at(5, "e", `{"k":2}`), at(6, "f", `{"k":3}`)).Emitted(0)); got != "f" {
		t.Errorf("%q went on, want f", got)
	}
}

func TestAReplayIsDedupedOnItsOwn(t *testing.T) {
	p := processor(t, Dedupe, `data.k`)
	offset := engine.Offset(0)
	passed := func(replay, data string) string {
		e := event(data, `{"k":`+data+`}`)
		offset++
		e.Offset = offset
		if replay != "" {
			e.Meta = engine.Meta{"replayed": replay}
		}
		return ids(process(t, p, e).Emitted(0))
	}
	for i, want := range []struct{ replay, data, passed string }{
		{"", "1", "1"}, {"", "1", ""},
		{"first", "1", "1"}, {"first", "1", ""}, {"first", "2", "2"},
		{"second", "1", "1"}, {"second", "2", "2"}, {"second", "2", ""},
		{"", "1", ""}, {"", "2", "2"}, // which only replays have brought so far
	} {
		if got := passed(want.replay, want.data); got != want.passed {
			t.Errorf("%d: key %s of replay %q: %q went on", i, want.data, want.replay, got)
		}
	}
}

func TestTwoEventsOfOneOffsetAreStillTwo(t *testing.T) {
	p := processor(t, Dedupe, `id`)
	if got := ids(process(t, p, event("a", `1`), event("a", `2`), event("b", `3`)).Emitted(0)); got != "a b" {
		t.Errorf("%q went on, want a b", got)
	}
	apart := []*engine.Event{event("c", `1`), event("d", `2`), event("c", `3`)} // as a node that keeps events back lets them go
	apart[1].Offset = 1
	if got := ids(process(t, p, apart...).Emitted(0)); got != "c d" {
		t.Errorf("%q went on, want c d", got)
	}
}

// BenchmarkDedupe is the cost of an event of which every tenth was there before.
func BenchmarkDedupe(b *testing.B) {
	keys, err := engine.MemoryStore().Keys(b.Context(), "flow", "node")
	if err != nil {
		b.Fatal(err)
	}
	p, err := Dedupe.New(Dedupe.Default)
	if err != nil {
		b.Fatal(err)
	}
	p.(*dedupe).keys = keys
	batch := make([]*engine.Event, 256)
	for i := range batch {
		batch[i] = &engine.Event{}
	}
	var out engine.Outlet
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; n%len(batch) != 0 {
			continue
		}
		for i, e := range batch {
			e.Offset = engine.Offset(n + i)
			e.ID = "EV_" + strconv.Itoa((n+i)*9/10)
		}
		out = engine.Outlet{}
		if err := p.Process(b.Context(), batch, &out); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAnEventWithoutAKeyIsGivenUp(t *testing.T) {
	p := processor(t, Dedupe, `{key: data.k, ttl: 1m}`)
	out := process(t, p, event("a", `{}`), event("b", `{"k":""}`), event("c", `{"k":"null"}`), event("d", `{"k":0}`))
	if got := ids(out.Emitted(0)); got != "c d" {
		t.Errorf("%q went on, want c d", got)
	}
	f := out.Failures()
	if len(f) != 2 || !engine.IsPermanent(f[0].Err) || !engine.IsPermanent(f[1].Err) {
		t.Errorf("failed: %v", f)
	}
}

func TestADedupeWithoutASettingGoesByTheID(t *testing.T) {
	p := processor(t, Dedupe, ``)
	a, b := event("x", `1`), event("x", `2`)
	a.Offset, b.Offset = 1, 2
	if got := process(t, p, a, b).Emitted(0); len(got) != 1 {
		t.Errorf("%d events went on, want 1", len(got))
	}
	mistakes(t, Dedupe.Default, map[string]string{`{ttl: 0s}`: "longer than nothing"})
}

func TestKeysThatCannotBeClaimedFailTheBatch(t *testing.T) {
	p := processor(t, Dedupe, `id`)
	p.(*dedupe).keys = brokenKeys{}
	var out engine.Outlet
	if err := p.Process(t.Context(), []*engine.Event{event("a", `1`)}, &out); err == nil || len(out.Emitted(0)) > 0 {
		t.Errorf("error %v, emitted %v", err, out.Emitted(0))
	}
}

type brokenKeys struct{ engine.Keys }

func (brokenKeys) Claim(context.Context, []engine.Claim, time.Duration) ([]bool, error) {
	return nil, errors.New("no")
}
