package objects

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
)

// The keys of a build's Secret, as v1 has them.
const (
	keyBuildID    = "build_id"
	keyBuildName  = "build_name"
	keyCommit     = "commit_id"
	keyRef        = "commit_ref"
	keyProvider   = "event_provider"
	keyType       = "event_type"
	keyProject    = "project_id"
	keyLogLevel   = "log_level"
	keyCloneURL   = "clone_url"
	keyShortTitle = "short_title"
	keyLongTitle  = "long_title"
	keyPayload    = "payload"
	keyScript     = "script"
	keyConfig     = "config"
)

// Status is what is known about a build beyond its event, as JSON in the
// annotation brigade.sh/status.
type Status struct {
	State          brigade.State  `json:"state"`
	Failure        *brigade.Error `json:"failure,omitempty"`
	ExitCode       int            `json:"exitCode,omitempty"`
	Created        time.Time      `json:"created,omitzero"`
	Started        time.Time      `json:"started,omitzero"`
	Ended          time.Time      `json:"ended,omitzero"`
	Attempt        int            `json:"attempt,omitempty"`
	RerunOf        string         `json:"rerunOf,omitempty"`
	Inherit        bool           `json:"inherit,omitempty"`
	Retries        int            `json:"retries,omitempty"`
	RetriedAt      time.Time      `json:"retriedAt,omitzero"`
	Runner         string         `json:"runner,omitempty"`
	Priority       int            `json:"priority,omitempty"`
	ConcurrencyKey string         `json:"concurrencyKey,omitempty"`
	NotBefore      time.Time      `json:"notBefore,omitzero"`
	Pinned         bool           `json:"pinned,omitempty"`
	History        []brigade.Step `json:"history,omitempty"`
}

// What is kept of texts and lists that have no bounds of their own.
const (
	maxFailure = 8 << 10
	maxHistory = 40
)

// StatusOf is b's status.
func StatusOf(b *brigade.Build) Status {
	s := Status{
		State: b.State, ExitCode: b.ExitCode, Created: b.Created, Started: b.Started, Ended: b.Ended,
		Attempt: b.Attempt, RerunOf: b.RerunOf, Inherit: b.Inherit, Retries: b.Retries, RetriedAt: b.RetriedAt,
		Runner: b.Runner, Priority: b.Priority, ConcurrencyKey: b.ConcurrencyKey, NotBefore: b.NotBefore,
		Pinned: b.Pinned, History: b.History,
	}
	if n := len(s.History) - maxHistory; n > 0 {
		s.History = s.History[n:]
	}
	if f := b.Failure; f != nil {
		s.Failure = &brigade.Error{Code: f.Code, Message: cut(f.Message, maxFailure), Hint: cut(f.Hint, maxFailure)}
	}
	return s
}

// Apply sets what s says on b.
func (s Status) Apply(b *brigade.Build) {
	b.State, b.Failure, b.ExitCode = s.State, s.Failure, s.ExitCode
	b.Created, b.Started, b.Ended, b.Attempt = s.Created, s.Started, s.Ended, s.Attempt
	b.RerunOf, b.Inherit, b.Retries, b.RetriedAt = s.RerunOf, s.Inherit, s.Retries, s.RetriedAt
	b.Runner, b.Priority, b.ConcurrencyKey, b.NotBefore = s.Runner, s.Priority, s.ConcurrencyKey, s.NotBefore
	b.Pinned, b.History = s.Pinned, s.History
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// eventRest is what v1's keys do not hold of an event.
type eventRest struct {
	Project     string   `json:"project,omitempty"` // its name
	Also        []string `json:"also,omitempty"`
	Key         string   `json:"key,omitempty"`
	Actor       string   `json:"actor,omitempty"`
	Untrusted   bool     `json:"untrusted,omitempty"`
	ScriptRef   string   `json:"scriptRef,omitempty"`
	ScriptFile  string   `json:"scriptFile,omitempty"`
	TraceParent string   `json:"traceparent,omitempty"`
}

// BuildSecret is the Secret that keeps b: v1's, with what v1 does not have in
// annotations. The error is CodeTooLarge or CodeInvalid, with a hint.
func BuildSecret(b *brigade.Build, namespace string) (*corev1.Secret, error) {
	if !ValidBuildID(b.ID) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a build in a cluster cannot have the ID %q", b.ID).
			WithHint("an ID is a ULID in lower case")
	}
	if !ValidLabel(b.ProjectID) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "%q is not a project's ID", b.ProjectID)
	}
	name := WorkerName(b.ID)
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace,
			Labels: BuildLabels(b.ProjectID, b.ID), Annotations: map[string]string{},
		},
		Type: TypeBuild,
		Data: buildData(b, name),
	}
	if err := SetStatus(&s.ObjectMeta, b); err != nil {
		return nil, err
	}
	return s, checkSize(s, "build "+b.ID)
}

