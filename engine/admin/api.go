package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A Flow is a flow as the API shows it.
type Flow struct {
	Name        string    `json:"name"`
	Lanes       int       `json:"lanes"`
	Paused      bool      `json:"paused"`
	Draining    bool      `json:"draining"` // no longer in the documents, delivering what it has taken
	Lag         uint64    `json:"lag"`      // events to be settled
	Cursors     []Cursor  `json:"cursors"`
	Trouble     string    `json:"trouble,omitempty"` // why it can't read its log
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Nodes       []Node    `json:"nodes,omitempty"` // of one flow, not in lists
}

// A Cursor is how far a flow has come in a log.
type Cursor struct {
	Log       string        `json:"log"`
	Committed engine.Offset `json:"committed"`
	End       engine.Offset `json:"end"`
	Lag       uint64        `json:"lag"`
}

// A Node is a node of a flow, with what it has done since it was first loaded.
type Node struct {
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Kind        string    `json:"kind"`
	In          uint64    `json:"in"`
	Out         uint64    `json:"out"`
	Failed      uint64    `json:"failed"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// A FlowList is the answer to a request for all flows.
type FlowList struct {
	Flows    []Flow   `json:"flows"`
	Orphaned []Orphan `json:"orphaned,omitempty"`
}

func (a *Admin) listFlows(w http.ResponseWriter, _ *http.Request) {
	list := FlowList{Flows: []Flow{}}
	for _, s := range a.engine.Flows() {
		list.Flows = append(list.Flows, flowOf(s))
	}
	list.Orphaned = OrphansOf(a.engine.Orphans())
	reply(w, http.StatusOK, list)
}

func (a *Admin) showFlow(w http.ResponseWriter, r *http.Request) {
	f, ok := a.flow(r.PathValue("flow"))
	if !ok {
		refuse(w, http.StatusNotFound, "no such flow runs")
		return
	}
	reply(w, http.StatusOK, f)
}

// flow returns a flow with its nodes.
func (a *Admin) flow(name string) (Flow, bool) {
	for _, s := range a.engine.Flows() {
		if s.Name != name {
			continue
		}
		f := flowOf(s)
		for _, n := range a.engine.Nodes() {
			if n.Flow == name {
				f.Nodes = append(f.Nodes, Node{n.Node, n.Type, n.Kind.String(), n.In, n.Out, n.Failed, n.LastError, n.LastErrorAt})
			}
		}
		return f, true
	}
	return Flow{}, false
}

func flowOf(s engine.FlowStatus) Flow {
	f := Flow{
		Name: s.Name, Lanes: s.Lanes, Paused: s.Paused, Draining: s.Draining, Lag: s.Lag(),
		LastError: s.LastError, LastErrorAt: s.LastErrorAt,
	}
	if s.Trouble != nil {
		f.Trouble = s.Trouble.Error()
	}
	for _, c := range s.Cursors {
		f.Cursors = append(f.Cursors, Cursor{c.Log, c.Committed, c.End, c.Lag()})
	}
	return f
}

// turn pauses or resumes a flow and shows it.
func (a *Admin) turn(turn func(flow string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := turn(r.PathValue("flow")); err != nil {
			refuse(w, http.StatusNotFound, err.Error())
			return
		}
		a.log.Info("by request", "path", r.URL.Path)
		a.showFlow(w, r)
	}
}

// Reloaded is what a reload has changed. Nodes are named FLOW.NODE.
type Reloaded struct {
	Changed  bool   `json:"changed"`
	Summary  string `json:"summary"`
	Listener bool   `json:"listener"` // the server section changed

	FlowsAdded   []string `json:"flows_added,omitempty"`
	FlowsRemoved []string `json:"flows_removed,omitempty"`
	Kept         []string `json:"nodes_kept,omitempty"`
	Configured   []string `json:"nodes_changed,omitempty"`
	Rewired      []string `json:"nodes_rewired,omitempty"`
	Added        []string `json:"nodes_added,omitempty"`
	Gone         []string `json:"nodes_removed,omitempty"`
}

// reloadTime bounds a reload, which may have to open connections.
const reloadTime = 5 * time.Minute

func (a *Admin) reloadNow(w http.ResponseWriter, r *http.Request) {
	if a.reload == nil {
		refuse(w, http.StatusNotImplemented, "this program has no documents to read again")
		return
	}
	patient(w, time.Now().Add(reloadTime))
	changes, err := a.reload(r.Context())
	var diags flows.Diagnostics
	switch {
	case errors.As(err, &diags):
		reply(w, http.StatusUnprocessableEntity, Refusal{
			Error: "not reloaded: the flows run on as they were", Diagnostics: diagnosticsOf(diags),
		})
	case err != nil:
		refuse(w, http.StatusInternalServerError, "not reloaded: "+err.Error())
	default:
		reply(w, http.StatusOK, Reloaded{
			!changes.None(), changes.String(), changes.Listener,
			changes.FlowsAdded, changes.FlowsRemoved,
			changes.Kept, changes.Changed, changes.Rewired, changes.Added, changes.Gone,
		})
	}
}

func diagnosticsOf(diags flows.Diagnostics) []Diagnostic {
	var all []Diagnostic
	for _, d := range diags.Sorted() {
		all = append(all, Diagnostic{d.Severity.String(), d.Span.String(), d.Message, d.Hint, d.Format()})
	}
	return all
}
