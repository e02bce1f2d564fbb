package web

import (
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
)

func newRespondSink(t testing.TB, yaml string) *respond {
	t.Helper()
	sink, err := Respond.New(must(t, Respond.Default, yaml))
	if err != nil {
		t.Fatal(err)
	}
	return sink.(*respond)
}

func TestAnAnswerIsMadeOfTheEvent(t *testing.T) {
	e := &engine.Event{ID: "1", Data: engine.JSON([]byte(`{"code":201,"name":"Aiko"}`))}
	for _, c := range []struct {
		yaml, contentType, body string
		status                  int
	}{
		{`{}`, "", "", 200},
		{`{status: 204}`, "", "", 204},
		{`{status: data.code, body: data}`, "application/json", `{"code":201,"name":"Aiko"}`, 201},
		{`{status: "{{ data.code }}"}`, "", "", 201},
		{`{body: {allowed: true, who: data.name}}`, "application/json", `{"allowed":true,"who":"Aiko"}`, 200},
		{`{body: "Hello {{ data.name }}"}`, "text/plain; charset=utf-8", "Hello Aiko", 200},
		{`{body: [1, 2]}`, "application/json", "[1,2]", 200},
		{`{body: true}`, "application/json", "true", 200},
		{`{body: data.missing}`, "", "", 200},
		{`{body: "'<b>'", headers: {content-type: text/html}}`, "text/html", "<b>", 200},
	} {
		a, err := newRespondSink(t, c.yaml).answer(e)
		if err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		if a.Status != c.status || a.Header.Get("Content-Type") != c.contentType || string(a.Body) != c.body {
			t.Errorf("%s: %d %q %s", c.yaml, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
	}
}

func TestAnAnswerThatCanNotBeMadeFailsItsEvent(t *testing.T) {
	e := &engine.Event{ID: "1", Data: engine.JSON([]byte(`{"code":999,"name":"a\nb"}`))}
	for _, yaml := range []string{
		`{status: data.code}`, `{status: data.name}`, `{status: data}`, `{status: data.missing}`,
		`{body: int(data.name)}`, `{headers: {X-Name: "{{ data.name }}"}}`,
	} {
		err := newRespondSink(t, yaml).Write(t.Context(), []*engine.Event{e})
		if !engine.IsPermanent(failure(t, err)) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}

func TestAnEventThatNoRequestWaitsForPassesBy(t *testing.T) {
	e := &engine.Event{ID: "1", Offset: 7}
	if err := newRespondSink(t, `{status: data.missing}`).Write(t.Context(), []*engine.Event{e}); err != nil {
		t.Error(err)
	}
}

func TestWrongRespondsAreRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		`{headers: {"a b": c}}`:          "can't be the name of a header",
		`{headers: {content-length: c}}`: "not yours to set",
		`{code: 200}`:                    "unknown key",
	} {
		if got := refusal(t, Respond.Default, yaml); !strings.Contains(got, want) {
			t.Errorf("%s: %q", yaml, got)
		}
	}
}
