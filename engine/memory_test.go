package engine_test

import (
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func TestTheStoreInMemoryIsAStore(t *testing.T) {
	enginetest.TestStore(t, func(*testing.T) engine.Store { return engine.MemoryStore() }, nil)
}
