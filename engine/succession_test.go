package engine_test

import (
	"fmt"
	"net/http"
	"testing"
)

// of is a document of a flow with these nodes behind its source.
func of(behind string) string { return "flows: {f: {nodes: [feed, " + behind + "]}}" }

// A sinkMoved is a reload while what is behind a queue waits for a sink that is
// down.
type sinkMoved struct {
	before, after string
	down          []string            // sinks
	goOn          string              // a sink that gets what comes behind the reload at once, or none
	want          map[string][]string // by sink, when all is delivered; 1 and 2 came before
}

func TestWhatWaitsInAQueueIsDeliveredBeforeWhatComesBehindAReload(t *testing.T) {
	const quick = "{collect: quick, id: quick, from: feed}, "
	for name, m := range map[string]sinkMoved{
		"the queue is gone": {
			before: quick + "{queue: , from: feed}, {collect: slow, id: s}",
			after:  quick + "{collect: slow, id: s, from: feed}",
			down:   []string{"slow"},
			want:   map[string][]string{"slow": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
		"the queue has another name": {
			before: quick + "{queue: , from: feed}, {collect: slow, id: s}",
			after:  quick + "{queue: , id: other, from: feed}, {collect: slow, id: s}",
			down:   []string{"slow"}, goOn: "quick",
			want: map[string][]string{"slow": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
		"the sink is another one": {
			before: "{collect: quick, id: quick}, {queue: , from: feed}, {collect: slow, id: s}",
			after:  "{collect: quick, id: quick}, {collect: new, id: s, from: feed}",
			down:   []string{"slow"}, goOn: "new",
			want: map[string][]string{"slow": {"1", "2"}, "new": {"3"}, "quick": {"1", "2", "3"}},
		},
		"the sink has moved to before the queue": {
			before: quick + "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: stays, id: t, from: q}",
			after:  quick + "{queue: , id: q, from: feed}, {collect: stays, id: t}, {collect: slow, id: s, from: feed}",
			down:   []string{"slow"},
			want:   map[string][]string{"slow": {"1", "2", "3"}, "stays": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
		"a sink has moved to behind the queue": {
			before: quick + "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: moves, id: m, from: feed}",
			after:  quick + "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: moves, id: m, from: q}",
			down:   []string{"slow"}, goOn: "quick",
			want: map[string][]string{"slow": {"1", "2", "3"}, "moves": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
		"the sink has moved to another queue": {
			before: quick + "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: stays, id: t, from: q}, {queue: , id: p, from: feed}, {collect: old, id: o}",
			after:  quick + "{queue: , id: q, from: feed}, {collect: stays, id: t, from: q}, {queue: , id: p, from: feed}, {collect: old, id: o}, {collect: slow, id: s, from: p}",
			down:   []string{"slow"}, goOn: "quick",
			want: map[string][]string{"slow": {"1", "2", "3"}, "old": {"1", "2", "3"}, "stays": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
		"the queue has the name of one that is gone": {
			before: quick + "{queue: , id: p, from: feed}, {collect: slow, id: s}, {queue: , id: q, from: feed}, {collect: other, id: o}",
			after:  quick + "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: other, id: o, from: feed}",
			down:   []string{"slow"}, goOn: "other",
			want: map[string][]string{"slow": {"1", "2", "3"}, "other": {"1", "2", "3"}, "quick": {"1", "2", "3"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, of(m.before))
			r.failWith(down(m.down...))
			r.put(t, events(1, 2)...)
			r.wait(t, "quick", 2)
			for _, sink := range m.down {
				r.waitFailed(t, sink)
			}
			r.apply(t, of(m.after))
			r.give(t, events(3)...)
			if m.goOn != "" {
				r.wait(t, m.goOn, len(m.want[m.goOn]))
			}
			seen := map[string]bool{}
			for _, s := range r.Nodes() {
				if seen[s.Node] {
					t.Errorf("node %s is shown twice", s.Node)
				}
				seen[s.Node] = true
			}
			r.failWith(nil)
			for sink, ids := range m.want {
				r.wait(t, sink, len(ids))
			}
			until(t, "all is settled", func() bool { return r.Flows()[0].Lag() == 0 })
			for sink, ids := range m.want {
				want(t, r.ids(sink), ids...)
			}
		})
	}
}

func TestADocumentThatComesBackFindsItsQueueAsItWas(t *testing.T) {
	const (
		here  = "{queue: , id: q, from: feed}, {collect: slow, id: s}, {collect: stays, id: t, from: q}"
		there = "{collect: slow, id: s, from: feed}, {queue: , id: q, from: feed}, {collect: stays, id: t, from: q}"
	)
	r := start(t, of(here))
	r.failWith(down("slow"))
	r.put(t, events(0)...)
	r.waitFailed(t, "slow")
	for i := 1; i < 9; i += 2 {
		r.apply(t, of(there))
		r.give(t, events(i)...)
		r.apply(t, of(here))
		r.give(t, events(i+1)...)
	}
	r.failWith(nil)
	for _, sink := range []string{"slow", "stays"} {
		want(t, r.wait(t, sink, 9), "0", "1", "2", "3", "4", "5", "6", "7", "8")
	}
}

func TestARequestIsAnsweredThoughItsFlowWaitsForAQueue(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	const flow = `
server: {listen: 127.0.0.1:0}
flows: {f: {nodes: [{web: /in}, {reply: answered}, {queue: , id: %s, from: web}, {collect: slow, id: s}%s]}}
`
	r := start(t, fmt.Sprintf(flow, "q", ""))
	address := "http://" + r.Address() + "/in/ask"
	r.failWith(down("slow"))
	wantAnswer(t, address, "a", 200, "A")
	r.waitFailed(t, "slow")
	for i, next := range []string{fmt.Sprintf(flow, "q", ", {reply: late, id: late, from: q}"), fmt.Sprintf(flow, "p", ""), fmt.Sprintf(flow, "q", "")} {
		r.apply(t, next)
		body := fmt.Sprint("b", i)
		wantAnswer(t, address, body, 200, fmt.Sprint("B", i))
	}
	r.failWith(nil)
	want(t, r.wait(t, "slow", 4), "a", "b0", "b1", "b2")
}

func TestWhatIsHeldComesToASinkThatHasMovedToBeforeTheHolder(t *testing.T) {
	r, k := startKept(t, 100, of("{keep: k, id: k}, {collect: moves, id: m}, {collect: stays, id: s, from: k}"))
	r.give(t, events(1, 2)...)
	k.waitHolds(t, 2)
	r.apply(t, of("{collect: moves, id: m}, {keep: k, id: k, from: feed}, {collect: stays, id: s}"))
	want(t, r.wait(t, "moves", 2), "1", "2")
	k.waitHolds(t, 2)
	k.letGo(2)
	want(t, r.wait(t, "stays", 2), "1", "2")
}
