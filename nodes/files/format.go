package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flowd/flowd/engine"
)

// line writes what the file gets of e.
func (f *file) line(to *bytes.Buffer, e *engine.Event) error {
	if f.config.Format == "cloudevents" {
		return writeCloudEvent(to, e)
	}
	data := e.Data
	if f.config.Line.IsSet() {
		v, err := f.config.Line.Eval(e)
		if err != nil {
			return err
		}
		data = engine.Value(v)
	}
	if f.config.Format == "text" {
		return writeText(to, data)
	}
	return writeJSON(to, data)
}

// writeJSON writes data on one line. It comes as it was sent, but for line
// ends and spaces between its tokens.
func writeJSON(to *bytes.Buffer, data engine.Data) error {
	raw, err := data.Bytes()
	if err != nil {
		return err
	}
	if err := json.Compact(to, raw); err != nil {
		return engine.Permanent(fmt.Errorf("the data is not JSON: %w", err))
	}
	return nil
}

// writeText writes data as text: nothing for null, JSON for a list or a map.
func writeText(to *bytes.Buffer, data engine.Data) error {
	v, err := data.Value()
	if err != nil {
		return engine.Permanent(err)
	}
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		to.WriteString(v)
		return nil
	}
	return writeJSON(to, data)
}

// writeCloudEvent writes e in the JSON format of CloudEvents 1.0 (spec
// c2845a4, json-format.md).
func writeCloudEvent(to *bytes.Buffer, e *engine.Event) error {
	raw, err := e.Data.Bytes()
	if err != nil {
		return err
	}
	if !json.Valid(raw) {
		return engine.Permanent(errors.New("the data is not JSON"))
	}
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		SpecVersion     string          `json:"specversion"`
		ID              string          `json:"id"`
		Source          string          `json:"source"`
		Type            string          `json:"type"`
		Subject         string          `json:"subject,omitempty"`
		Time            time.Time       `json:"time"`
		DataContentType string          `json:"datacontenttype"`
		Data            json.RawMessage `json:"data"`
	}{"1.0", e.ID, e.Source, e.Type, e.Subject, e.Time, "application/json", raw})
}
