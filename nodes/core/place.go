package core

import "strings"

// A field is the place of a field inside a payload, written a.b.
type field []string

func parseField(path string) (field, bool) {
	names := strings.Split(path, ".")
	for _, name := range names {
		if name == "" {
			return nil, false
		}
	}
	return names, true
}

// kindOf names what v is, for messages.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a number"
}
