package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

func TestFlowsAreShownWithTheirNodes(t *testing.T) {
	w := start(t, document)
	w.put(&engine.Event{ID: "1"})
	w.until("an event is delivered", func() bool { return len(w.delivered()) == 1 })

	var list admin.FlowList
	w.ask("GET", "/api/v1/flows", "", 200, &list)
	var names []string
	for _, f := range list.Flows {
		names = append(names, f.Name)
		if f.Nodes != nil || f.Paused || f.Lag != 0 || len(f.Cursors) != 1 {
			t.Errorf("in the list: %+v", f)
		}
	}
	if !slices.Equal(names, []string{"calls", "other"}) {
		t.Errorf("got flows %v", names)
	}
	var one admin.Flow
	w.ask("GET", "/api/v1/flows/other", "", 200, &one)
	if one.Lanes != 2 || len(one.Nodes) != 2 || one.Nodes[0].ID != "feed" || one.Nodes[0].Kind != "source" || one.Nodes[1].Kind != "sink" {
		t.Errorf("got %+v", one)
	}
	var refusal admin.Refusal
	w.ask("GET", "/api/v1/flows/nobody", "", 404, &refusal)
	if refusal.Error == "" {
		t.Error("a refusal says nothing")
	}
}

func TestTheLastErrorOfAFlowIsShown(t *testing.T) {
	w := start(t, document)
	w.failWith(errors.New("out of order"))
	w.put(&engine.Event{ID: "1"})
	w.until("a letter", func() bool { return len(w.letters()) == 1 })
	flow := w.letters()[0].Flow
	var f admin.Flow
	w.ask("GET", "/api/v1/flows/"+flow, "", 200, &f)
	if f.LastError != "out of order" || f.LastErrorAt.IsZero() || f.Nodes[1].LastError != "out of order" || f.Nodes[1].Failed != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestAFlowIsPausedAndResumed(t *testing.T) {
	w := start(t, document)
	var f admin.Flow
	for _, flow := range []string{"calls", "other"} {
		w.ask("POST", "/api/v1/flows/"+flow+"/pause", "", 200, &f)
		if !f.Paused || f.Name != flow {
			t.Errorf("got %+v", f)
		}
	}
	w.put(&engine.Event{ID: "1"})
	lag := func() (n uint64) {
		var list admin.FlowList
		w.ask("GET", "/api/v1/flows", "", 200, &list)
		for _, f := range list.Flows {
			n += f.Lag
		}
		return n
	}
	w.until("the event waits", func() bool { return lag() == 1 })
	w.ask("POST", "/api/v1/flows/calls/resume", "", 200, &f)
	w.ask("POST", "/api/v1/flows/other/resume", "", 200, &f)
	if f.Paused {
		t.Error("still paused")
	}
	w.until("the event is delivered", func() bool { return lag() == 0 })
	var refusal admin.Refusal
	w.ask("POST", "/api/v1/flows/nobody/pause", "", 404, &refusal)
}

func TestAReloadTellsWhatHasChangedOrWhatIsWrong(t *testing.T) {
	var w *world
	next := document
	w = start(t, document, func(o *admin.Options) {
		o.Reload = func(ctx context.Context) (engine.Changes, error) {
			return w.engine.Apply(ctx, load(t, next))
		}
	})
	var done admin.Reloaded
	w.ask("POST", "/api/v1/reload", "", 200, &done)
	if done.Changed || done.Summary != "nothing changed" {
		t.Errorf("got %+v, want no change", done)
	}
	next = strings.Replace(document, "other:", "another:", 1)
	done = admin.Reloaded{}
	w.ask("POST", "/api/v1/reload", "", 200, &done)
	if diff := cmp.Diff([]string{"another"}, done.FlowsAdded); diff != "" || !done.Changed {
		t.Errorf("got %+v", done)
	}
	next = strings.Replace(document, "collect:", "colect:", 1)
	var refusal admin.Refusal
	w.ask("POST", "/api/v1/reload", "", 422, &refusal)
	if d := refusal.Diagnostics; len(d) != 1 || d[0].Severity != "error" || !strings.Contains(d[0].Hint, "collect") || !strings.Contains(d[0].Text, "^^^") {
		t.Errorf("got %+v", refusal)
	}
}

func TestAProgramWithoutDocumentsHasNoReload(t *testing.T) {
	w := start(t, document)
	w.ask("POST", "/api/v1/reload", "", 501, &admin.Refusal{})
}

func TestItIsReadyOnceFlowsRunAndTheStoreTakesEvents(t *testing.T) {
	w := start(t, "")
	var text string
	w.ask("GET", "/healthz", "", 200, &text)
	if text != "ok\n" {
		t.Errorf("got %q", text)
	}
	w.ask("GET", "/readyz", "", 503, &text)
	if text != "not ready\nno flows run\n" {
		t.Errorf("got %q", text)
	}
	w = start(t, document)
	w.ask("GET", "/readyz", "", 200, &text)
	if text != "ready\n" {
		t.Errorf("got %q", text)
	}
	w.store.fall(errors.New("disk full"))
	w.ask("GET", "/readyz", "", 503, &text)
	if text != "not ready\nthe store can't be written: disk full\n" {
		t.Errorf("got %q", text)
	}
	w.ask("GET", "/healthz", "", 200, &text)
	if text != "ok\nthe store can't be written: disk full\n" {
		t.Errorf("got %q", text)
	}
}

// openAPI is as much of the document as the tests look at.
type openAPI struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas map[string]schema
	}
}

