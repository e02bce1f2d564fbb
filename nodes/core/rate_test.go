package core

import (
	"testing"
	"time"
)

func TestARateIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]Rate{
		"10/s": {10, time.Second}, "100/m": {100, time.Minute}, "1/30s": {1, 30 * time.Second},
		"5/d": {5, 24 * time.Hour}, "3/1h30m": {3, 90 * time.Minute}, "7/ms": {7, time.Millisecond},
	} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "/s", "10/", "0/s", "-1/s", "1.5/s", "10/0s", "10/-5s", "10 / s", "10/x", "10001/s", "99999999999999999999/s"} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzRate(f *testing.F) {
	for _, text := range []string{"10/s", "1/30s", "5/7d", "10/.5s", "1/1e9s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err == nil && (r.N < 1 || r.N > mostRate || r.Per <= 0) {
			t.Errorf("%q is read as %v", text, r)
		}
	})
}
