package expr

import (
	"flag"
	"os"
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
	var got strings.Builder
	for _, item := range yaml(t, string(source)).Items {
		kind, v := item.Entries[0].Key.Text, item.Entries[0].Value
		diags := decoder(kind).DecodeValue(v)
		if diags == nil {
			got.WriteString(v.Span.String() + ": fine: " + kind + " " + v.Text + "\n")
		}
		got.WriteString(diags.Format() + "\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
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
