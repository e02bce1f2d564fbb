package admin_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

const token = "a-very-secret-token"

func TestOnlyThoseWhoKnowTheServersNameAreLetIn(t *testing.T) {
	tests := []struct {
		listen, host string
		hosts        []string
		want         int
	}{
		{"127.0.0.1:8081", "127.0.0.1:8081", nil, 200},
		{"127.0.0.1:8081", "127.0.0.1", nil, 200},
		{"127.0.0.1:8081", "127.9.9.9:1", nil, 200},
		{"127.0.0.1:8081", "localhost:8081", nil, 200},
		{"127.0.0.1:8081", "LOCALHOST.:8081", nil, 200},
		{"127.0.0.1:8081", "[::1]:8081", nil, 200},
		{"127.0.0.1:8081", "[::1]", nil, 200},
		{"127.0.0.1:8081", "[::ffff:127.0.0.1]:8081", nil, 200},
		{"127.0.0.1:8081", "evil.example:8081", nil, 403},
		{"127.0.0.1:8081", "evil.example", nil, 403},
		{"127.0.0.1:8081", "127.0.0.1.evil.example:8081", nil, 403},
		{"127.0.0.1:8081", "localhost.evil.example", nil, 403},
		{"127.0.0.1:8081", "evil-localhost", nil, 403},
		{"127.0.0.1:8081", "10.1.2.3:8081", nil, 403},
		{"127.0.0.1:8081", "0.0.0.0:8081", nil, 403},
		{"127.0.0.1:8081", "", nil, 403},
		{"127.0.0.1:8081", ":8081", nil, 403},
		{"10.1.2.3:8081", "10.1.2.3:8081", nil, 200},
		{"10.1.2.3:8081", "10.1.2.4:8081", nil, 403},
		{"flowd.internal:8081", "flowd.internal:8081", nil, 200},
		{"flowd.internal:8081", "Flowd.Internal", nil, 200},
		{"flowd.internal:8081", "other.internal", nil, 403},
		{"0.0.0.0:8081", "10.1.2.3:8081", nil, 200}, // whatever address this machine has
		{":8081", "[fd00::1]:8081", nil, 200},
		{":8081", "flowd.example", nil, 403},
		{":8081", "flowd.example", []string{"flowd.example"}, 200},
		{":8081", "flowd.example:443", []string{"x", "FLOWD.example."}, 200},
		{":8081", "sub.flowd.example", []string{"flowd.example"}, 403},
		{":8081", "", []string{""}, 403},
	}
	w := start(t, document)
	for _, test := range tests {
		h, err := w.admin.Handler(admin.Config{Listen: test.listen, Token: token, Hosts: test.hosts})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/healthz", "/metrics", "/api/v1/flows"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = test.host
			r.Header.Set("Authorization", "Bearer "+token)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != test.want {
				t.Errorf("listening at %s, %s of host %q with hosts %q: got %d, want %d", test.listen, path, test.host, test.hosts, rec.Code, test.want)
			}
		}
	}
}

