// Package metrics counts what happens for Prometheus. It is told of every
// change and of every answered request to a gateway; nothing asks the store.
// No label holds a project's name, so that their number is bounded.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/brigadecore/brigade/v3"
)

// Options shape Metrics.
type Options struct {
	Version string
	Now     func() time.Time // default time.Now
}

// Metrics is a registry of its own with everything in it. Its methods may be
// called concurrently.
type Metrics struct {
	now      func() time.Time
	registry *prometheus.Registry

	builds     *prometheus.CounterVec   // ended, by state
	jobs       *prometheus.CounterVec   // ended, by state
	buildTime  *prometheus.HistogramVec // by state
	jobTime    *prometheus.HistogramVec // by state
	wait       prometheus.Histogram     // from created to started
	firstJob   prometheus.Histogram     // from created to the first job's start
	deliveries *prometheus.CounterVec   // by gateway and outcome
	answer     *prometheus.HistogramVec // by gateway

	mu   sync.Mutex
	live map[string]*liveBuild // builds that have not ended
}

// liveBuild is what is remembered of a build that has not ended.
type liveBuild struct {
	state   brigade.State
	created time.Time
	waited  bool              // its wait was counted
	began   bool              // a job of it was started
	jobs    map[string]string // state of those that have not ended, by ID
}

var (
	// seconds of builds and jobs: from a tenth to hours.
	workBuckets = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200}
	// seconds of answers and waits: from a millisecond to minutes.
	quickBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
)

// New returns Metrics that have counted nothing.
func New(o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{now: o.Now, registry: prometheus.NewRegistry(), live: map[string]*liveBuild{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.builds = counter("brigade_builds_total", "Builds that ended, by state.", "state")
	m.jobs = counter("brigade_jobs_total", "Attempts of jobs that ended, by state.", "state")
	m.buildTime = histogram("brigade_build_duration_seconds", "From a build's start to its end.", workBuckets, "state")
	m.jobTime = histogram("brigade_job_duration_seconds", "From a job's start to its end.", workBuckets, "state")
	wait := histogram("brigade_queue_wait_seconds", "From a build's creation to its start.", quickBuckets)
	m.wait = wait.WithLabelValues().(prometheus.Histogram)
	first := histogram("brigade_event_to_first_job_seconds", "From a build's creation to the start of its first job.", quickBuckets)
	m.firstJob = first.WithLabelValues().(prometheus.Histogram)
	m.deliveries = counter("brigade_gateway_requests_total", "Requests to gateways, by gateway and what became of them.", "gateway", "outcome")
	m.answer = histogram("brigade_gateway_answer_seconds", "How long gateways took to answer.", quickBuckets, "gateway")
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "brigade_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": o.Version}})
	info.Set(1)
	m.registry.MustRegister(info, current{m}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, state := range []brigade.State{brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled} {
		m.builds.WithLabelValues(string(state))
		m.jobs.WithLabelValues(string(state))
	}
	return m
}

// Handler answers with the numbers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true})
}

// Prime counts the builds that wait or run already, when a server starts. Call
// it before the first change.
func (m *Metrics) Prime(ctx context.Context, builds brigade.Builds) error {
	f := brigade.BuildFilter{States: []brigade.State{brigade.StatePending, brigade.StateRunning}, Limit: 1000}
	for {
		page, err := builds.ListBuilds(ctx, f)
		if err != nil {
			return errors.Join(errors.New("count the builds that have not ended"), err)
		}
		for _, b := range page {
			m.mu.Lock()
			m.live[b.ID] = &liveBuild{state: b.State, created: b.Created, waited: !b.Started.IsZero(), began: !b.Started.IsZero(), jobs: map[string]string{}}
			m.mu.Unlock()
			f.Before = b.ID
		}
		if len(page) < f.Limit {
			return nil
		}
	}
}

// Observe counts an answered request to a gateway.
func (m *Metrics) Observe(d brigade.Delivery, took time.Duration) {
	m.deliveries.WithLabelValues(d.Gateway, string(d.Outcome)).Inc()
	m.answer.WithLabelValues(d.Gateway).Observe(took.Seconds())
}

