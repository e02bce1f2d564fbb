package journal

import "github.com/flowd/flowd/engine"

var (
	_ engine.HealthyStore  = (*Journal)(nil)
	_ engine.MeasuredStore = (*Journal)(nil)
)

// Measure is [Journal.Stats] as every store tells it.
func (j *Journal) Measure() engine.StoreFigures {
	s := j.Stats()
	return engine.StoreFigures{
		Size: s.Size, Limit: s.Limit, Keys: s.Keys, DeadLetters: s.DeadLetters, Lost: s.Lost,
		Written: s.Written, Syncs: s.Syncs, SyncTime: s.SyncTime,
	}
}
