package sonzai

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

const registering = `
auth_header: Bearer example
register: {api_key: sk_1, url: https://example.test/sonzai/, events: [on_wakeup_ready, a.b c]}
`

func TestWebhooksAreRegisteredEachAtAPathOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{}
		stop := run(t, newTest(t, registering, env), api, &enginetest.Inlet{})
		defer stop()
		want := map[string]map[string]string{
			"on_wakeup_ready": {"webhook_url": "https://example.test/sonzai/on_wakeup_ready", "auth_header": "Bearer example", "secret": "whsec_on_wakeup_ready_1"},
			"a.b c":           {"webhook_url": "https://example.test/sonzai/a.b%20c", "auth_header": "Bearer example", "secret": "whsec_a.b c_2"},
		}
		if diff := cmp.Diff(want, api.registered()); diff != "" {
			t.Errorf("webhooks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"PUT /api/v1/webhooks/on_wakeup_ready", "PUT /api/v1/webhooks/a.b%20c"}, api.seen()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if strings.Contains(log.String(), "whsec") || strings.Contains(log.String(), key) {
			t.Errorf("the log shows a secret:\n%s", log)
		}
	})
}

func TestAProjectsWebhooksAreRegisteredThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{}
		stop := run(t, newTest(t, `register: {api_key: sk_1, project: p 1, url: "https://x/y", events: k}`, env), api, &enginetest.Inlet{})
		defer stop()
		if diff := cmp.Diff([]string{"PUT /api/v1/projects/p%201/webhooks/k"}, api.seen()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"webhook_url": "https://x/y/k", "secret": "whsec_k_1"}, api.registered()["k"]); diff != "" {
			t.Errorf("webhook (-want +got):\n%s", diff)
		}
	})
}

func TestAWebhookIsCheckedWithTheSecretThatSonzaiGave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{}
		for range 3 {
			api.say(reply(503, ``))
		}
		s := newTest(t, `register: {api_key: sk_1, url: "https://x/y", events: k}`, env)
		in := &enginetest.Inlet{}
		send := func(secret flows.Secret, target string) int {
			return status(post(t, s, in, target, sign(secret, time.Now(), []byte(`{}`)), []byte(`{}`)))
		}
		stop := run(t, s, api, in)
		defer stop()
		a := post(t, s, in, "/sonzai/k", sign("whsec_k_1", time.Now(), []byte(`{}`)), []byte(`{}`))
		if status(a) != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("before the secret is known: answered %d, %v", status(a), a.Header)
		}
		if got := send("whsec_k_1", "/sonzai/l"); got != http.StatusUnauthorized {
			t.Errorf("of a type that is not registered: answered %d", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := send("whsec_k_1", "/sonzai/k"); got != 200 {
			t.Errorf("with the secret: answered %d", got)
		}
		if got := send("whsec_k_1", "/sonzai"); got != 200 { // and no type: it will fail in the flow
			t.Errorf("with the secret at the bare path: answered %d", got)
		}
		if got := send("whsec_k_2", "/sonzai/k"); got != http.StatusUnauthorized {
			t.Errorf("with another secret: answered %d", got)
		}
	})
}

func TestASecretOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{}
		run(t, newTest(t, registering, env), api, &enginetest.Inlet{})()

		s := newTest(t, registering, env) // and sonzai can't be reached now
		path, header, body, err := s.Sample("a.b c")
		if err != nil {
			t.Fatal(err)
		}
		in := &enginetest.Inlet{}
		if a := post(t, s, in, path, header, body); status(a) != 200 {
			t.Errorf("answered %d %s", status(a), a.Body)
		}
		run(t, s, api, in)()
		if api.secrets != 2 {
			t.Errorf("sonzai gave %d secrets, want 2: none was lost", api.secrets)
		}
	})
}

func TestASecretThatIsLostIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{}
		const config = `register: {api_key: sk_1, url: "https://x/y", events: k}`
		run(t, newTest(t, config, env), api, &enginetest.Inlet{})()

		env.Checkpoints = &enginetest.Checkpoints{}
		s := newTest(t, config, env)
		run(t, s, api, &enginetest.Inlet{})()
		if secrets, all := s.secrets("k"); !all || len(secrets) != 1 || secrets[0] != "whsec_k_2" {
			t.Errorf("got %d secrets, all %v", len(secrets), all)
		}
		if got := api.seen(); got[len(got)-1] != "POST /api/v1/webhooks/k/rotate-secret" {
			t.Errorf("calls %v", got)
		}
		if !strings.Contains(log.String(), "a new one replaces it") {
			t.Errorf("the log does not say so:\n%s", log)
		}
	})
}

func TestTheSecretsOfTwoProjectsAreNotMistaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, _ := newEnv()
		api := &fakeAPI{}
		run(t, newTest(t, `register: {api_key: sk_1, project: a, url: "https://x/y", events: k}`, env), api, &enginetest.Inlet{})()
		s := newTest(t, `register: {api_key: sk_1, project: b, url: "https://x/y", events: k}`, env)
		if secrets, all := s.secrets("k"); all || len(secrets) != 0 {
			t.Errorf("project b begins with %d secrets", len(secrets))
		}
	})
}

func TestASecretThatCouldNotBeSavedWorksAndIsSavedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		kept := new(enginetest.Checkpoints).FailWith(errors.New("disk full"))
		env.Checkpoints = kept
		api := &fakeAPI{}
		s := newTest(t, `register: {api_key: sk_1, url: "https://x/y", events: k}`, env)
		stop := run(t, s, api, &enginetest.Inlet{})
		defer stop()
		if secrets, _ := s.secrets("k"); len(secrets) != 1 {
			t.Error("the secret does not work before it is saved")
		}
		if !strings.Contains(log.String(), "disk full") {
			t.Errorf("the log does not say why:\n%s", log)
		}
		kept.FailWith(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if kept.Len() != 1 || api.secrets != 1 {
			t.Errorf("%d saved, %d given", kept.Len(), api.secrets)
		}
	})
}

func TestRegistrationGoesOnWithTheOthersAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := newEnv()
		api := &fakeAPI{}
		api.say(reply(422, string(readFile(t, "api", "error.problem.json"))))
		stop := run(t, newTest(t, registering, env), api, &enginetest.Inlet{})
		defer stop()
		if len(api.registered()) != 1 || !strings.Contains(log.String(), "RFC 3986") {
			t.Errorf("%d registered, log:\n%s", len(api.registered()), log)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(api.registered()) != 2 {
			t.Errorf("%d registered after a while", len(api.registered()))
		}
		if n := len(api.seen()); n != 3 {
			t.Errorf("%d calls, want one for what failed only: %v", n, api.seen())
		}
	})
}
