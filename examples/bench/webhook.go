package main

import (
	"cmp"
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"time"
)

//go:embed webhook.yaml
var webhookDocument []byte

const connections = 64

// webhooks is W2.
var webhooks = workload{
	name: "W2", about: "signed webhooks over 64 connections, kept on disk and posted on", events: 100_000,
	columns: []column{{"accepted/s", 0, true}, {"CPU µs/event", 1, true}, {"p50 ms", 2, false}, {"p99 ms", 2, false},
		{"lag s", 2, false}, {"peak MB", 0, false}},
	prepare: func(ctx context.Context, b *bench) ([]program, error) {
		r, err := b.newRelay(ctx)
		if err != nil {
			return nil, err
		}
		return []program{{"by hand, not posted on", r.byHand}, {"flowd", r.flowd}}, nil
	},
}

// A relay is what W2 needs.
type relay struct {
	*bench
	load     *load
	program  string // by hand
	document string
}

func (b *bench) newRelay(ctx context.Context) (_ *relay, err error) {
	r := &relay{bench: b, document: filepath.Join(b.dir, "flows.yaml")}
	if r.program, err = b.build(ctx, "examples/bench/byhand/webhook"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(r.document, webhookDocument, 0o600); err != nil {
		return nil, err
	}
	r.load, err = newLoad(b.n)
	return r, err
}

// A posting is a process under load.
type posting struct {
	*process
	address  string
	profiled func() error
}

// start starts a program that takes webhooks, and what they are posted on to.
func (r *relay) start(ctx context.Context, to string, name string, args ...string) (*posting, error) {
	if err := os.RemoveAll(r.store()); err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env := []string{"LISTEN=" + listen, "ADMIN=" + admin, "STORE=" + r.store(), "KEY=" + apiKey, "SECRET=" + apiSecret, "TO=http://" + to}
	p := &posting{address: listen, profiled: func() error { return nil }}
	if p.process, err = start(ctx, env, name, args...); err != nil {
		return nil, err
	}
	if name == r.bench.flowd {
		p.profiled = r.profile(ctx, admin, "W2 flowd")
	}
	if err := p.listening(ctx, listen); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func (r *relay) store() string { return filepath.Join(r.dir, "store") }

func (p *posting) stop() (usage, error) {
	used, err := p.process.stop()
	return used, cmp.Or(err, p.profiled())
}

func (r *relay) byHand(ctx context.Context) ([]float64, error) {
	p, err := r.start(ctx, "", r.program)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	began := time.Now()
	took, err := r.load.post(ctx, p.address, connections, 0)
	if err != nil {
		return nil, err
	}
	posted := time.Since(began)
	p.kill() // it knows no other end
	return r.figures(took, posted, p.used, 0), nil
}

func (r *relay) flowd(ctx context.Context) ([]float64, error) {
	to, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer to.server.Close()
	p, err := r.start(ctx, to.address, r.bench.flowd, "run", "-f", r.document)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	began := time.Now()
	took, err := r.load.post(ctx, p.address, connections, 0)
	if err != nil {
		return nil, err
	}
	posted := time.Since(began)
	if err := to.wait(ctx, r.load.results, 30*time.Second); err != nil {
		return nil, err
	}
	lag := time.Since(began) - posted
	used, err := p.stop()
	if err != nil {
		return nil, err
	}
	return r.figures(took, posted, used, lag), to.check(r.load.results)
}

func (r *relay) figures(took []time.Duration, posted time.Duration, used usage, lag time.Duration) []float64 {
	return []float64{float64(r.n) / posted.Seconds(), used.each(r.n), percentile(took, 0.5), percentile(took, 0.99), lag.Seconds(), used.peak}
}

// percentile is one of sorted times, in milliseconds.
func percentile(took []time.Duration, share float64) float64 {
	return took[int(share*float64(len(took)-1))].Seconds() * 1000
}
