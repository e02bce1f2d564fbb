package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/flowd/flowd/engine/enginetest"
)

// at runs f when it is that second since 1970.
func at(t *testing.T, unix int64, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(unix, 0)))
		f(t)
	})
}

// standardVectors are the cases of testdata/standard_webhooks.json.
type standardVectors struct {
	Secret string
	Cases  []struct {
		Name, ID, Body string
		Timestamp      json.Number
		Signature      string `json:"webhook-signature"`
	}
}

func readVectors(t testing.TB) (v standardVectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/standard_webhooks.json")
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil || len(v.Cases) == 0 {
		t.Fatalf("reading vectors: %v", err)
	}
	return v
}

func TestStandardWebhooksVectorsAreAccepted(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			stamp, _ := c.Timestamp.Int64()
			headers := []string{"webhook-id: " + c.ID, "webhook-timestamp: " + c.Timestamp.String(), "webhook-signature: " + c.Signature}
			at(t, stamp, func(t *testing.T) {
				h := newHook(t, `{path: /in, verify: {standard-webhooks: [whsec_AAAA, "`+v.Secret+`"]}}`)
				if a := h.post(c.Body, headers...); a.Status != 200 {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
				if e := h.one(t); e.ID != c.ID {
					t.Errorf("id %q", e.ID)
				}
				for i := range headers {
					wrong := append([]string(nil), headers...)
					wrong[i] = strings.Replace(wrong[i], ": ", ": 1", 1)
					if a := h.post(c.Body, wrong...); a.Status != 401 {
						t.Errorf("%s: %d", wrong[i], a.Status)
					}
				}
				if a := h.post(c.Body+" ", headers...); a.Status != 401 {
					t.Errorf("another body: %d", a.Status)
				}
			})
			for _, off := range []int64{-301, 301} {
				at(t, stamp+off, func(t *testing.T) {
					h := newHook(t, `{path: /in, verify: {standard-webhooks: "`+v.Secret+`"}}`)
					if a := h.post(c.Body, headers...); a.Status != 401 || !strings.Contains(string(a.Body), "more than 5m off") {
						t.Errorf("%d s off: %d %s", off, a.Status, a.Body)
					}
				})
			}
		})
	}
}

func TestWhatTheReferenceLibrarySignsIsAccepted(t *testing.T) {
	secret := readVectors(t).Secret
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	const body = `{"type":"room.started","timestamp":"2026-09-01T07:30:05.234Z","data":{}}`
	sig, err := wh.Sign("msg_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"webhook-", "svix-"} {
		h := newHook(t, `{path: /in, verify: {standard-webhooks: "`+secret+`"}}`)
		a := h.post(body, prefix+"id: msg_1", prefix+"timestamp: "+strconv.FormatInt(now.Unix(), 10), prefix+"signature: v1a,AAAA "+sig)
		if a.Status != 200 {
			t.Fatalf("%s: %d %s", prefix, a.Status, a.Body)
		}
		e := h.one(t)
		if e.ID != "msg_1" || e.Type != "room.started" || e.Time.Format(time.RFC3339Nano) != "2026-09-01T07:30:05.234Z" {
			t.Errorf("%s: id %q type %q time %v", prefix, e.ID, e.Type, e.Time)
		}
	}
}

// The example of GitHub's documentation.
func TestGitHubsExampleIsAccepted(t *testing.T) {
	const (
		body = "Hello, World!"
		sig  = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	)
	h := newHook(t, `{path: /in, verify: {github: {secret: ["old one", "It's a Secret to Everybody"]}}}`)
	a := h.post(body, "X-Hub-Signature-256: "+sig, "X-GitHub-Event: push", "X-GitHub-Delivery: d-1")
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if e := h.one(t); e.Type != "push" || e.ID != "d-1" {
		t.Errorf("type %q id %q", e.Type, e.ID)
	}
	for _, wrong := range []string{"", strings.ToUpper(sig), sig[7:], sig[:len(sig)-1] + "8", "sha1=" + sig[7:], "sha256="} {
		if a := h.post(body, "X-Hub-Signature-256: "+wrong); a.Status != 401 {
			t.Errorf("%q: %d", wrong, a.Status)
		}
	}
}

