package admin

import (
	"errors"
	"net/http"

	"github.com/flowd/flowd/engine"
)

// An Orphan is what waits for a flow that is not in the documents.
type Orphan struct {
	Name   string `json:"name"` // FLOW, FLOW.QUEUE, or FLOW.NODE that read a topic
	Log    string `json:"log"`
	Events uint64 `json:"events"`
}

// OrphansOf shows orphans as the API does.
func OrphansOf(orphans []engine.Orphan) (shown []Orphan) {
	for _, o := range orphans {
		shown = append(shown, Orphan{o.Cursor, o.Log, o.Events})
	}
	return shown
}

// Forgotten is what was dropped.
type Forgotten struct {
	Events uint64 `json:"events"`
}

// forget drops what waits for a flow that does not run.
func (a *Admin) forget(w http.ResponseWriter, r *http.Request) {
	n, err := a.engine.Forget(r.Context(), r.PathValue("flow"))
	switch {
	case errors.Is(err, engine.ErrNoOrphan):
		refuse(w, http.StatusNotFound, err.Error())
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	default:
		a.log.Warn("by request", "path", r.URL.Path, "events", n)
		reply(w, http.StatusOK, Forgotten{n})
	}
}
