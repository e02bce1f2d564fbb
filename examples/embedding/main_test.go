package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/engine/expr"
)

// The flows, with the nodes of this program, as flowd test runs others.
func TestFlows(t *testing.T) {
	enginetest.TestFlows(t, registry(nil, func(string) error { return nil }), "flows_test.yaml")
}

// The program as a whole.
func TestTheProgramAnswersEveryLine(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"flows.yaml"}, strings.NewReader("Aiko\n\nBen\n"), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("HELLO AIKO!\nHELLO BEN!\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

// A source on its own: an enginetest.Inlet records what it puts in.
func TestWhatTheProgramFeedsIsPutIn(t *testing.T) {
	lines := make(chan line)
	spec := feedFrom(lines)
	source, err := spec.New(spec.Default)
	if err != nil {
		t.Fatal(err)
	}
	var in enginetest.Inlet
	ended := make(chan error)
	go func() { ended <- source.Run(t.Context(), &in) }()
	taken := make(chan error)
	lines <- line{"Aiko", taken}
	if err := <-taken; err != nil {
		t.Error(err)
	}
	in.Fail = func([]*engine.Event) error { return engine.ErrFull }
	lines <- line{"Ben", taken}
	if err := <-taken; !errors.Is(err, engine.ErrFull) {
		t.Errorf("Ben: %v", err)
	}
	close(lines)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	events := in.Events()
	if len(events) != 1 {
		t.Fatalf("got %d events", len(events))
	}
	if err := enginetest.Fits(spec.Schema(spec.Default), events[0]); err != nil {
		t.Error(err)
	}
}

// A processor on its own: an engine.Outlet has what it emits.
func TestATextIsMadeLoud(t *testing.T) {
	node, err := shout.New(ShoutConfig{Text: expr.MustText("{{ data }}")})
	if err != nil {
		t.Fatal(err)
	}
	quiet := &engine.Event{Data: engine.Value("hello")}
	var out engine.Outlet
	if err := node.Process(t.Context(), []*engine.Event{quiet}, &out); err != nil {
		t.Fatal(err)
	}
	if got, _ := out.Emitted(0)[0].Data.Value(); got != "HELLO!" {
		t.Errorf("got %v", got)
	}
	if was, _ := quiet.Data.Value(); was != "hello" {
		t.Errorf("the event that came in is %v now", was)
	}
}

// A sink on its own: what it returns says what is delivered.
func TestWhatCanNotBeToldIsTriedAgain(t *testing.T) {
	busy := errors.New("busy")
	var told []string
	spec := tellTo(func(text string) error {
		if text == "2" {
			return busy
		}
		told = append(told, text)
		return nil
	})
	sink, err := spec.New(TellConfig{Text: expr.MustText("{{ data }}")})
	if err != nil {
		t.Fatal(err)
	}
	var batch []*engine.Event
	for n := range 4 {
		batch = append(batch, &engine.Event{Data: engine.Value(n)})
	}
	var failed engine.Failures
	if err := sink.Write(context.Background(), batch); !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if len(failed) != 1 || failed[0].Event != batch[2] || !errors.Is(failed[0].Err, busy) || engine.IsPermanent(failed[0].Err) {
		t.Errorf("failed: %v", failed)
	}
	if !slices.Equal(told, []string{"0", "1", "3"}) {
		t.Errorf("told: %v", told)
	}
}
