package expr

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"time"
)

// compareNumbers compares int64 and float64 by their exact values.
func compareNumbers(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case int64:
		switch b := b.(type) {
		case int64:
			return cmp.Compare(a, b), true
		case float64:
			return compareExactly(a, b), true
		}
	case float64:
		switch b := b.(type) {
		case int64:
			return -compareExactly(b, a), true
		case float64:
			return cmp.Compare(a, b), true
		}
	}
	return 0, false
}

func compareExactly(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	t := math.Trunc(f)
	return cmp.Or(cmp.Compare(i, int64(t)), cmp.Compare(t, f))
}

// floats is a and b as float64, if both are numbers.
func floats(a, b any) (x, y float64, ok bool) {
	x, okA := float(a)
	y, okB := float(b)
	return x, y, okA && okB
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func ints(a, b any) (x, y int64, ok bool) {
	x, okA := a.(int64)
	y, okB := b.(int64)
	return x, y, okA && okB
}

// finite is f, which must be a number that JSON can hold.
func (s *state) finite(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		s.fail("the result is too large for a number")
	}
	return f
}

func (s *state) overflow() { s.fail("the result is too large for a 64-bit integer") }

func (s *state) add(a, b any) any {
	if x, y, ok := ints(a, b); ok {
		sum := x + y
		if (sum > x) != (y > 0) {
			s.overflow()
		}
		return sum
	}
	if x, y, ok := floats(a, b); ok {
		return s.finite(x + y)
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			s.take(len(x) + len(y))
			return x + y
		}
	case time.Time:
		if y, ok := b.(time.Duration); ok {
			return x.Add(y)
		}
	case time.Duration:
		switch y := b.(type) {
		case time.Time:
			return y.Add(x)
		case time.Duration:
			return time.Duration(s.add(int64(x), int64(y)).(int64))
		}
	}
	s.failPair(a, b)
	return nil
}

func (s *state) subtract(a, b any) any {
	if x, y, ok := ints(a, b); ok {
		difference := x - y
		if (difference < x) != (y > 0) {
			s.overflow()
		}
		return difference
	}
	if x, y, ok := floats(a, b); ok {
		return s.finite(x - y)
	}
	switch x := a.(type) {
	case time.Time:
		switch y := b.(type) {
		case time.Time:
			return x.Sub(y)
		case time.Duration:
			return x.Add(-y)
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return time.Duration(s.subtract(int64(x), int64(y)).(int64))
		}
	}
	s.failPair(a, b)
	return nil
}

func (s *state) multiply(a, b any) any {
	if x, y, ok := ints(a, b); ok {
		high, low := bits.Mul64(magnitude(x), magnitude(y))
		negative := (x < 0) != (y < 0)
		if high != 0 || low > 1<<63 || low == 1<<63 && !negative {
			s.overflow()
		}
		if negative {
			return -int64(low)
		}
		return int64(low)
	}
	if x, y, ok := floats(a, b); ok {
		return s.finite(x * y)
	}
	if d, ok := b.(time.Duration); ok {
		a, b = d, a
	}
	if d, ok := a.(time.Duration); ok {
		return s.times(d, b, s.multiply)
	}
	s.failPair(a, b)
	return nil
}

