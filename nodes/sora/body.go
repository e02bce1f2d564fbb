package sora

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
)

// An object is a JSON object whose members are read when they are needed.
type object map[string]json.RawMessage

// parse reads a body that must be one JSON object. It is stricter than
// encoding/json, which takes null, text that is not UTF-8, and the last of two
// members of one name: another reader would take the first.
func parse(body []byte) (object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("it is empty")
	}
	if !utf8.Valid(body) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	o := object{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("it is no JSON object")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("it is no JSON object")
		}
		if _, twice := o[name]; twice {
			return nil, errors.New("it has two members of one name")
		}
		o[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("it is no JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows its JSON object")
	}
	return o, nil
}

// text is a member that is text, or nothing.
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

// event is the event of a body. An error says in words of our own why it is
// not one that Sora sends.
func (s *source) event(k kind, r *http.Request, body []byte) (*engine.Event, error) {
	o, err := parse(body)
	if err != nil {
		return nil, err
	}
	e := &engine.Event{
		ID:      o.text("id"),
		Source:  s.config.Source,
		Type:    o.text("type"),
		Subject: o.text("channel_id"),
		Data:    engine.JSON(body),
		Meta:    engine.MetaOf(r),
	}
	e.Meta["webhook"] = string(k)
	if k == auth {
		if err := authentic(o); err != nil {
			return nil, err
		}
		e.Type = string(auth)
		e.ID = cmp.Or(e.ID, o.text("connection_id"))
	}
	e.ID = cmp.Or(e.ID, engine.Digest(body))

	var problems []string
	if e.Type == "" {
		if e.Type = typeHeader(k, r); e.Type == "" {
			return nil, errors.New("it has no type")
		}
		problems = append(problems, "type is missing in the body")
	}
	if e.Subject == "" && needsChannel(k, e.Type) {
		problems = append(problems, "channel_id is missing")
	}
	stamp := o.text("timestamp")
	if e.Time, err = time.Parse(time.RFC3339, stamp); err != nil && o["timestamp"] != nil {
		problems = append(problems, "timestamp is no RFC 3339 time")
	}
	if len(problems) > 0 {
		problem := strings.Join(problems, "; ")
		e.Meta["problem"] = problem
		s.quiet.Warn(s.log, "sora: an odd event: "+problem, "webhook", k)
	}
	return e, nil
}

// authentic tells an auth request from what else may arrive at its path. It is
// the one kind without a type.
func authentic(o object) error {
	if o["type"] != nil {
		return errors.New("it is an event, posted to the path of auth")
	}
	for _, name := range []string{"channel_id", "connection_id"} {
		if o.text(name) == "" {
			return fmt.Errorf("it lacks %s", name)
		}
	}
	return nil
}

// typeHeader is the type as the header says it, where the body does not. Older
// versions of Sora begin its name with x-.
func typeHeader(k kind, r *http.Request) string {
	name := "sora-" + string(k) + "-webhook-type"
	return cmp.Or(r.Header.Get(name), r.Header.Get("x-"+name))
}

// needsChannel reports whether webhooks of a type are about a channel. Of types
// that are not known, nothing is expected.
func needsChannel(k kind, typ string) bool {
	for _, known := range samples() {
		if known.Webhook == k && known.Type == typ {
			return known.Body["channel_id"] != nil
		}
	}
	return false
}
