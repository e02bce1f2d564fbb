package enginetest

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/flowd/flowd/flows"
)

// Update writes what came of the tests that failed, and of those that say
// nothing of what they expect, into what the file at path expects, and returns
// how many tests it could change. An expectation keeps its form: the fields
// that it names get other values, and nodes that it does not name stay unnamed.
// Where there is none, all sinks are written down.
func Update(path string, results []*Result) (changed int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, r := range slices.Backward(results) { // so that the places of those before hold
		if r.Passed() && r.scenario.Expect.Value != nil {
			continue
		}
		if with, ok := r.rewrite(lines); ok {
			lines, changed = with, changed+1
		}
	}
	if changed == 0 {
		return 0, nil
	}
	return changed, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644)
}

// rewrite replaces the block under expect: in the lines of its file, or adds
// one. It leaves alone a test in braces.
func (r *Result) rewrite(lines []string) ([]string, bool) {
	entry := r.scenario.at
	first := entry.Entries[0].Key.Span
	indent := first.Column - 1
	end := blockEnd(lines, first.Line, indent)
	from, to := end, end
	for _, e := range entry.Entries {
		if e.Key.Span.Column != first.Column || e.Key.Span.Line > first.Line && strings.TrimSpace(lines[e.Key.Span.Line-1][:indent]) != "" {
			return nil, false
		}
		if e.Key.Text == "expect" {
			from, to = e.Key.Span.Line-1, blockEnd(lines, e.Key.Span.Line, indent+1)
		}
	}
	margin := strings.Repeat(" ", indent)
	block := []string{margin + "expect:\n"}
	want := r.scenario.Expect.Value
	for _, key := range r.keys() {
		got := r.Got[key]
		if key == dead {
			got = r.dead
		}
		expected := want.Get(key)
		switch {
		case expected != nil && counting(expected):
			now := map[string]any{}
			for _, e := range expected.Entries {
				now[e.Key.Text] = r.counted(key, e.Key.Text)
			}
			block = append(block, margin+"  "+key+": "+inYAML(now)+"\n")
		case len(got) == 0:
			block = append(block, margin+"  "+key+": []\n")
		default:
			block = append(block, margin+"  "+key+":\n")
			for i, item := range got {
				block = append(block, margin+"    - "+inYAML(shaped(item, itemOf(expected, i)))+"\n")
			}
		}
	}
	if from > 0 && !strings.HasSuffix(lines[from-1], "\n") {
		lines[from-1] += "\n"
	}
	return slices.Concat(lines[:from], block, lines[to:]), true
}

// keys are the nodes that the expectation names, and dead where something was
// given up; all sinks where there is none.
func (r *Result) keys() []string {
	var keys []string
	if want := r.scenario.Expect.Value; want != nil {
		for _, e := range want.Entries {
			keys = append(keys, e.Key.Text)
		}
	} else {
		keys = slices.Sorted(maps.Keys(r.sinks))
	}
	if len(r.dead) > 0 && !slices.Contains(keys, dead) {
		keys = append(keys, dead)
	}
	return keys
}

func (r *Result) counted(key, what string) int { return r.paths.count(key, what) }

// blockEnd is the index of the line behind a block whose first line, counted
// from 1, is given: the next that is indented less.
func blockEnd(lines []string, first, indent int) int {
	end := first
	for i := first; i < len(lines); i++ {
		text := strings.TrimRight(lines[i], "\r\n")
		trimmed := strings.TrimLeft(text, " ")
		if trimmed == "" {
			continue
		}
		if len(text)-len(trimmed) < indent {
			break
		}
		end = i + 1
	}
	return end
}

// itemOf is the item that is expected at a place, or the last before it, whose
// form a new one takes.
func itemOf(want *flows.Value, i int) *flows.Value {
	switch {
	case want == nil:
		return nil
	case want.Kind == flows.Map:
		return want
	case len(want.Items) == 0:
		return nil
	}
	return want.Items[min(i, len(want.Items)-1)]
}

// shaped is what of got the expectation names.
func shaped(got any, want *flows.Value) any {
	fields, ok := got.(map[string]any)
	if !ok {
		return got
	}
	kept := map[string]any{}
	if want == nil || want.Kind != flows.Map {
		for key, v := range fields {
			if !slices.Contains(changing, key) && v != nil && v != "" {
				kept[key] = v
			}
		}
		return kept
	}
	for _, e := range want.Entries {
		if v, ok := fields[e.Key.Text]; ok {
			kept[e.Key.Text] = shaped(v, e.Value)
		}
	}
	return kept
}

// changing are the fields that a new expectation leaves out: they say little,
// or are others each time.
var changing = []string{"headers", "meta", "time", "attempts", "source"}
