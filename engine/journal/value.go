package journal

import (
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/flowd/flowd/engine"
)

// The first byte of a value of an event's meta.
const (
	valueNil = iota
	valueFalse
	valueTrue
	valueInt
	valueFloat
	valueString
	valueList
	valueMap
	valueJSON // anything else, as encoding/json writes it
)

// maxDepth is how deep a value nests before it is written as JSON.
const maxDepth = 64

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth < maxDepth {
		switch v := v.(type) {
		case nil:
			return append(b, valueNil), nil
		case bool:
			if v {
				return append(b, valueTrue), nil
			}
			return append(b, valueFalse), nil
		case int:
			return binary.AppendVarint(append(b, valueInt), int64(v)), nil
		case int64:
			return binary.AppendVarint(append(b, valueInt), v), nil
		case float64:
			return binary.LittleEndian.AppendUint64(append(b, valueFloat), math.Float64bits(v)), nil
		case string:
			return appendText(append(b, valueString), v), nil
		case []any:
			b = binary.AppendUvarint(append(b, valueList), uint64(len(v)))
			var err error
			for _, item := range v {
				if b, err = appendValue(b, item, depth+1); err != nil {
					return b, err
				}
			}
			return b, nil
		case map[string]any:
			return appendMap(b, v, depth)
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return appendText(append(b, valueJSON), raw), nil
}

func appendMap(b []byte, m map[string]any, depth int) ([]byte, error) {
	b = binary.AppendUvarint(append(b, valueMap), uint64(len(m)))
	var err error
	for k, v := range m {
		if b, err = appendValue(appendText(b, k), v, depth+1); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (r *reader[B]) value(depth int) any {
	if depth > maxDepth {
		r.bad = true
		return nil
	}
	switch r.byte() {
	case valueNil:
		return nil
	case valueFalse:
		return false
	case valueTrue:
		return true
	case valueInt:
		return r.varint()
	case valueFloat:
		return math.Float64frombits(r.fixed64())
	case valueString:
		return string(r.text())
	case valueList:
		list := make([]any, r.count(1))
		for i := range list {
			list[i] = r.value(depth + 1)
		}
		return list
	case valueMap:
		n := r.count(2)
		m := make(map[string]any, n)
		for range n {
			k := string(r.text())
			m[k] = r.value(depth + 1)
		}
		return m
	case valueJSON:
		v, err := engine.JSON([]byte(r.text())).Value()
		r.bad = r.bad || err != nil
		return v
	}
	r.bad = true
	return nil
}
