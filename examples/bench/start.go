package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// idle is how long a process is left alone before its memory is looked at.
const idle = time.Second

// startUp is W4.
var startUp = workload{
	name: "W4", about: "from the start of the process to the answer to the first webhook", events: 1,
	columns: []column{{"start ms", 1, true}, {"idle MB", 1, true}},
	prepare: func(ctx context.Context, b *bench) ([]program, error) {
		b.n = 1
		r, err := b.newRelay(ctx)
		if err != nil {
			return nil, err
		}
		for n := 2; len(r.load.results) == 0; n++ { // one that is posted on
			if r.load, err = newLoad(n); err != nil {
				return nil, err
			}
			r.load.requests = r.load.requests[n-1:]
		}
		return []program{
			{"by hand, not posted on", func(ctx context.Context) ([]float64, error) { return r.first(ctx, r.program) }},
			{"flowd", func(ctx context.Context) ([]float64, error) {
				return r.first(ctx, r.bench.flowd, "run", "-f", r.document)
			}},
		}, nil
	},
}

// first starts a program and posts one webhook.
func (r *relay) first(ctx context.Context, name string, args ...string) ([]float64, error) {
	to, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer to.server.Close()
	began := time.Now()
	p, err := r.start(ctx, to.address, name, args...)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	if _, err := r.load.post(ctx, p.address, 1, 0); err != nil {
		return nil, err
	}
	took := time.Since(began)
	time.Sleep(idle)
	figures := []float64{took.Seconds() * 1000, p.memory("VmRSS")}
	if name == r.program {
		return figures, nil
	}
	if err := to.wait(ctx, r.load.results, 10*time.Second); err != nil {
		return nil, err
	}
	if _, err := p.stop(); err != nil {
		return nil, err
	}
	return figures, to.check(r.load.results)
}

// manyFlows is W4 with a document of many flows.
var manyFlows = workload{
	name: "W4-flows", about: "a document of many flows, of which one is changed", events: 1000, of: "flows",
	columns: []column{{"start ms", 0, false}, {"KB/flow", 1, false}, {"reload ms", 1, false}},
	prepare: func(_ context.Context, b *bench) ([]program, error) {
		b.n = min(b.n, 1000)
		return []program{{"flowd", b.manyFlows}}, nil
	},
}

// aFlow is one of many; what it does is told from what it did before by its
// version.
const aFlow = `
  flow-%[1]d:
    nodes:
      - webhook: /flow-%[1]d
      - filter: data.kind == "visit"
      - dedupe: id
      - transform: {data: {who: data.who, flow: %[1]d, version: %[2]d}}
      - file: "${OUT}"
`

// writeFlows writes a document of n flows, of which the last has a version.
func (b *bench) writeFlows(n, version int) error {
	var text strings.Builder
	text.WriteString(`server: {listen: "${LISTEN}"}
admin: {listen: "${ADMIN}"}
store: {dir: "${STORE}"}
flows:`)
	for i := range n {
		if i < n-1 {
			fmt.Fprintf(&text, aFlow, i, 1)
		} else {
			fmt.Fprintf(&text, aFlow, i, version)
		}
	}
	return os.WriteFile(b.document(), []byte(text.String()), 0o600)
}

func (b *bench) document() string { return filepath.Join(b.dir, "flows.yaml") }

func (b *bench) manyFlows(ctx context.Context) ([]float64, error) {
	one, err := b.someFlows(ctx, 1)
	if err != nil {
		return nil, err
	}
	all, err := b.someFlows(ctx, b.n)
	if err != nil {
		return nil, err
	}
	each := math.NaN()
	if b.n > 1 {
		each = (all.memory - one.memory) * 1000 / float64(b.n-1)
	}
	return []float64{all.start.Seconds() * 1000, each, all.reload.Seconds() * 1000}, nil
}

type flowsRun struct {
	start, reload time.Duration
	memory        float64
}

// someFlows runs n flows, posts to the last, changes that one, and posts again.
func (b *bench) someFlows(ctx context.Context, n int) (run flowsRun, err error) {
	out, store := filepath.Join(b.dir, "out.jsonl"), filepath.Join(b.dir, "store")
	if err := cmp.Or(os.RemoveAll(out), os.RemoveAll(store), b.writeFlows(n, 1)); err != nil {
		return run, err
	}
	listen, err1 := freeAddress()
	admin, err2 := freeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return run, err
	}
	began := time.Now()
	env := []string{"LISTEN=" + listen, "ADMIN=" + admin, "STORE=" + store, "OUT=" + out}
	p, err := start(ctx, env, b.flowd, "run", "-no-watch", "-f", b.document())
	if err != nil {
		return run, err
	}
	defer p.kill()
	if err := p.listening(ctx, listen); err != nil {
		return run, err
	}
	last := fmt.Sprintf("http://%s/flow-%d", listen, n-1)
	if err := post(ctx, last, `{"kind": "visit", "who": "Aiko"}`); err != nil {
		return run, err
	}
	run.start = time.Since(began)
	time.Sleep(idle)
	run.memory = p.memory("VmRSS")
	if err := b.writeFlows(n, 2); err != nil {
		return run, err
	}
	began = time.Now()
	if err := post(ctx, "http://"+admin+"/api/v1/reload", ""); err != nil {
		return run, err
	}
	run.reload = time.Since(began)
	if err := post(ctx, last, `{"kind": "visit", "who": "Ben"}`); err != nil {
		return run, err
	}
	if _, err := p.stop(); err != nil {
		return run, err
	}
	got, err := os.ReadFile(out)
	want := fmt.Sprintf(`{"flow":%[1]d,"version":1,"who":"Aiko"}`+"\n"+`{"flow":%[1]d,"version":2,"who":"Ben"}`+"\n", n-1)
	if err == nil && string(got) != want {
		err = fmt.Errorf("got %s, want %s", got, want)
	}
	return run, err
}

// post posts JSON and wants a 2xx.
func post(ctx context.Context, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return err
}
