package expr

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"unicode/utf8"
)

func length(s *state, args []any) any {
	switch v := args[0].(type) {
	case string:
		s.scan(len(v))
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	}
	return int64(0)
}

func first(s *state, args []any) any { return s.index(args[0], int64(0)) }
func last(s *state, args []any) any  { return s.index(args[0], int64(-1)) }

func take(s *state, args []any) any {
	list := s.list(args[0])
	n := min(max(s.whole(args, 1), 0), int64(len(list)))
	return list[:n:n]
}

func reverse(s *state, args []any) any {
	list := s.copied(args[0])
	slices.Reverse(list)
	return list
}

// copied is a new list of the items of v.
func (s *state) copied(v any) []any {
	list := s.list(v)
	s.take(len(list) * itemSize)
	return append(make([]any, 0, len(list)), list...)
}

func uniq(s *state, args []any) any {
	list := s.list(args[0])
	s.take(len(list) * itemSize)
	seen := make(map[string]bool, len(list))
	kept := []any{}
	s.spend(16 * len(list))
	for _, item := range list {
		key := string(s.write(nil, item, true, 0))
		if !seen[key] {
			seen[key] = true
			kept = append(kept, item)
		}
	}
	return kept
}

func concat(s *state, args []any) any {
	all := []any{}
	for _, arg := range args {
		all = append(all, s.copied(arg)...)
	}
	return all
}

func flatten(s *state, args []any) any { return s.flat([]any{}, s.list(args[0]), 0) }

func (s *state) flat(all, list []any, depth int) []any {
	if depth > mostDepth {
		s.fail("this is deeper than %d lists", mostDepth)
	}
	s.take(len(list) * itemSize)
	for _, item := range list {
		if inner, ok := s.norm(item).([]any); ok {
			all = s.flat(all, inner, depth+1)
			continue
		}
		all = append(all, item)
	}
	return all
}

func sorted(s *state, args []any) any {
	list := s.copied(args[0])
	for i := range list {
		list[i] = s.norm(list[i])
	}
	order := any("asc")
	if len(args) == 2 {
		order = args[1]
	}
	return s.sorted(list, slices.Clone(list), order)
}

// sorted sorts items, which it owns, by their keys. nil comes first; keys of
// two kinds have no order.
func (s *state) sorted(items, keys []any, order any) []any {
	if order != "asc" && order != "desc" {
		s.fail(`the order of sorting is "asc" or "desc"`)
	}
	n := len(items)
	s.spend(4 * n * bits.Len(uint(n)))
	s.take(2 * n * itemSize)
	by := make([]int, n)
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(i, j int) int {
		c := s.before(keys[i], keys[j])
		if order == "desc" {
			return -c
		}
		return c
	})
	result := make([]any, n)
	for i, from := range by {
		result[i] = items[from]
	}
	return result
}

func (s *state) before(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	c, ok := s.compare(a, b)
	if !ok {
		s.fail("%s and %s have no order", kindOf(a), kindOf(b))
	}
	return c
}

// sortedKeys is the keys of v, a map or nil, in order, so that what is made of
// a map is the same each time.
func (s *state) sortedKeys(v any) []string {
	m, _ := v.(map[string]any)
	s.spend(4 * len(m) * bits.Len(uint(len(m))))
	s.take(len(m) * itemSize)
	return slices.Sorted(maps.Keys(m))
}

func keys(s *state, args []any) any {
	sorted := s.sortedKeys(args[0])
	list := make([]any, len(sorted))
	for i, k := range sorted {
		list[i] = k
	}
	return list
}

func values(s *state, args []any) any {
	m, _ := args[0].(map[string]any)
	sorted := s.sortedKeys(args[0])
	list := make([]any, len(sorted))
	for i, k := range sorted {
		list[i] = m[k]
	}
	return list
}

func toPairs(s *state, args []any) any {
	m, _ := args[0].(map[string]any)
	s.take(len(m) * 2 * itemSize)
	sorted := s.sortedKeys(args[0])
	list := make([]any, len(sorted))
	for i, k := range sorted {
		list[i] = []any{k, m[k]}
	}
	return list
}

func fromPairs(s *state, args []any) any {
	list := s.list(args[0])
	s.take(len(list) * entrySize)
	m := make(map[string]any, len(list))
	for i, item := range list {
		pair, _ := s.norm(item).([]any)
		if len(pair) != 2 {
			s.fail("item %d of %s is no list of a key and a value", i, s.name(0))
		}
		key, ok := s.norm(pair[0]).(string)
		if !ok {
			s.fail("the key of item %d of %s is no text", i, s.name(0))
		}
		m[key] = pair[1]
	}
	return m
}

// numbers calls f for each number of args and of the lists among them.
func (s *state) numbers(args []any, depth int, f func(n any)) {
	if depth > mostDepth {
		s.fail("this is deeper than %d lists", mostDepth)
	}
	s.spend(2 * len(args))
	for _, arg := range args {
		switch v := s.norm(arg).(type) {
		case int64, float64:
			f(v)
		case []any:
			s.numbers(v, depth+1, f)
		default:
			s.fail("%s holds %s, and numbers are wanted", s.name(0), kindOf(v))
		}
	}
}

func (s *state) extreme(args []any, better func(order int) bool) (best any) {
	s.numbers(args, 0, func(n any) {
		if best == nil {
			best = n
		} else if order, _ := compareNumbers(n, best); better(order) {
			best = n
		}
	})
	return best
}

func maximum(s *state, args []any) any {
	return s.extreme(args, func(order int) bool { return order > 0 })
}

func minimum(s *state, args []any) any {
	return s.extreme(args, func(order int) bool { return order < 0 })
}

// mean of nothing is 0, as in expr-lang.
func mean(s *state, args []any) any {
	sum, count := 0.0, 0.0
	s.numbers(args, 0, func(n any) {
		f, _ := float(n)
		sum += f
		count++
	})
	return s.finite(sum / max(count, 1))
}

func median(s *state, args []any) any {
	var all []float64
	s.numbers(args, 0, func(n any) {
		s.take(2 * 8)
		f, _ := float(n)
		all = append(all, f)
	})
	n := len(all)
	if n == 0 {
		return 0.0
	}
	s.spend(2 * n * bits.Len(uint(n)))
	slices.SortFunc(all, cmp.Compare[float64])
	if n%2 == 1 {
		return all[n/2]
	}
	return s.finite(all[n/2-1]/2 + all[n/2]/2)
}
