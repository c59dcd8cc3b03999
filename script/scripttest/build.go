package scripttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// Answer is what becomes of a job, as the test says.
type Answer struct {
	ExitCode  int                `json:"exitCode"`
	Output    string             `json:"output"`
	Outputs   map[string]any     `json:"outputs"`
	Artifacts []brigade.Artifact `json:"artifacts"`
	Error     string             `json:"error"` // why it fails, when there is no exit code
	Delay     float64            `json:"delay"` // milliseconds it takes; null never ends

	timedOut bool
	refused  error
}

// readAnswer reads what the test module makes of an answer.
func readAnswer(text string) (Answer, error) {
	var a struct {
		Answer
		Delay *float64 `json:"delay"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return Answer{}, fmt.Errorf("read the answer of a job: %w", err)
	}
	if a.Answer.Delay = math.Inf(1); a.Delay != nil {
		a.Answer.Delay = *a.Delay
	}
	return a.Answer, nil
}

// failure is why the job fails, nil when it succeeds. The words are those of a
// job that ran.
func (a Answer) failure(spec brigade.JobSpec) *brigade.Error {
	switch {
	case a.refused != nil:
		e, _ := a.refused.(*brigade.Error)
		return e
	case a.timedOut:
		return brigade.Errorf(brigade.CodeJobTimeout, "time limit (%d ms) exceeded", spec.Timeout)
	case a.Error != "":
		return &brigade.Error{Code: brigade.CodeBuildFailed, Message: a.Error}
	case a.ExitCode != 0:
		return brigade.Errorf(brigade.CodeBuildFailed, "it ended with exit code %d", a.ExitCode)
	}
	return nil
}

// Job is a job that a played build ran. Times are milliseconds since the build
// began, of its own time.
type Job struct {
	ID       string                      `json:"id"`
	Name     string                      `json:"name"`
	Image    string                      `json:"image"`
	Tasks    []string                    `json:"tasks"`
	Env      map[string]brigade.EnvValue `json:"env"`
	Spec     brigade.JobSpec             `json:"spec"`
	State    brigade.State               `json:"state"`
	ExitCode int                         `json:"exitCode"`
	Output   string                      `json:"output"`
	Outputs  map[string]any              `json:"outputs,omitempty"`
	Failure  *brigade.Error              `json:"failure,omitempty"`
	Attempts int                         `json:"attempts"`
	Started  int64                       `json:"started"`
	Ended    int64                       `json:"ended"`
	Step     int                         `json:"step"`  // jobs of one step ran side by side
	After    []string                    `json:"after"` // names of those that had ended when it started
}

// Line is a line of a played build's log.
type Line struct {
	Level brigade.LogLevel `json:"level"`
	Text  string           `json:"text"`
}

// Fired is an event that was fired in a played build.
type Fired struct {
	Name    string `json:"name"`
	Handled bool   `json:"handled"`
	Trigger string `json:"trigger,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Build is what happened in a played build.
type Build struct {
	ID       string         `json:"id"`
	State    brigade.State  `json:"state"`
	ExitCode int            `json:"exitCode"`
	Handled  bool           `json:"handled"`
	Handlers []string       `json:"handlers"`
	Failure  *brigade.Error `json:"failure,omitempty"`
	Jobs     []*Job         `json:"jobs"`
	Log      []Line         `json:"log"`
	Events   []Fired        `json:"events"`
}

// maxCancel is the latest that a build can be canceled, in milliseconds: more
// than the longest job takes.
const maxCancel = 1e12

// order is what a test asks fire for: an event, the project and the rest.
type order struct {
	Type       string            `json:"type"`
	Provider   string            `json:"provider"`
	Also       []string          `json:"also"`
	Payload    string            `json:"payload"`
	Revision   *brigade.Revision `json:"revision"`
	CloneURL   string            `json:"cloneURL"`
	LogLevel   string            `json:"logLevel"`
	Project    orderedProject    `json:"project"`
	Env        map[string]string `json:"env"`
	Script     string            `json:"script"`
	ShortTitle string            `json:"shortTitle"`
	LongTitle  string            `json:"longTitle"`
	Actor      string            `json:"actor"`
	Untrusted  bool              `json:"untrusted"`
	ScriptRef  string            `json:"scriptRef"`
	Cancel     *float64          `json:"cancel"` // milliseconds after which the build is canceled
}

type orderedProject struct {
	Name                string          `json:"name"`
	Secrets             map[string]any  `json:"secrets"`
	Repo                json.RawMessage `json:"repo"`
	AllowPrivilegedJobs *bool           `json:"allowPrivilegedJobs"`
	AllowHostMounts     bool            `json:"allowHostMounts"`
	AllowSecretKeyRef   bool            `json:"allowSecretKeyRef"`
}

// readOrder reads the options of fire; a key it does not know is an error.
func readOrder(text string) (order, error) {
	o := order{Type: "exec", Provider: "brigade-cli"}
	o.Project.Name = "acme/app"
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return o, brigade.Errorf(brigade.CodeUsage, "fire: %s", strings.Replace(strings.TrimPrefix(err.Error(), "json: "), "unknown field", "there is no option", 1))
	}
	o.LogLevel = strings.ToUpper(o.LogLevel)
	if !brigade.LogLevel(o.LogLevel).Valid() {
		return o, brigade.Errorf(brigade.CodeUsage, "fire: there is no log level %q", o.LogLevel)
	}
	if o.Cancel != nil && (*o.Cancel < 0 || *o.Cancel > maxCancel) {
		return o, brigade.Errorf(brigade.CodeUsage, "fire: cancel must be the milliseconds after which the build is canceled, from 0 on")
	}
	if o.Type == "" {
		return o, brigade.Errorf(brigade.CodeUsage, "fire: the event has no type")
	}
	return o, nil
}

// defaultRevision is what an event without one is about.
var defaultRevision = brigade.Revision{Commit: "0123456789abcdef0123456789abcdef01234567", Ref: "refs/heads/main"}

// event is the event to fire.
func (o order) event() brigade.Event {
	e := brigade.Event{
		Type: o.Type, Provider: o.Provider, Also: o.Also, Payload: o.Payload, Revision: defaultRevision, CloneURL: o.CloneURL,
		LogLevel: brigade.LogLevel(o.LogLevel), ShortTitle: o.ShortTitle, LongTitle: o.LongTitle, Actor: o.Actor,
		Untrusted: o.Untrusted, ScriptRef: o.ScriptRef,
	}
	if o.Revision != nil {
		e.Revision = *o.Revision
	}
	return e
}

// project is whose event it is. An event that is not to be trusted gets no
// secrets, as in a real build.
func (o order) project() (*brigade.Project, error) {
	p := brigade.NewProject(o.Project.Name)
	p.Secrets = o.Project.Secrets
	p.Repo.CloneURL = "https://example.com/" + o.Project.Name + ".git"
	if len(o.Project.Repo) > 0 {
		if err := json.Unmarshal(o.Project.Repo, &p.Repo); err != nil {
			return nil, brigade.Errorf(brigade.CodeUsage, "fire: project.repo: %w", err)
		}
	}
	if o.Project.AllowPrivilegedJobs != nil {
		p.AllowPrivilegedJobs = *o.Project.AllowPrivilegedJobs
	}
	p.AllowHostMounts, p.Kubernetes.AllowSecretKeyRef = o.Project.AllowHostMounts, o.Project.AllowSecretKeyRef
	if o.Untrusted {
		p = p.WithoutSecrets()
	}
	return p, nil
}
