package flows

import (
	"regexp"
	"slices"
	"strings"
)

// IsCredential reports whether a name is one that people give to what is
// secret: a variable API_TOKEN, a header X-Api-Key, a field client_secret.
func IsCredential(name string) bool {
	name = strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
	return slices.Contains(credentials, name) || slices.ContainsFunc(credentialParts, func(part string) bool {
		return strings.Contains(name, part)
	})
}

var (
	credentials     = []string{"auth", "pass", "pwd", "sig", "jwt"}
	credentialParts = []string{
		"token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "signingkey",
		"authorization", "credential", "signature", "cookie", "webhookurl",
	}
)

// Redact is text without what can be told to be secret by its form: the user
// of a URL and its parameters with the names of credentials, the addresses of
// webhooks of Slack and Discord, tokens behind Bearer and Basic, JSON Web Tokens,
// and keys with the prefixes that GitHub, Slack, Stripe, AWS and others give.
func Redact(text string) string {
	for _, r := range secretForms {
		text = r.form.ReplaceAllString(text, r.with)
	}
	return parameter.ReplaceAllStringFunc(text, func(found string) string {
		name, _, _ := strings.Cut(found, "=")
		if name[1:] != "key" && !IsCredential(name[1:]) {
			return found
		}
		return name + "=" + masked
	})
}

var secretForms = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(://)[^/\s@"'{}<>?#]+@`), "${1}" + masked + "@"},
	{regexp.MustCompile(`(hooks\.slack\.com/(?:services|workflows|triggers)/)[^\s"'<>{}|]+`), "${1}" + masked},
	{regexp.MustCompile(`(discord(?:app)?\.com/api/webhooks/)[^\s"'<>{}|]+`), "${1}" + masked},
	{regexp.MustCompile(`\b((?:Bearer|Basic) )[\w.~+/=-]{16,}`), "${1}" + masked},
	{regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`), masked},
	{regexp.MustCompile(`\b(?:whsec_|xox[a-z]-|xapp-|sk-|[sr]k_live_|gh[a-z]_|github_pat_|glpat-|AKIA)[\w/+=-]{12,}`), masked},
}

// parameter is one of a URL.
var parameter = regexp.MustCompile(`[?&][\w.-]+=[^&\s"'#<>{}|]+`)
