package pods

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Labels and annotations of jobs' objects besides those of kube/objects.
const (
	labelStorage = "brigade.sh/storage" // the build's storage is mounted: jobs with it share a node where they must
	labelCache   = "brigade.sh/cache"   // which cache is mounted, likewise
	labelVolumes = "brigade.sh/volumes" // one or the other is: all jobs of a project with it share a node

	ownPrefix         = "brigade.sh/"
	annotationAttempt = "brigade.sh/attempt" // which run of the job the pod is
	annotationCollect = "brigade.sh/collect" // the sidecar that brings files home
)

// Parts of pods.
const (
	hookVolume       = "brigade-hook"
	hookPath         = "/hook"
	scriptKey        = "main.sh"
	storageVolume    = "build-storage"
	cacheVolume      = "job-cache"
	dockerVolume     = "docker-socket"
	dockerSocket     = "/var/run/docker.sock"
	terminationLog   = "/dev/termination-log"
	sidecarDir       = "/src" // where the sidecar has the files
	noSidecar        = "NONE"
	outputVariable   = "BRIGADE_OUTPUT"
	affinityTopology = "kubernetes.io/hostname"
	selectorJobs     = objects.LabelHeritage + "=" + objects.Heritage + "," + objects.LabelComponent + "=" + objects.ComponentJob
)

// Bounds.
const (
	maxTermination    = 4096                // bytes, of a termination message
	keepSecret        = 30 * 24 * time.Hour // after which label expires lies
	maxName           = 253
	maxLabel          = 63
	hashDigits        = 10
	deadlineMargin    = 30 * time.Second // beyond the job's timeout, for the dispatcher to be first
	defaultBuildSpace = "50Mi"
)

var (
	invalidRun = lazyregexp.New(`[^a-z0-9.-]+`)
	badDots    = lazyregexp.New(`[.-]*\.[.-]*`)
	validName  = lazyregexp.New(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	validLabel = lazyregexp.New(`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)
)

// objectName makes s the name of an object: as it is, in lower case, where
// Kubernetes takes that; else with what it does not take replaced by dashes, cut
// to 253 characters, and a hash of s at the end, so that no two get the same.
func objectName(s string) string {
	lower := strings.ToLower(s)
	if len(lower) <= maxName && validName.MatchString(lower) {
		return lower
	}
	return clip(strings.Trim(badDots.ReplaceAllString(invalidRun.ReplaceAllString(lower, "-"), "."), ".-"), s, maxName)
}

// labelValue makes s a label's value, likewise.
func labelValue(s string) string {
	if len(s) <= maxLabel && validLabel.MatchString(s) {
		return s
	}
	clean := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(s, "-")
	return clip(strings.Trim(clean, "._-"), s, maxLabel)
}

// clip shortens clean to most characters, the last of them a hash of whole.
func clip(clean, whole string, most int) string {
	sum := sha256.Sum256([]byte(whole))
	hash := hex.EncodeToString(sum[:])[:hashDigits]
	if room := most - hashDigits - 1; len(clean) > room {
		clean = clean[:room]
	}
	if clean = strings.TrimRight(clean, "._-"); clean == "" {
		return "x" + hash
	}
	return clean + "-" + hash
}

// podName is the pod's name: the job's ID, as v1 has it.
func podName(job *brigade.Job) string { return objectName(job.ID) }

// cacheName is the name of the claim with a job's cache.
func cacheName(project, job string) string { return objectName(objects.CacheName(project, job)) }

// jobLabels are what v1 gives the pod and the Secret of a job.
func jobLabels(job *brigade.Job, project *brigade.Project, worker string) map[string]string {
	return objects.JobLabels(labelValue(job.Name), labelValue(project.ID), labelValue(worker), labelValue(job.BuildID))
}

// checkPath reports a directory of the job that cannot be one.
func checkPath(job, field, at string) error {
	if !path.IsAbs(at) || path.Clean(at) == "/" || strings.ContainsAny(at, "\x00:") {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: %s %q must be an absolute path other than /, without a colon", job, field, at)
	}
	return nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
