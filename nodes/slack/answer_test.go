package slack

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestEachAnswerIsOfItsClass(t *testing.T) {
	for i, c := range cases(t).Responses {
		t.Run(fmt.Sprintf("%d %s %d", i, c.API, c.Status), func(t *testing.T) {
			header := http.Header{}
			for name, value := range c.Headers {
				header.Set(name, value)
			}
			got := read(c.API, c.Status, header, []byte(c.Body))
			if got.class.String() != c.Class {
				t.Errorf("%s: got %s, want %s", c.Body, got.class, c.Class)
			}
			if c.Wait != nil && got.wait != time.Duration(*c.Wait)*time.Second {
				t.Errorf("wait %s, want %d s", got.wait, *c.Wait)
			}
			if got.ts != c.TS {
				t.Errorf("ts %q, want %q", got.ts, c.TS)
			}
		})
	}
}

func TestAnswersThatTheVectorsDoNotHave(t *testing.T) {
	for _, c := range []struct {
		via    api
		status int
		body   string
		want   class
	}{
		{webhook, 404, "no_active_hooks", permanentDisable},
		{webhook, 403, "team_disabled", permanentDisable},
		{webhook, 400, "<html>", permanent},
		{webhook, 302, "", permanent},
		{webhook, 408, "", retry},
		{webhook, 502, "bad gateway", retry},
		{postMessage, 200, `{"ok":false,"error":"restricted_action_thread_locked"}`, permanentDisable},
		{postMessage, 200, `{"ok":false,"error":"token_revoked"}`, permanentDisable},
		{postMessage, 200, `{"ok":false,"error":"msg_too_long"}`, permanent},
		{postMessage, 200, `{"ok":false,"error":"a_new_one"}`, permanent},
		{postMessage, 500, `{"ok":false,"error":"fatal_error"}`, retryUnsafe},
		{postMessage, 503, `{"ok":false,"error":"service_unavailable"}`, retry},
		{postMessage, 200, `<html>a captive portal</html>`, retryUnsafe},
		{postMessage, 307, ``, permanent},
	} {
		if got := read(c.via, c.status, http.Header{}, []byte(c.body)); got.class != c.want {
			t.Errorf("%s %d %s: got %s, want %s", c.via, c.status, c.body, got.class, c.want)
		}
	}
}

func TestAnErrorSaysWhatSlackSaidAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		via    api
		status int
		body   string
		want   string
	}{
		{webhook, 404, "no_service", "slack answered 404 no_service (the webhook was removed or turned off: make a new one and put it into webhook_url)"},
		{webhook, 503, "<html>…</html>", "slack answered 503 Service Unavailable"},
		{webhook, 307, "", "slack answered 307 Temporary Redirect: redirects are not followed"},
		{postMessage, 200, `{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] too long","[ERROR] [json-pointer:/blocks/0]"]}}`,
			"slack answered 200 invalid_blocks: [ERROR] too long; [ERROR] [json-pointer:/blocks/0]"},
	} {
		got := read(c.via, c.status, http.Header{}, []byte(c.body))
		if got.Error() != c.want {
			t.Errorf("got %q, want %q", got.Error(), c.want)
		}
	}
	long := read(postMessage, 200, http.Header{}, []byte(`{"ok":false,"error":"e","response_metadata":{"messages":["`+strings.Repeat("x", 5000)+`"]}}`))
	if n := len(long.Error()); n > 400 {
		t.Errorf("an error of %d bytes", n)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, "ok", "")
	f.Add(200, `{"ok":true,"ts":"1"}`, "")
	f.Add(429, `{"ok":false,"error":"ratelimited"}`, "30")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		for _, via := range []api{webhook, postMessage} {
			a := read(via, status, http.Header{"Retry-After": {after}}, []byte(body))
			if a.class == sent && (status < 200 || status > 299) {
				t.Fatalf("%d counts as sent", status)
			}
			if a.wait < 0 || a.wait > time.Hour {
				t.Fatalf("a wait of %s", a.wait)
			}
			if n := len(a.Error()); n > 2500 {
				t.Fatalf("an error of %d bytes", n)
			}
		}
	})
}
