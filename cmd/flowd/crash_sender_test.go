package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// senders are clients that post events one after the other, each until it is
// acknowledged, as a sender of webhooks does.
type senders struct {
	t      *testing.T
	url    string
	ledger *ledger
	client *http.Client
	all    sync.WaitGroup
	stop   context.CancelFunc
}

// send starts n senders. While pause says so they wait.
func send(t *testing.T, n int, address string, l *ledger, pause func() bool) *senders {
	ctx, stop := context.WithCancel(t.Context())
	s := &senders{
		t: t, url: "http://" + address + "/in", ledger: l, stop: stop,
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: n, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
		}},
	}
	t.Cleanup(s.client.CloseIdleConnections)
	for sender := range n {
		s.all.Go(func() { s.work(ctx, sender, pause) })
	}
	return s
}

// end ends the senders behind their last acknowledgement.
func (s *senders) end() {
	s.stop()
	s.all.Wait()
}

func (s *senders) work(ctx context.Context, sender int, pause func() bool) {
	for n := 0; ctx.Err() == nil; n++ {
		for pause() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		p := parcel{ID: fmt.Sprintf("%d-%d", sender, n), Sender: sender, N: n}
		for status := 0; status != http.StatusOK; p.Try++ {
			if p.Try > 0 {
				time.Sleep(2 * time.Millisecond)
			}
			if status = s.post(p); status == 0 || status == http.StatusServiceUnavailable {
				if ctx.Err() != nil {
					return
				}
				continue
			}
			if status != http.StatusOK {
				s.t.Errorf("an event was answered %d", status)
				return
			}
			s.ledger.ack(p)
		}
		if rand.IntN(20) == 0 { // the sender did not get the answer, and sends again what was acknowledged
			p.N -= rand.IntN(min(p.N+1, 200))
			p.ID, p.Try = fmt.Sprintf("%d-%d", sender, p.N), 1000+p.Try
			s.post(p)
		}
	}
}

// post posts an event and returns the status of the answer, or 0.
func (s *senders) post(p parcel) int {
	body, err := json.Marshal(p)
	if err != nil {
		s.t.Error(err)
	}
	resp, err := s.client.Post(s.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
