package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

func TestBodiesBecomeDataByTheirContentType(t *testing.T) {
	for _, c := range []struct{ name, contentType, body, want string }{
		{"JSON goes on byte for byte", "application/json", `{"b": 1,  "a":9007199254740993}`, `{"b": 1,  "a":9007199254740993}`},
		{"JSON with a suffix and a charset", "application/vnd.x+json; charset=utf-8", `[1]`, `[1]`},
		{"a byte order mark is taken off", "application/json", "\uFEFF{}", `{}`},
		{"bytes that are not UTF-8 are replaced", "application/json", "{\"a\":\"\xff\"}", `{"a":"` + "\uFFFD" + `"}`},
		{"a form", "application/x-www-form-urlencoded", "a=1&b=x+y&b=%E6%97%A5", `{"a":"1","b":["x y","日"]}`},
		{"a form whose bytes are not UTF-8", "application/x-www-form-urlencoded", "a=%ff", `{"a":"` + "\uFFFD" + `"}`},
		{"JSON that curl calls a form", "application/x-www-form-urlencoded", `{"a":1}`, `{"a":1}`},
		{"text stays text", "text/plain; charset=utf-8", `{"a":1}`, `"{\"a\":1}"`},
		{"text that is not UTF-8", "text/plain", "a\xffb", `"a` + "\uFFFD" + `b"`},
		{"nothing said, JSON", "", `{"a":1}`, `{"a":1}`},
		{"nothing said, no JSON", "", `a=1`, `"a=1"`},
		{"bytes that begin like JSON", "application/octet-stream", `{a`, `"{a"`},
		{"a content type that is none", "%%;;", `{"a":1}`, `{"a":1}`},
		{"XML is text", "application/xml", `<a/>`, `"<a/>"`},
		{"bytes are base64", "application/octet-stream", "\xff\xfe", `"//4="`},
		{"nothing is null", "application/json", "", `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, `{path: /in}`)
			if a := h.post(c.body, "Content-Type: "+c.contentType); a.Status != 200 {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			if diff := cmp.Diff(c.want, jsonOf(t, h.one(t).Data)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestABodyThatIsNotWhatItSaysIsRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", `{"a":`, "the body is not JSON: unexpected end of JSON input"},
		{"application/json", `{"a":1}{"b":2}`, "the body is not JSON: invalid character '{' after top-level value, at byte 8"},
		{"application/x-www-form-urlencoded", `{"a":1`, "the body is not JSON: unexpected end of JSON input"},
		{"application/x-www-form-urlencoded", ` [1,]`, "the body is not JSON: invalid character ']'"},
		{"", `{"a":1`, "the body is not JSON: unexpected end of JSON input"},
		{"application/x-www-form-urlencoded", `a=%zz`, "the body is not a form: invalid URL escape"},
	} {
		h := newHook(t, `{path: /in}`)
		a := h.post(c.body, "Content-Type: "+c.contentType)
		if a.Status != http.StatusBadRequest || !strings.HasPrefix(string(a.Body), c.want) {
			t.Errorf("%s: %d %s, want 400 %s", c.body, a.Status, a.Body, c.want)
		}
		if n := len(h.in.Events()); n != 0 {
			t.Errorf("%s: %d events", c.body, n)
		}
	}
}

func TestABodyThatIsEncodedIsRefusedForTheSenderToSendItPlain(t *testing.T) {
	for coding, want := range map[string]int{"gzip": 415, "br": 415, "identity": 200, "Identity": 200, "": 200} {
		h := newHook(t, `{path: /in}`)
		a := h.post("\x1f\x8b\x08", "Content-Encoding: "+coding)
		if a.Status != want && (a.Status != 0 || want != 200) {
			t.Errorf("%q: %d %s, want %d", coding, a.Status, a.Body, want)
		}
		if refused := len(h.in.Events()) == 0; refused != (want == 415) {
			t.Errorf("%q: %d events", coding, len(h.in.Events()))
		}
		if got := a.Header.Get("Accept-Encoding"); want == 415 && got != "identity" {
			t.Errorf("%q: the answer says it takes %q", coding, got)
		}
	}
}

func TestAPlainRequestBecomesAnEventWithWhatCameWithIt(t *testing.T) {
	h := newHook(t, `{path: /in/}`)
	h.send("POST", "/in/kitchen?room=1&tag=a&tag=b", `{"n":1}`,
		"Content-Type: application/json", "X-One: 1", "Authorization: Bearer secret", "Cookie: secret")
	e := h.one(t)
	want := engine.Meta{
		"headers": map[string]any{"content-type": "application/json", "x-one": "1"},
		"path":    "/in/kitchen",
		"query":   map[string]any{"room": "1", "tag": []any{"a", "b"}},
	}
	if diff := cmp.Diff(want, e.Meta); diff != "" {
		t.Error(diff)
	}
	if e.Source != "webhook" || e.Type != "webhook" || e.Subject != "" || len(e.ID) != 32 || !e.Time.IsZero() {
		t.Errorf("got source %q type %q subject %q id %q time %v", e.Source, e.Type, e.Subject, e.ID, e.Time)
	}
}

func TestTheSameBodyTwiceHasOneID(t *testing.T) {
	h := newHook(t, `{path: /in}`)
	h.post(`{"n":1}`)
	h.post(`{"n":1}`)
	h.post(`{"n":2}`)
	events := h.in.Events()
	if events[0].ID != events[1].ID || events[0].ID == events[2].ID {
		t.Errorf("ids %s %s %s", events[0].ID, events[1].ID, events[2].ID)
	}
}

func TestTheQueryIsThePayloadOfAGet(t *testing.T) {
	h := newHook(t, `{path: /in, method: GET, type: query.what}`)
	h.send("GET", "/in?what=ping&n=1", "")
	e := h.one(t)
	if got := jsonOf(t, e.Data); got != `{"n":"1","what":"ping"}` || e.Type != "ping" {
		t.Errorf("type %q data %s", e.Type, got)
	}
}

func TestAttributesComeFromExpressionsOverTheRequest(t *testing.T) {
	h := newHook(t, `{path: /orders/, source: shop, type: 'headers["x-event"]', id: body.order.number,
		subject: "{{ path }}#{{ query.shard }}", time: body.at}`)
	h.send("POST", "/orders/eu?shard=7", `{"order":{"number":9007199254740993},"at":1788247805}`,
		"Content-Type: application/json", "X-Event: placed")
	e := h.one(t)
	if e.Failure != nil {
		t.Fatal(e.Failure.Message)
	}
	got := []string{e.Source, e.Type, e.ID, e.Subject, e.Time.UTC().Format(time.RFC3339)}
	want := []string{"shop", "placed", "9007199254740993", "/orders/eu#7", "2026-09-01T07:30:05Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnExpressionThatGivesNullLeavesTheDefault(t *testing.T) {
	h := newHook(t, `{path: /in, type: body.event, id: body.id, time: body.at}`)
	h.post(`{"x":1}`)
	e := h.one(t)
	if e.Type != "webhook" || len(e.ID) != 32 || !e.Time.IsZero() || e.Failure != nil {
		t.Errorf("got type %q id %q time %v failure %v", e.Type, e.ID, e.Time, e.Failure)
	}
}

func TestAnAuthenticRequestThatIsNoEventGoesToTheDeadLetters(t *testing.T) {
	for _, config := range []string{
		`{path: /in, type: body.list}`,
		`{path: /in, time: body.when}`,
		`{path: /in, id: int(body.when)}`,
	} {
		h := newHook(t, config)
		a := h.post(`{"list":[1],"when":"soon"}`)
		e := h.one(t)
		if a.Status != 200 || e.Failure == nil || e.Failure.Message == "" {
			t.Errorf("%s: status %d failure %v", config, a.Status, e.Failure)
		}
		if got := jsonOf(t, e.Data); got != `{"list":[1],"when":"soon"}` {
			t.Errorf("%s: data %s", config, got)
		}
	}
}

func TestTimesAreReadAsSendersWriteThem(t *testing.T) {
	want := time.Date(2026, 9, 1, 7, 30, 5, 0, time.UTC)
	for _, v := range []any{int64(1788247805), int64(1788247805000), 1788247805.0, "1788247805", "2026-09-01T07:30:05Z", "2026-09-01T16:30:05+09:00", 1788247805} {
		if got, err := timeOf(v); err != nil || !got.Equal(want) {
			t.Errorf("%v: %v %v", v, got, err)
		}
	}
	for _, v := range []any{nil, "", "soon", true, int64(1) << 62, "NaN", "Inf", "0000-01-01T00:00:00+23:00", []any{}} {
		if got, err := timeOf(v); err == nil {
			t.Errorf("%v: taken as %v", v, got)
		}
	}
}

func TestARequestIsAcceptedOnlyWhenItsEventIsSafe(t *testing.T) {
	h := newHook(t, `{path: /in}`)
	h.in.Fail = func([]*engine.Event) error { return engine.ErrFull }
	a := h.post(`{}`)
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
}

func TestARequestWaitsForItsReply(t *testing.T) {
	h := newHook(t, `{path: /in, reply: true, timeout: 20ms}`)
	for _, c := range []struct {
		name   string
		answer func(*engine.Event) (engine.Answer, error)
		want   int
	}{
		{"answered", func(*engine.Event) (engine.Answer, error) { return engine.Answer{Status: 418}, nil }, 418},
		{"nobody answers", nil, 204},
		{"too late", func(*engine.Event) (engine.Answer, error) { return engine.Answer{}, context.DeadlineExceeded }, 504},
		{"failed on its way", func(*engine.Event) (engine.Answer, error) { return engine.Answer{}, errors.New("internal") }, 500},
		{"not stored", func(*engine.Event) (engine.Answer, error) {
			return engine.Answer{}, fmt.Errorf("%w: disk", engine.ErrNotStored)
		}, 503},
		{"no room", func(*engine.Event) (engine.Answer, error) { return engine.Answer{}, engine.ErrFull }, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.in.Answers = c.answer
			a := h.post(`{}`)
			if a.Status != c.want || strings.Contains(string(a.Body), "internal") {
				t.Errorf("%d %s, want %d", a.Status, a.Body, c.want)
			}
		})
	}
}

func TestAReplyIsNotWaitedForWhereThereIsNoEventToAnswer(t *testing.T) {
	h := newHook(t, `{path: /in, reply: true, id: body.list}`)
	if a := h.post(`{"list":[]}`); a.Status != http.StatusUnprocessableEntity || h.one(t).Failure == nil {
		t.Errorf("an event that could not be made: %d", a.Status)
	}
	h = newHook(t, `{path: /in, reply: true}`)
	one := `{"specversion":"1.0","id":"1","source":"s","type":"t"}`
	if a := h.post("["+one+","+one+"]", "Content-Type: "+batchType); a.Status != 400 || len(h.in.Events()) != 0 {
		t.Errorf("a batch: %d, %d events", a.Status, len(h.in.Events()))
	}
}

func TestWrongWebhooksAreRefused(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{`{}`, `"path" is missing`},
		{`in`, "want a path like /orders"},
		{`{path: "/in?x=1"}`, "want a path like /orders"},
		{`{path: /in, method: post}`, "want one of POST"},
		{`{path: /in, timeout: 0s}`, "want more than 0"},
		{`{path: /in, method: GET, verify: {github: x}}`, "a GET has no body"},
		{`{path: /in, verify: github}`, "want github with its secret"},
		{`{path: /in, verify: {}}`, "got 0 of them"},
		{`{path: /in, verify: {github: a, stripe: b}}`, "got 2 of them"},
		{`{path: /in, verify: {github: ""}}`, "the secret is empty"},
		{`{path: /in, verify: {github: []}}`, "the secret is empty"},
		{`{path: /in, verify: {github: {secret: [a, ""]}}}`, "the secret is empty"},
		{`{path: /in, verify: {github: }}`, ""},
		{`{path: /in, verify: {bearer: ""}}`, "the secret is empty"},
		{`{path: /in, verify: {basic: {user: a, password: ""}}}`, "the password is empty"},
		{`{path: /in, verify: {basic: {user: a}}}`, `"password" is missing`},
		{`{path: /in, verify: {standard-webhooks: "not base64!"}}`, "wrong secret: want whsec_ and base64"},
		{`{path: /in, verify: {standard-webhooks: whpk_AAAA}}`, "wrong secret: this is an asymmetric key"},
		{`{path: /in, verify: {hmac: {secret: a}}}`, `"header" is missing`},
		{`{path: /in, verify: {hmac: {secret: a, header: "X Y"}}}`, "can't be the name of a header"},
		{`{path: /in, verify: {hmac: {secret: a, header: X, encoding: b64}}}`, "want hex or base64"},
		{`{path: /in, verify: {hmac: {secret: a, header: X, algorithm: md5}}}`, "want sha256"},
	} {
		if got := refusal(t, Webhook.Default, c.yaml); got == "" || !strings.Contains(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.yaml, got, c.want)
		}
	}
}
