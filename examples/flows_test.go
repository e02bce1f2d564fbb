package examples

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flowd/flowd/engine/enginetest"
)

// TestTheFlowsOfEveryExample is flowd test on every example. What brings node
// types of its own tests its flows itself.
func TestTheFlowsOfEveryExample(t *testing.T) {
	found, err := filepath.Glob("*/flows.yaml")
	if err != nil || len(found) == 0 {
		t.Fatal("there are no examples: ", err)
	}
	for _, path := range found {
		tests := filepath.Join(filepath.Dir(path), "flows_test.yaml")
		if _, err := os.Stat(tests); err != nil {
			t.Errorf("an example without tests: %v", err)
			continue
		}
		if own, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*_test.go")); len(own) > 0 {
			continue
		}
		t.Run(filepath.Dir(path), func(t *testing.T) { enginetest.TestFlows(t, registry, tests) })
	}
}
