package enginetest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var registry = nodes.All()

// play runs the tests of a file about a document and returns the results and
// the path of the file.
func play(t *testing.T, document, tests string) ([]*enginetest.Result, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "flows.yaml"), document)
	path := filepath.Join(dir, "flows_test.yaml")
	write(t, path, tests)
	return again(t, path), path
}

func again(t *testing.T, path string) (results []*enginetest.Result) {
	t.Helper()
	suite, diags := enginetest.ReadSuite(path)
	if diags.Failed() {
		t.Fatal(diags.Format())
	}
	doc, diags := suite.Load(path, nil, func(string) (string, bool) { return "", false })
	if diags = append(diags, engine.Check(doc, registry)...); diags.Failed() {
		t.Fatal(diags.Format())
	}
	for _, s := range suite.Tests {
		results = append(results, s.Run(doc, registry))
	}
	return results
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// passes wants every test to pass.
func passes(t *testing.T, results []*enginetest.Result) {
	t.Helper()
	for _, r := range results {
		if !r.Passed() {
			t.Errorf("%s:\n%s\n%s", r.Name, r.Report(), r.Log)
		}
	}
}

// reports is what a test that fails says, without its folder.
func reports(t *testing.T, results []*enginetest.Result, path string) string {
	t.Helper()
	var all []string
	for _, r := range results {
		all = append(all, r.Report())
	}
	return strings.ReplaceAll(strings.Join(all, "\n"), filepath.Dir(path)+string(filepath.Separator), "")
}

func TestDaysOfRetriesTakeNoTime(t *testing.T) {
	start := time.Now()
	results, _ := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - queue:
      - http: https://example.com/
        retry: {first: 1h, max: 1d}
`, `
tests:
  - name: two days
    send: [{id: a, data: 1}, {id: b, after: 30m, data: 2}]
    reply: {http: [{down: true}, 503, 503, 503, 503, 503, {after: 10s}]}
    expect:
      http: [{body: 1, attempts: 7}, {body: 2}]
      queue: {in: 2, out: 2}
`)
	passes(t, results)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestATestThatFailsSaysWhereEachEventEnded(t *testing.T) {
	results, path := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - filter: data != "filtered"
      - dedupe: id
      - transform: {data: {n: data.n}}
        when: data != "as it is"
      - queue:
      - http: {url: https://example.com/, body: {got: data}}
        when: type != "skipped"
      - debug:
        from: http.error
`, `
tests:
  - name: it fails
    send:
      - {id: a, data: {n: 1}}
      - {id: a, data: {n: 2}}
      - {id: b, data: filtered}
      - {id: c, type: skipped, data: {n: 3}}
      - {id: d, data: {n: 4}}
      - {id: e, data: as it is}
    reply: {http: [200, 400, 200]}
    expect:
      http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      filter: {dropped: 2, dropt: 2}
      transform: [{data: {n: 1}}]
`)
	want := `flows_test.yaml:13:23: error: http, the 1st: method is "POST"
   13 |       http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      |                       ^^^ expected this
flows_test.yaml:13:47: error: http, the 1st: body.got has no m
   13 |       http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      |                                               ^ known: n
flows_test.yaml:13:54: error: http, the 1st: body has no gott
   13 |       http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      |                                                      ^^^^ did you mean "got"?
flows_test.yaml:13:78: error: http, the 2nd: body.got is "as it is"
   13 |       http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      |                                                                              ^^^^^^^^^ expected this
flows_test.yaml:13:91: error: http did not get this: it got 2
   13 |       http: [{method: PUT, body: {got: {n: 1, m: 2}, gott: 3}}, {body: {got: as it was}}, {body: lost}]
      |                                                                                           ^^^^^^^^^^^^
flows_test.yaml:14:25: error: filter: dropped is 1
   14 |       filter: {dropped: 2, dropt: 2}
      |                         ^
flows_test.yaml:14:28: error: "dropt" is no number of a node
   14 |       filter: {dropped: 2, dropt: 2}
      |                            ^^^^^ known: dropped, failed, in, out
flows_test.yaml:15:18: error: transform got 2 more, first: {type: "skipped", id: "c", data: {"n": 3}}
   15 |       transform: [{data: {n: 1}}]
      |                  ^^^^^^^^^^^^^^^^
  what became of the events:
    1. a: delivered by http
    2. a: stopped by dedupe
    3. b: stopped by filter
    4. skipped c: not for http: its when is not true
    5. d: failed at http: POST https://example.com: 400 Bad Request, delivered by debug
    6. e: delivered by http
`
	if diff := cmp.Diff(want, reports(t, results, path)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsGivenUpMustBeExpected(t *testing.T) {
	const document = `
flows:
  f:
    nodes:
      - webhook: /in
      - transform: {data: 1 / data.n.m.o + int(data.x)}
      - debug:
`
	results, path := play(t, document, `
tests:
  - name: not expected
    send: [{id: a, data: {x: y}}]
    expect: {debug: []}
`)
	if got := reports(t, results, path); !strings.Contains(got, "error: 1 given up that the test does not expect: {node: \"transform\"") {
		t.Error(got)
	}
	results, path = play(t, document, `
tests:
  - name: expected
    send: [{id: a, data: {x: y}}]
    expect: {debug: [], dead: [{node: transform, id: a, data: {x: y}}], transform: {failed: 1}}
  - name: expected with another error
    send: [{id: a, data: {x: y}}]
    expect: {dead: [{node: transform, error: no such text}]}
`)
	passes(t, results[:1])
	if got := reports(t, results[1:], path); !strings.Contains(got, "dead: error is") {
		t.Error(got)
	}
}

func TestWhatIsNeverDeliveredIsNotSettled(t *testing.T) {
	results, path := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - http: https://example.com/
`, `
tests:
  - name: down
    send: [{id: a, data: 1}, {id: b, data: 2}]
    reply: {http: {down: true}}
    expect: {http: []}
`)
	got := reports(t, results, path)
	for _, want := range []string{"not all that was sent is settled after 8d", "1. a: failed at http: ", "connection refused", "2. b: nothing took it"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestNothingLeavesTheMachine(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	results, _ := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - http: {url: "http://127.0.0.1:1/", auth: {bearer: a-secret}}
      - file: {path: "`+dir+`/{{ data.name }}.jsonl"}
      - file: {path: "out/{{ data.name }}.txt", format: text, line: data.name, rotate: {size: 10}}
      - debug:
`, `
tests:
  - name: all of it
    send: [{id: a, data: {name: ../x}}, {id: b, data: {name: ../x}}, {id: c, data: {name: ../x}}]
    expect:
      http: [{headers: {Authorization: "***", Content-Type: application/json}, body: {name: ../x}}, {}, {}]
      file:
        - {path: "`+dir+`/%2E.%2Fx.jsonl", line: {name: ../x}}
        - {path: "`+dir+`/%2E.%2Fx.jsonl"}
        - {path: "`+dir+`/%2E.%2Fx.jsonl"}
      file-2: [{path: "out/%2E.%2Fx.txt", line: ../x}, {path: "out/%2E.%2Fx.txt", line: ../x}, {path: "out/%2E.%2Fx.txt", line: ../x}]
      debug: [{id: a}, {id: b}, {id: c}]
`)
	passes(t, results)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestASenderGetsTheAnswerOfTheFlow(t *testing.T) {
	results, path := play(t, `
flows:
  f:
    nodes:
      - webhook: {path: /in, reply: true, verify: {bearer: a-secret}, timeout: 5s}
      - respond: {status: "data.status ?? 200", body: {you: data.name}}
        when: data.name != "nobody"
`, `
tests:
  - name: as expected
    send:
      - {body: {name: Aiko}, answer: {status: 200, body: {you: Aiko}}}
      - {body: {name: Ben, status: 404}, answer: {status: 404}}
      - {body: {name: nobody}, answer: {status: 204}}
      - {data: {name: Chen}}
    expect:
      respond: [{status: 200, body: {you: Aiko}}, {status: 404}, {body: {you: Chen}}]
  - name: not as expected
    send:
      - {body: {name: Ben, status: 404}}
      - {body: {name: Ben}, answer: {body: {you: Dan}}}
      - {body: "{", headers: {Content-Type: application/json}}
`)
	passes(t, results[:1])
	got := reports(t, results[1:], path)
	for _, want := range []string{"the source refused it: 404", "the answer: body.you is \"Ben\"", "the source refused it: 400"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestEveryMistakeOfATestHasItsPlace(t *testing.T) {
	const document = `
flows:
  f:
    nodes:
      - sora: {}
      - webhook: /in
      - debug:
        from: [sora, webhook]
`
	for _, c := range []struct{ test, want string }{
		{"flow: g\n    send: []", `3:11: error: no flow "g" in the document (known: f)`},
		{"send: [{source: soar, data: 1}]", `3:21: error: no node "soar" in flow "f" (did you mean "sora"?)`},
		{"send: [{source: debug, data: 1}]", `3:21: error: "debug" is no source (known: sora, webhook)`},
		{"send: [{data: 1}]", `3:12: error: flow "f" has several sources (say source: sora or webhook)`},
		{"send: [{source: sora, body: {a: 1}}]", `3:12: error: which path of sora is it posted to? say path: /sora/auth or /sora/session or /sora/event or /sora/stats, or its type`},
		{"send: []\n    reply: {debugg: 200}", `4:13: error: no node "debugg" in flow "f" (did you mean "debug"?)`},
		{"send: []\n    expect: {debugg: []}", `4:14: error: no node "debugg" in flow "f" (did you mean "debug"?)`},
		{"send: [{source: webhook, body: x, id: a}]", `3:39: error: id is a field of an event, and this is a body`},
		{"send: [{source: webhook, data: x, path: /in}]", `3:39: error: path goes with file or body`},
		{"send: []\n    now: 1999-12-31T00:00:00Z", `4:10: error: want a time from 2000-01-01T00:00:00Z on`},
		{"send: [{after: soon}]", `3:20: error: want a duration like 250ms, 10s, 5m, 1h30m or 7d, got "soon"`},
		{"expect: {}", `2:5: error: "send" is missing`},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "flows.yaml"), document)
		path := filepath.Join(dir, "flows_test.yaml")
		write(t, path, "tests:\n  - name: x\n    "+c.test+"\n")
		suite, diags := enginetest.ReadSuite(path)
		if !diags.Failed() {
			doc, found := suite.Load(path, nil, os.LookupEnv)
			if diags = found; !diags.Failed() {
				diags = suite.Tests[0].Run(doc, registry).Mistakes
			}
		}
		var got []string
		for _, d := range diags {
			got = append(got, strings.TrimPrefix(d.String(), path+":"))
		}
		if !strings.HasPrefix(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.test, strings.Join(got, "\n"), c.want)
		}
	}
}

func TestABodyIsReadFromAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(path, []byte(`{"n": 7}`), 0o644); err != nil {
		t.Fatal(err)
	}
	results, _ := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - http: https://example.com/
`, `
tests:
  - name: a path that begins at the root
    send: [{file: '`+path+`'}]
    expect: {http: [{body: {n: 7}}]}`)
	if len(results) != 1 || !results[0].Passed() {
		t.Fatalf("%+v", results)
	}
}

func TestPortsAreCounted(t *testing.T) {
	results, _ := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - switch: {big: data.n > 1, else: small}
      - http: https://example.com/
        from: switch.big
      - debug:
        from: [switch.small, http.error]
`, `
tests:
  - name: how many went where
    send: [{data: {n: 1}}, {data: {n: 2}}, {data: {n: 3}}]
    reply: {http: [200, 400]}
    expect: {switch.big: {out: 2}, switch.small: {out: 1}, http.error: {out: 1}, debug: {in: 2}}`)
	passes(t, results)
}

