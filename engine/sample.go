package engine

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/flowd/flowd/flows"
)

// A Sampler is a source that can make a request like those its sender makes,
// to try a flow out.
type Sampler interface {
	Router
	// Samples lists the event types it can make.
	Samples() []string
	// Sample makes a fresh request for one of them, signed with the source's
	// own secret. Path begins with a slash.
	Sample(eventType string) (path string, header http.Header, body []byte, err error)
}

// NewSample makes the request that the sender of a source would make: the
// source is named by its type, its id, or FLOW.ID. An empty event type stands
// for the first that the source can make. The address is that of the
// document's server section.
func NewSample(doc *flows.Document, reg *Registry, source, eventType string) (*http.Request, error) {
	p, diags := planDocument(doc, reg, nil)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	sampler, err := p.sampler(source)
	if err != nil {
		return nil, err
	}
	known := sampler.Samples()
	if eventType == "" && len(known) > 0 {
		eventType = known[0]
	}
	path, header, body, err := sampler.Sample(eventType)
	if err != nil {
		if hint := flows.DidYouMean(eventType, known); hint != "" && !slices.Contains(known, eventType) {
			err = fmt.Errorf("%w (%s)", err, hint)
		}
		return nil, err
	}
	req, err := http.NewRequest(methodOf(sampler, path), p.server.url()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	return req, nil
}

// methodOf is the method of a router's path.
func methodOf(r Router, path string) string {
	for _, route := range r.Routes(nil) {
		if route.Path == path && route.Method != "" {
			return route.Method
		}
	}
	return http.MethodPost
}

func (p *plan) sampler(name string) (Sampler, error) {
	var known []string
	for _, f := range p.flows {
		for _, n := range f.nodes {
			s, ok := n.impl.(Sampler)
			if !ok {
				continue
			}
			if name == n.id || name == n.spec.Type || name == f.name+"."+n.id {
				return s, nil
			}
			known = append(known, n.id)
		}
	}
	if len(known) == 0 {
		return nil, fmt.Errorf("the document has no source that a sample can be sent to")
	}
	return nil, fmt.Errorf("no source %q that a sample can be sent to (%s)", name, flows.DidYouMean(name, known))
}

// url is where a client on this machine finds the server.
func (c ServerConfig) url() string {
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