// times multiplies or divides a duration by a number.
func (s *state) times(d time.Duration, by any, do func(a, b any) any) any {
	if _, ok := float(by); !ok {
		s.failPair(d, by)
	}
	n := do(int64(d), by)
	if f, ok := n.(float64); ok {
		if math.Abs(f) >= 1<<63 {
			s.fail("the result is too large for a duration")
		}
		n = int64(f)
	}
	return time.Duration(n.(int64))
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// divide gives an integer where two integers divide without a rest.
func (s *state) divide(a, b any) any {
	if y, ok := float(b); ok && y == 0 {
		s.fail("division by zero")
	}
	if x, y, ok := ints(a, b); ok && x%y == 0 {
		if y == -1 {
			return s.negate(x)
		}
		return x / y
	}
	if x, y, ok := floats(a, b); ok {
		return s.finite(x / y)
	}
	if d, ok := a.(time.Duration); ok {
		if by, ok := b.(time.Duration); ok {
			return s.divide(int64(d), int64(by))
		}
		return s.times(d, b, s.divide)
	}
	s.failPair(a, b)
	return nil
}

func (s *state) modulo(a, b any) any {
	if !kindOf(a).has(isNumber) || !kindOf(b).has(isNumber) {
		s.failPair(a, b)
	}
	x, okX := whole(a)
	y, okY := whole(b)
	switch {
	case !okX || !okY:
		s.fail("%% is between whole numbers")
	case y == 0:
		s.fail("division by zero")
	case y == -1:
		return int64(0) // the smallest integer by -1 is no int64
	}
	return x % y
}

// power gives an integer where two integers make one.
func (s *state) power(a, b any) any {
	x, y, ok := floats(a, b)
	if !ok {
		s.failPair(a, b)
	}
	if i, j, ok := ints(a, b); ok && j >= 0 && math.Abs(math.Pow(x, y)) < 1<<64 && j < 1<<10 {
		if n := new(big.Int).Exp(big.NewInt(i), big.NewInt(j), nil); n.IsInt64() {
			return n.Int64()
		}
	}
	return s.finite(math.Pow(x, y))
}

func (s *state) negate(v any) any {
	switch v := v.(type) {
	case int64:
		if v == math.MinInt64 {
			s.overflow()
		}
		return -v
	case float64:
		return -v
	}
	return time.Duration(s.negate(int64(v.(time.Duration))).(int64))
}

// formatFloat writes f as JSON does: without an exponent where that is short.
func formatFloat(f float64) string {
	if n, ok := whole(f); ok {
		return strconv.FormatInt(n, 10)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(f, format, -1, 64)
}

func abs(s *state, args []any) any {
	if compareZero(args[0]) < 0 {
		return s.negate(args[0])
	}
	return args[0]
}

func compareZero(v any) int {
	switch v := v.(type) {
	case int64:
		return cmp.Compare(v, 0)
	case float64:
		return cmp.Compare(v, 0)
	}
	return cmp.Compare(v.(time.Duration), 0)
}

// rounded makes a function of one that rounds a float64; an integer is round.
func rounded(round func(float64) float64) func(*state, []any) any {
	return func(_ *state, args []any) any {
		if f, ok := args[0].(float64); ok {
			return round(f)
		}
		return args[0]
	}
}

// longNumber is how many bytes a number may have that is made of text.
const longNumber = 64

func toInt(s *state, args []any) any {
	switch v := args[0].(type) {
	case string:
		n, err := strconv.ParseInt(v[:min(len(v), longNumber)], 10, 64)
		if err != nil || len(v) > longNumber {
			s.fail("%s is no whole number", s.name(0))
		}
		return n
	case float64:
		if v != v || v < -1<<63 || v >= 1<<63 {
			s.overflow()
		}
		return int64(v)
	}
	return args[0]
}

func toFloat(s *state, args []any) any {
	if v, ok := args[0].(string); ok {
		f, err := strconv.ParseFloat(v[:min(len(v), longNumber)], 64)
		if err != nil || f-f != 0 || len(v) > longNumber {
			s.fail("%s is no number", s.name(0))
		}
		return f
	}
	f, _ := float(args[0])
	return f
}

// bitwise makes a function of two integers.
func bitwise(do func(s *state, x, y int64) int64) *function {
	return &function{takes: []kinds{isNumber, isNumber}, gives: isNumber, run: func(s *state, args []any) any {
		return do(s, s.whole(args, 0), s.whole(args, 1))
	}}
}

// shift makes a function that shifts by a number of bits.
func shift(do func(x int64, by uint64) int64) *function {
	return bitwise(func(s *state, x, y int64) int64 {
		if y < 0 {
			s.fail("%s is negative, and a shift is not", s.name(1))
		}
		return do(x, uint64(y))
	})
}

// whole is argument i, which must be a number without a fraction.
func (s *state) whole(args []any, i int) int64 {
	n, ok := whole(args[i])
	if !ok {
		s.fail("%s is no whole number", s.name(i))
	}
	return n
}
