package admin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/flowd/flowd/engine"
)

// A trouble is something that does not work.
type trouble struct {
	what   string // for everybody
	detail string // for those who are let in: names, files, errors
}

// healthz answers 200 as long as the program lives. What is wrong with the
// store, which mends by itself, is told and is no reason to restart.
func (a *Admin) healthz(w http.ResponseWriter, r *http.Request) {
	probe(w, r, http.StatusOK, "ok", a.storeTrouble())
}

// readyz answers 200 when flows run and take events.
func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	troubles := a.storeTrouble()
	all := a.engine.Flows()
	if len(all) == 0 {
		troubles = append(troubles, trouble{what: "no flows run"})
	}
	for _, f := range all {
		if f.Trouble != nil {
			troubles = append(troubles, trouble{"a flow can't read its log", fmt.Sprintf("%s: %v", f.Name, f.Trouble)})
		}
	}
	if len(troubles) > 0 {
		probe(w, r, http.StatusServiceUnavailable, "not ready", troubles)
		return
	}
	probe(w, r, http.StatusOK, "ready", nil)
}

func (a *Admin) storeTrouble() []trouble {
	if s, ok := a.engine.Store().(engine.HealthyStore); ok {
		if err := s.Health(); err != nil {
			return []trouble{{"the store can't be written", err.Error()}}
		}
	}
	return nil
}

func probe(w http.ResponseWriter, r *http.Request, status int, answer string, troubles []trouble) {
	var b strings.Builder
	b.WriteString(answer + "\n")
	for _, t := range troubles {
		b.WriteString(t.what)
		if t.detail != "" && admitted(r) {
			b.WriteString(": " + t.detail)
		}
		b.WriteByte('\n')
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // the client may be gone: nothing to be done
}
