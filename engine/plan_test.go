package engine_test

import (
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
)

func TestALoopByWayOfTheNodeAboveIsAMistake(t *testing.T) {
	diags := engine.Check(document(t, "flows: {f: {nodes: [feed, {tag: a, from: [feed, tag-2]}, {tag: b}, {collect: one}]}}"), newBench().registry())
	if !diags.Failed() || !strings.Contains(diags.Error(), "→") {
		t.Errorf("got %v", diags)
	}
}