func TestTheFormOfAGitHubWebhookOrASlackButtonIsUnwrapped(t *testing.T) {
	for sender, wantType := range map[string]string{"github": "webhook", "slack": "opened"} {
		for payload, want := range map[string]string{
			"%7B%22type%22%3A%22opened%22%7D": `{"type":"opened"}`,
			"%7B%22type%22":                   "",
		} {
			h := newHook(t, `{path: /in, verify: {`+sender+`: s}}`)
			r := httptest.NewRequest("POST", "/in", nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if err := h.scheme.sign(r, []byte("payload="+payload)); err != nil {
				t.Fatal(err)
			}
			a := h.request(r, "payload="+payload)
			if want == "" {
				if a.Status != http.StatusBadRequest || len(h.in.Events()) > 0 {
					t.Errorf("%s: a payload that is not JSON: %d, %d events", sender, a.Status, len(h.in.Events()))
				}
				continue
			}
			if e := h.one(t); jsonOf(t, e.Data) != want || e.Type != wantType {
				t.Errorf("%s: got %s of type %s", sender, jsonOf(t, e.Data), e.Type)
			}
		}
	}
}

// The example of Slack's documentation.
func TestSlacksExampleIsAccepted(t *testing.T) {
	const (
		secret = "8f742231b10e8888abcd99yyyzzz85a5"
		body   = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
		sig    = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	)
	at(t, 1531420618+60, func(t *testing.T) {
		h := newHook(t, `{path: /in, verify: {slack: `+secret+`}}`)
		a := h.post(body, "Content-Type: application/x-www-form-urlencoded", "X-Slack-Signature: "+sig, "X-Slack-Request-Timestamp: 1531420618")
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if got := field(h.one(t).Data, "command"); got != "/webhook-collect" {
			t.Errorf("command %q", got)
		}
		if a := h.post(body, "X-Slack-Signature: "+sig, "X-Slack-Request-Timestamp: 1531420619"); a.Status != 401 {
			t.Errorf("another time: %d", a.Status)
		}
	})
}

func TestSlacksChallengeIsAnsweredOnceItIsVerified(t *testing.T) {
	h := newHook(t, `{path: /in, verify: {slack: s}}`)
	const body = `{"type":"url_verification","challenge":"3eZbrw1a"}`
	if a := h.post(body); a.Status != 401 {
		t.Errorf("unsigned: %d", a.Status)
	}
	r := httptest.NewRequest("POST", "/in", nil)
	if err := h.scheme.sign(r, []byte(body)); err != nil {
		t.Fatal(err)
	}
	a := h.request(r, body)
	if a.Status != 200 || string(a.Body) != "3eZbrw1a" || len(h.in.Events()) != 0 {
		t.Errorf("%d %q, %d events", a.Status, a.Body, len(h.in.Events()))
	}
}

func TestStripeMaySendSeveralSignatures(t *testing.T) {
	// HMAC-SHA256 of "1788247805." and the body, by openssl
	const (
		body = `{"id":"evt_1","type":"invoice.paid","created":1788247800}`
		sig  = "bff10984208b0f6ce603777fed6520b17fd0e39317cfb3617c06ad7508be91a1"
	)
	at(t, 1788247805, func(t *testing.T) {
		h := newHook(t, `{path: /in, verify: {stripe: whsec_test}}`)
		a := h.post(body, "Stripe-Signature: t=1788247805,v1="+strings.Repeat("0", 64)+",v1="+sig+",v0=abc")
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if e := h.one(t); e.ID != "evt_1" || e.Type != "invoice.paid" || e.Time.Unix() != 1788247800 {
			t.Errorf("id %q type %q time %v", e.ID, e.Type, e.Time)
		}
		for _, wrong := range []string{"t=1788247806,v1=" + sig, "v1=" + sig, "t=1788247805,v0=" + sig, "t=1788247805", ""} {
			if a := h.post(body, "Stripe-Signature: "+wrong); a.Status != 401 {
				t.Errorf("%q: %d", wrong, a.Status)
			}
		}
	})
}

func TestAnyOtherSignatureCanBeDescribed(t *testing.T) {
	const body = "Hello, World!"
	for _, c := range []struct{ name, yaml, sig string }{
		{"hex with a prefix", `{secret: "It's a Secret to Everybody", header: X-Sig, prefix: "sha256="}`,
			"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		{"hex in capitals", `{secret: "It's a Secret to Everybody", header: X-Sig}`,
			"757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17"},
		{"base64", `{secret: "It's a Secret to Everybody", header: X-Sig, encoding: base64}`,
			"dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, `{path: /in, verify: {hmac: `+c.yaml+`}}`)
			if a := h.post(body, "X-Sig: "+c.sig); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if a := h.post(body+".", "X-Sig: "+c.sig); a.Status != 401 {
				t.Errorf("another body: %d", a.Status)
			}
			if a := h.post(body); a.Status != 401 {
				t.Errorf("no signature: %d", a.Status)
			}
		})
	}
}