func TestUpdateWritesWhatCame(t *testing.T) {
	results, path := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - dedupe: id
      - http: https://example.com/
`, `
# kept
tests:
  - name: one   # kept too
    send: [{id: a, data: {n: 1}}]
    expect:
      http:
        - {body: {n: 2}}
        - {method: PUT}

  # of the next
  - name: two
    expect: {dedupe: {in: 1}}
    send: [{id: a, data: {n: 1}}, {id: a, data: 2}]
  - name: three
    send: [{id: a, data: {n: 1}}]
    reply: {http: 400}
  - name: four
    send: [{id: a, data: {n: 4}}]`)
	changed, err := enginetest.Update(path, results)
	if err != nil || changed != 4 {
		t.Fatal(changed, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `
# kept
tests:
  - name: one   # kept too
    send: [{id: a, data: {n: 1}}]
    expect:
      http:
        - {body: {"n": 1}}

  # of the next
  - name: two
    expect:
      dedupe: {in: 2}
    send: [{id: a, data: {n: 1}}, {id: a, data: 2}]
  - name: three
    send: [{id: a, data: {n: 1}}]
    reply: {http: 400}
    expect:
      http: []
      dead:
        - {node: "http", error: "POST https://example.com: 400 Bad Request", id: "a", data: {"n": 1}}
  - name: four
    send: [{id: a, data: {n: 4}}]
    expect:
      http:
        - {method: "POST", url: "https://example.com/", body: {"n": 4}}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	passes(t, again(t, path))
}

