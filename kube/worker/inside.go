package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lines"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// InsideOptions say where a worker finds itself.
type InsideOptions struct {
	Getenv func(string) string
	Root   string // before v1's paths; "" in a pod
	Pod    string // the pod's name
	Client *cluster.Client
}

// Inside is what a worker pod has to work with.
type Inside struct {
	Build    *brigade.Build
	Project  *brigade.Project
	Dir      string // the build's files; "" for none
	Warnings []string
	// Owner is the build's Secret, which the objects of jobs belong to; nil
	// when it is not known.
	Owner *metav1.OwnerReference
	// Jobs are those that an earlier worker of this build left, and Olds those
	// of the build that this one reruns and takes results from.
	Jobs, Olds []*corev1.Pod

	client *cluster.Client
	pod    string
}

// Recognised reports whether the program is the worker of a build.
func Recognised(getenv func(string) string, root string) bool {
	if getenv(EnvBuildID) == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(root, buildDir))
	return err == nil && info.IsDir()
}

// Enter reads what v1's worker reads, in v1's order, and asks the cluster for
// its own pod and for the jobs that are there already.
func Enter(ctx context.Context, opt InsideOptions) (*Inside, error) {
	in := &Inside{client: opt.Client, pod: opt.Pod}
	own, err := opt.Client.Pods("").Get(ctx, opt.Pod, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at this pod: %w", cluster.Error(err))
	}
	if owner := metav1.GetControllerOf(own); owner != nil && owner.Kind == "Secret" {
		in.Owner = &metav1.OwnerReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID}
	}
	if err := in.readProject(opt, own.Annotations); err != nil {
		return nil, err
	}
	if err := in.readBuild(opt, own.Annotations); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(filepath.Join(opt.Root, workspaceDir)); err == nil && len(entries) > 0 {
		in.Dir = filepath.Join(opt.Root, workspaceDir)
	}
	if in.Jobs, err = in.jobsOf(ctx, in.Build.ID, opt.Getenv(EnvBuildID)); err != nil {
		return nil, err
	}
	if in.Build.RerunOf != "" {
		in.Olds, err = in.jobsOf(ctx, in.Build.RerunOf)
	}
	return in, err
}

// files reads the files of a directory that a Secret is mounted at.
func files(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		data[e.Name()] = text
	}
	return data, nil
}

// text is the first of the files that is there and not empty.
func text(names ...string) string {
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err == nil && strings.TrimSpace(string(data)) != "" {
			return string(data)
		}
	}
	return ""
}

func (in *Inside) readProject(opt InsideOptions, annotations map[string]string) error {
	data, err := files(filepath.Join(opt.Root, projectDir))
	if err != nil {
		return fmt.Errorf("read the project: %w", err)
	}
	p, warnings, err := objects.Project(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: opt.Getenv("BRIGADE_PROJECT_ID"), Annotations: annotations}, Type: objects.TypeProject, Data: data,
	})
	if err != nil {
		return fmt.Errorf("read the project: %w", err)
	}
	in.Project, in.Warnings = p, append(in.Warnings, warnings...)
	if p.DefaultScript == "" {
		p.DefaultScript = text(filepath.Join(opt.Root, defaultScriptDir, "brigade.js"))
	}
	if p.DefaultConfig == "" {
		p.DefaultConfig = text(filepath.Join(opt.Root, defaultConfigDir, "brigade.json"))
	}
	below := func(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, workspaceDir), "/") }
	p.ScriptPath, p.ConfigPath = below(opt.Getenv("BRIGADE_SCRIPT")), below(opt.Getenv("BRIGADE_CONFIG"))
	set := func(to *string, name string) {
		if value := opt.Getenv(name); value != "" {
			*to = value
		}
	}
	k := &p.Kubernetes
	set(&k.Namespace, "BRIGADE_PROJECT_NAMESPACE")
	set(&k.ServiceAccount, "BRIGADE_SERVICE_ACCOUNT")
	if k.BuildStorageClass == "" {
		set(&k.BuildStorageClass, "BRIGADE_DEFAULT_BUILD_STORAGE_CLASS")
	}
	if k.CacheStorageClass == "" {
		set(&k.CacheStorageClass, "BRIGADE_DEFAULT_CACHE_STORAGE_CLASS")
	}
	k.AllowSecretKeyRef = opt.Getenv("BRIGADE_SECRET_KEY_REF") == "true"
	// Those are the controller's business.
	p.Retry, p.Concurrency, p.Limits.Timeout = nil, nil, 0
	return nil
}

