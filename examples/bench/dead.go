package main

import (
	"context"
	"fmt"
	"time"
)

// deadReceiver is W2 with a receiver that is down for a while: what flowd
// takes meanwhile waits on disk, not in memory.
var deadReceiver = workload{
	name: "W2-dead", about: "the same with a receiver that is dead for a while", events: 100_000, once: true,
	columns: []column{{"accepted/s", 0, false}, {"p99 ms", 2, false}, {"MB before", 0, false}, {"MB when it dies", 0, false},
		{"MB at its end", 0, false}, {"MB after", 0, false}, {"caught up s", 1, false}},
	prepare: func(ctx context.Context, b *bench) ([]program, error) {
		r, err := b.newRelay(ctx)
		if err != nil {
			return nil, err
		}
		return []program{{"flowd", r.dead}}, nil
	},
}

// alive is how long the receiver is there before and after, as a part of the
// time that it is dead.
const alive = 0.2

func (r *relay) dead(ctx context.Context) ([]float64, error) {
	to, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer func() { to.server.Close() }()
	p, err := r.start(ctx, to.address, r.bench.flowd, "run", "-f", r.document)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	around := time.Duration(alive * float64(r.bench.dead))
	var took []time.Duration
	posted := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		took, err = r.load.post(ctx, p.address, connections, (r.bench.dead+2*around)/time.Duration(r.n))
		posted <- err
	}()
	before := p.most(ctx, around)
	if err := to.down(); err != nil {
		return nil, err
	}
	taken := to.count.Load()
	early := p.most(ctx, r.bench.dead/2)
	late := p.most(ctx, r.bench.dead/2)
	if to.count.Load() != taken {
		return nil, fmt.Errorf("a dead receiver has got something")
	}
	if err := to.up(); err != nil {
		return nil, err
	}
	revived := time.Now()
	if err := <-posted; err != nil {
		return nil, err
	}
	rate := float64(r.n) / time.Since(began).Seconds()
	if err := to.wait(ctx, r.load.results, 2*r.bench.dead+30*time.Second); err != nil {
		return nil, err
	}
	caughtUp := time.Since(revived)
	after := p.most(ctx, time.Second)
	if _, err := p.stop(); err != nil {
		return nil, err
	}
	return []float64{rate, percentile(took, 0.99), before, early, late, after, caughtUp.Seconds()}, to.check(r.load.results)
}

// most is the most memory that a process has during a time.
func (p *process) most(ctx context.Context, during time.Duration) (peak float64) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for over := time.After(during); ; {
		select {
		case <-look.C:
			peak = max(peak, p.memory("VmRSS"))
		case <-over:
			return peak
		case <-ctx.Done():
			return peak
		}
	}
}
