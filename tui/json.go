package tui

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// JSON writes one JSON object per line, for programs. The objects are
// documented in docs/reference/run-json.md and described by
// docs/reference/run-output.schema.json; both are a contract: members may be
// added, none changes its meaning.
type JSON struct {
	o       Options
	mu      sync.Mutex
	b       *board
	works   works
	outputs map[string]*output // by job ID, until the job has ended
	done    bool
	buf     bytes.Buffer
	err     error
}

// output is what a job has printed, up to the cap.
type output struct {
	text strings.Builder
	cut  bool
}

// NewJSON returns a JSON view on o.Out.
func NewJSON(o Options) *JSON {
	o = o.withDefaults()
	return &JSON{o: o, b: newBoard(o.Mask), outputs: map[string]*output{}}
}

// header is what every line begins with. Which members a type has beyond it is
// in the schema.
type header struct {
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
	BuildID string    `json:"buildID,omitempty"`
	JobID   string    `json:"jobID,omitempty"`
	Job     string    `json:"job,omitempty"` // the job's name
}

type buildRecord struct {
	header
	State     brigade.State  `json:"state"`
	ProjectID string         `json:"projectID,omitempty"`
	Project   string         `json:"project,omitempty"`
	Worker    string         `json:"worker"`
	Event     eventRecord    `json:"event"`
	Runner    string         `json:"runner,omitempty"`
	Attempt   int            `json:"attempt"`
	RerunOf   string         `json:"rerunOf,omitempty"`
	Created   time.Time      `json:"created,omitzero"`
	Started   time.Time      `json:"started,omitzero"`
	Ended     time.Time      `json:"ended,omitzero"`
	ExitCode  *int           `json:"exitCode,omitempty"`
	Failure   *brigade.Error `json:"failure,omitempty"`
}

// eventRecord is an event without its payload and script, which may be large.
type eventRecord struct {
	Provider   string           `json:"provider,omitempty"`
	Type       string           `json:"type"`
	Revision   brigade.Revision `json:"revision"`
	ShortTitle string           `json:"shortTitle,omitempty"`
	LongTitle  string           `json:"longTitle,omitempty"`
}

type jobRecord struct {
	header
	State           brigade.State   `json:"state"`
	Spec            brigade.JobSpec `json:"spec"`
	Attempt         int             `json:"attempt"`
	Created         time.Time       `json:"created,omitzero"`
	Started         time.Time       `json:"started,omitzero"`
	Ended           time.Time       `json:"ended,omitzero"`
	ExitCode        *int            `json:"exitCode,omitempty"`
	WaitedMs        *int64          `json:"waitedMs,omitempty"`
	DurationMs      *int64          `json:"durationMs,omitempty"`
	Failure         *brigade.Error  `json:"failure,omitempty"`
	Outputs         map[string]any  `json:"outputs,omitempty"`
	Output          *string         `json:"output,omitempty"`
	OutputTruncated bool            `json:"outputTruncated,omitempty"`
}