// buildData is the data of a build's Secret: all of v1's keys, empty ones too.
func buildData(b *brigade.Build, name string) map[string][]byte {
	e := &b.Event
	data := map[string][]byte{}
	for key, value := range map[string]string{
		keyBuildID: name, keyBuildName: name, // both, as v1's store does
		keyCommit: e.Revision.Commit, keyRef: e.Revision.Ref, keyProvider: e.Provider, keyType: e.Type,
		keyProject: b.ProjectID, keyLogLevel: string(e.LogLevel), keyCloneURL: e.CloneURL,
		keyShortTitle: e.ShortTitle, keyLongTitle: e.LongTitle,
		keyPayload: e.Payload, keyScript: e.Script, keyConfig: e.Config,
	} {
		data[key] = []byte(value)
	}
	return data
}

// BuildData is the part of a build's Secret that holds its event. It differs
// from before only when somebody changed the event afterwards.
func BuildData(b *brigade.Build, secretName string) map[string][]byte {
	return buildData(b, secretName)
}

// SetStatus writes what v1's keys do not hold of b into the labels and
// annotations of its Secret: status, cancel and the event's rest.
func SetStatus(m *metav1.ObjectMeta, b *brigade.Build) error {
	status, err := json.Marshal(StatusOf(b))
	if err != nil {
		return fmt.Errorf("write the status of build %s: %w", b.ID, err)
	}
	e := &b.Event
	rest, err := json.Marshal(eventRest{
		Project: b.Project, Also: e.Also, Key: e.Key, Actor: e.Actor, Untrusted: e.Untrusted,
		ScriptRef: e.ScriptRef, ScriptFile: e.ScriptFile, TraceParent: e.TraceParent,
	})
	if err != nil {
		return fmt.Errorf("write the event of build %s: %w", b.ID, err)
	}
	m.Labels = merged(m.Labels, map[string]string{LabelState: string(b.State)})
	if b.State != brigade.StatePending || !b.Started.IsZero() {
		m.Labels[LabelStatus] = Accepted
	}
	m.Annotations = merged(m.Annotations, map[string]string{AnnotationStatus: string(status)})
	if delete(m.Annotations, AnnotationEvent); string(rest) != "{}" {
		m.Annotations[AnnotationEvent] = string(rest)
	}
	if delete(m.Annotations, AnnotationCancel); b.Cancel != nil {
		cancel, err := json.Marshal(b.Cancel)
		if err != nil {
			return fmt.Errorf("write the cancel of build %s: %w", b.ID, err)
		}
		m.Annotations[AnnotationCancel] = string(cancel)
	}
	return nil
}

// Build is a build's Secret, read.
type Build struct {
	*brigade.Build
	Secret    string // its name
	Label     string // its label "build" as written: that of its pods
	HasStatus bool   // this program, or somebody who knows it, has written its status
	Accepted  bool   // v1's controller has started a worker for it: see LegacyState
	Warnings  []string
}