func TestASignatureMayCoverMoreThanTheBody(t *testing.T) {
	for _, algorithm := range []string{"sha256", "sha512", "sha1"} {
		h := newHook(t, `{path: /in, verify: {hmac: {secret: s, header: X-Sig, algorithm: `+algorithm+`,
			timestamp: X-Time, content: 'v0:{{ headers["x-time"] }}:{{ path }}:{{ body }}'}}}`)
		const body = `{"a":  1}` // as it came, not as it would be written
		r := httptest.NewRequest("POST", "/in", nil)
		if err := h.scheme.sign(r, []byte(body)); err != nil {
			t.Fatal(err)
		}
		want := (&signature{keys: [][]byte{[]byte("s")}, hash: hashes[algorithm], encode: encodings["hex"], content: bodyAlone})
		mac, _ := want.mac(want.keys[0], r, "", []byte("v0:"+r.Header.Get("X-Time")+":/in:"+body))
		if got := r.Header.Get("X-Sig"); got != mac {
			t.Errorf("%s: signed %s, want %s", algorithm, got, mac)
		}
		if a := h.request(r, body); a.Status != 200 {
			t.Errorf("%s: %d %s", algorithm, a.Status, a.Body)
		}
		r.Header.Set("X-Time", "1")
		if a := h.request(r, body); a.Status != 401 {
			t.Errorf("%s: an old one: %d", algorithm, a.Status)
		}
	}
}

func TestPasswordsAreChecked(t *testing.T) {
	for _, c := range []struct {
		verify, header string
		want           int
	}{
		{`none`, "", 200},
		{`{bearer: tok}`, "Bearer tok", 200},
		{`{bearer: [new, tok]}`, "bearer tok", 200},
		{`{bearer: tok}`, "Bearer tokk", 401},
		{`{bearer: tok}`, "Bearer ", 401},
		{`{bearer: tok}`, "tok", 401},
		{`{bearer: tok}`, "", 401},
		{`{bearer: tok}`, "Basic dXNlcjp0b2s=", 401},
		{`{basic: {user: user, password: tok}}`, "Basic dXNlcjp0b2s=", 200},
		{`{basic: {user: user, password: [new, tok]}}`, "Basic dXNlcjp0b2s=", 200},
		{`{basic: {user: other, password: tok}}`, "Basic dXNlcjp0b2s=", 401},
		{`{basic: {user: user, password: other}}`, "Basic dXNlcjp0b2s=", 401},
		{`{basic: {user: user, password: tok}}`, "", 401},
	} {
		h := newHook(t, `{path: /in, verify: `+c.verify+`}`)
		var headers []string
		if c.header != "" {
			headers = []string{"Authorization: " + c.header}
		}
		a := h.post(`{}`, headers...)
		if a.Status != c.want || (a.Status == 401) != (a.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s with %q: %d, want %d", c.verify, c.header, a.Status, c.want)
		}
		if (a.Status == 200) != (len(h.in.Events()) == 1) {
			t.Errorf("%s with %q: %d events", c.verify, c.header, len(h.in.Events()))
		}
	}
}

var everyScheme = map[string]string{
	"none":              `none`,
	"bearer":            `{bearer: tok}`,
	"basic":             `{basic: {user: u, password: p}}`,
	"standard-webhooks": `{standard-webhooks: whsec_YW4gZXhhbXBsZSBrZXkgb2YgMzIgYnl0ZXMuLi4uLi4=}`,
	"github":            `{github: s}`,
	"stripe":            `{stripe: s}`,
	"slack":             `{slack: s}`,
	"hmac":              `{hmac: {secret: s, header: X-Sig, prefix: "v1=", encoding: base64}}`,
}

