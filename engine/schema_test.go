package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func schemaFiles(t *testing.T, texts ...string) engine.SchemaFiles {
	t.Helper()
	t.Chdir(t.TempDir())
	v := &flows.Value{Kind: flows.List}
	for i, text := range texts {
		name := fmt.Sprint(i, ".json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v.Items = append(v.Items, &flows.Value{Kind: flows.String, Text: name})
	}
	var s engine.SchemaFiles
	if diags := s.DecodeValue(v); diags != nil {
		t.Fatal(diags)
	}
	return s
}

func TestASchemaMayReferToItselfAtManyPlaces(t *testing.T) {
	var properties []string
	for i := range 40 {
		properties = append(properties, fmt.Sprintf(`"f%d": {"$ref": "#/definitions/node"}`, i))
	}
	text := `{"$ref": "#/definitions/node", "definitions": {"node": {"type": "object", "properties": {` +
		strings.Join(properties, ", ") + `, "more": {"anyOf": [{"$ref": "#/definitions/node"}, {"type": "array", "items": {"$ref": "#/definitions/node"}}]}}}}}`
	shape := schemaFiles(t, text, text).Shape()
	for range 4 {
		shape = shape.Fields["f7"]
	}
	if _, ok := shape.Field("f9"); !ok {
		t.Errorf("got %+v", shape)
	}
}

func TestASchemaTellsTheWaysThatPayloadsLook(t *testing.T) {
	s := schemaFiles(t, `{"a": 1} {"b": 2}`, `{"$schema": "x", "$ref": "#/$defs/any", "$defs": {
		"any": {"oneOf": [{"$ref": "#/$defs/c"}, {"type": "object", "properties": {"kind": {"const": "d"}}}]},
		"c": {"type": "object", "properties": {"kind": {"enum": ["c", "cc"]}}}
	}}`)
	var got []string
	for _, b := range s.Bodies() {
		got = append(got, fmt.Sprint(b.Sample, b.Shape.Names(), b.Shape.Fields["kind"].Values))
	}
	want(t, got, "map[a:1] [a] []", "map[b:2] [b] []", "<nil> [kind] [c cc]", "<nil> [kind] [d]")
	if got := (engine.SchemaFiles{}).Bodies(); len(got) != 1 || got[0].Shape.Kinds != 0 {
		t.Errorf("without files, got %v", got)
	}
}
