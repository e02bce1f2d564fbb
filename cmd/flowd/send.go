package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var sendCommand = &command{
	name: "send", args: "SOURCE [TYPE] [-f PATH]...",
	summary: "post a sample event, signed with the flow's own secret, to a running flowd",
	most:    2, least: 1,
	flags: func(set *flag.FlagSet, o *options) {
		fileFlag(set, o)
		listenFlag(set, o, "send to a flowd at `ADDRESS` rather than where the document says")
	},
	run: func(ctx context.Context, o *options, args []string) error {
		doc, diags := o.load()
		if err := diags.Err(); err != nil {
			return err
		}
		eventType := ""
		if len(args) == 2 {
			eventType = args[1]
		}
		req, err := engine.NewSample(doc, registry, args[0], eventType)
		var found flows.Diagnostics
		switch {
		case errors.As(err, &found):
			return err
		case err != nil: // there is no such source, or no such type of event
			return usage("%v", err)
		}
		if o.listen != "" {
			req.URL.Host = o.listen
		}
		return post(ctx, o, req)
	},
}

// post sends a request and prints what it was and what the answer is.
func post(ctx context.Context, o *options, req *http.Request) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	sent, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s %s\n%s\n", req.Method, req.URL, strings.TrimSpace(string(sent)))
	resp, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("%w\nIs flowd running at %s?", unwrapURL(err), req.URL.Host)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	fmt.Fprintln(o.out, resp.Status)
	if text := strings.TrimSpace(string(answer)); text != "" {
		fmt.Fprintln(o.out, text)
	}
	if resp.StatusCode >= 300 {
		return status(wrong)
	}
	return nil
}

// unwrapURL takes the address, which is printed already, out of an error.
func unwrapURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		if op, ok := u.Err.(*net.OpError); ok {
			return op
		}
		return u.Err
	}
	return err
}
