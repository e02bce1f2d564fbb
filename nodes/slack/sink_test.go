package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

const (
	byHook  = "webhook_url: " + hook + "\n"
	byToken = "token: xoxb-secret-part\nchannel: \"{{ data.channel }}\"\n"
)

// failures are the events of a batch that were not delivered.
func failures(t *testing.T, err error) engine.Failures {
	t.Helper()
	if err == nil {
		return nil
	}
	var f engine.Failures
	if !errors.As(err, &f) {
		t.Fatalf("not Failures: %v", err)
	}
	return f
}

func TestAWebhookGetsTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byHook+`text: "*{{ data.text }}* <https://example.com|{{ type }}>"`, env, api)
		if err := s.Write(t.Context(), events(say("", `<!channel> & "you"`, nil))); err != nil {
			t.Fatal(err)
		}
		p := api.all()[0]
		want := map[string]any{
			"text":         `*&lt;!channel&gt; &amp; "you"* <https://example.com|t>`,
			"unfurl_links": false, "unfurl_media": false, "link_names": false,
		}
		if diff := cmp.Diff(want, p.body); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		if got := p.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
	})
}

func TestAMessageWithoutBlocksForItsEventIsItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byHook+"text: x\nblocks: \"[]\"", env, api)
		if err := s.Write(t.Context(), events(say("", "", nil))); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"text": "x", "unfurl_links": false, "unfurl_media": false, "link_names": false}
		if diff := cmp.Diff(want, api.all()[0].body); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
	})
}

func TestABotPostsToTheChannelOfTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byToken+"text: x\nunfurl: true", env, api)
		if err := s.Write(t.Context(), events(say("C1", "", nil))); err != nil {
			t.Fatal(err)
		}
		p := api.all()[0]
		want := map[string]any{"channel": "C1", "text": "x", "unfurl_links": true, "unfurl_media": true, "link_names": false}
		if diff := cmp.Diff(want, p.body); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		if got := p.header.Get("Authorization"); got != "Bearer xoxb-secret-part" {
			t.Errorf("authorization %q", got)
		}
	})
}

func TestAMessageThatCannotBeMadeFailsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		for _, c := range []struct{ config, want string }{
			{byHook + `text: " {{ data.nothing }} "`, "text is empty"},
			{byHook + `text: "{{ int(data.text) }}"`, "text: "},
			{byToken + `text: x`, "channel is empty"},
			{byHook + `blocks: data.text`, "want a list of blocks"},
			{byHook + `blocks: "[]"`, "text is empty"},
			{"token: t\nchannel: C\ntext: x\nthread: int(data.text)", "thread: "},
		} {
			api := &fakeSlack{}
			s := newTest(t, c.config, env, api)
			f := failures(t, s.Write(t.Context(), events(say("", "x", nil))))
			if len(f) != 1 || !engine.IsPermanent(f[0].Err) || !strings.Contains(f[0].Err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.config, f, c.want)
			}
			if len(api.all()) != 0 {
				t.Errorf("%s: something was posted", c.config)
			}
		}
	})
}

func TestAChannelGetsOneMessageASecondInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byToken+`text: "{{ data.text }}"`, env, api)
		start := time.Now()
		err := s.Write(t.Context(), events(
			say("A", "a1", nil), say("B", "b1", nil), say("A", "a2", nil), say("A", "a3", nil), say("B", "b2", nil)))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, p := range api.all() {
			channel := p.body["channel"].(string)
			got[channel] = append(got[channel], fmt.Sprint(p.body["text"], " at ", p.at.Sub(start)))
		}
		want := map[string][]string{"A": {"a1 at 0s", "a2 at 1s", "a3 at 2s"}, "B": {"b1 at 0s", "b2 at 1s"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
	})
}

func TestNodesWithOneWebhookShareItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		one := newTest(t, byHook+"text: one", env, api)
		two := newTest(t, byHook+"text: two", env, api)
		other := newTest(t, "webhook_url: https://hooks.slack.test/other\ntext: other", env, api)
		start := time.Now()
		for _, s := range []*sink{one, other, two} {
			if err := s.Write(t.Context(), events(nil)); err != nil {
				t.Fatal(err)
			}
		}
		posts := api.all()
		if got := posts[1].at.Sub(start); got != 0 {
			t.Errorf("another webhook waited %s", got)
		}
		if got := posts[2].at.Sub(start); got != time.Second {
			t.Errorf("the second node posted after %s, want 1s", got)
		}
	})
}

func TestAChannelRestsAsLongAsSlackAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byToken+`text: "{{ data.text }}"`, env, api)
		api.say(reply(429, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "30"))
		start := time.Now()
		batch := events(say("A", "a1", nil), say("A", "a2", nil))
		f := failures(t, s.Write(t.Context(), batch))
		if len(f) != 2 || f[0].Event != batch[0] || f[1].Event != batch[1] {
			t.Fatalf("failures %v", f)
		}
		if after, ok := engine.IsUnavailable(f[0].Err); !ok || after != 30*time.Second {
			t.Errorf("%v: unavailable %v for %s", f[0].Err, ok, after)
		}
		if !errors.Is(f[1].Err, engine.ErrNotTried) {
			t.Errorf("the message behind it: %v", f[1].Err)
		}
		// Whoever comes too early is told the rest, without a call.
		f = failures(t, s.Write(t.Context(), batch))
		if after, ok := engine.IsUnavailable(f[0].Err); len(f) != 2 || !ok || after != 30*time.Second {
			t.Errorf("failures %v", f)
		}
		if n := len(api.all()); n != 1 {
			t.Errorf("%d calls", n)
		}
		if err := s.Write(t.Context(), events(say("B", "b1", nil))); err != nil || time.Since(start) > 0 {
			t.Errorf("another channel: %v after %s", err, time.Since(start))
		}
		time.Sleep(29 * time.Second)
		if err := s.Write(t.Context(), batch); err != nil {
			t.Error(err)
		}
		if got := api.all()[2].at.Sub(start); got != 30*time.Second {
			t.Errorf("posted again after %s", got)
		}
		if diff := cmp.Diff([]string{"b1", "a1", "a2"}, api.texts()); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
	})
}

func TestMessagesBehindOneThatWaitsWaitToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			answer      http.HandlerFunc
			unavailable bool // the first one, too
		}{
			{reply(503, "<html>"), true},
			{reply(200, `{"ok":false,"error":"fatal_error"}`), false},
		} {
			env, _ := newEnv()
			api := &fakeSlack{}
			s := newTest(t, byToken+`text: "{{ data.text }}"`, env, api)
			api.say(reply(200, `{"ok":true,"ts":"1"}`), c.answer)
			batch := events(say("A", "a1", nil), say("A", "a2", nil), say("A", "a3", nil))
			f := failures(t, s.Write(t.Context(), batch))
			if len(f) != 2 || f[0].Event != batch[1] || f[1].Event != batch[2] {
				t.Fatalf("failures %v", f)
			}
			if _, ok := engine.IsUnavailable(f[0].Err); ok != c.unavailable {
				t.Errorf("%v: unavailable %v", f[0].Err, ok)
			}
			if !errors.Is(f[1].Err, engine.ErrNotTried) {
				t.Errorf("%v is not for later", f[1].Err)
			}
			if engine.IsPermanent(f[0].Err) {
				t.Errorf("%v is permanent", f[0].Err)
			}
		}
	})
}

func TestARefusedMessageDoesNotHoldUpTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byHook+`text: "{{ data.text }}"`, env, api)
		api.say(reply(400, "invalid_payload"))
		f := failures(t, s.Write(t.Context(), events(say("", "a", nil), say("", "b", nil))))
		if len(f) != 1 || !engine.IsPermanent(f[0].Err) || f[0].Event.ID != "0" {
			t.Fatalf("failures %v", f)
		}
		if diff := cmp.Diff([]string{"b"}, api.texts()); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
		if log.String() != "" {
			t.Errorf("the log says:\n%s", log)
		}
	})
}

func TestAWebhookThatIsGoneIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byHook+"text: x", env, api)
		api.say(reply(404, "no_service"), reply(404, "no_service"), reply(404, "no_service"))
		f := failures(t, s.Write(t.Context(), events(nil, nil, nil)))
		if len(f) != 3 || !engine.IsPermanent(f[2].Err) {
			t.Fatalf("failures %v", f)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "make a new one") {
			t.Errorf("told %d times:\n%s", n, log)
		}
	})
}

func TestAThreadBeginsOnceAndGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		config := byToken + "text: \"{{ data.text }}\"\nthread: data.thread"
		s := newTest(t, config, env, api)
		err := s.Write(t.Context(), events(
			say("A", "first", "s1"), say("A", "reply", "s1"), say("A", "alone", nil), say("B", "elsewhere", "s1"),
			say("A", "number", 1), say("A", "text", "1")))
		if err != nil {
			t.Fatal(err)
		}
		restarted := *env
		restarted.Share = &engine.Share{}
		s = newTest(t, config, &restarted, api)
		if err := s.Write(t.Context(), events(say("A", "later", "s1"))); err != nil {
			t.Fatal(err)
		}
		ts := map[string]any{}
		begun := ""
		for i, p := range api.all() {
			ts[p.body["text"].(string)] = p.body["thread_ts"]
			if p.body["text"] == "first" {
				begun = fmt.Sprintf("ts-%d", i+1)
			}
		}
		want := map[string]any{"first": nil, "reply": begun, "alone": nil, "elsewhere": nil, "number": nil, "text": nil, "later": begun}
		if diff := cmp.Diff(want, ts); diff != "" {
			t.Errorf("threads (-want +got):\n%s", diff)
		}
	})
}

func TestAThreadWhoseFirstMessageIsGoneBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byToken+"text: \"{{ data.text }}\"\nthread: data.thread", env, api)
		if err := s.Write(t.Context(), events(say("A", "1", "s"))); err != nil {
			t.Fatal(err)
		}
		api.say(reply(200, `{"ok":false,"error":"thread_not_found"}`))
		if err := s.Write(t.Context(), events(say("A", "2", "s"), say("A", "3", "s"))); err != nil {
			t.Fatal(err)
		}
		var got []any
		for _, p := range api.all() {
			got = append(got, p.body["thread_ts"])
		}
		if diff := cmp.Diff([]any{nil, "ts-1", nil, "ts-3"}, got); diff != "" {
			t.Errorf("threads (-want +got):\n%s", diff)
		}
	})
}

func TestTheNewFormOfANodeKnowsTheThreadsOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		config := byToken + "text: \"{{ data.text }}\"\nthread: data.thread\n"
		old := newTest(t, config, env, api)
		renewed := newTest(t, config+"unfurl: true", env, api) // opened while the old one works
		if err := old.Write(t.Context(), events(say("A", "1", "s"))); err != nil {
			t.Fatal(err)
		}
		if err := renewed.Write(t.Context(), events(say("A", "2", "s"))); err != nil {
			t.Fatal(err)
		}
		if got := api.all()[1].body["thread_ts"]; got != "ts-1" {
			t.Errorf("thread %v", got)
		}
	})
}

func TestAThreadThatCannotBeSavedIsKnownUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		env.Checkpoints = new(enginetest.Checkpoints).FailWith(errors.New("disk full"))
		api := &fakeSlack{}
		s := newTest(t, byToken+"text: \"{{ data.text }}\"\nthread: data.thread", env, api)
		if err := s.Write(t.Context(), events(say("A", "1", "s"), say("A", "2", "s"))); err != nil {
			t.Fatal(err)
		}
		if got := api.all()[1].body["thread_ts"]; got != "ts-1" || !strings.Contains(log.String(), "disk full") {
			t.Errorf("thread %v, log:\n%s", got, log)
		}
	})
}

func TestThreadsAreForgottenByAgeAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &enginetest.Checkpoints{}
		th, err := loadThreads(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxThreads + 1 {
			if err := th.used(t.Context(), threadKey("A", fmt.Sprint(i)), "ts"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if n, m := len(th.known), kept.Len(); n > maxThreads || n != m {
			t.Errorf("%d known, %d kept", n, m)
		}
		newest, oldest := threadKey("A", fmt.Sprint(maxThreads)), threadKey("A", "0")
		if th.ts(newest) != "ts" || th.ts(oldest) != "" {
			t.Error("it is not the oldest that were forgotten")
		}
		time.Sleep(threadAge - time.Hour)
		if err := th.used(t.Context(), newest, "ts"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		again, err := loadThreads(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.known) != 1 || again.ts(newest) != "ts" || kept.Len() != 1 {
			t.Errorf("%d known, %d kept: want the one that was in use", len(again.known), kept.Len())
		}
	})
}

func TestATurnThatIsGivenUpIsTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeSlack{}
		s := newTest(t, byHook+`text: "{{ data.text }}"`, env, api)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		f := failures(t, s.Write(ctx, events(say("", "1", nil), say("", "2", nil), say("", "3", nil))))
		if len(f) != 1 || f[0].Event.ID != "2" {
			t.Fatalf("failures %v", f)
		}
		if _, ok := engine.IsUnavailable(f[0].Err); !ok {
			t.Errorf("%v is not for later", f[0].Err)
		}
		if err := s.Write(t.Context(), events(say("", "4", nil))); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleChannelsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPacer()
		for i := range manyChannels + 1 {
			leave, err := p.enter(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			leave(0)
			if i == 0 {
				time.Sleep(2 * time.Second)
			}
		}
		if n := len(p.channels); n != manyChannels {
			t.Errorf("%d channels: the only idle one is to be forgotten", n)
		}
	})
}

func TestNoErrorShowsASecret(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	redirecting := httptest.NewServer(reply(307, "", "Location", "http://127.0.0.1:1/stolen"))
	defer redirecting.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}))
	defer silent.Close()
	for _, c := range []struct {
		url                    string
		unavailable, permanent bool
	}{
		{closed.URL, true, false},
		{redirecting.URL, false, true},
		{silent.URL, false, false}, // it may have been posted
	} {
		for _, config := range []string{
			"webhook_url: " + c.url + "/services/secret-part\ntext: x",
			"token: secret-part\nchannel: C\ntext: x\napi_url: " + c.url,
		} {
			env, log := newEnv()
			s := newTest(t, config, env, nil)
			s.http.Transport = http.DefaultTransport.(*http.Transport).Clone()
			f := failures(t, s.Write(t.Context(), events(nil)))
			if len(f) != 1 {
				t.Fatalf("%s: failures %v", config, f)
			}
			if _, ok := engine.IsUnavailable(f[0].Err); ok != c.unavailable || engine.IsPermanent(f[0].Err) != c.permanent {
				t.Errorf("%s: %v: unavailable %v, permanent %v", config, f[0].Err, ok, engine.IsPermanent(f[0].Err))
			}
			if strings.Contains(f[0].Err.Error()+log.String(), "secret-part") {
				t.Errorf("a secret is shown: %v\n%s", f[0].Err, log)
			}
		}
	}
}

func TestAMistakeInTheConfigurationIsNamed(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{text: x}`, "slack needs webhook_url, or token and channel"},
		{`{webhook_url: "https://x/y", token: t, channel: C, text: x}`, "slack takes webhook_url or token, not both"},
		{`{webhook_url: secret-part, text: x}`, "webhook_url is not a URL like"},
		{`{webhook_url: "https://x/y", channel: C, text: x}`, "a webhook posts to the channel it was made for"},
		{`{webhook_url: "https://x/y", thread: data.s, text: x}`, "a webhook can't begin threads"},
		{`{token: t, text: x}`, "slack needs channel beside token"},
		{`{webhook_url: "https://x/y"}`, "slack needs text or blocks"},
		{`{webhook_url: "https://x/y", text: x, max_text: 50000}`, "want a length from 100 to 40000, got 50000"},
		{`{webhook_url: "https://x/y", text: x, api_url: slack.com}`, "want a URL like https://slack.com/api"},
		{`{webhook_url: "https://x/y", blocks: 7}`, "want a list of blocks"},
		{`{webhook_url: "https://x/y", blocks: [divider]}`, "want a block, like {type: divider}"},
		{`{webhook_url: "https://x/y", blocks: [{type: header, text: {type: plain_text, text: "{{ nope }}"}}]}`, "nope"},
	} {
		_, diags := decode(t, c.config)
		if len(diags) != 1 || !strings.Contains(diags[0].Message, c.want) {
			t.Errorf("%s: got %v, want %q", c.config, diags, c.want)
		}
		if len(diags) > 0 && strings.Contains(diags[0].String(), "secret-part") {
			t.Errorf("%s: a secret is shown: %v", c.config, diags[0])
		}
	}
}
