package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// A class is what an answer of Slack means for a message.
type class uint8

const (
	sent             class = iota
	permanent              // this message will never be taken
	permanentDisable       // and neither will others, until somebody does something
	retryAfter             // the channel takes no more for a while
	retry                  // it was not posted
	retryUnsafe            // it may have been posted
)

func (c class) String() string {
	return [...]string{"sent", "permanent", "permanent-disable", "retry-after", "retry", "retry-unsafe"}[c]
}

// An api is one of the two ways to post. They fail in ways of their own: a
// webhook by status and a line of text, the Web API with 200 and JSON.
type api string

const (
	webhook     api = "webhook"
	postMessage api = "chat.postMessage"
)

// An answer is what Slack said to a message.
type answer struct {
	class  class
	code   string        // Slack's name of what is wrong, or ""
	detail string        // what Slack adds
	wait   time.Duration // how long it asks to wait
	ts     string        // names the message that was posted; "" from a webhook
	status int
}

// read is what an answer means.
func read(via api, status int, header http.Header, body []byte) answer {
	a := answer{status: status, wait: engine.RetryAfter(header.Get("Retry-After"))}
	var reply struct {
		OK       *bool  `json:"ok"`
		Error    string `json:"error"`
		TS       string `json:"ts"`
		Metadata struct {
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	json.Unmarshal(body, &reply) // what is not JSON leaves reply empty
	if via == webhook {
		a.code = strings.TrimSpace(string(body))
	} else {
		a.code, a.detail, a.ts = reply.Error, shorten(strings.Join(reply.Metadata.Messages, "; ")), reply.TS
	}
	if !codeForm.MatchString(a.code) { // a page of a proxy
		a.code = ""
	}
	ok := status >= 200 && status <= 299
	switch {
	case via == webhook && ok:
		a.class, a.code = sent, ""
	case via == postMessage && ok && reply.OK != nil && *reply.OK:
		a.class, a.code = sent, ""
	case status == http.StatusTooManyRequests:
		a.class, a.wait = retryAfter, max(a.wait, spacing)
	default:
		a.class = a.classify(ok)
	}
	return a
}

// classify goes by the code where it is known, else by the status.
func (a *answer) classify(ok bool) class {
	known, found := classes[a.code]
	switch {
	case found:
		return known
	case strings.HasPrefix(a.code, "restricted_action"):
		return permanentDisable
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		return retry
	case ok && a.code == "":
		return retryUnsafe // an answer that is not Slack's
	}
	return permanent
}

// classes are the codes that the status does not explain, from Slack's
// reference of chat.postMessage and of incoming webhooks.
var classes = map[string]class{
	"no_service":          permanentDisable,
	"no_active_hooks":     permanentDisable,
	"no_team":             permanentDisable,
	"team_disabled":       permanentDisable,
	"channel_is_archived": permanentDisable,
	"is_archived":         permanentDisable,
	"invalid_auth":        permanentDisable,
	"not_authed":          permanentDisable,
	"token_revoked":       permanentDisable,
	"token_expired":       permanentDisable,
	"account_inactive":    permanentDisable,
	"missing_scope":       permanentDisable,

	"ratelimited":         retry,
	"rate_limited":        retry,
	"rollup_error":        retry,
	"service_unavailable": retry,
	"request_timeout":     retry,
	"internal_error":      retry,

	"fatal_error": retryUnsafe,
}

// hints say what a person can do.
var hints = map[string]string{
	"no_service":          "the webhook was removed or turned off: make a new one and put it into webhook_url",
	"no_active_hooks":     "the webhook was turned off: make a new one and put it into webhook_url",
	"no_team":             "the workspace of the webhook is gone: make a new one and put it into webhook_url",
	"team_disabled":       "the workspace is disabled",
	"invalid_token":       "webhook_url is cut short or outdated",
	"channel_is_archived": "unarchive the channel or use another",
	"is_archived":         "unarchive the channel or use another",
	"invalid_auth":        "token is not valid",
	"not_authed":          "token is not valid",
	"token_revoked":       "the token was revoked: install the app again and put the new one into token",
	"token_expired":       "the token has expired: put a new one into token",
	"account_inactive":    "the bot was removed: install the app again and put the new one into token",
	"missing_scope":       "give the app the scope chat:write and install it again",
	"channel_not_found":   "channel wants the id of a channel that the bot can see",
	"not_in_channel":      "invite the bot into the channel",
	"action_prohibited":   "an administrator of the workspace has to allow it",
}

// threadGone are the refusals of a reply to a message that is not there.
var threadGone = map[string]bool{"thread_not_found": true, "invalid_thread_ts": true, "cannot_reply_to_message": true}

func (a *answer) Error() string {
	what := a.code
	if what == "" {
		what = http.StatusText(a.status)
	}
	text := fmt.Sprintf("slack answered %d %s", a.status, what)
	if a.status >= 300 && a.status <= 399 {
		text += ": redirects are not followed"
	}
	if a.detail != "" {
		text += ": " + a.detail
	}
	if hint := hints[a.code]; hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]{1,80}$`)

func shorten(s string) string {
	const longest = 300
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest]) + ellipsis
	}
	return s
}
