package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/scripttest"
)

// maxJobs bounds how many jobs of an event are made to fail, one by one.
const maxJobs = 20

// noRequests is what handlers that are only tried make requests with.
type noRequests struct {
	asked atomic.Bool // since it was last looked at
}

// RoundTrip refuses.
func (n *noRequests) RoundTrip(*http.Request) (*http.Response, error) {
	n.asked.Store(true)
	return nil, errors.New("brig lint sends no requests")
}

// rehearse calls every handler with jobs that only answer: once with jobs that
// succeed, and then for each job with that one failing, which the build should
// notice.
func (c *checker) rehearse(ctx context.Context) error {
	project := c.opts.Project
	if project == nil {
		project = brigade.NewProject("lint")
		project.AllowHostMounts, project.Kubernetes.AllowSecretKeyRef = true, true
	}
	r := scripttest.New(scripttest.Options{
		Dir: c.opts.Root, Script: c.opts.Script, File: c.opts.File, Modules: c.opts.Modules,
		HTTP: &http.Client{Transport: &c.requests}, Limit: c.opts.Patience,
	})
	static := slices.Clone(c.found)
	slices.Sort(c.handlers)
	for _, name := range c.handlers {
		if slices.Contains([]string{"after", "error", "cancel"}, name) {
			continue // they come with others
		}
		if err := c.event(ctx, r, project, static, name); err != nil {
			return err
		}
	}
	return nil
}

// event tries the handlers of an event.
func (c *checker) event(ctx context.Context, r *scripttest.Runner, p *brigade.Project, static []Finding, name string) error {
	e, from := c.eventOf(name)
	c.requests.asked.Store(false)
	build, err := r.Play(ctx, e, p, func(brigade.JobSpec) scripttest.Answer { return scripttest.Answer{} })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		c.add(Finding{File: c.opts.File, Level: Note, Event: name, Code: "handler-fails", Message: failureOf(c.opts.File, err).Message})
		return nil
	}
	wrong := slices.ContainsFunc(static, func(f Finding) bool { return f.Level == Error })
	refused := c.refused(static, name, build)
	if build.Failure != nil && !wrong && !refused && !c.requests.asked.Load() {
		c.failed(build, name, from)
	}
	fallible := map[string]bool{}
	for _, j := range build.Jobs {
		if _, again := fallible[j.Name]; !again {
			c.played(static, name, j)
		}
		fallible[j.Name] = fallible[j.Name] || j.Spec.Fallible
	}
	if build.State != brigade.StateSucceeded {
		return nil
	}
	dropped := slices.DeleteFunc(slices.Clone(static), func(f Finding) bool { return f.Code != "failure-dropped" })
	names := slices.Sorted(maps.Keys(fallible))
	for _, job := range names[:min(len(names), maxJobs)] {
		if fallible[job] {
			continue // somebody meant it
		}
		if err := c.failing(ctx, trial{r, p, e, build}, job, &dropped); err != nil {
			return err
		}
	}
	return nil
}

// refused reports jobs that the project does not allow, where the text does not
// say enough, and whether there are any.
func (c *checker) refused(static []Finding, event string, b scripttest.Build) (found bool) {
	for _, j := range b.Jobs {
		if j.Failure == nil || j.Failure.Code != brigade.CodeJobForbidden || c.opts.Project == nil {
			continue
		}
		found = true
		what, _, _ := strings.Cut(j.Failure.Message, ", which job ")
		if slices.ContainsFunc(static, func(f Finding) bool { return f.Code == "forbidden" && strings.HasPrefix(f.Message, what) }) {
			continue
		}
		c.add(Finding{File: c.opts.File, Event: event, Job: j.Name, Level: Warning, Code: "forbidden", Message: what + ": the job fails", Hint: j.Failure.Hint})
	}
	return found
}

// trial is an event and what the build does when all jobs succeed.
type trial struct {
	runner  *scripttest.Runner
	project *brigade.Project
	event   brigade.Event
	good    scripttest.Build
}

