package sora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/flowd/flowd/engine"
)

// rejection refuses an auth request. The reason reaches the person who wanted
// to connect, so it tells nothing of what happens here.
var rejection = jsonAnswer([]byte(`{"allowed":false,"reason":"rejected"}`))

// accepted takes note and asks for nothing.
var accepted = jsonAnswer([]byte("{}"))

// jsonAnswer is a 200 with a JSON body.
func jsonAnswer(body []byte) engine.Answer {
	return engine.Answer{
		Status: http.StatusOK,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   body,
	}
}

// configured is an answer that stands in the configuration, if there is one.
func configured(answer map[string]any, otherwise engine.Answer) (engine.Answer, error) {
	if answer == nil {
		return otherwise, nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return otherwise, fmt.Errorf("this can't be written as JSON: %w", err)
	}
	return jsonAnswer(body), nil
}

// authAnswer is what Sora gets for the flow's answer to an auth request: the
// same if it is a verdict, else the rejection, and why.
func authAnswer(given engine.Answer) (engine.Answer, error) {
	if !successful(given) {
		return rejection, fmt.Errorf("its status is %d, where Sora wants 200 also for a refusal", given.Status)
	}
	if err := verdict(given.Body); err != nil {
		return rejection, err
	}
	return jsonAnswer(given.Body), nil
}

// sessionAnswer is what Sora gets for the flow's answer to session.created. A
// failure is passed on as it is: it makes Sora end the session. What is
// neither that nor an object is replaced by otherwise.
func sessionAnswer(given, otherwise engine.Answer) (engine.Answer, error) {
	switch {
	case !successful(given):
		return given, nil
	case len(bytes.TrimSpace(given.Body)) == 0:
		return accepted, nil
	}
	if _, err := parse(given.Body); err != nil {
		return otherwise, err
	}
	return jsonAnswer(given.Body), nil
}

func successful(a engine.Answer) bool { return a.Status == 0 || a.Status/100 == 2 }

// verdict returns nil for a body that Sora understands as the answer to an auth
// request: {"allowed": true, …}, or {"allowed": false, "reason": "…"}.
func verdict(body []byte) error {
	o, err := parse(body)
	if err != nil {
		return err
	}
	return o.verdict()
}

func (o object) verdict() error {
	switch string(o["allowed"]) {
	case "true":
		return nil
	case "false":
		if o.text("reason") == "" {
			return errors.New("it refuses without a reason")
		}
		return nil
	}
	return errors.New("its field allowed is neither true nor false")
}
