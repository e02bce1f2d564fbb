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

func TestAMistakeIsToldOnce(t *testing.T) {
	for name, yaml := range map[string]string{
		"a flow without nodes":         "flows: {f: {description: x}}",
		"a flow with an empty list":    "flows: {f: {nodes: []}}",
		"a flow that is nothing":       "flows: {f: }",
		"a node without a type":        "flows: {f: {nodes: [{id: x}]}}",
		"a source with from":           "flows: {f: {nodes: [feed, {feed: two, from: feed}, {collect: one}]}}",
		"a source with a from of none": "flows: {f: {nodes: [{feed: one, from: nowhere}, {collect: one}]}}",
		"a source with a loop":         "flows: {f: {nodes: [{feed: one, from: collect}, {collect: one}]}}",
	} {
		doc, diags := loaded(t, yaml)
		if diags = append(diags, engine.Check(doc, newBench().registry())...); len(diags) != 1 || !diags.Failed() {
			t.Errorf("%s: want one mistake, got\n%s", name, diags.Format())
		}
	}
}
