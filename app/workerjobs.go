package app

import (
	"context"
	"maps"
	"strconv"

	brigade "github.com/brigadecore/brigade/v3"
)

// JobLimitEnv is the variable in which a controller with a limit on jobs tells
// the worker pod of a build how many of its jobs may run at once at most, and
// that each of them waits for its turn.
const JobLimitEnv = "BRIGADE_JOB_LIMIT"

// buildEnv is what the worker pod of a build gets besides v1's variables.
func (k *clusterSite) buildEnv(b *brigade.Build, p *brigade.Project) map[string]string {
	env := map[string]string{}
	maps.Copy(env, k.workspaceEnv(b, p))
	limit := k.c.opt.MaxJobs
	if own := p.Limits.Jobs; own > 0 && (limit <= 0 || own < limit) {
		limit = own
	}
	if limit > 0 {
		env[JobLimitEnv] = strconv.Itoa(limit)
	}
	return env
}

// completeJob adds the artifacts of a worker's job that are too many for an
// annotation of its pod: the workspace server has kept them, and knows them
// until the build is over.
func (k *clusterSite) completeJob(j *brigade.Job) {
	if k.files == nil || len(j.Spec.Artifacts) == 0 || len(j.Artifacts) > 0 {
		return
	}
	if left, err := k.files.Left(j.BuildID, j.ID, j.Attempt); err == nil { // else the build is over
		j.Artifacts = left.Kept()
	}
}

// occupy takes places for jobs of worker pods among those of the dispatcher.
func (s *Server) occupy(ctx context.Context, projectID string, runs bool) (release func(), err error) {
	project, err := s.Store.Project(ctx, projectID)
	if err != nil { // then its limit is not known; that of the installation holds
		project = nil
	}
	return s.dispatcher.Occupy(ctx, project, runs)
}

// jobLimit reads JobLimitEnv; 0: there is none.
func jobLimit(getenv func(string) string) int {
	n, err := strconv.Atoi(getenv(JobLimitEnv))
	if err != nil {
		return 0
	}
	return max(0, n)
}
