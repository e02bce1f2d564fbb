package admin

import (
	"cmp"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"
)

// profiles is where go tool pprof looks for them.
const profiles = "/debug/pprof/"

// longestProfile bounds how long a client may have the process sampled.
const longestProfile = 5 * time.Minute

// profile answers go tool pprof: with where the process spends its time in the
// seconds to come, or with what it holds now. It is not net/http/pprof, which
// opens itself to the default mux of every program that links it.
func (a *Admin) profile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	name := r.PathValue("name")
	if name != "profile" {
		found := pprof.Lookup(name)
		if found == nil {
			refuse(w, http.StatusNotFound, "there is no such profile: ask for profile, allocs, heap, goroutine, block or mutex")
			return
		}
		debug, _ := strconv.Atoi(r.FormValue("debug"))
		_ = found.WriteTo(w, debug) // the client may be gone: nothing to be done
		return
	}
	seconds, err := strconv.ParseFloat(cmp.Or(r.FormValue("seconds"), "30"), 64)
	wait := time.Duration(seconds * float64(time.Second))
	if err != nil || wait <= 0 || wait > longestProfile {
		refuse(w, http.StatusBadRequest, "want seconds, more than 0 and up to 300")
		return
	}
	patient(w, time.Now().Add(wait+answerTime))
	if err := pprof.StartCPUProfile(w); err != nil {
		refuse(w, http.StatusConflict, err.Error())
		return
	}
	defer pprof.StopCPUProfile()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	case <-closing(r):
	}
}
