package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/flowd/flowd/engine"
)

// Metrics are what Prometheus scrapes: figures of an engine and of the process.
// Each has a registry of its own, so that a program may have many.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	batches     *prometheus.HistogramVec
	deadLetters *prometheus.CounterVec
	tapDropped  prometheus.Counter
	reloadOK    prometheus.Gauge
	reloadAt    prometheus.Gauge
	reloadTook  prometheus.Gauge
}

// NewMetrics returns metrics that measure the engine that gets their hooks and
// the [Admin] that gets them.
func NewMetrics() *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flowd_batch_seconds", Help: "Time a node took for a batch of events, with its retries.",
			Buckets: []float64{.0001, .001, .01, .1, 1, 10, 60},
		}, []string{"flow", "node"}),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowd_dead_letters_total", Help: "Events that a node gave up and that became dead letters.",
		}, []string{"flow", "node"}),
		tapDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowd_tap_dropped_total", Help: "Events that were not shown to a client of a tap that was too slow.",
		}),
		reloadOK:   gauge("flowd_config_last_reload_successful", "Whether the last attempt to load the documents was successful."),
		reloadAt:   gauge("flowd_config_last_reload_success_timestamp_seconds", "Time of the last successful load of the documents."),
		reloadTook: gauge("flowd_config_last_reload_seconds", "Time the last attempt to load the documents took."),
	}
	m.registry.MustRegister(m.batches, m.deadLetters, m.tapDropped, m.reloadOK, m.reloadAt, m.reloadTook,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: 4, Timeout: answerTime - time.Second,
	})
	return m
}

func (m *Metrics) serve(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Hooks are those that the engine has to be given.
func (m *Metrics) Hooks() engine.Hooks {
	return engine.Hooks{
		Batch: func(b engine.BatchInfo) {
			m.batches.WithLabelValues(b.Flow, b.Node).Observe(b.Took.Seconds())
		},
		GaveUp: func(d engine.DeadLetter) {
			m.deadLetters.WithLabelValues(d.Flow, d.Failure.Node).Inc()
		},
		Applied: func(c engine.Changes, took time.Duration, err error) {
			m.Loaded(took, err)
			for _, name := range c.Gone {
				flow, node, _ := strings.Cut(name, ".")
				m.forget(prometheus.Labels{"flow": flow, "node": node})
			}
			for _, flow := range c.FlowsRemoved {
				m.forget(prometheus.Labels{"flow": flow})
			}
		},
	}
}

// forget lets go of what was measured of nodes that are gone: documents may
// bring new names for as long as the process runs.
func (m *Metrics) forget(of prometheus.Labels) {
	m.batches.DeletePartialMatch(of)
	m.deadLetters.DeletePartialMatch(of)
}

// Loaded tells of an attempt to load the documents that did not come as far as
// the engine.
func (m *Metrics) Loaded(took time.Duration, err error) {
	m.reloadTook.Set(took.Seconds())
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadAt.SetToCurrentTime()
}

// watch has a's engine measured when somebody scrapes.
func (m *Metrics) watch(a *Admin) { m.registry.MustRegister(&collector{a}) }

// A collector reads what the engine counts by itself.
type collector struct{ admin *Admin }

var _ prometheus.Collector = (*collector)(nil)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descIn      = describe("flowd_events_in_total", "Events that came to a node.", "flow", "node", "type")
	descOut     = describe("flowd_events_out_total", "Events that a node passed on.", "flow", "node", "type")
	descFailed  = describe("flowd_events_failed_total", "Events that a node gave up.", "flow", "node", "type")
	descLag     = describe("flowd_lag_events", "Events of a log that are still to be settled.", "flow", "log")
	descPaused  = describe("flowd_flow_paused", "Whether a flow is paused.", "flow")
	descTaps    = describe("flowd_taps", "Clients that look at live events.")
	descLetters = describe("flowd_store_dead_letters", "Dead letters in the store.")
	descHealthy = describe("flowd_store_healthy", "Whether the store can be written.")
	descSize    = describe("flowd_store_size_bytes", "Bytes the store takes.")
	descLimit   = describe("flowd_store_limit_bytes", "Bytes the store may take.")
	descKeys    = describe("flowd_store_keys", "Dedupe keys the store remembers.")
	descLost    = describe("flowd_store_lost_events", "Events that were stored and can't be read any more.")
	descWritten = describe("flowd_store_written_bytes_total", "Bytes the store has written.")
	descSyncs   = describe("flowd_store_sync_seconds", "Time the store waited for the disk.")
)

// Describe sends nothing: which figures there are depends on the store.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	for _, n := range c.admin.engine.Nodes() {
		send(descIn, counter, float64(n.In), n.Flow, n.Node, n.Type)
		send(descOut, counter, float64(n.Out), n.Flow, n.Node, n.Type)
		send(descFailed, counter, float64(n.Failed), n.Flow, n.Node, n.Type)
	}
	for _, f := range c.admin.engine.Flows() {
		send(descPaused, gauge, truth(f.Paused), f.Name)
		for _, at := range f.Cursors {
			send(descLag, gauge, float64(at.Lag()), f.Name, at.Log)
		}
	}
	send(descTaps, gauge, float64(c.admin.taps.Load()))
	c.collectStore(send, out)
}

func (c *collector) collectStore(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string), out chan<- prometheus.Metric) {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	store := c.admin.engine.Store()
	if s, ok := store.(engine.HealthyStore); ok {
		send(descHealthy, gauge, truth(s.Health() == nil))
	}
	s, ok := store.(engine.MeasuredStore)
	if !ok {
		if all, err := store.DeadLetters().List(context.Background()); err == nil {
			send(descLetters, gauge, float64(len(all)))
		}
		return
	}
	figures := s.Measure()
	send(descLetters, gauge, float64(figures.DeadLetters))
	send(descSize, gauge, float64(figures.Size))
	send(descLimit, gauge, float64(figures.Limit))
	send(descKeys, gauge, float64(figures.Keys))
	send(descLost, gauge, float64(figures.Lost))
	send(descWritten, counter, float64(figures.Written))
	out <- prometheus.MustNewConstSummary(descSyncs, uint64(figures.Syncs), figures.SyncTime.Seconds(), nil)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
