package engine

import (
	_ "embed"

	"github.com/flowd/flowd/flows"
)

//go:embed listen.go
var listenSource string

//go:embed spec.go
var specSource string

// JSONSchema is the JSON Schema (draft-07) of a document with the node types of
// the registry, for editors. What only a check can find, such as mistakes in
// expressions, it lets pass. More holds the schemas of further sections.
func (r *Registry) JSONSchema(more map[string]flows.JSONSchema) flows.JSONSchema {
	definitions := flows.Definitions()
	definitions["node"] = r.nodeSchema(definitions)
	definitions["flow"] = flows.JSONSchema{
		"type": "object", "additionalProperties": false, "required": []any{"nodes"},
		"properties": flows.JSONSchema{
			"description": flows.JSONSchema{"type": "string", "description": "What the flow is for, in one line."},
			"lanes":       flows.JSONSchema{"type": "integer", "minimum": 1, "description": "How many batches are worked on at a time.\nDefault: 1"},
			"order_by":    flows.JSONSchema{"type": []any{"string", "number", "boolean"}, "description": "With several lanes: events of equal value keep their order."},
			"nodes":       flows.JSONSchema{"type": "array", "minItems": 1, "items": ref("node"), "description": "The nodes. Each takes its events from the one above, unless it says from."},
		},
	}
	sections := flows.JSONSchema{
		"server": titled(flows.SchemaOf(defaultServer, listenSource), "Where webhooks arrive."),
		"flows": flows.JSONSchema{
			"type": "object", "description": "The flows, by name.",
			"propertyNames": flows.JSONSchema{"pattern": "^[a-z][a-z0-9-]*$"}, "additionalProperties": ref("flow"),
		},
	}
	for name, section := range more {
		sections[name] = section
	}
	return flows.JSONSchema{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "flowd", "description": "A document of flows.",
		"type": "object", "properties": sections, "definitions": definitions,
		"patternProperties":    flows.JSONSchema{"^x-": flows.JSONSchema{}},
		"additionalProperties": false,
	}
}

func ref(name string) flows.JSONSchema { return flows.JSONSchema{"$ref": "#/definitions/" + name} }

func titled(s flows.JSONSchema, description string) flows.JSONSchema {
	s["description"] = description
	return s
}

// nodeSchema is the schema of an entry of nodes. It puts that of each type into
// definitions.
func (r *Registry) nodeSchema(definitions flows.JSONSchema) flows.JSONSchema {
	properties := flows.JSONSchema{
		"id":       flows.JSONSchema{"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "description": "The name of the node.\nDefault: its type; the second of a type is slack-2"},
		"from":     flows.JSONSchema{"type": []any{"string", "array"}, "items": flows.JSONSchema{"type": "string"}, "description": "Where its events come from: ID, ID.PORT, ID.error, or a list of them.\nDefault: the node above"},
		"when":     titled(flows.JSONSchema{"allOf": []any{ref("condition")}}, "The node works only on events for which this is true. The others pass by untouched, and are not given to a sink."),
		"retry":    titled(flows.SchemaOf(Retry{}, specSource), "How often and how long failed work is tried again."),
		"on_error": flows.JSONSchema{"enum": []any{"dead_letter", "drop"}, "description": "What becomes of an event that the node gives up.\nDefault: dead_letter"},
		"timeout":  titled(flows.JSONSchema{"allOf": []any{ref("duration")}}, "The time for one attempt."),
	}
	var plain, one []any
	for _, s := range r.Specs() {
		schema := titled(flows.SchemaOf(s.Default, s.Source), s.Summary+"\n\nExample:\n- "+s.Example)
		name := s.Kind.String() + "." + s.Type
		definitions[name] = schema
		if before, ok := properties[s.Type]; ok { // it is a source and a sink
			properties[s.Type] = flows.JSONSchema{"anyOf": []any{before, ref(name)}}
			continue
		}
		properties[s.Type] = ref(name)
		plain = append(plain, s.Type)
		one = append(one, flows.JSONSchema{"required": []any{s.Type}})
	}
	return flows.JSONSchema{"anyOf": []any{
		flows.JSONSchema{"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one},
		flows.JSONSchema{"enum": plain},
	}}
}
