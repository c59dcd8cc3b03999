package memory

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/brigadecore/brigade/v3"
)

// The copies share nothing that can be changed with what they are made of.

func cloneError(e *brigade.Error) *brigade.Error {
	if e == nil {
		return nil
	}
	c := *e
	c.Err = nil // as with every store that writes things down
	return &c
}

func cloneBuild(b *brigade.Build) *brigade.Build {
	c := *b
	c.Failure = cloneError(b.Failure)
	c.Cancel = pointee(b.Cancel)
	c.History = slices.Clone(b.History)
	c.Event.Also = slices.Clone(b.Event.Also)
	return &c
}

func cloneProject(p *brigade.Project) *brigade.Project {
	c := *p
	c.Secrets = cloneMap(p.Secrets)
	c.ImagePullSecrets = slices.Clone(p.ImagePullSecrets)
	c.Concurrency, c.Retry, c.Retention = pointee(p.Concurrency), pointee(p.Retry), pointee(p.Retention)
	c.Priorities = maps.Clone(p.Priorities)
	c.Subscriptions = slices.Clone(p.Subscriptions)
	for i := range c.Subscriptions {
		c.Subscriptions[i].Types = slices.Clone(c.Subscriptions[i].Types)
	}
	c.Schedules = slices.Clone(p.Schedules)
	c.Forks.Authors = slices.Clone(p.Forks.Authors)
	return &c
}

func cloneJob(j *brigade.Job) *brigade.Job {
	c := *j
	c.Failure = cloneError(j.Failure)
	c.Outputs = cloneMap(j.Outputs)
	c.Artifacts = slices.Clone(j.Artifacts)
	c.History = slices.Clone(j.History)
	s := &c.Spec
	s.Retry = pointee(s.Retry)
	s.Artifacts = slices.Clone(s.Artifacts)
	s.Tasks = slices.Clone(s.Tasks)
	s.Args = slices.Clone(s.Args)
	s.ImagePullSecrets = slices.Clone(s.ImagePullSecrets)
	s.Host.NodeSelector = maps.Clone(s.Host.NodeSelector)
	s.Annotations = maps.Clone(s.Annotations)
	s.VolumeMounts = slices.Clone(s.VolumeMounts)
	s.Env = maps.Clone(s.Env)
	for k, v := range s.Env {
		v.SecretKeyRef, v.ConfigMapKeyRef = pointee(v.SecretKeyRef), pointee(v.ConfigMapKeyRef)
		s.Env[k] = v
	}
	s.Volumes = slices.Clone(s.Volumes)
	for i := range s.Volumes {
		v := &s.Volumes[i]
		v.EmptyDir, v.HostPath = pointee(v.EmptyDir), pointee(v.HostPath)
		v.Other = maps.Clone(v.Other)
		for k, raw := range v.Other {
			v.Other[k] = slices.Clone(raw)
		}
	}
	return &c
}

func pointee[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = cloneAny(v)
	}
	return c
}

// cloneAny copies what a JSON document can hold.
func cloneAny(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneAny(v[i])
		}
		return c
	case json.RawMessage:
		return slices.Clone(v)
	}
	return v
}
