package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
)

// payload reads a body as its content type says: JSON as it is, a form as a
// map, text as text. A body that says nothing of itself, or something unknown,
// is JSON if it can be, else text, else (bytes that are no text) base64; one
// that says nothing and begins like an object is JSON or refused. An empty body
// is null. An error says what is wrong with the body.
func payload(contentType string, body []byte) (engine.Data, error) {
	if len(body) == 0 {
		return engine.Value(nil), nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = ""
	}
	switch {
	case isJSON(media):
		return parseJSON(body)
	case media == "application/x-www-form-urlencoded":
		return parseForm(body)
	case strings.HasPrefix(media, "text/"):
		return engine.Value(clean(string(body))), nil
	case json.Valid(body) || media == "" && beginsWith(body, "{"):
		return parseJSON(body)
	case utf8.Valid(body):
		return engine.Value(string(body)), nil
	}
	return engine.Value(base64.StdEncoding.EncodeToString(body)), nil
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// parseJSON takes JSON text as it is, but for a byte order mark and bytes that
// are not UTF-8.
func parseJSON(body []byte) (engine.Data, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF")))
	data := engine.JSON(body)
	if data.IsUTF8() {
		return data, nil
	}
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	if data = engine.JSON(body); !data.Valid() {
		var v any
		err := json.Unmarshal(body, &v)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			err = fmt.Errorf("%w, at byte %d", err, syntax.Offset)
		}
		return engine.Data{}, fmt.Errorf("the body is not JSON: %w", err)
	}
	return data, nil
}

// beginsWith reports whether the first byte that is no space is one of chars.
func beginsWith(body []byte, chars string) bool {
	trimmed := bytes.TrimSpace(body)
	return len(trimmed) > 0 && strings.IndexByte(chars, trimmed[0]) >= 0
}

// parseForm reads a form. JSON is taken for what it is: `curl -d` says form
// whatever it sends, and no form begins with a bracket.
func parseForm(body []byte) (engine.Data, error) {
	if beginsWith(body, "{[") {
		return parseJSON(body)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return engine.Data{}, fmt.Errorf("the body is not a form: %w", err)
	}
	return engine.Value(object(values)), nil
}

// object is a form or query as a value: what comes more than once is a list.
func object(values url.Values) map[string]any {
	m := make(map[string]any, len(values))
	for key, vs := range values {
		if len(vs) == 1 {
			m[clean(key)] = clean(vs[0])
			continue
		}
		list := make([]any, len(vs))
		for i, v := range vs {
			list[i] = clean(v)
		}
		m[clean(key)] = list
	}
	return m
}

// formPayload takes the JSON out of a form with the one field payload: so GitHub
// sends when the webhook's content type is left at its default, and so Slack
// sends what people do with the buttons of a message.
func formPayload(d engine.Data) (engine.Data, error) {
	form, _ := value(d).(map[string]any)
	text, ok := form["payload"].(string)
	if !ok || len(form) != 1 {
		return d, nil
	}
	return parseJSON([]byte(text))
}

// clean replaces what is not UTF-8.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
