package dispatch

import (
	"maps"
	"strconv"

	brigade "github.com/brigadecore/brigade/v3"
)

// scriptEnv is process.env of the script: what v1's worker has, and what the
// installation adds.
func (r *run) scriptEnv(dir string) map[string]string {
	b, p := r.build0, r.visibleProject()
	clone := b.Event.CloneURL
	if clone == "" {
		clone = p.Repo.CloneURL
	}
	level := b.Event.LogLevel
	if level == "" {
		level = brigade.LevelLog
	}
	env := maps.Clone(r.d.opt.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, map[string]string{
		"CI":                        "true",
		"BRIGADE_BUILD_ID":          b.ID,
		"BRIGADE_BUILD_NAME":        b.WorkerID(),
		"BRIGADE_COMMIT_ID":         b.Event.Revision.Commit,
		"BRIGADE_COMMIT_REF":        b.Event.Revision.Ref,
		"BRIGADE_EVENT_PROVIDER":    b.Event.Provider,
		"BRIGADE_EVENT_TYPE":        b.Event.Type,
		"BRIGADE_PROJECT_ID":        p.ID,
		"BRIGADE_LOG_LEVEL":         string(level),
		"BRIGADE_REMOTE_URL":        clone,
		"BRIGADE_SUBMODULES":        strconv.FormatBool(p.Repo.InitSubmodules),
		"BRIGADE_WORKSPACE":         dir,
		"BRIGADE_PROJECT_NAMESPACE": p.Kubernetes.Namespace,
		"BRIGADE_SERVICE_ACCOUNT":   p.Kubernetes.ServiceAccount,
		"BRIGADE_SECRET_KEY_REF":    strconv.FormatBool(p.Kubernetes.AllowSecretKeyRef),
		"BRIGADE_REPO_KEY":          p.Repo.SSHKey,
		"BRIGADE_REPO_SSH_CERT":     p.Repo.SSHCert,
		"BRIGADE_REPO_AUTH_TOKEN":   p.Repo.Token,
	})
	return env
}
