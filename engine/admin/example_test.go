package admin_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

func ExampleNew() {
	metrics := admin.NewMetrics()
	eng := engine.New(engine.NewRegistry(nil), engine.Options{Hooks: metrics.Hooks()})
	handler, err := admin.New(eng, admin.Options{Metrics: metrics}).Handler(admin.Default)
	if err != nil {
		panic(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/healthz", nil))
	fmt.Println(answer.Code, answer.Body)
	// Output: 200 ok
}

func ExampleOrphansOf() {
	eng := engine.New(engine.NewRegistry(nil), engine.Options{})
	fmt.Println(len(admin.OrphansOf(eng.Orphans())), "flows have events and no document")
	// Output: 0 flows have events and no document
}

func ExampleParseMoment() {
	at, err := admin.ParseMoment("2026-09-01T07:30:00Z")
	fmt.Println(at.UTC(), err)
	at, err = admin.ParseMoment("2h")
	fmt.Println(time.Since(at).Round(time.Hour), err)
	// Output:
	// 2026-09-01 07:30:00 +0000 UTC <nil>
	// 2h0m0s <nil>
}