type firedRecord struct {
	header
	Event   string `json:"event"`
	Trigger string `json:"trigger,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Handled bool   `json:"handled"`
}

type logRecord struct {
	header
	Seq   int64            `json:"seq"`
	Level brigade.LogLevel `json:"level,omitempty"`
	Text  string           `json:"text"`
}

type noticeRecord struct {
	header
	Text     string          `json:"text"`
	Progress *progressRecord `json:"progress,omitempty"`
}

type progressRecord struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	Over  bool  `json:"over"`
}

type resultRecord struct {
	header
	State      brigade.State         `json:"state"`
	ExitCode   int                   `json:"exitCode"`
	DurationMs int64                 `json:"durationMs"`
	Failure    *brigade.Error        `json:"failure,omitempty"`
	Jobs       map[brigade.State]int `json:"jobs"`
	FailedJobs []string              `json:"failedJobs"`
	Swallowed  bool                  `json:"swallowed"`
}

// Watch implements View.
func (v *JSON) Watch(c brigade.Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	r, _ := v.b.apply(c)
	h := header{Time: c.Time, BuildID: c.BuildID}
	if r != nil {
		h.JobID, h.Job = r.job.ID, r.job.Name
	}
	switch {
	case c.Build != nil:
		h.Type = "build"
		v.emit(v.buildOf(h, c.Build))
	case c.Job != nil:
		h.Type = "job"
		v.emit(v.jobOf(h, r))
	case c.Fired != nil:
		h.Type = "fired"
		f := c.Fired
		v.emit(firedRecord{h, f.Name, f.Trigger, v.o.Mask(f.Reason), f.Handled})
	case c.Notice != "":
		h.Type = "notice"
		v.emit(noticeRecord{header: h, Text: v.o.Mask(c.Notice)})
	default:
		h.Type = "log"
		for _, line := range c.Lines {
			v.keep(line)
			h.Time = line.Time
			v.emit(logRecord{h, line.Seq, line.Level, line.Text})
		}
	}
	v.write()
}

// keep adds a line to the job's output.
func (v *JSON) keep(line brigade.LogLine) {
	if line.JobID == "" {
		return
	}
	out := v.outputs[line.JobID]
	if out == nil {
		out = &output{}
		v.outputs[line.JobID] = out
	}
	if out.text.Len()+len(line.Text)+1 > v.o.OutputCap {
		out.cut = true
	}
	if !out.cut {
		out.text.WriteString(line.Text)
		out.text.WriteByte('\n')
	}
}

func (v *JSON) buildOf(h header, b *brigade.Build) buildRecord {
	rec := buildRecord{
		header: h, State: b.State, ProjectID: b.ProjectID, Project: b.Project, Worker: b.WorkerID(),
		Event: eventRecord{
			Provider: b.Event.Provider, Type: b.Event.Type, Revision: b.Event.Revision,
			ShortTitle: b.Event.ShortTitle, LongTitle: b.Event.LongTitle,
		},
		Runner: b.Runner, Attempt: b.Attempt, RerunOf: b.RerunOf,
		Created: b.Created, Started: b.Started, Ended: b.Ended, Failure: v.failure(b.Failure),
	}
	if b.State.Ended() {
		rec.ExitCode = &b.ExitCode
	}
	return rec
}

func (v *JSON) jobOf(h header, r *row) jobRecord {
	j := r.job
	rec := jobRecord{
		header: h, State: j.State, Spec: v.masked(j.Spec), Attempt: j.Attempt, Created: j.Created,
		Started: j.Started, Ended: j.Ended, Failure: v.failure(j.Failure), Outputs: j.Outputs,
	}
	if !j.State.Ended() {
		return rec
	}
	waited, took := r.waited(j.Ended).Milliseconds(), r.ran(j.Ended).Milliseconds()
	rec.ExitCode, rec.WaitedMs, rec.DurationMs = &j.ExitCode, &waited, &took
	text := ""
	if out := v.outputs[j.ID]; out != nil {
		text, rec.OutputTruncated = out.text.String(), out.cut
		delete(v.outputs, j.ID)
	}
	rec.Output = &text
	rec.OutputTruncated = rec.OutputTruncated || j.Truncated
	return rec
}

// masked is the spec without secrets.
func (v *JSON) masked(s brigade.JobSpec) brigade.JobSpec {
	if s.Env != nil {
		env := make(map[string]brigade.EnvValue, len(s.Env))
		for k, e := range s.Env {
			e.Value = v.o.Mask(e.Value)
			env[k] = e
		}
		s.Env = env
	}
	each := func(list []string) []string {
		out := make([]string, len(list))
		for i := range list {
			out[i] = v.o.Mask(list[i])
		}
		return out
	}
	s.Tasks, s.Args = each(s.Tasks), each(s.Args)
	return s
}

func (v *JSON) failure(e *brigade.Error) *brigade.Error {
	if e == nil {
		return nil
	}
	return &brigade.Error{Code: e.Code, Message: v.o.Mask(e.Message), Hint: v.o.Mask(e.Hint)}
}

// Progress implements View: a notice with figures, at most four a second.
func (v *JSON) Progress(label string, done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	now := v.o.Now()
	w, isNew := v.works.update(label, done, total, now)
	if !isNew && !over(done, total) && now.Sub(w.told) < 250*time.Millisecond {
		return
	}
	w.told = now
	v.emit(noticeRecord{v.now("notice"), label, &progressRecord{max(done, 0), max(total, 0), over(done, total)}})
	v.write()
}

// now begins a line about the build as a whole.
func (v *JSON) now(kind string) header {
	h := header{Type: kind, Time: v.o.Now()}
	if v.b.build != nil {
		h.BuildID = v.b.build.ID
	}
	return h
}

// Interrupted implements View.
func (v *JSON) Interrupted(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	v.emit(noticeRecord{header: v.now("notice"), Text: stoppingText(v.b, look{ascii: true}, n)})
	v.write()
}

// Finish implements View: it writes the result.
func (v *JSON) Finish(build *brigade.Build, jobs []*brigade.Job) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return v.err
	}
	v.done = true
	v.b.finish(build, jobs)
	b := v.b.build
	res := resultRecord{
		header: v.now("result"), State: b.State, ExitCode: ExitCode(b), Failure: v.failure(b.Failure),
		Jobs: map[brigade.State]int{}, FailedJobs: []string{},
	}
	if !b.Ended.IsZero() {
		res.DurationMs = v.b.since(b.Ended).Milliseconds()
	}
	for state, n := range v.b.counts {
		if n > 0 {
			res.Jobs[state] = n
		}
	}
	for _, r := range v.b.in(brigade.StateFailed) {
		res.FailedJobs = append(res.FailedJobs, r.job.Name)
	}
	res.Swallowed = b.State == brigade.StateSucceeded && len(res.FailedJobs) > 0
	v.emit(res)
	v.write()
	return v.err
}

// Close implements View.
func (v *JSON) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done = true
	return v.err
}

// emit appends one line. 8-bit controls are escaped, so that nothing reaches a
// terminal that shows the lines as they are.
func (v *JSON) emit(rec any) {
	line, err := json.Marshal(rec)
	if err != nil {
		if v.err == nil {
			v.err = err
		}
		return
	}
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == 0xc2 && i+1 < len(line) && line[i+1] >= 0x80 && line[i+1] < 0xa0:
			const hex = "0123456789abcdef"
			v.buf.WriteString(`\u00`)
			v.buf.WriteByte(hex[line[i+1]>>4])
			v.buf.WriteByte(hex[line[i+1]&15])
			i++
		case line[i] == 0x7f:
			v.buf.WriteString(`\u007f`)
		default:
			v.buf.WriteByte(line[i])
		}
	}
	v.buf.WriteByte('\n')
}

func (v *JSON) write() {
	if v.err == nil && v.buf.Len() > 0 {
		_, v.err = v.o.Out.Write(v.buf.Bytes())
	}
	v.buf.Reset()
	if v.buf.Cap() > 1<<20 {
		v.buf = bytes.Buffer{}
	}
}
