package main

import (
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// v1Word is a state as v1's tables write it: Succeeded, Failed. What v1 does
// not know is written alike.
func v1Word(s brigade.State) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(string(s[:1])) + string(s[1:])
}

// buildAnswer is a build as -o json prints it: with v1's members beside ours,
// so that programs that read v1's go on working.
type buildAnswer struct {
	*brigade.Build
	V1ProjectID string           `json:"project_id"`
	Type        string           `json:"type"`
	Provider    string           `json:"provider"`
	ShortTitle  string           `json:"short_title"`
	LongTitle   string           `json:"long_title"`
	CloneURL    string           `json:"clone_url"`
	Revision    v1Revision       `json:"revision"`
	Payload     []byte           `json:"payload,omitempty"` // in base64; in lists it is left out
	Config      []byte           `json:"config,omitempty"`
	LogLevel    brigade.LogLevel `json:"log_level,omitempty"`
	Worker      *v1Worker        `json:"worker"` // null before the build has begun
}

// v1Revision has both members whether they are empty or not.
type v1Revision struct {
	Commit string `json:"commit"`
	Ref    string `json:"ref"`
}

// v1Worker is what v1 knows of how a build goes.
type v1Worker struct {
	ID        string    `json:"id"`
	BuildID   string    `json:"build_id"`
	ProjectID string    `json:"project_id"`
	StartTime time.Time `json:"start_time"`
	EndTime   time.Time `json:"end_time"`
	ExitCode  int       `json:"exit_code"`
	Status    string    `json:"status"`
}

// withV1 adds v1's members to a build.
func withV1(b *brigade.Build) buildAnswer {
	e := &b.Event
	a := buildAnswer{
		Build: b, V1ProjectID: b.ProjectID, Type: e.Type, Provider: e.Provider, ShortTitle: e.ShortTitle, LongTitle: e.LongTitle,
		CloneURL: e.CloneURL, Revision: v1Revision(e.Revision), Payload: []byte(e.Payload), Config: []byte(e.Config), LogLevel: e.LogLevel,
	}
	if b.State != brigade.StatePending || !b.Started.IsZero() {
		a.Worker = &v1Worker{
			ID: b.WorkerID(), BuildID: b.ID, ProjectID: b.ProjectID, StartTime: b.Started.UTC().Truncate(time.Second),
			EndTime: b.Ended.UTC().Truncate(time.Second), ExitCode: b.ExitCode, Status: b.State.Phase(),
		}
	}
	return a
}

// projectAnswer is a project as -o json prints it: with the repository where
// v1 has it, too.
type projectAnswer struct {
	*brigade.Project
	Repo v1Repo `json:"repo"`
}

type v1Repo struct {
	Name string `json:"name"`
	brigade.Repo
}

// projectWithV1 adds v1's members to a project.
func projectWithV1(p *brigade.Project) projectAnswer {
	return projectAnswer{Project: p, Repo: v1Repo{Name: p.Repository, Repo: p.Repo}}
}