// Watch counts a change. It is a brigade.Watcher.
func (m *Metrics) Watch(c brigade.Change) {
	switch {
	case c.Build != nil:
		m.build(c.Build)
	case c.Job != nil:
		m.job(c.Job)
	}
}

// Forget is to be called for a build that was deleted before it ended.
func (m *Metrics) Forget(buildID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, buildID)
}

func (m *Metrics) build(b *brigade.Build) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[b.ID]
	if l == nil {
		if b.State.Ended() && b.Attempt > 0 && !recent(b.Ended, m.now()) {
			return // an old build that was changed: pinned, say
		}
		l = &liveBuild{state: brigade.StatePending, created: b.Created, jobs: map[string]string{}}
		m.live[b.ID] = l
	}
	if !b.Started.IsZero() && !l.waited {
		l.waited = true
		m.wait.Observe(max(b.Started.Sub(b.Created).Seconds(), 0))
	}
	l.state = b.State
	if !b.State.Ended() {
		return
	}
	delete(m.live, b.ID)
	m.builds.WithLabelValues(string(b.State)).Inc()
	if !b.Started.IsZero() && !b.Ended.IsZero() {
		m.buildTime.WithLabelValues(string(b.State)).Observe(max(b.Ended.Sub(b.Started).Seconds(), 0))
	}
}

// recent reports whether t is so short ago that its change may come just now.
func recent(t, now time.Time) bool { return now.Sub(t).Abs() < 10*time.Second }

func (m *Metrics) job(j *brigade.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[j.BuildID]
	if l == nil {
		return
	}
	if !j.Started.IsZero() && !l.began && j.Inherited == "" {
		l.began = true
		m.firstJob.Observe(max(j.Started.Sub(l.created).Seconds(), 0))
	}
	if !j.State.Ended() {
		l.jobs[j.ID] = string(j.State)
		return
	}
	if _, ran := l.jobs[j.ID]; !ran {
		return // it had ended before: a result that was taken over
	}
	delete(l.jobs, j.ID)
	m.jobs.WithLabelValues(string(j.State)).Inc()
	if !j.Started.IsZero() && !j.Ended.IsZero() {
		m.jobTime.WithLabelValues(string(j.State)).Observe(max(j.Ended.Sub(j.Started).Seconds(), 0))
	}
}

// current collects what there is at the moment it is asked.
type current struct{ m *Metrics }

var (
	buildsNow = prometheus.NewDesc("brigade_builds", "Builds that have not ended, by state. Those pending are the queue.", []string{"state"}, nil)
	jobsNow   = prometheus.NewDesc("brigade_jobs", "Jobs that have not ended, by state.", []string{"state"}, nil)
	oldest    = prometheus.NewDesc("brigade_queue_oldest_seconds", "How long the oldest pending build has waited.", nil, nil)
)

// Describe names what Collect gives.
func (c current) Describe(ch chan<- *prometheus.Desc) { ch <- buildsNow; ch <- jobsNow; ch <- oldest }

// Collect counts.
func (c current) Collect(ch chan<- prometheus.Metric) {
	builds := map[string]int{string(brigade.StatePending): 0, string(brigade.StateRunning): 0}
	jobs := map[string]int{string(brigade.StatePending): 0, string(brigade.StatePulling): 0, string(brigade.StateRunning): 0}
	waited := 0.0
	now := c.m.now()
	c.m.mu.Lock()
	for _, l := range c.m.live {
		builds[string(l.state)]++
		if l.state == brigade.StatePending {
			waited = max(waited, now.Sub(l.created).Seconds())
		}
		for _, state := range l.jobs {
			jobs[state]++
		}
	}
	c.m.mu.Unlock()
	for state, n := range builds {
		ch <- prometheus.MustNewConstMetric(buildsNow, prometheus.GaugeValue, float64(n), state)
	}
	for state, n := range jobs {
		ch <- prometheus.MustNewConstMetric(jobsNow, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, waited)
}
