package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A validator checks values by a JSON Schema, as far as ours goes: it fails on
// what it does not know.
type validator struct {
	t           *testing.T
	definitions map[string]any
}

func newValidator(t *testing.T) (*validator, map[string]any) {
	t.Helper()
	var text bytes.Buffer
	if err := writeSchema(&text); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}
	return &validator{t, schema["definitions"].(map[string]any)}, schema
}

func (v *validator) valid(schema any, value any) bool {
	if all, ok := schema.(bool); ok {
		return all
	}
	s := schema.(map[string]any)
	for key, rule := range s {
		if !v.obeys(s, key, rule, value) {
			return false
		}
	}
	return true
}

func (v *validator) obeys(s map[string]any, key string, rule, value any) bool {
	each := func() (n int) {
		for _, one := range rule.([]any) {
			if v.valid(one, value) {
				n++
			}
		}
		return n
	}
	text, isText := value.(string)
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	switch key {
	case "$ref":
		return v.valid(v.definitions[strings.TrimPrefix(rule.(string), "#/definitions/")], value)
	case "anyOf":
		return each() > 0
	case "oneOf":
		return each() == 1
	case "allOf":
		return each() == len(rule.([]any))
	case "not":
		return !v.valid(rule, value)
	case "type":
		return slices.ContainsFunc(listed(rule), func(name any) bool { return isType(name.(string), value) })
	case "enum":
		return slices.ContainsFunc(rule.([]any), func(one any) bool { return reflect.DeepEqual(one, value) })
	case "pattern":
		return !isText || regexp.MustCompile(rule.(string)).MatchString(text)
	case "minimum":
		n, ok := value.(float64)
		return !ok || n >= rule.(float64)
	case "minItems":
		return !isList || float64(len(list)) >= rule.(float64)
	case "items":
		return !isList || !slices.ContainsFunc(list, func(item any) bool { return !v.valid(rule, item) })
	case "required":
		return !isObject || !slices.ContainsFunc(rule.([]any), func(name any) bool { _, ok := object[name.(string)]; return !ok })
	case "propertyNames":
		for name := range object {
			if !v.valid(rule, name) {
				return false
			}
		}
		return true
	case "properties", "patternProperties", "additionalProperties":
		for name, item := range object {
			if under, known := v.property(s, name); known == key && !v.valid(under, item) {
				return false
			}
		}
		return true
	case "$schema", "title", "description", "examples", "definitions":
		return true
	}
	v.t.Fatalf("the schema uses %q", key)
	return false
}

// property is the schema of a property, and the keyword it stands under.
func (v *validator) property(s map[string]any, name string) (any, string) {
	properties, _ := s["properties"].(map[string]any)
	if under, ok := properties[name]; ok {
		return under, "properties"
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for pattern, under := range patterns {
		if regexp.MustCompile(pattern).MatchString(name) {
			return under, "patternProperties"
		}
	}
	return s["additionalProperties"], "additionalProperties"
}

func listed(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func isType(name string, value any) bool {
	switch v := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	}
	return name == "object"
}

// asJSON is a YAML text as the values of JSON.
func asJSON(t *testing.T, yaml string) any {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	if diags.Failed() {
		t.Fatal(diags.Format())
	}
	text, err := json.Marshal(v.Any())
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTheSchemaTakesEveryExample(t *testing.T) {
	v, schema := newValidator(t)
	paths, err := filepath.Glob("../../examples/*/flows.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no examples: ", err)
	}
	for _, path := range paths {
		if strings.Contains(path, "embedding") { // has a node type of its own
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !v.valid(schema, asJSON(t, string(text))) {
			t.Errorf("%s does not fit the schema", path)
		}
	}
	for _, s := range registry.Specs() {
		if !v.valid(v.definitions["node"], asJSON(t, s.Example)) {
			t.Errorf("the example of %s %s does not fit the schema", s.Kind, s.Type)
		}
	}
	all := `
server: {listen: ":8080", max_body: 1MiB, tls: {cert: a, key: b}}
admin: {listen: "", token: "${TOKEN}"}
store: {dir: .flowd, keep: {age: 24h, size: "${SIZE}"}, fsync: always}
x-mine: {anything: [1]}
flows: {f: {description: d, lanes: 2, order_by: id, nodes: [{webhook: /in, id: a}, {filter: true, from: a, when: "true", retry: {attempts: 3, first: 1s}, on_error: drop, timeout: "${T}"}, debug]}}`
	if !v.valid(schema, asJSON(t, all)) {
		t.Error("it does not take every key of a document")
	}
}

func TestTheSchemaRefusesWhatACheckRefuses(t *testing.T) {
	v, schema := newValidator(t)
	node := "flows: {f: {nodes: [%s]}}"
	for _, yaml := range []string{
		"flow: {}",
		"server: {listn: x}",
		"store: {keep: {ages: 1h}}",
		"flows: {F: {nodes: [debug]}}",
		"flows: {f: {}}",
		"flows: {f: {nodes: []}}",
		"flows: {f: {nodes: [debug], lanes: many}}",
		fmt.Sprintf(node, "{dedup: id}"),
		fmt.Sprintf(node, "slack2"),
		fmt.Sprintf(node, "{filter: a, debug: b}"),
		fmt.Sprintf(node, "{debug: a, frm: b}"),
		fmt.Sprintf(node, "{dedupe: {key: id, tll: 1h}}"),
		fmt.Sprintf(node, "{dedupe: {ttl: soon}}"),
		fmt.Sprintf(node, "{http: {}}"),
		fmt.Sprintf(node, "{http: {url: x, concurrency: many}}"),
		fmt.Sprintf(node, "{debug: a, on_error: dorp}"),
	} {
		if v.valid(schema, asJSON(t, yaml)) {
			t.Errorf("it takes %s", yaml)
		}
	}
}

func TestInitWritesADocumentOfAnyNodeTypes(t *testing.T) {
	secret := func(string) (string, bool) { return "https://example.com/a-secret-of-32-chars", true }
	all := append(typeNames(), "livekit sonzai filter slack")
	for _, source := range registry.Specs() {
		for _, other := range registry.Specs() {
			if source.Kind == engine.SourceKind && other.Kind != engine.SourceKind {
				all = append(all, source.Type+" "+other.Type)
			}
		}
	}
	for _, name := range all {
		specs, err := chosen(strings.Fields(name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "flows.yaml")
		if err := os.WriteFile(path, []byte(schemaLine+starterOf(specs)), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, secret)
		if diags = append(diags, engine.Check(doc, registry)...); diags.Failed() {
			t.Errorf("%s:\n%s", name, diags.Format())
		}
	}
}

func TestTheReferenceOfNodesIsFresh(t *testing.T) {
	const path = "../../nodes/README.md"
	var b strings.Builder
	b.WriteString("# Node types\n\nWritten by `flowd nodes --markdown` from the declarations; a test keeps it fresh.\n")
	writeReference(&b, registry.Specs())
	got, err := os.ReadFile(path)
	if err == nil && string(got) == b.String() {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatal("nodes/README.md is stale: run UPDATE=1 go test ./cmd/flowd")
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