// failing looks whether a build does anything else when the job fails. dropped
// are the findings about such failures that are not yet about another job.
func (c *checker) failing(ctx context.Context, t trial, job string, dropped *[]Finding) error {
	build, err := t.runner.Play(ctx, t.event, t.project, func(spec brigade.JobSpec) scripttest.Answer {
		if spec.Name == job {
			return scripttest.Answer{ExitCode: 1}
		}
		return scripttest.Answer{}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || build.State != brigade.StateSucceeded || visible(build) != visible(t.good) {
		return nil //nolint:nilerr // that it does not end with a failing job says nothing about it
	}
	i := slices.IndexFunc(*dropped, func(f Finding) bool {
		return strings.Contains(f.Message, strconv.Quote(job)) || !strings.Contains(f.Message, `"`)
	})
	if i >= 0 {
		*dropped = slices.Delete(*dropped, i, i+1)
		return nil
	}
	c.add(Finding{File: c.opts.File, Level: Warning, Event: t.event.Type, Job: job, Code: "failure-dropped",
		Message: "nobody sees it when it fails: the build succeeds all the same",
		Hint:    "await it and let its error pass, or say that it is meant with fallible = true"})
	return nil
}

// visible is all that people and later jobs can tell a build by.
func visible(b scripttest.Build) string {
	var jobs []brigade.JobSpec
	for _, j := range b.Jobs {
		jobs = append(jobs, j.Spec)
	}
	text, err := json.Marshal([]any{b.Log, b.Events, jobs})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// eventOf is the event to try handlers with: the payload that was given, else
// that of an example, else an empty object.
func (c *checker) eventOf(name string) (e brigade.Event, from string) {
	e = brigade.Event{Type: name, Provider: "brigade-cli", Payload: "{}", Revision: brigade.Revision{Ref: "refs/heads/main"}}
	if payload, given := c.opts.Payloads[name]; given {
		e.Payload = payload
		return e, ""
	}
	if example, ok := scripttest.ExampleOf(name); ok {
		return example, "an example as payload"
	}
	return e, "an empty payload"
}

// failed reports a handler that does not come to its end. With a payload that
// is not its own that may be as it should be.
func (c *checker) failed(b scripttest.Build, event, from string) {
	f := failureOf(c.opts.File, b.Failure)
	f.Level, f.Event, f.Code = Error, event, "handler-fails"
	if from != "" {
		f.Level, f.Hint = Note, fmt.Sprintf("with %s; give one with --payload %s=FILE", from, event)
	}
	c.add(f)
}

// played looks at a job as it would run, where the text does not say enough.
func (c *checker) played(static []Finding, event string, j *scripttest.Job) {
	f := Finding{File: c.opts.File, Event: event, Job: j.Name, Level: Warning}
	known := func(code, part string) bool {
		return slices.ContainsFunc(static, func(f Finding) bool { return f.Code == code && strings.Contains(f.Message, part) })
	}
	m := imageName.FindStringSubmatch(j.Image)
	switch {
	case j.Image == "":
		f.Code, f.Message, f.Hint = "image-missing", "it has no image: it can run as a process of the machine, and nowhere else", "containers and pods need one"
		if known("image-missing", "") || known("job-empty", "") {
			return
		}
	case m == nil:
		f.Level, f.Code, f.Message = Error, "image-name", fmt.Sprintf("its image %q is no name of an image", j.Image)
	case m[2] == "" && (m[1] == "" || m[1] == ":latest"):
		f.Code, f.Message, f.Hint = "image-tag", fmt.Sprintf("its image %q is another one tomorrow", j.Image), "name a version, such as alpine:3.20"
	default:
		return
	}
	if !known(f.Code, strconv.Quote(j.Image)) {
		c.add(f)
	}
}

// patience is how long loading and each try may take.
const patience = 20 * time.Second
