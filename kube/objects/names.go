// Package objects says how projects, builds and jobs are kept in a cluster:
// which Secret, Pod, ConfigMap or claim, under which name, with which labels,
// annotations and keys. Those of v1 are as its users, gateways and tools know
// them; what v1 does not have is in annotations and labels under brigade.sh/.
//
// It reaches out to nobody: kube/cluster does.
package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/projectfile"
)

// The types of v1's Secrets. They are the field selector of a watch, too.
const (
	TypeProject = corev1.SecretType(projectfile.SecretType)
	TypeBuild   = corev1.SecretType("brigade.sh/build")
	TypeJob     = corev1.SecretType("brigade.sh/job")
)

// The labels of v1.
const (
	LabelHeritage  = "heritage"
	LabelComponent = "component"
	LabelProject   = "project" // the project's ID
	LabelBuild     = "build"   // the build's ID, as whoever made it wrote it
	LabelWorker    = "worker"  // of jobs: the build Secret's name
	LabelJobName   = "jobname"
	LabelJob       = "job"     // of caches: the job's name
	LabelStatus    = "status"  // of builds: Accepted once the script was started
	LabelExpires   = "expires" // of job Secrets: ms since epoch
)

// The values of labels.
const (
	Heritage              = "brigade"
	Accepted              = "accepted"
	ComponentProject      = "project"
	ComponentBuild        = "build" // Secret and worker pod
	ComponentJob          = "job"   // Secret and pod
	ComponentBuildStorage = "buildStorage"
	ComponentJobCache     = "jobCache"
	ComponentEventKey     = "event-key"
	ComponentAPIToken     = "api-token"
)

// APITokenSecret is the Secret with the token for the API of those who may read
// the namespace's Secrets, in APITokenKey.
const (
	APITokenSecret = "brigade-api-token"
	APITokenKey    = "token"
)

// What v1 does not have: labels and annotations.
const (
	LabelState  = "brigade.sh/state"  // of build Secrets: the state, for selectors
	LabelLeader = "brigade.sh/leader" // of the controller's pod that leads: "true"

	AnnotationStatus    = "brigade.sh/status"     // of build Secrets: Status
	AnnotationCancel    = "brigade.sh/cancel"     // of build Secrets: brigade.CancelRequest, or a reason in words
	AnnotationEvent     = "brigade.sh/event"      // of build Secrets: what v1's keys do not hold of the event
	AnnotationJob       = "brigade.sh/job"        // of job pods: the job as it was started
	AnnotationJobResult = "brigade.sh/job-result" // of job pods: how it ended
	AnnotationRunner    = "brigade.sh/runner"     // of job pods: RunnerController or RunnerWorker

	RunnerController = "controller" // the controller runs the job and keeps its record
	RunnerWorker     = "worker"     // the worker pod does
)

// The containers of v1's pods.
const (
	ContainerWorker  = "brigade-runner"
	ContainerJob     = "brigaderun"
	ContainerSidecar = "vcs-sidecar" // an init container, and the emptyDir it fills
)

// EnvKnownHosts tells brig vcs which SSH servers are known. v1's sidecars do
// not look at it.
const EnvKnownHosts = "BRIGADE_REPO_KNOWN_HOSTS"

// KnownHosts are the SSH servers that a sidecar may clone from, as lines of a
// known_hosts file: those of the installation and of the project. "" is all.
func KnownHosts(installation string, p *brigade.Project) string {
	var lists []string
	for _, list := range []string{installation, p.Repo.KnownHosts} {
		if list = strings.TrimSpace(list); list != "" {
			lists = append(lists, list+"\n")
		}
	}
	return strings.Join(lists, "")
}

// WorkerName is the name of a build's Secret and of its worker pod. Builds made
// by others may have any other name: see Build.
func WorkerName(buildID string) string { return "brigade-worker-" + buildID }

// JobName is the name of a job's pod and Secret, and the job's ID.
func JobName(job, buildID string) string { return job + "-" + strings.ToLower(buildID) }

// BuildStorageName is the name of the claim that the jobs of a build share.
func BuildStorageName(workerName string) string { return strings.ToLower(workerName) }

// CacheName is the name of the claim that keeps a job's cache between builds.
func CacheName(projectName, job string) string {
	return strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(projectName) + "-" + job)
}

// EventKeyName is the name of the ConfigMap that marks an event as taken.
func EventKeyName(projectID, key string) string {
	sum := sha256.Sum256([]byte(projectID + "\n" + key))
	return "brigade-event-" + hex.EncodeToString(sum[:])[:40]
}

// BuildLabels are the labels of a build's Secret and worker pod. The map is the
// caller's, also below.
func BuildLabels(projectID, build string) map[string]string {
	return map[string]string{
		LabelHeritage: Heritage, LabelComponent: ComponentBuild, LabelProject: projectID, LabelBuild: build,
	}
}

// JobLabels are the labels of a job's pod and Secret.
func JobLabels(job, projectID, workerName, build string) map[string]string {
	return map[string]string{
		LabelHeritage: Heritage, LabelComponent: ComponentJob, LabelJobName: job,
		LabelProject: projectID, LabelWorker: workerName, LabelBuild: build,
	}
}

// BuildStorageLabels are the labels of a build's shared claim.
func BuildStorageLabels(projectID, workerName, build string) map[string]string {
	return map[string]string{
		LabelHeritage: Heritage, LabelComponent: ComponentBuildStorage,
		LabelProject: projectID, LabelWorker: workerName, LabelBuild: build,
	}
}

// JobCacheLabels are the labels of a job's cache.
func JobCacheLabels(projectID, job string) map[string]string {
	return map[string]string{
		LabelHeritage: Heritage, LabelComponent: ComponentJobCache, LabelProject: projectID, LabelJob: job,
	}
}

// EventKeyLabels are the labels of an event's mark.
func EventKeyLabels(projectID string) map[string]string {
	return map[string]string{LabelHeritage: Heritage, LabelComponent: ComponentEventKey, LabelProject: projectID}
}

var notInName = lazyregexp.New(`[^a-z0-9.-]+`)

// BuildID is the ID under which this program knows the build with that label:
// in lower case, and with a dash for what cannot be part of a pod's name. It is
// false when nothing is left.
func BuildID(label string) (string, bool) {
	id := strings.Trim(notInName.ReplaceAllString(strings.ToLower(label), "-"), "-.")
	return id, id != "" && len(validation.IsDNS1123Subdomain(id)) == 0
}

// ValidBuildID reports whether a build with that ID can be kept in a cluster.
func ValidBuildID(id string) bool {
	known, ok := BuildID(id)
	return ok && known == id && len(id) <= validation.LabelValueMaxLength
}

// ValidLabel reports whether value can be a label's.
func ValidLabel(value string) bool { return len(validation.IsValidLabelValue(value)) == 0 }
