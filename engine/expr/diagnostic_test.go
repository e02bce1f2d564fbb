package expr

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/flows"
)

var update = flag.Bool("update", false, "write the golden files")

func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	const file, golden = "testdata/diagnostics.yaml", "testdata/diagnostics.golden"
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	var got strings.Builder
	for _, item := range yaml(t, string(source)).Items {
		kind, v := item.Entries[0].Key.Text, item.Entries[0].Value
		fmt.Fprintf(&got, "%d: %s\n", v.Span.Line, strings.TrimPrefix(lines[v.Span.Line-1], "- "))
		if kind == "repeated" { // what would make long lines
			text := func(key string) string { return v.Get(key).Text }
			times, err := strconv.Atoi(text("times"))
			if err != nil {
				t.Fatal(err)
			}
			long := &flows.Value{Kind: flows.String, Text: text("before") + strings.Repeat(text("repeat"), times) + text("after")}
			fmt.Fprintf(&got, "\t%s\n", decoder(text("as")).DecodeValue(long)[0])
			continue
		}
		diags := decoder(kind).DecodeValue(v).Sorted()
		if len(diags) == 0 {
			got.WriteString("\tfine\n")
		}
		for _, d := range diags {
			at := []rune(lines[d.Span.Line-1])[d.Span.Column-1:]
			fmt.Fprintf(&got, "\t%d:%d %s: %s: %s (%s)\n", d.Span.Line, d.Span.Column, string(at[:d.Span.Length]), d.Severity, d.Message, d.Hint)
		}
	}
	wantGolden(t, golden, got.String())
}

// wantGolden compares what came out with a file, which -update writes.
func wantGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func decoder(kind string) flows.Decoder {
	switch kind {
	case "condition":
		return new(Condition)
	case "text":
		return new(Text)
	case "request":
		return new(Request)
	}
	return new(Expr)
}
