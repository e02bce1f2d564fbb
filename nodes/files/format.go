package files

import (
	"fmt"

	"github.com/flowd/flowd/engine"
)

// line appends what the file gets of e.
func (f *file) line(dst []byte, e *engine.Event) ([]byte, error) {
	if f.config.Format == "cloudevents" {
		return appendCloudEvent(dst, e)
	}
	data := e.Data
	if f.config.Line.IsSet() {
		v, err := f.config.Line.Eval(e)
		if err != nil {
			return dst, err
		}
		data = engine.Value(v)
	}
	if f.config.Format == "text" {
		return appendText(dst, data)
	}
	return appendJSON(dst, data)
}

// appendJSON appends data on one line. It comes as it was sent, but for line
// ends and spaces between its tokens.
func appendJSON(dst []byte, data engine.Data) ([]byte, error) {
	dst, err := data.AppendJSON(dst)
	if err != nil {
		err = engine.Permanent(err)
	}
	return dst, err
}

// appendText appends data as text: nothing for null, JSON for a list or a map.
func appendText(dst []byte, data engine.Data) ([]byte, error) {
	v, err := data.Value()
	if err != nil {
		return dst, engine.Permanent(err)
	}
	switch v := v.(type) {
	case nil:
		return dst, nil
	case string:
		return append(dst, v...), nil
	}
	return appendJSON(dst, data)
}

// appendCloudEvent appends e in the JSON format of CloudEvents 1.0 (spec
// c2845a4, json-format.md).
func appendCloudEvent(dst []byte, e *engine.Event) ([]byte, error) {
	dst = engine.AppendText(append(dst, `{"specversion":"1.0","id":`...), e.ID)
	dst = engine.AppendText(append(dst, `,"source":`...), e.Source)
	dst = engine.AppendText(append(dst, `,"type":`...), e.Type)
	if e.Subject != "" {
		dst = engine.AppendText(append(dst, `,"subject":`...), e.Subject)
	}
	dst, err := e.Time.UTC().AppendText(append(dst, `,"time":"`...))
	if err != nil {
		return dst, engine.Permanent(fmt.Errorf("the time can't be written: %w", err))
	}
	dst, err = appendJSON(append(dst, `","datacontenttype":"application/json","data":`...), e.Data)
	return append(dst, '}'), err
}
