package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// freeAddress is an address on loopback that nobody listens at now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// profile fetches profiles from the admin section of a flowd for as long as it
// runs, of CPU and of allocations, and returns a function that waits for them.
// It does nothing where none are wanted.
func (b *bench) profile(ctx context.Context, admin, name string) (wait func() error) {
	if b.profiles == "" {
		return func() error { return nil }
	}
	fetch := func(query, kind string) error {
		answer, err := get(ctx, "http://"+admin+"/debug/pprof/"+query)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(b.profiles, strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")+"."+kind), answer, 0o600)
	}
	ended := make(chan error, 1)
	go func() {
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			err := fetch("profile?seconds=300", "cpu") // or until flowd ends
			if err == nil || time.Since(began) > 10*time.Second {
				ended <- err
				return
			}
		}
	}()
	done := make(chan error, 1)
	go func() {
		look := time.NewTicker(300 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case err := <-ended:
				done <- err
				return
			case <-look.C:
				_ = fetch("allocs", "allocs") // the last one that it answers counts
			}
		}
	}()
	return func() error { return <-done }
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return answer, err
}
