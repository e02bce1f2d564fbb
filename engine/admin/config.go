package admin

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/flowd/flowd/flows"
)

// Config is the admin section of a document.
type Config struct {
	// Listen is the address for health, metrics and the API, host:port; an
	// empty one turns them off.
	Listen string `flow:"listen"`
	// Token is what a client must send as a bearer token. Without one anybody
	// on this machine may ask; off loopback there must be one.
	Token flows.Secret `flow:"token"`
	// Hosts are names that clients know this server by, beside that of its
	// address and localhost: those of a proxy before it, say.
	Hosts []string `flow:"hosts"`
	// Pprof lets clients look into the process with `go tool pprof`, at
	// /debug/pprof/profile and its neighbours.
	Pprof bool `flow:"pprof"`
}

// Default is the Config of a document that says nothing.
var Default = Config{Listen: "127.0.0.1:8081"}

var errNoToken = errors.New("an address that others can reach needs a token")

// Validate refuses an address that can't be listened at, and one that others
// can reach where there is no token.
func (c *Config) Validate(report flows.Report) {
	if c.Listen == "" {
		return
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		report("listen", "want an address like %s, got %q", Default.Listen, c.Listen)
	} else if err := c.guarded(); err != nil {
		report("listen", "%v: token: \"${FLOWD_TOKEN}\"", err)
	}
}

func (c *Config) guarded() error {
	if c.Token == "" && !isLoopback(hostOf(c.Listen)) {
		return errNoToken
	}
	return nil
}

// URL is where a client on this machine finds the server.
func (c *Config) URL() string {
	host, port, _ := net.SplitHostPort(c.Listen)
	if anyAddress(host) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// hostOf is the host of host:port or of a host alone, in one spelling.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// anyAddress reports whether who listens at host listens at every address.
func anyAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.Unmap().IsUnspecified()
}