func TestCoverageNamesWhatNoEventCameTo(t *testing.T) {
	results, path := play(t, `
flows:
  f:
    nodes:
      - webhook: /in
      - switch: {urgent: data.urgent, other: "true"}
      - debug:
        id: pager
        from: switch.urgent
      - debug:
        from: switch.other
      - debug:
        from: switch.error
`, `
tests:
  - name: not urgent
    send: [{id: a, data: {urgent: false}}]
    expect: {switch.other: [{id: a}], switch.urgent: []}
`)
	passes(t, results)
	doc, _ := flows.Load([]string{filepath.Join(filepath.Dir(path), "flows.yaml")}, os.LookupEnv)
	var c enginetest.Coverage
	c.Add(doc, results[0])
	want := `coverage: 3 of 5 nodes, 1 of 3 ports
  f.pager: no event came
  f.switch.urgent: no event took this port
  f.debug-3: no event came
  f.switch.error: no event took this port
`
	if diff := cmp.Diff(want, c.Report()); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadSuite(f *testing.F) {
	f.Add("tests: [{name: a, send: [{type: b, after: 1s}], reply: {c: [503]}, expect: {c: [{d: 1}], dead: []}}]")
	f.Add("env: {A: b}\ntests:\n  - name: a\n    send:\n      - {body: {c: 1}, path: /d, headers: {e: f}, answer: {status: 200}}\n")
	f.Add("tests: [{name: a, send: null, expect: 1}]")
	path := filepath.Join(f.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte("flows: {f: {nodes: [{webhook: /in, id: c}, {debug: , id: d}]}}"), 0o600); err != nil {
		f.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		f.Fatal(diags)
	}
	tests := filepath.Join(filepath.Dir(path), "flows_test.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		write(t, tests, text)
		suite, diags := enginetest.ReadSuite(tests)
		if diags.Failed() || len(suite.Tests) > 3 {
			return
		}
		for _, s := range suite.Tests {
			if len(s.Send) < 10 {
				s.Run(doc, registry).Report()
			}
		}
	})
}

