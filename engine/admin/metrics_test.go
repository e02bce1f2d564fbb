package admin_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

// metric returns the value of a sample: a name, with its labels if it has any.
func (w *world) metric(sample string) string {
	w.t.Helper()
	var text string
	w.ask("GET", "/metrics", "", 200, &text)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestTheMetricsHaveTheirNames compares the samples of flowd's own metrics with
// testdata/metrics.golden: dashboards and alarms depend on them.
func TestTheMetricsHaveTheirNames(t *testing.T) {
	w := start(t, one)
	w.put(&engine.Event{ID: "1"})
	w.until("delivered", func() bool {
		return w.metric(`flowd_events_out_total{flow="calls",node="slack",type="collect"}`) == "1"
	})
	w.failWith(errors.New("closed"))
	w.put(&engine.Event{ID: "2"})
	w.until("given up", func() bool { return w.metric(`flowd_dead_letters_total{flow="calls",node="slack"}`) == "1" })

	var text string
	w.ask("GET", "/metrics", "", 200, &text)
	values := regexp.MustCompile(`_(bucket|sum)\b(.*) \S+$|_(timestamp_seconds|reload_seconds) \S+$`)
	var got []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "flowd_") || strings.HasPrefix(line, "# HELP flowd_") || strings.HasPrefix(line, "# TYPE flowd_") {
			if values.MatchString(line) && !strings.HasPrefix(line, "#") {
				line = line[:strings.LastIndexByte(line, ' ')]
			}
			got = append(got, line)
		}
	}
	golden, err := os.ReadFile("testdata/metrics.golden")
	if err != nil && os.Getenv("UPDATE") == "" {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(golden)), "\n"), got); diff != "" {
		if os.Getenv("UPDATE") != "" {
			_ = os.MkdirAll("testdata", 0o755)
			if err := os.WriteFile("testdata/metrics.golden", []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("UPDATE=1 writes the file anew (-golden +got):\n%s", diff)
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if w.metric(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestMetricsTellWhetherTheLastReloadWasSuccessful(t *testing.T) {
	w := start(t, one)
	if got := w.metric("flowd_config_last_reload_successful"); got != "1" {
		t.Errorf("got %s, want 1", got)
	}
	at := w.metric("flowd_config_last_reload_success_timestamp_seconds")
	if _, err := w.engine.Apply(t.Context(), load(t, strings.Replace(one, "feed", "fed", 1))); err == nil {
		t.Fatal("the document was taken")
	}
	if got := w.metric("flowd_config_last_reload_successful"); got != "0" {
		t.Errorf("got %s, want 0", got)
	}
	if got := w.metric("flowd_config_last_reload_success_timestamp_seconds"); got != at {
		t.Errorf("the time of the last success changed from %s to %s", at, got)
	}
}

func TestANodeThatIsGoneHasNoMetrics(t *testing.T) {
	w := start(t, one)
	w.put(&engine.Event{ID: "1"})
	sample := `flowd_batch_seconds_count{flow="calls",node="slack"}`
	w.until("measured", func() bool { return w.metric(sample) == "1" })
	if _, err := w.engine.Apply(t.Context(), load(t, strings.Replace(one, "slack", "teams", 1))); err != nil {
		t.Fatal(err)
	}
	w.until("forgotten", func() bool { return w.metric(sample) == "" })
}

func TestAFlowThatIsGoneHasNoMetrics(t *testing.T) {
	w := start(t, one)
	w.put(&engine.Event{ID: "1"})
	sample := `flowd_batch_seconds_count{flow="calls",node="slack"}`
	w.until("measured", func() bool { return w.metric(sample) == "1" })
	if _, err := w.engine.Apply(t.Context(), load(t, strings.Replace(one, "calls", "visits", 1))); err != nil {
		t.Fatal(err)
	}
	w.until("forgotten", func() bool { return w.metric(sample) == "" })
}

func TestTwoEnginesHaveTwoSetsOfMetrics(t *testing.T) {
	a, b := start(t, one), start(t, one)
	a.put(&engine.Event{ID: "1"})
	sample := `flowd_events_in_total{flow="calls",node="slack",type="collect"}`
	a.until("counted", func() bool { return a.metric(sample) == "1" })
	if got := b.metric(sample); got != "0" {
		t.Errorf("the other has %s", got)
	}
}

func TestAPausedFlowIsSeenInTheMetrics(t *testing.T) {
	w := start(t, one)
	w.ask("POST", "/api/v1/flows/calls/pause", "", 200, &admin.Flow{})
	w.put(&engine.Event{ID: "1"})
	w.until("lag", func() bool { return w.metric(`flowd_lag_events{flow="calls",log="calls"}`) == "1" })
	if got := w.metric(`flowd_flow_paused{flow="calls"}`); got != "1" {
		t.Errorf("got %s, want 1", got)
	}
	if names := []string{w.metric("flowd_store_healthy")}; !slices.Equal(names, []string{"1"}) {
		t.Errorf("got %v", names)
	}
	w.store.fall(errors.New("full"))
	if got := w.metric("flowd_store_healthy"); got != "0" {
		t.Errorf("got %s, want 0", got)
	}
}