type schema struct {
	Properties map[string]json.RawMessage
	Required   []string
	AllOf      []schema
}

func TestEveryRouteIsInTheOpenAPIDocumentAndTheOtherWayRound(t *testing.T) {
	w := start(t, "")
	var doc openAPI
	w.ask("GET", "/api/v1/openapi.json", "", 200, &doc)
	var described []string
	for path, ops := range doc.Paths {
		for method := range ops {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	served := admin.Routes(w.admin)
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served and described differ (-served +described):\n%s", diff)
	}
}

func TestEverySchemaOfTheOpenAPIDocumentIsThatOfItsType(t *testing.T) {
	types := map[string]any{
		"Refusal": admin.Refusal{}, "Diagnostic": admin.Diagnostic{}, "FlowList": admin.FlowList{}, "Flow": admin.Flow{},
		"Cursor": admin.Cursor{}, "Node": admin.Node{}, "Event": admin.Event{}, "Failure": engine.Failure{},
		"Tapped": admin.Tapped{}, "LetterList": admin.LetterList{}, "Letter": admin.Letter{}, "Choice": admin.Choice{},
		"Settlement": admin.Settlement{}, "Reloaded": admin.Reloaded{}, "Replay": admin.Replay{}, "Orphan": admin.Orphan{}, "Forgotten": admin.Forgotten{}, "Replayed": admin.Replayed{},
	}
	var doc openAPI
	start(t, "").ask("GET", "/api/v1/openapi.json", "", 200, &doc)
	for name, s := range doc.Components.Schemas {
		if types[name] == nil {
			t.Errorf("schema %s is that of no type", name)
			continue
		}
		fields := jsonFields(reflect.TypeOf(types[name]))
		for _, part := range s.AllOf {
			if len(part.Properties) > 0 {
				s = part
				fields = slices.DeleteFunc(fields, func(f string) bool { return slices.Contains(jsonFields(reflect.TypeFor[admin.Event]()), f) })
			}
		}
		var described []string
		for property := range s.Properties {
			described = append(described, property)
		}
		var required []string
		for i, f := range fields {
			name, optional := strings.CutSuffix(f, "?")
			if fields[i] = name; !optional {
				required = append(required, name)
			}
		}
		for _, list := range [][]string{described, required, fields, s.Required} {
			slices.Sort(list)
		}
		if diff := cmp.Diff(fields, described); diff != "" {
			t.Errorf("%s (-type +schema):\n%s", name, diff)
		}
		if !slices.Equal(required, s.Required) {
			t.Errorf("%s: the type always has %v, the schema requires %v", name, required, s.Required)
		}
		delete(types, name)
	}
	for name := range types {
		t.Errorf("type %s has no schema", name)
	}
}

// jsonFields lists the keys of a struct, with ? behind those that may be left
// out.
func jsonFields(t reflect.Type) []string {
	var fields []string
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		if strings.HasPrefix(options, "omit") {
			name += "?"
		}
		fields = append(fields, name)
	}
	return fields
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	w := start(t, document)
	w.ask("POST", "/api/v1/dead-letters/drop", `{"flow":"`+strings.Repeat("x", 2<<20)+`"}`, 400, &admin.Refusal{})
}

func TestAnswersAreNeitherKeptNorGuessed(t *testing.T) {
	w := start(t, document)
	r := httptest.NewRequest("GET", "/api/v1/flows", nil)
	r.Host = "localhost"
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, r)
	want := http.Header{"Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}}
	if diff := cmp.Diff(want, rec.Header()); diff != "" {
		t.Error(diff)
	}
}