// A held keeps every event back for an hour.
type held struct {
	events []*engine.Event
	until  []time.Time
	wake   chan struct{}
}

func (h *held) Process(_ context.Context, batch []*engine.Event, _ *engine.Outlet) error {
	for _, e := range batch {
		h.events, h.until = append(h.events, e), append(h.until, time.Now().Add(time.Hour))
		time.AfterFunc(time.Hour, func() {
			select {
			case h.wake <- struct{}{}:
			default:
			}
		})
	}
	return nil
}

func (h *held) Held() (engine.Offset, bool) {
	if len(h.events) == 0 {
		return 0, false
	}
	return h.events[0].Offset, true
}

func (h *held) Due(_ context.Context, out *engine.Outlet) error {
	for len(h.events) > 0 && !time.Now().Before(h.until[0]) {
		out.Emit(h.events[0])
		h.events, h.until = h.events[1:], h.until[1:]
	}
	return nil
}

func (h *held) Forget() { h.events, h.until = nil, nil }

func (h *held) Wake() <-chan struct{} { return h.wake }

func TestWhatIsHeldBackComesWhenItIsDue(t *testing.T) {
	type config struct{}
	reg := registry.With(engine.ProcessorSpec[config]{
		About: engine.About{Type: "held"},
		New:   func(config) (engine.Processor, error) { return &held{wake: make(chan struct{}, 1)}, nil },
	})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "flows.yaml"), "flows: {f: {nodes: [{webhook: /in}, held, debug]}}")
	path := filepath.Join(dir, "flows_test.yaml")
	write(t, path, `
tests:
  - name: later
    send: [{id: a}, {id: b, after: 30m}]
    expect:
      held: {in: 2, out: 2, dropped: 0}
      debug: [{id: a}, {id: b}]
`)
	enginetest.TestFlows(t, reg, path)
}
