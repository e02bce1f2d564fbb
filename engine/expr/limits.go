package expr

// What a program may be and use. The static limits hold when a document is
// checked, the others while one event is evaluated: all of a list, map or text
// of an expression field together. None of them is meant to be met by honest
// work; limits_test.go shows that they hold against the rest.
const (
	mostSource  = 8 << 10   // bytes of one expression
	mostNodes   = 1000      // nodes of its tree
	mostNesting = 3         // loops (map, filter, any, …) inside each other
	mostPattern = 1000      // instructions of a regular expression
	mostSteps   = 2_000_000 // of about 10 ns
	mostBytes   = 16 << 20  // taken for texts and lists, also if given back
	mostText    = 1 << 20   // bytes of a text with {{ }}
	mostDepth   = 1000      // of lists and maps that are compared or written
)

// spend counts n steps.
func (s *state) spend(n int) {
	if n < 0 || n > s.steps {
		s.steps = 0
		s.fail("this takes too many steps: a loop over a long list, or a long text gone through again and again")
	}
	s.steps -= n
}

// take counts n bytes that are about to be allocated, and the time to fill
// them.
func (s *state) take(n int) {
	s.built = true
	if n < 0 || n > s.bytes {
		s.bytes = 0
		s.fail("this takes more than %d MiB of memory", mostBytes>>20)
	}
	s.bytes -= n
	s.spend(n >> scanned)
}

// scan counts the steps of going through n bytes of text.
func (s *state) scan(n int) { s.spend(n >> scanned) }

// scanned is how many bytes, as a power of two, are gone through in a step.
const scanned = 5

const (
	itemSize    = 40 // bytes that an item of a list takes, with a small value in it
	entrySize   = 80 // bytes that an entry of a map takes
	writtenSize = 8  // bytes that a value takes when it is written out
)
