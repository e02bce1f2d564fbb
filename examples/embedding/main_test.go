package main

import (
	"testing"

	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/nodes"
)

func TestFlows(t *testing.T) {
	enginetest.TestFlows(t, nodes.All().With(shout), "flows_test.yaml")
}
