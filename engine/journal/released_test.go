package journal

import (
	"flag"
	"sync"
)

// All tests of this package, but no benchmarks, run with buffers that are
// overwritten as soon as they are given back: who still reads one reads nothing
// that passes.
func init() {
	measuring := sync.OnceValue(func() bool { return flag.Lookup("test.bench").Value.String() != "" })
	released = func(b []byte) {
		if measuring() {
			return
		}
		b = b[:cap(b)]
		for i := range b {
			b[i] = 0xAA
		}
	}
}
