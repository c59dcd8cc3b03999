package tui

import (
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

const (
	tailLines = 20      // of a failed job in the summary
	tailBytes = 2 << 10 // of one of those lines
)

// board is what is known about a build from its changes. It is not safe for
// concurrent use: the views lock.
type board struct {
	build  *brigade.Build
	rows   []*row // in the order in which the jobs came
	byID   map[string]*row
	counts map[brigade.State]int
	begin  time.Time // of the first change
	widest int       // of the names
	mask   func(string) string
}

// row is one job on the board.
type row struct {
	job    *brigade.Job
	name   string // clean
	image  string // clean and short
	index  int
	notice string    // the last one
	pullAt time.Time // when pulling began
	last   string    // last line of the log, without colours
	tail   []string

	prefixText  string // see prefix
	prefixWidth int
}

var percent = lazyregexp.New(`\d{1,3}\s?%`)

func newBoard(mask func(string) string) *board {
	return &board{byID: map[string]*row{}, counts: map[brigade.State]int{}, mask: mask}
}

// apply takes a change. For a job's it returns the row, and the state it had
// before ("" for a new one).
func (b *board) apply(c brigade.Change) (r *row, before brigade.State) {
	if b.begin.IsZero() {
		b.begin = c.Time
	}
	switch {
	case c.Build != nil:
		b.build = c.Build
	case c.Job != nil:
		return b.put(c.Job, c.Time)
	case c.Notice != "" && c.JobID != "":
		r = b.row(c.JobID, c.BuildID)
		r.notice = Clean(firstLine(b.mask(c.Notice)), false)
		return r, r.job.State
	case len(c.Lines) > 0 && c.Lines[0].JobID != "":
		r = b.row(c.Lines[0].JobID, c.BuildID)
		r.log(c.Lines)
		return r, r.job.State
	}
	return nil, ""
}

// row finds a job's row, or makes one for a job of which only the log or a
// notice came so far.
func (b *board) row(jobID, buildID string) *row {
	if r := b.byID[jobID]; r != nil {
		return r
	}
	name := strings.TrimSuffix(jobID, "-"+buildID)
	b.put(&brigade.Job{ID: jobID, BuildID: buildID, Name: name, State: brigade.StatePending}, time.Time{})
	return b.byID[jobID]
}

func (b *board) put(j *brigade.Job, at time.Time) (r *row, before brigade.State) {
	r = b.byID[j.ID]
	if r == nil {
		r = &row{index: len(b.rows)}
		b.rows = append(b.rows, r)
		b.byID[j.ID] = r
	} else {
		before = r.job.State
		b.counts[before]--
		if before.Ended() && !j.State.Ended() { // another attempt
			r.pullAt, r.notice, r.tail, r.last = time.Time{}, "", nil, ""
		}
	}
	b.counts[j.State]++
	r.job, r.name, r.image = j, Clean(j.Name, false), shortImage(Clean(j.Spec.Image, false))
	if j.State == brigade.StatePulling && r.pullAt.IsZero() {
		r.pullAt = at
	}
	if j.State == brigade.StateSucceeded {
		r.tail = nil
	}
	b.widest = max(b.widest, width(r.name))
	return r, before
}

func (r *row) log(lines []brigade.LogLine) {
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	for _, line := range lines {
		text := line.Text
		if len(text) > tailBytes {
			text = text[:tailBytes]
		}
		text = strings.TrimRight(Clean(text, false), " ")
		if len(r.tail) == tailLines {
			copy(r.tail, r.tail[1:])
			r.tail = r.tail[:tailLines-1]
		}
		r.tail = append(r.tail, text)
		if text != "" {
			r.last = text
		}
	}
}

// finish takes the last state of everything, which may know more than the
// changes told.
func (b *board) finish(build *brigade.Build, jobs []*brigade.Job) {
	if build != nil {
		b.build = build
	}
	if b.build == nil {
		b.build = &brigade.Build{}
	}
	for _, j := range jobs {
		if j != nil {
			b.put(j, time.Time{})
		}
	}
}

// active is the number of jobs that have not ended.
func (b *board) active() int {
	return b.counts[brigade.StatePending] + b.counts[brigade.StatePulling] + b.counts[brigade.StateRunning]
}

func (b *board) ended() int { return len(b.rows) - b.active() }

// since is how long the build has been going on at now.
func (b *board) since(now time.Time) time.Duration {
	from := b.begin
	if b.build != nil && !b.build.Started.IsZero() {
		from = b.build.Started
	}
	if from.IsZero() {
		return 0
	}
	return now.Sub(from)
}

// percent is how much of the image is there: "41%", or "".
func (r *row) percent() string {
	if r.job.State != brigade.StatePulling {
		return ""
	}
	return strings.ReplaceAll(percent.FindString(r.notice), " ", "")
}

// waited is how long the job was there before it ran, at now.
func (r *row) waited(now time.Time) time.Duration {
	until := r.job.Started
	if until.IsZero() {
		until = r.job.Ended
	}
	if until.IsZero() {
		until = now
	}
	if r.job.Created.IsZero() {
		return 0
	}
	return max(0, until.Sub(r.job.Created))
}

// ran is how long the job ran, at now.
func (r *row) ran(now time.Time) time.Duration {
	if r.job.Started.IsZero() {
		return 0
	}
	until := r.job.Ended
	if until.IsZero() {
		until = now
	}
	return max(0, until.Sub(r.job.Started))
}

// shortImage leaves the last part of an image's name and the tag: a registry
// and a digest tell a person nothing.
func shortImage(image string) string {
	name, digest, found := strings.Cut(image, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	if found && !strings.Contains(name, ":") {
		_, hex, _ := strings.Cut(digest, ":")
		name += "@" + hex[:min(7, len(hex))]
	}
	return name
}

// startText says that a job runs, and where.
func startText(b *board, r *row) string {
	image := Clean(r.job.Spec.Image, false)
	runner := ""
	if b.build != nil {
		runner = Clean(b.build.Runner, false)
	}
	var in []string
	if image != "" && (runner == "process" || runner == "dummy") {
		in = append(in, runner, "image "+image+" not used")
	} else {
		if image != "" {
			in = append(in, "image "+image)
		}
		if runner != "" {
			in = append(in, runner)
		}
	}
	text := "started"
	if r.job.Attempt > 1 {
		text += " again"
	}
	if len(in) > 0 {
		text += " (" + strings.Join(in, ", ") + ")"
	}
	return text
}

// endText says how a job ended.
func endText(b *board, r *row) string {
	after := Duration(r.ran(r.job.Ended))
	ran := !r.job.Started.IsZero()
	switch r.job.State {
	case brigade.StateSucceeded:
		return "succeeded in " + after
	case brigade.StateCanceled:
		if !ran {
			return "canceled before it started"
		}
		return "canceled after " + after
	}
	text := "failed"
	if r.job.ExitCode != 0 {
		text += " with exit code " + itoa(r.job.ExitCode)
	}
	if ran {
		text += " after " + after
	}
	if f := r.job.Failure; f != nil && f.Message != "" && (f.Code != brigade.CodeBuildFailed || r.job.ExitCode == 0) {
		text += ": " + Clean(firstLine(b.mask(f.Message)), false)
	}
	return text
}

// buildText is v1's line about a new build.
func buildText(b *brigade.Build) string {
	return "Build: " + Clean(b.ID, false) + ", Worker: " + Clean(b.WorkerID(), false)
}

// stoppingText answers the nth Ctrl-C.
func stoppingText(b *board, l look, n int) string {
	jobs := b.counts[brigade.StateRunning] + b.counts[brigade.StatePulling]
	what := plural(jobs, "job")
	if jobs == 0 {
		what = "the build"
	}
	if n > 1 {
		return "killing " + what + " " + l.ellipsis()
	}
	return "stopping " + what + " " + l.ellipsis() + " press Ctrl-C again to kill"
}

// firedText tells of an event fired inside the script.
func firedText(b *board, f *brigade.Lifecycle) string {
	text := "event " + Clean(f.Name, false)
	if f.Trigger != "" {
		text += " (" + Clean(f.Trigger, false) + ")"
	}
	if f.Reason != "" {
		text += ": " + Clean(firstLine(b.mask(f.Reason)), false)
	}
	if !f.Handled {
		text += ", which the script does not handle"
	}
	return text
}

// withoutNumbers is what stays of a notice while its figures go up.
func withoutNumbers(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}, s)
}
