package enginetest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A writer writes recordings as tests.
type writer struct {
	doc     *flows.Document
	env     map[string]string // with stand-ins for what is secret
	secrets []string          // the longest first
}

func newWriter(doc *flows.Document, reg *engine.Registry, variables map[string]string) *writer {
	w := &writer{doc: doc, env: maps.Clone(variables)}
	secret := doc.Server.Secrets(engine.ServerConfig{})
	for _, f := range doc.Flows {
		for _, n := range f.Nodes {
			for _, spec := range reg.Lookup(n.Type) {
				secret = append(secret, n.Config.Secrets(spec.Default)...)
			}
		}
	}
	hidden := map[string]bool{}
	for _, v := range secret {
		w.secrets = append(w.secrets, v.Text)
		for _, name := range v.Variables() {
			hidden[name] = true
		}
	}
	for name, value := range variables {
		if hidden[name] || flows.IsCredential(name) || flows.Redact(value) != value {
			w.secrets = append(w.secrets, value)
			w.env[name] = standIn(value)
		}
	}
	slices.SortFunc(w.secrets, func(a, b string) int { return len(b) - len(a) })
	return w
}

// standIn has the form of a secret, and nothing that is secret: of a URL only
// the scheme and the host, of a key the prefix that says what kind it is.
func standIn(secret string) string {
	kept := ""
	if u, err := url.Parse(secret); err == nil && u.Host != "" {
		scheme, _, _ := strings.Cut(secret, "://")
		_, secret, _ = strings.Cut(secret, u.Host)
		kept = scheme + "://" + u.Host
	}
	for _, prefix := range []string{"whsec_", "xoxb-", "xoxp-", "sk-"} {
		if rest, ok := strings.CutPrefix(secret, prefix); ok {
			kept, secret = prefix, rest
		}
	}
	return kept + strings.Map(func(r rune) rune {
		switch {
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r):
			return 'x'
		case unicode.IsDigit(r):
			return '0'
		}
		return r
	}, secret)
}

// suite is the file of tests, which expect nothing yet.
func (w *writer) suite(recordings []Recording) string {
	var b strings.Builder
	if len(w.env) > 0 {
		fmt.Fprintf(&b, "env: %s\n", inYAML(plain(w.env)))
	}
	b.WriteString("tests:\n")
	for i, r := range recordings {
		if i > 0 {
			b.WriteByte('\n')
		}
		w.test(&b, r)
	}
	return b.String()
}

const (
	masked      = "***"
	leastSecret = 4 // characters of a secret that is looked for in what came
)

// pace is how exactly a test repeats the pauses between events.
const pace = 100 * time.Millisecond

func (w *writer) test(b *strings.Builder, r Recording) {
	began := r.Came[0].At.UTC().Truncate(pace)
	fmt.Fprintf(b, "  - name: %s\n    flow: %s\n    now: %s\n    send:\n", quoted(r.Name), r.Flow, began.Format(time.RFC3339Nano))
	named := w.metaNamed(r.Flow)
	for _, came := range r.Came {
		var fields []string
		say := func(key, value string) { fields = append(fields, key+": "+value) }
		if after := came.At.Sub(began).Truncate(pace); after > 0 {
			say("after", flows.Duration(after).String())
			began = began.Add(after)
		}
		e := came.Event
		say("source", e.Node)
		for _, attribute := range []struct{ key, value string }{{"type", e.Type}, {"id", e.ID}, {"subject", e.Subject}} {
			if attribute.value != "" {
				say(attribute.key, inYAML(w.clean(attribute.value)))
			}
		}
		if !e.Time.IsZero() {
			say("time", e.Time.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
		}
		data, err := e.Data.Value()
		if err != nil { // it is no JSON
			raw, _ := e.Data.Bytes()
			data = string(raw)
		}
		say("data", inYAML(w.clean(data)))
		if meta := metaIn(named, plain(e.Meta)); len(meta) > 0 {
			say("meta", inYAML(w.clean(meta)))
		}
		fmt.Fprintf(b, "      - {%s}\n", strings.Join(fields, ", "))
	}
}

// known is text without the secrets that are known.
func (w *writer) known(text string) string {
	for _, secret := range w.secrets {
		if len(secret) >= leastSecret {
			text = strings.ReplaceAll(text, secret, masked)
		}
	}
	return text
}

// clean is what came in without the secrets that are known, and without what
// has the form or the name of one.
func (w *writer) clean(v any) any {
	return cleaned(v, func(text string) string { return flows.Redact(w.known(text)) }, flows.IsCredential)
}

// cleaned is a value of JSON with every text as clean makes it, and with no
// text, list or map in fields whose name is that of a secret.
func cleaned(v any, clean func(text string) string, secret func(name string) bool) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = cleaned(v[i], clean, secret)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, v := range v {
			m[key] = cleaned(v, clean, secret)
			switch v.(type) {
			case string, []any, map[string]any:
				if secret(key) {
					m[key] = masked
				}
			}
		}
		return m
	}
	return v
}

// metaNamed is all text of a flow that names meta.
func (w *writer) metaNamed(flow string) string {
	var b strings.Builder
	var read func(v *flows.Value)
	read = func(v *flows.Value) {
		if v == nil {
			return
		}
		if strings.Contains(v.Text, "meta") {
			b.WriteString(strings.ToLower(v.Text) + "\n")
		}
		for _, item := range v.Items {
			read(item)
		}
		for _, e := range v.Entries {
			read(e.Value)
		}
	}
	for _, f := range w.doc.Flows {
		if f.Name != flow {
			continue
		}
		read(f.OrderBy)
		for _, n := range f.Nodes {
			read(n.Config)
			read(n.When)
		}
	}
	return b.String()
}

// metaIn is what a text names of what came with an event, without credentials.
func metaIn(named string, meta any) map[string]any {
	kept := map[string]any{}
	fields, _ := meta.(map[string]any)
	for key, v := range fields {
		if inner := metaIn(named, v); len(inner) > 0 {
			v = inner
		}
		if strings.Contains(named, strings.ToLower(key)) && !flows.IsCredential(key) {
			kept[key] = v
		}
	}
	return kept
}
