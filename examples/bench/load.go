package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/auth"
)

const (
	apiKey    = "APIbench"
	apiSecret = "a-secret-of-thirty-two-characters"
)

// A load is webhooks to be posted, as LiveKit does.
type load struct {
	requests [][]byte          // whole, with their tokens
	results  map[string]result // what must become of them, by id
}

// newLoad signs n events.
func newLoad(n int) (*load, error) {
	l := &load{results: map[string]result{}}
	for e := range events(n) {
		sum := sha256.Sum256(e.body)
		token, err := auth.NewAccessToken(apiKey, apiSecret).SetValidFor(24 * time.Hour).
			SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
		if err != nil {
			return nil, err
		}
		var request bytes.Buffer
		fmt.Fprintf(&request, "POST /livekit HTTP/1.1\r\nHost: bench\r\nUser-Agent: LiveKit\r\nAuthorization: %s\r\n"+
			"Content-Type: application/webhook+json\r\nContent-Length: %d\r\n\r\n%s", token, len(e.body), e.body)
		l.requests = append(l.requests, request.Bytes())
		if e.kept {
			l.results[e.result.ID] = e.result
		}
	}
	return l, nil
}

// post posts all, over a number of connections that are kept, and returns how
// long each answer took, the fastest first. With every, one is posted at that
// interval; otherwise as fast as answers come. An answer that is no 2xx is an
// error. It is written on bare connections, so that it leaves the processor to
// those that are measured.
func (l *load) post(ctx context.Context, address string, connections int, every time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([]time.Duration, len(l.requests))
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range connections {
		all.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				cancel(err)
				return
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			answers := bufio.NewReader(conn)
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(l.requests) {
					return
				}
				time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
				sent := time.Now()
				if _, err := conn.Write(l.requests[i]); err != nil {
					cancel(fmt.Errorf("posting event %d: %w", i, err))
				} else if err := readAnswer(answers); err != nil {
					cancel(fmt.Errorf("the answer to event %d: %w", i, err))
				}
				took[i] = time.Since(sent)
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took, context.Cause(ctx)
}

// readAnswer reads one answer and what it has for a body.
func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	switch {
	case len(status) < len("HTTP/1.1 200") || status[9] != '2':
		return errors.New(status)
	case length < 0:
		return errors.New("it does not say how long it is")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
