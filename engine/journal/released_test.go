package journal

// All tests of this package run with buffers that are overwritten as soon as
// they are given back: who still reads one reads nothing that passes.
func init() {
	released = func(b []byte) {
		b = b[:cap(b)]
		for i := range b {
			b[i] = 0xAA
		}
	}
}
