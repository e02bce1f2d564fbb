package nodes_test

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// many is a flow with an expression wherever there can be one.
const many = `
server: {listen: "127.0.0.1:0"}
flows:
  f:
    lanes: 2
    order_by: data.key
    nodes:
      - webhook: {path: /f, type: body.type, id: body.id, subject: headers.subject, time: body.at}
      - filter: data.kind == "visit" && data.who != nil
        when: data.n > 1
      - dedupe: {key: "{{ id }}-{{ type }}", ttl: 1m}
      - switch: {a: data.n > 3, b: data.n < 2, else: rest}
      - transform:
          data: {who: data.who, list: [data.a, "{{ data.b }}"], fixed: 1}
          set: {a.b: data.c}
          subject: data.who
        from: switch.a
      - batch: {size: 3, by: type}
      - throttle: {rate: 10/s, by: type}
      - http: {url: "http://127.0.0.1:1/{{ data.who }}", headers: {X-Who: "{{ data.who }}"}, body: {x: data.y}}
        from: switch.b
      - slack:
          token: ${HOOK}
          channel: C1
          text: "{{ data.who }}"
          blocks: [{type: section, text: {type: mrkdwn, text: "{{ data.who }}"}}]
          thread: data.who
        from: switch.rest
  g:
    nodes:
      - inject: {every: 1h, data: {who: "{{ time }}"}}
      - file: {path: "${OUT}/{{ data.who }}", line: "{{ data.who }}"}
`

func TestFlowsThatRunDoNotHoldTheDocument(t *testing.T) {
	path := t.TempDir() + "/flows.yaml"
	if err := os.WriteFile(path, []byte(many), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, environment)
	if diags.Failed() {
		t.Fatal(diags)
	}
	text, config := weak.Make(doc.Flows[0].At.Span.File), weak.Make(doc.Flows[1].Nodes[1].Config)
	e := engine.New(nodes.All(), engine.Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := e.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	doc, diags = nil, nil
	for deadline := time.Now().Add(10 * time.Second); text.Value() != nil || config.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Errorf("the text is held: %v; the configuration of a node is held: %v", text.Value() != nil, config.Value() != nil)
			break
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := e.Run(ctx); err != nil {
		t.Error(err)
	}
}
