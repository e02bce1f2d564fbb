package core

import (
	"fmt"
	"maps"
	"strings"
)

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

// set returns payload with value at the place f. The maps on the way are
// copied, or made where there is nothing; payload stays as it is.
func (f field) set(payload, value any) (any, error) {
	m, ok := payload.(map[string]any)
	if !ok && payload != nil {
		return nil, fmt.Errorf("there is no field %q in %s", f[0], kindOf(payload))
	}
	if len(f) > 1 {
		inner, err := f[1:].set(m[f[0]], value)
		if err != nil {
			return nil, fmt.Errorf("in %s: %w", f[0], err)
		}
		value = inner
	}
	changed := make(map[string]any, len(m)+1)
	maps.Copy(changed, m)
	changed[f[0]] = value
	return changed, nil
}

// remove returns payload without the place f, which need not be there.
func (f field) remove(payload any) any {
	m, ok := payload.(map[string]any)
	if !ok {
		return payload
	}
	inner, ok := m[f[0]]
	if !ok {
		return payload
	}
	changed := maps.Clone(m)
	if len(f) == 1 {
		delete(changed, f[0])
	} else {
		changed[f[0]] = f[1:].remove(inner)
	}
	return changed
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