func TestAPageOfAnotherSiteIsRefused(t *testing.T) {
	tests := []struct {
		host, origin, site string
		get, post          int
	}{
		{"127.0.0.1:8081", "", "", 200, 200},
		{"127.0.0.1:8081", "http://127.0.0.1:8081", "", 200, 200},
		{"127.0.0.1:8081", "http://127.0.0.1:8081", "same-origin", 200, 200},
		{"flowd.example", "https://flowd.example", "same-origin", 200, 200}, // behind a proxy
		{"127.0.0.1:8081", "", "none", 200, 200},
		{"127.0.0.1:8081", "http://evil.example", "", 403, 403},
		{"127.0.0.1:8081", "http://127.0.0.1", "", 403, 403},
		{"127.0.0.1:8081", "http://127.0.0.1:3000", "same-site", 403, 403},
		{"127.0.0.1:8081", "http://localhost:8081", "cross-site", 403, 403},
		{"127.0.0.1:8081", "null", "", 403, 403},
		{"127.0.0.1:8081", "file://127.0.0.1:8081", "", 403, 403},
		{"127.0.0.1:8081", "127.0.0.1:8081", "", 403, 403},
		{"127.0.0.1:8081", "http://127.0.0.1:8081.evil.example", "", 403, 403},
		{"127.0.0.1:8081", "", "cross-site", 200, 403}, // a link to here is no harm, a form is
	}
	w := start(t, document)
	h, err := w.admin.Handler(admin.Config{Listen: "127.0.0.1:8081", Hosts: []string{"flowd.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		for method, want := range map[string]int{"GET": test.get, "POST": test.post} {
			path := "/api/v1/flows/calls"
			if method == "POST" {
				path += "/resume"
			}
			r := httptest.NewRequest(method, path, nil)
			r.Host = test.host
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != want {
				t.Errorf("%s from %q (%s) at %s: got %d, want %d", method, test.origin, test.site, test.host, rec.Code, want)
			}
		}
	}
}

func TestATokenIsNeededForAllButTheProbes(t *testing.T) {
	given := []struct {
		header string
		ok     bool
	}{
		{"Bearer " + token, true},
		{"bearer " + token, true},
		{"Bearer  " + token, true},
		{"", false},
		{"Bearer", false},
		{"Bearer ", false},
		{token, false},
		{"Basic " + token, false},
		{"Bearer " + token + "x", false},
		{"Bearer " + token[1:], false},
		{"Bearer A-VERY-SECRET-TOKEN", false},
	}
	w := start(t, document)
	h, err := w.admin.Handler(admin.Config{Listen: "127.0.0.1:8081", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{ // whether everybody may ask
		"/healthz": true, "/readyz": true,
		"/metrics": false, "/api/v1/flows": false, "/api/v1/openapi.json": false, "/api/v1/dead-letters": false,
		"/debug/pprof/heap": false, "/healthz/": false, "/nowhere": false, "/": false,
	}
	for _, g := range given {
		for path, open := range paths {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = "localhost"
			if g.header != "" {
				r.Header.Set("Authorization", g.header)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if refused := rec.Code == 401; refused == (open || g.ok) {
				t.Errorf("%s with %q: got %d", path, g.header, rec.Code)
			}
			if strings.Contains(rec.Body.String(), token) {
				t.Errorf("%s with %q: the answer holds the token", path, g.header)
			}
		}
	}
}

func TestAnAddressThatOthersCanReachNeedsAToken(t *testing.T) {
	loopback := []string{"127.0.0.1:8081", "127.1.2.3:1", "localhost:8081", "[::1]:8081"}
	others := []string{":8081", "0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081", "flowd.internal:8081", "127.0.0.1.evil.example:80"}
	w := start(t, "")
	for i, listen := range append(loopback, others...) {
		c := admin.Config{Listen: listen}
		_, err := w.admin.Handler(c)
		refused := i >= len(loopback)
		if (err != nil) != refused {
			t.Errorf("%s without a token: got %v", listen, err)
		}
		if refused {
			if _, err := w.admin.Serve(c); err == nil {
				t.Errorf("%s without a token is served", listen)
			}
		}
		diags := decode(t, "admin: {listen: \""+listen+"\"}", &c)
		if diags.Failed() != refused {
			t.Errorf("%s without a token in a document: got %v", listen, diags)
		}
		c.Token = token
		if _, err := w.admin.Handler(c); err != nil {
			t.Errorf("%s with a token: %v", listen, err)
		}
	}
}

func TestTheAdminSectionIsChecked(t *testing.T) {
	for section, want := range map[string]string{
		`{listen: ""}`:                           "",
		`{listen: "127.0.0.1:0", token: secret}`: "",
		`{listen: ":1", token: s, hosts: a.b}`:   "",
		`{listen: nonsense}`:                     "want an address like 127.0.0.1:8081",
		`{listen: ":8081", token: ""}`:           "needs a token",
		`{lisen: ":8081"}`:                       "unknown key",
	} {
		c := admin.Default
		diags := decode(t, "admin: "+section, &c)
		if want == "" && diags.Failed() || want != "" && !strings.Contains(diags.Format(), want) {
			t.Errorf("%s: got %v, want %q", section, diags, want)
		}
	}
}

func decode(t *testing.T, section string, into *admin.Config) flows.Diagnostics {
	t.Helper()
	doc := load(t, section+"\nflows: {f: {nodes: [feed, collect]}}")
	return flows.Decode(doc.Admin, into)
}

func TestClientsFindTheServerByURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8081": "http://127.0.0.1:8081",
		":9":             "http://127.0.0.1:9",
		"0.0.0.0:9":      "http://127.0.0.1:9",
		"[::]:9":         "http://127.0.0.1:9",
		"[fd00::1]:9":    "http://[fd00::1]:9",
		"localhost:9":    "http://localhost:9",
	} {
		c := admin.Config{Listen: listen}
		if got := c.URL(); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

func TestProbesTellStrangersNoDetails(t *testing.T) {
	w := start(t, document)
	w.store.fall(errors.New("/var/lib/flowd: no space left on device"))
	h, err := w.admin.Handler(admin.Config{Listen: "127.0.0.1:8081", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		for _, known := range []bool{false, true} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = "localhost"
			if known {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != want || !strings.Contains(rec.Body.String(), "the store can't be written") ||
				strings.Contains(rec.Body.String(), "/var/lib") != known {
				t.Errorf("%s, with token %v: got %d %s", path, known, rec.Code, rec.Body)
			}
		}
	}
}
