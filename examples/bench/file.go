package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed file.yaml
var fileDocument []byte

// fileToFile is W1.
var fileToFile = workload{
	name: "W1", about: "file to file: keep who joined or left, once, and reshape", events: 500_000,
	columns: []column{{"CPU µs/event", 2, true}, {"wall s", 2, true}, {"peak MB", 0, false}},
	prepare: func(ctx context.Context, b *bench) ([]program, error) {
		byHand, err := b.build(ctx, "examples/bench/byhand/file")
		if err != nil {
			return nil, err
		}
		in, out := filepath.Join(b.dir, "in.jsonl"), filepath.Join(b.dir, "out.jsonl")
		document, store := filepath.Join(b.dir, "flows.yaml"), filepath.Join(b.dir, "store")
		if err := writeEvents(in, b.n); err != nil {
			return nil, err
		}
		if err := os.WriteFile(document, fileDocument, 0o600); err != nil {
			return nil, err
		}
		once := func(ctx context.Context, env []string, name string, args ...string) ([]float64, error) {
			for _, old := range []string{out, store} {
				if err := os.RemoveAll(old); err != nil {
					return nil, err
				}
			}
			p, err := start(ctx, env, name, args...)
			if err != nil {
				return nil, err
			}
			used, err := p.wait()
			if err != nil {
				return nil, err
			}
			if err := checkResults(out, b.n); err != nil {
				return nil, fmt.Errorf("%s: %w", out, err)
			}
			return []float64{used.each(b.n), used.wall.Seconds(), used.peak}, nil
		}
		flowd := func(name, fsync string, args ...string) program {
			return program{name, func(ctx context.Context) ([]float64, error) {
				admin, err := freeAddress()
				if err != nil {
					return nil, err
				}
				env := []string{"ADMIN=" + admin, "IN=" + in, "OUT=" + out, "STORE=" + store, "FSYNC=" + fsync}
				profiled := b.profile(ctx, admin, "W1 "+name)
				figures, err := once(ctx, env, b.flowd, append([]string{"run", "-f", document}, args...)...)
				return figures, cmp.Or(err, profiled())
			}}
		}
		return []program{
			{"by hand", func(ctx context.Context) ([]float64, error) { return once(ctx, nil, byHand, in, out) }},
			flowd("flowd, in memory", "never", "-store", "memory"),
			flowd("flowd, on disk", "always"),
		}, nil
	},
}
