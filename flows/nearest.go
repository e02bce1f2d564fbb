package flows

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longest is how long a name may be that is looked for among others.
const longest = 64

// few is how many names a hint lists when none of them is near.
const few = 8

// DidYouMean is a hint for a name that is not known: the nearest known name, or
// all of them where none is near and they are few, or nothing.
func DidYouMean(name string, known []string) string {
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	best := nearest(name, known)
	switch {
	case best != "":
		return "did you mean " + strconv.Quote(best) + "?"
	case len(known) > 0 && len(known) <= few:
		return "known: " + strings.Join(known, ", ")
	}
	return ""
}

// nearest is the known name that name was meant to be, or empty if none is
// near.
func nearest(name string, known []string) string {
	length := utf8.RuneCountInString(name)
	if length > longest {
		return ""
	}
	best, bestDistance := "", max(1, length/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < bestDistance && d < max(length, len(k)) {
			best, bestDistance = k, d
		}
	}
	return best
}

// IsSlip reports whether name is likely one of the known names, mistyped, rather
// than another: in eight letters, no more than one is wrong.
func IsSlip(name string, known []string) bool {
	length := utf8.RuneCountInString(name)
	return length <= longest && slices.ContainsFunc(known, func(k string) bool {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		return d > 0 && d <= max(1, length/8) && d < length
	})
}

// distance is how many letters must be put in, taken out, changed or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row := make([]int, len(t)+1)
		row[0] = i
		for j := 1; j <= len(t); j++ {
			change := 1
			if s[i-1] == t[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}
