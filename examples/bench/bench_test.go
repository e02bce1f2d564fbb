package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoWorkloadLosesAnEvent runs each workload with few events: what counts
// is that each arrives once, not how fast.
func TestNoWorkloadLosesAnEvent(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-n", "500", "-count", "1", "-dead", "2s", "-dir", t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	for _, w := range workloads {
		if !strings.Contains(out.String(), w.name+": ") {
			t.Errorf("%s was not run", w.name)
		}
	}
}

func TestEventsAreWhatTheirNumbersSay(t *testing.T) {
	const n = 20_000
	var bytes, kept int
	seen := map[string]bool{}
	var first string
	for e := range events(n) {
		bytes += len(e.body) + 1
		if e.kept {
			kept++
			if seen[e.result.ID] {
				t.Fatalf("%s is kept twice", e.result.ID)
			}
			seen[e.result.ID] = true
		}
		if first == "" {
			first = string(e.body)
		}
	}
	if mean := bytes / n; mean < 765 || mean > 785 {
		t.Errorf("%d bytes an event", mean)
	}
	if share := 1000 * kept / n; share < 350 || share > 370 {
		t.Errorf("%d of a thousand are kept", share)
	}
	for e := range events(1) {
		if string(e.body) != first {
			t.Error("other events the second time")
		}
	}
}

func TestALossAndADoubleAreErrors(t *testing.T) {
	const n = 200
	var lines []string
	for e := range events(n) {
		if e.kept {
			line, err := json.Marshal(e.result)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line)+"\n")
		}
	}
	path := filepath.Join(t.TempDir(), "out.jsonl")
	check := func(lines ...string) error {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		return checkResults(path, n)
	}
	if err := check(lines...); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string][]string{
		"the last is missing":   lines[:len(lines)-1],
		"the first is missing":  lines[1:],
		"the last came twice":   append(slices.Clone(lines), lines[len(lines)-1]),
		"the first came twice":  append([]string{lines[0]}, lines...),
		"another stands for it": append([]string{lines[1], lines[1]}, lines[2:]...),
	} {
		if check(wrong...) == nil {
			t.Errorf("%s, and nobody notices", name)
		}
	}
}
