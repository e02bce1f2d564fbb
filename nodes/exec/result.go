package exec

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/flowd/flowd/engine"
)

// whole is the result that stands in the place of all of the data.
const whole = "."

// withResult returns data with what the program wrote.
func (s *sink) withResult(data engine.Data, output []byte) (engine.Data, error) {
	result, err := s.read(output)
	if err != nil {
		return engine.Data{}, err
	}
	if s.Result == whole {
		return engine.Value(result), nil
	}
	payload, err := data.Value()
	if err != nil {
		return engine.Data{}, err
	}
	changed, err := put(payload, strings.Split(s.Result, "."), result)
	return engine.Value(changed), err
}

// read is output as its format has it.
func (s *sink) read(output []byte) (any, error) {
	if s.Format == "json" {
		v, err := engine.JSON(bytes.TrimSpace(output)).Value()
		if err != nil {
			return nil, fmt.Errorf("what the program wrote is not JSON: %w", err)
		}
		return v, nil
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(output), "\n"), "\r")
	return strings.ToValidUTF8(text, "\uFFFD"), nil
}

// put returns payload with a value at a place; payload stays as it is.
func put(payload any, place []string, value any) (any, error) {
	m, ok := payload.(map[string]any)
	if !ok && payload != nil {
		return nil, fmt.Errorf("the data has no place for the result: there is no field %q in something that is no map", place[0])
	}
	if len(place) > 1 {
		inner, err := put(m[place[0]], place[1:], value)
		if err != nil {
			return nil, err
		}
		value = inner
	}
	changed := maps.Clone(m)
	if changed == nil {
		changed = map[string]any{}
	}
	changed[place[0]] = value
	return changed, nil
}