func (in *Inside) readBuild(opt InsideOptions, annotations map[string]string) error {
	data, err := files(filepath.Join(opt.Root, buildDir))
	if err != nil {
		return fmt.Errorf("read the build: %w", err)
	}
	for key, env := range map[string]string{
		"commit_id": "BRIGADE_COMMIT_ID", "commit_ref": "BRIGADE_COMMIT_REF", "event_provider": "BRIGADE_EVENT_PROVIDER",
		"event_type": "BRIGADE_EVENT_TYPE", "log_level": "BRIGADE_LOG_LEVEL",
	} {
		if value := opt.Getenv(env); value != "" {
			data[key] = []byte(value)
		}
	}
	keep := map[string]string{}
	if event := annotations[eventAnnotation]; event != "" {
		keep[eventAnnotation] = event
	}
	read, err := objects.ReadBuild(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        opt.Getenv("BRIGADE_BUILD_NAME"),
			Labels:      objects.BuildLabels(in.Project.ID, opt.Getenv(EnvBuildID)),
			Annotations: keep,
		},
		Type: objects.TypeBuild, Data: data,
	})
	if err != nil {
		return fmt.Errorf("read the build: %w", err)
	}
	in.Build, in.Warnings = read.Build, append(in.Warnings, read.Warnings...)
	in.Build.Project = in.Project.Name
	in.Build.Retries, _ = strconv.Atoi(annotations[retriesAnnotation])
	if of := annotations[inheritAnnotation]; of != "" {
		in.Build.RerunOf, in.Build.Inherit = of, true
	}
	return nil
}

// jobsOf lists the pods of a build's jobs, however its ID is written.
func (in *Inside) jobsOf(ctx context.Context, build ...string) ([]*corev1.Pod, error) {
	list, err := in.client.Pods(in.Project.Kubernetes.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: objects.LabelHeritage + "=" + objects.Heritage + "," + objects.LabelComponent + "=" + objects.ComponentJob + "," +
			objects.LabelBuild + " in (" + strings.Join(build, ",") + ")",
	})
	if err != nil {
		return nil, fmt.Errorf("look for jobs of before: %w", cluster.Error(err))
	}
	pods := make([]*corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		pods = append(pods, &list.Items[i])
	}
	return pods, nil
}

// Restore writes the jobs that are there already into the store, which has the
// build, and what those printed that have ended: so that none runs twice. It
// reports whether there were any.
func (in *Inside) Restore(ctx context.Context, store interface {
	brigade.Jobs
	brigade.Logs
}) (bool, error) {
	for _, pod := range append(append([]*corev1.Pod{}, in.Jobs...), in.Olds...) {
		job, ok := objects.ReadJob(pod)
		if !ok {
			continue
		}
		if err := store.PutJob(ctx, job); err != nil {
			return false, fmt.Errorf("restore job %s: %w", job.ID, err)
		}
		if !job.State.Ended() {
			continue
		}
		if err := in.restoreLog(ctx, store, pod, job); err != nil {
			return false, fmt.Errorf("restore the log of job %s: %w", job.ID, err)
		}
	}
	return len(in.Jobs) > 0, nil
}

func (in *Inside) restoreLog(ctx context.Context, store brigade.Logs, pod *corev1.Pod, job *brigade.Job) error {
	from, err := in.client.PodLog(ctx, pod.Namespace, pod.Name, &corev1.PodLogOptions{Container: objects.ContainerJob})
	if err != nil {
		return nil //nolint:nilerr // its node is gone, perhaps: the result is known all the same
	}
	defer func() { _ = from.Close() }()
	seq, at := job.LogFrom, job.Ended
	split := lines.New(lines.Options{Cap: brigade.DefaultLogCap, Emit: func(texts []string) {
		batch := make([]brigade.LogLine, 0, len(texts))
		for _, text := range texts {
			seq++
			batch = append(batch, brigade.LogLine{BuildID: job.BuildID, JobID: job.ID, Seq: seq, Time: at, Text: text})
		}
		if putErr := store.AppendLog(ctx, batch); putErr != nil && err == nil {
			err = putErr
		}
	}})
	if _, copyErr := io.Copy(split, from); copyErr != nil && err == nil {
		return nil //nolint:nilerr // as above
	}
	return errors.Join(err, split.Close())
}

// Canceled asks whether this pod ends because somebody wants the build to end,
// or else for a reason of the cluster's.
func (in *Inside) Canceled(ctx context.Context) *brigade.CancelRequest {
	own, err := in.client.Pods("").Get(ctx, in.pod, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	text, there := own.Annotations[cancelAnnotation]
	if !there {
		return nil
	}
	return objects.ReadCancel(text)
}

// OwnerOf is the build's Secret as the owner of its jobs' objects, nil when it
// is not known.
func (in *Inside) OwnerOf(context.Context, *brigade.Build) (*metav1.OwnerReference, error) {
	return in.Owner, nil
}

// MarkJob writes on a job's pod how the job ended: from that, and what the pod
// itself says, a worker after this one knows. A pod that is gone is no error.
func MarkJob(ctx context.Context, client *cluster.Client, ns string, j *brigade.Job) error {
	result, err := objects.JobResultOf(j)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{objects.AnnotationJobResult: result}}})
	if err != nil {
		return err
	}
	if _, err = client.Pods(ns).Patch(ctx, j.ID, types.MergePatchType, patch, metav1.PatchOptions{}); apierrors.IsNotFound(err) {
		return nil
	}
	return cluster.Error(err)
}
