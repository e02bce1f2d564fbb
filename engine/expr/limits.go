package expr

// What a program may be and use. The first of these hold when a document is
// checked, the others while one event is evaluated: all of a list, map or text
// of an expression field together. None of them is meant to be met by honest
// work; limits_test.go shows that they hold against the rest.
const (
	mostSource  = 8 << 10 // bytes of one expression
	mostNodes   = 1000    // nodes of its tree
	mostNesting = 3       // loops (map, filter, any, …) inside each other
	mostPattern = 1000    // instructions of a regular expression

	mostSteps  = 2_000_000 // of about 10 ns
	mostBytes  = 8 << 20   // taken for texts and lists, also if given back
	mostResult = 16 << 20  // bytes of what Eval returns, written out
	mostText   = 1 << 20   // bytes of a text with {{ }}
	mostDepth  = 1000      // of lists and maps that are compared or written
)

const (
	itemSize    = 40 // bytes that an item of a list takes, with a small value in it
	entrySize   = 80 // bytes that an entry of a map takes
	writtenSize = 8  // bytes that a value takes when it is written out
	scanned     = 32 // bytes of text that are gone through in a step
)

// spend counts n steps.
func (s *state) spend(n int) {
	if n < 0 || n > s.steps {
		s.steps = 0
		s.fail("this takes too many steps: a loop over a long list, or a long text gone through again and again")
	}
	s.steps -= n
}

// scan counts the steps of going through n bytes of text.
func (s *state) scan(n int) { s.spend(n / scanned) }

// take counts n bytes that are about to be allocated, and the time to fill
// them.
func (s *state) take(n int) {
	s.built = true
	if n < 0 || n > s.bytes {
		s.bytes = 0
		s.fail("this takes more than %d MiB of memory", mostBytes>>20)
	}
	s.bytes -= n
	s.scan(n)
}

// hold counts values of a result, and the bytes of their texts.
func (s *state) hold(values, bytes int) {
	s.size -= values*writtenSize + bytes
	if s.size < 0 {
		s.fail("the result is larger than %d MiB", mostResult>>20)
	}
	s.spend(2 * values)
}
