package admin_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/flowd/flowd/engine/admin"
)

func TestAProfileIsServedOnlyWhereTheDocumentSaysSo(t *testing.T) {
	w := start(t, "")
	for _, c := range []struct {
		on   bool
		path string
		want int
	}{
		{false, "/debug/pprof/profile?seconds=0.01", 404},
		{false, "/debug/pprof/heap", 404},
		{true, "/debug/pprof/profile?seconds=0.01", 200},
		{true, "/debug/pprof/heap", 200},
		{true, "/debug/pprof/allocs", 200},
		{true, "/debug/pprof/nothing", 404},
		{true, "/debug/pprof/profile?seconds=0", 400},
		{true, "/debug/pprof/profile?seconds=NaN", 400},
		{true, "/debug/pprof/profile?seconds=1e30", 400},
		{true, "/debug/pprof/cmdline", 404}, // which may hold secrets
	} {
		h, err := w.admin.Handler(admin.Config{Listen: "127.0.0.1:8081", Pprof: c.on})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Host = "localhost"
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s with pprof %v: got %d, want %d: %s", c.path, c.on, rec.Code, c.want, rec.Body)
		}
		if c.want != http.StatusOK {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(rec.Body.Bytes()))
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if profile, err := io.ReadAll(z); err != nil || len(profile) == 0 {
			t.Errorf("%s: %d bytes, %v", c.path, len(profile), err)
		}
	}
}
