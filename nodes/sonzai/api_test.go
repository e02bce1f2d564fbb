package sonzai

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// callTo calls a server that answers so.
func callTo(t *testing.T, answer http.HandlerFunc) error {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	client := newHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	s := &source{config: Config{BaseURL: server.URL + "/"}, http: client}
	var got struct{ Success bool }
	return s.client("sk_1").call(context.Background(), http.MethodPut, "/webhooks/k", map[string]string{"a": "b"}, &got)
}

func TestBothFormsOfErrorsAreRead(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{422, string(readFile(t, "api", "error.problem.json")), "sonzai answered 422 validation failed, body.webhook_url: expected string to be RFC 3986 uri"},
		{401, string(readFile(t, "api", "error.legacy.json")), "sonzai answered 401 invalid api key; is api_key right"},
		{500, `<html>`, "sonzai answered 500 Internal Server Error"},
		{500, `{"title":"T"}`, "sonzai answered 500 T"},
		{400, `{"detail":"` + strings.Repeat("語", 400) + `"}`, strings.Repeat("語", maxMessage) + "…"},
		{200, `<html>`, "sonzai's answer to PUT /webhooks/k is not what its API describes"},
		{200, `{"success":true}`, ""},
	} {
		err := callTo(t, reply(c.status, c.body))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d %s: got %v, want %q", c.status, c.body, err, c.want)
		}
	}
}

func TestTheKeyFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	if err := callTo(t, reply(307, "", "Location", other.URL)); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("got %v", err)
	}
}