func TestASampleIsWhatItsSenderWouldSend(t *testing.T) {
	for name, verify := range everyScheme {
		t.Run(name, func(t *testing.T) {
			config := `{path: /in, verify: ` + verify + `}`
			for _, eventType := range append(newHook(t, config).Samples(), "", "something.new") {
				h := newHook(t, config)
				path, header, body, err := h.Sample(eventType)
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest("POST", path, nil)
				r.Header = header
				if a := h.request(r, string(body)); a.Status != 200 {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
				e := h.one(t)
				known := h.Verify.GitHub != nil || h.Verify.Stripe != nil || h.Verify.Slack != nil || h.Verify.StandardWebhooks != nil
				if known && eventType != "" && e.Type != eventType {
					t.Errorf("type %q, want %q", e.Type, eventType)
				}
			}
		})
	}
}

func FuzzNoChangeOfASignedRequestIsAccepted(f *testing.F) {
	f.Add(uint8(0), uint8(0), 0, byte(1))
	f.Add(uint8(1), uint8(1), 3, byte(' '))
	f.Add(uint8(2), uint8(2), 70, byte(0x20))
	f.Add(uint8(3), uint8(1), 2, byte(0x80))
	signed := []string{"standard-webhooks", "github", "stripe", "slack", "hmac"}
	f.Fuzz(func(t *testing.T, which, where uint8, index int, flip byte) {
		h := newHook(t, `{path: /in, verify: `+everyScheme[signed[int(which)%len(signed)]]+`}`)
		_, header, body, err := h.Sample("")
		if err != nil {
			t.Fatal(err)
		}
		// what the signature covers, and the signature itself
		parts := []string{""}
		for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature", "X-Hub-Signature-256", "Stripe-Signature", "X-Slack-Signature", "X-Slack-Request-Timestamp", "X-Sig"} {
			if header.Get(name) != "" {
				parts = append(parts, name)
			}
		}
		name := parts[int(where)%len(parts)]
		was := []byte(header.Get(name))
		if name == "" {
			was = body
		}
		if index < 0 {
			index = -(index + 1)
		}
		now := append([]byte(nil), was...)
		now[index%len(now)] ^= flip
		if string(now) == string(was) {
			return
		}
		if name == "" {
			body = now
		} else {
			header.Set(name, string(now))
		}
		r := httptest.NewRequest("POST", "/in", nil)
		r.Header = header
		if err := h.scheme.verify(r, body); err == nil {
			t.Errorf("%s: %q is accepted in place of %q", name, now, was)
		}
	})
}

func FuzzAnyRequestGivesAnEventOrAReason(f *testing.F) {
	f.Add("application/json", "", []byte(`{"a":1}`))
	f.Add("application/x-www-form-urlencoded", "", []byte(`a=%ff&b`))
	f.Add("text/plain; charset=x", "1.0", []byte("\xff"))
	f.Add(structuredType, "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"AA=="}`))
	f.Add(batchType, "", []byte(`[{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-09-01T07:30:05Z","data":1}]`))
	f.Fuzz(func(t *testing.T, contentType, version string, body []byte) {
		h := newHook(t, `/in`)
		r := httptest.NewRequest("POST", "/in", nil)
		r.Header = http.Header{"Content-Type": {contentType}, "Ce-Id": {version + "%E6"}, "Ce-Source": {"s"}, "Ce-Type": {"t"}}
		if version != "" {
			r.Header.Set("Ce-Specversion", version)
		}
		a := h.request(r, string(body))
		if a.Status != 200 && a.Status != 400 {
			t.Fatalf("status %d", a.Status)
		}
		for _, e := range h.in.Events() {
			if e.ID == "" || e.Type == "" || e.Source == "" || e.Failure != nil {
				t.Errorf("an event with id %q type %q source %q failure %v", e.ID, e.Type, e.Source, e.Failure)
			}
			if raw, err := json.Marshal(e.Fields()); err != nil || !json.Valid(raw) {
				t.Errorf("an event that can't be written: %v", err)
			}
		}
	})
}

func TestARefusalIsLoggedWithItsReasonAndWithoutTheToken(t *testing.T) {
	env, log := enginetest.NewEnv("f", "webhook")
	h := newHook(t, `{path: /in, verify: {bearer: right-token}}`)
	if err := h.Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	h.post("{}", "Authorization: Bearer wrong-token")
	h.post("{}", "Authorization: Bearer wrong-token")
	if n := strings.Count(log.String(), "the header Authorization is not accepted"); n != 1 {
		t.Errorf("the log has it %d times, want once in a while:\n%s", n, log)
	}
	if strings.Contains(log.String(), "-token") {
		t.Errorf("the log has a token:\n%s", log)
	}
}
