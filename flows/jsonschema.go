package flows

import (
	"encoding"
	"maps"
	"reflect"
	"strings"
)

// A JSONSchema is a part of a JSON Schema (draft-07), as a value to encode.
type JSONSchema = map[string]any

// Definitions are the schemas that [SchemaOf] refers to, for the definitions
// of the schema they are used in.
func Definitions() JSONSchema {
	put := JSONSchema{"type": "string", "pattern": `\$\{`, "description": "${NAME}, ${NAME:-default} or ${file:PATH}"}
	or := func(s JSONSchema) JSONSchema { return JSONSchema{"anyOf": []any{s, put}} }
	return JSONSchema{
		"boolean":    or(JSONSchema{"type": "boolean"}),
		"integer":    or(JSONSchema{"type": "integer"}),
		"number":     or(JSONSchema{"type": "number"}),
		"text":       JSONSchema{"type": []any{"string", "number", "boolean"}},
		"duration":   or(JSONSchema{"type": "string", "pattern": `^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`, "examples": []any{"250ms", "10s", "5m", "1h30m", "7d"}}),
		"size":       JSONSchema{"anyOf": []any{JSONSchema{"type": "integer"}, JSONSchema{"type": "string", "pattern": `^[0-9]+ *([KMGT]i?B|B)?$`, "examples": []any{"512", "64KiB", "10MB"}}, put}},
		"condition":  JSONSchema{"type": []any{"string", "boolean"}, "description": "an expression that is true or false"},
		"expression": JSONSchema{"description": "an expression, text with {{ }} in it, or a value with expressions at its leaves"},
	}
}

func refTo(name string) JSONSchema { return JSONSchema{"$ref": "#/definitions/" + name} }

// SchemaOf is the JSON Schema of what [Decode] takes for a configuration. Source
// is as for [Describe].
func SchemaOf(defaults any, source string) JSONSchema {
	return schemaOf(reflect.ValueOf(defaults), Comments(source), map[reflect.Type]bool{})
}

// schemaOf is the schema of values of v's type, whose default v is.
func schemaOf(v reflect.Value, comments map[string]string, within map[reflect.Type]bool) JSONSchema {
	t := v.Type()
	zero := reflect.New(t).Interface()
	_, text := zero.(encoding.TextUnmarshaler)
	_, own := zero.(Decoder)
	switch name := typeName(t); {
	case name == "duration", name == "size", name == "condition":
		return refTo(name)
	case strings.HasPrefix(name, "text with"), text, t.Kind() == reflect.String:
		return refTo("text")
	case own:
		return refTo("expression")
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return schemaOf(reflect.Zero(t.Elem()), comments, within)
		}
		return schemaOf(v.Elem(), comments, within)
	case reflect.Bool:
		return refTo("boolean")
	case reflect.Int, reflect.Int64:
		return refTo("integer")
	case reflect.Float64:
		return refTo("number")
	case reflect.Slice:
		item := schemaOf(reflect.Zero(t.Elem()), comments, within)
		return JSONSchema{"anyOf": []any{JSONSchema{"type": "array", "items": item}, item}}
	case reflect.Map:
		return JSONSchema{"type": "object", "additionalProperties": schemaOf(reflect.Zero(t.Elem()), comments, within)}
	case reflect.Struct:
		return schemaOfStruct(v, comments, within)
	}
	return JSONSchema{}
}

func schemaOfStruct(v reflect.Value, comments map[string]string, within map[reflect.Type]bool) JSONSchema {
	t := v.Type()
	if within[t] { // a type inside itself is open
		return JSONSchema{"type": "object"}
	}
	within[t] = true
	defer delete(within, t)
	properties, required := JSONSchema{}, []any{}
	object := JSONSchema{"type": "object", "properties": properties, "additionalProperties": false}
	var forms []any // beside the object
	needs := false
	for _, f := range fieldsOf(t) {
		value := v.FieldByIndex(f.index)
		schema := schemaOf(value, comments, within)
		if f.inline() {
			needs = needs || f.Main && f.Required
			object["additionalProperties"] = true
			if items, ok := schema["additionalProperties"]; ok {
				object["additionalProperties"] = items
			}
			continue
		}
		if f.Main {
			forms = append(forms, JSONSchema{"allOf": []any{schema, JSONSchema{"not": JSONSchema{"type": "object"}}}})
			needs = needs || f.Required
		}
		if f.Required {
			required = append(required, f.Key)
		}
		properties[f.Key] = described(schema, comments[declaredIn(t, f.index).Name()+"."+f.Name], f, written(value))
	}
	if len(required) > 0 {
		object["required"] = required
	}
	if !needs {
		forms = append(forms, JSONSchema{"type": "null"})
	}
	if len(forms) == 0 {
		return object
	}
	return JSONSchema{"anyOf": append([]any{object}, forms...)}
}

// described is a schema with what there is to say about a setting.
func described(schema JSONSchema, doc string, f Field, standard string) JSONSchema {
	if rest, ok := strings.CutPrefix(doc, f.Name+" "); ok {
		doc = f.Key + " " + rest
	}
	if standard != "" && !strings.Contains(strings.ToLower(typeName(f.Type)), "secret") {
		doc = strings.TrimSpace(doc + "\nDefault: " + standard)
	}
	if doc == "" {
		return schema
	}
	if _, ref := schema["$ref"]; ref { // beside which nothing counts in draft-07
		schema = JSONSchema{"allOf": []any{schema}}
	}
	schema = maps.Clone(schema)
	schema["description"] = doc
	return schema
}
