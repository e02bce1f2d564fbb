package files

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine/enginetest"
)

func newStdin(from io.Reader) *stdin {
	return &stdin{config: StdinConfig{Format: formatText, Type: "line"}, from: from}
}

func TestStandardInputFinishesAtItsEnd(t *testing.T) {
	s := newStdin(strings.NewReader(numbers(0, 1000) + "last"))
	defer s.Close()
	var got enginetest.Inlet
	run(t, s, newEnv(t), &got)
	if diff := cmp.Diff(append(strings.Fields(numbers(0, 1000)), "last"), values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
	if e := got.Events()[1]; e.Source != "stdin" || e.Type != "line" || e.ID == got.Events()[0].ID {
		t.Errorf("the event is %+v", e)
	}
}

func TestALineOfStandardInputComesAtOnce(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	s := newStdin(r)
	var got enginetest.Inlet
	stop := start(t, s, newEnv(t), &got)
	w.WriteString("a\nhalf")
	if diff := cmp.Diff([]string{"a"}, texts(t, &got, 1)); diff != "" {
		t.Error(diff)
	}
	stop()
	must(t, s.Close())
}

func TestALineThatIsBeingPutInAtAReloadDoesNotComeAgain(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	env := newEnv(t)
	old, next := newStdin(r), newStdin(r)
	slow := &slowInlet{began: make(chan struct{}, 1)}
	stop := start(t, old, env, slow)
	w.WriteString("a\n")
	<-slow.began
	var got enginetest.Inlet
	start(t, next, env, &got)
	stop()
	must(t, old.Close())
	w.WriteString("b\n")
	if diff := cmp.Diff([]string{"b"}, texts(t, &got, 1)); diff != "" {
		t.Error(diff)
	}
	must(t, next.Close())
}

func TestAReloadHandsStandardInputOn(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	env := newEnv(t)
	old, next := newStdin(r), newStdin(r)
	waiting := make(chan int, 1)
	stop := start(t, old, env, blockedInlet{waiting})
	w.WriteString("a\nb\nc")
	<-waiting // two lines are taken and not safe
	var got enginetest.Inlet
	start(t, next, env, &got)
	time.Sleep(10 * time.Millisecond)
	if n := len(got.Events()); n != 0 {
		t.Errorf("%d events came while the old node was reading", n)
	}
	stop()
	must(t, old.Close())
	w.WriteString("d\n")
	w.Close()
	if diff := cmp.Diff([]string{"a", "b", "cd"}, texts(t, &got, 3)); diff != "" {
		t.Error(diff)
	}
	must(t, next.Close())
}