// ReadBuild reads a build's Secret, whoever made it, with v1's defaults. The
// error is CodeInvalid: v1 discards such a Secret, too.
func ReadBuild(s *corev1.Secret) (*Build, error) {
	label := s.Labels[LabelBuild]
	id, ok := BuildID(label)
	switch {
	case label == "":
		return nil, brigade.Errorf(brigade.CodeInvalid, "%s of type %s has no label %q: it is passed over", describe(s), TypeBuild, LabelBuild).
			WithHint("label it with the build's ID, a ULID in lower case")
	case !ok:
		return nil, brigade.Errorf(brigade.CodeInvalid, "the label %s=%s of %s cannot be a build's ID: it is passed over", LabelBuild, label, describe(s)).
			WithHint("a build's ID is a ULID in lower case")
	}
	text := func(key string) string { return string(s.Data[key]) }
	b := &Build{Secret: s.Name, Label: label, Accepted: s.Labels[LabelStatus] == Accepted, Build: &brigade.Build{
		ID: id, ProjectID: s.Labels[LabelProject], State: brigade.StatePending, Created: s.CreationTimestamp.UTC(),
		Event: brigade.Event{
			Provider: text(keyProvider), Type: text(keyType),
			Revision: brigade.Revision{Commit: text(keyCommit), Ref: text(keyRef)},
			CloneURL: text(keyCloneURL), ShortTitle: text(keyShortTitle), LongTitle: text(keyLongTitle),
			LogLevel: brigade.LogLevel(strings.ToUpper(strings.TrimSpace(text(keyLogLevel)))),
			Payload:  text(keyPayload), Script: text(keyScript), Config: text(keyConfig),
		},
	}}
	if b.ProjectID == "" {
		b.ProjectID = strings.TrimSpace(text(keyProject))
	}
	if !b.Event.LogLevel.Valid() {
		b.warn("%s: %q is no log level", keyLogLevel, text(keyLogLevel))
		b.Event.LogLevel = ""
	}
	b.readAnnotations(s.Annotations)
	return b, nil
}

func (b *Build) warn(format string, args ...any) {
	b.Warnings = append(b.Warnings, fmt.Sprintf(format, args...))
}

func (b *Build) readAnnotations(a map[string]string) {
	if text := a[AnnotationStatus]; text != "" {
		var s Status
		switch err := json.Unmarshal([]byte(text), &s); {
		case err != nil:
			b.warn("%s: %v", AnnotationStatus, err)
		case s.State != brigade.StatePending && s.State != brigade.StateRunning && !s.State.Ended():
			b.warn("%s: %q is no state of a build", AnnotationStatus, s.State)
		default:
			created := b.Created
			s.Apply(b.Build)
			if b.Created.IsZero() {
				b.Created = created
			}
			b.HasStatus = true
		}
	}
	if text := a[AnnotationEvent]; text != "" {
		var rest eventRest
		if err := json.Unmarshal([]byte(text), &rest); err != nil {
			b.warn("%s: %v", AnnotationEvent, err)
			b.Event.Untrusted = true // whatever it was: the safe side
		}
		e := &b.Event
		b.Project, e.Also, e.Key, e.Actor = rest.Project, rest.Also, rest.Key, rest.Actor
		e.Untrusted, e.ScriptRef, e.ScriptFile, e.TraceParent = e.Untrusted || rest.Untrusted, rest.ScriptRef, rest.ScriptFile, rest.TraceParent
	}
	if text, there := a[AnnotationCancel]; there {
		b.Cancel = ReadCancel(text)
	}
}

// ReadCancel reads the annotation brigade.sh/cancel. What is not JSON is the
// reason in words, so that people can write it with kubectl.
func ReadCancel(text string) *brigade.CancelRequest {
	req := &brigade.CancelRequest{}
	if json.Unmarshal([]byte(text), req) != nil {
		return &brigade.CancelRequest{Reason: cut(strings.TrimSpace(text), maxFailure)}
	}
	return req
}
