package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/store"
)

// heard is what a store has called back.
type heard struct {
	mu       sync.Mutex
	woken    int
	canceled map[string]brigade.CancelRequest
	changes  []brigade.Change
	projects []string
}

func (h *heard) options() store.Options {
	h.canceled = map[string]brigade.CancelRequest{}
	return store.Options{
		Wake: func() { h.mu.Lock(); h.woken++; h.mu.Unlock() },
		Canceled: func(id string, req brigade.CancelRequest) {
			h.mu.Lock()
			h.canceled[id] = req
			h.mu.Unlock()
		},
		Changed:        func(c brigade.Change) { h.mu.Lock(); h.changes = append(h.changes, c); h.mu.Unlock() },
		ProjectChanged: func(id string) { h.mu.Lock(); h.projects = append(h.projects, id); h.mu.Unlock() },
	}
}

func (h *heard) ask(f func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return f()
}

// v1Project is what v1's brig and chart make.
const v1Project = `
apiVersion: v1
kind: Secret
metadata:
  name: brigade-830c16d4aaf6f5490937ad719afd8490a5bcbef064d397411043ac
  labels: {app: brigade, heritage: brigade, component: project}
  annotations: {projectName: brigadecore/empty-testbed}
type: brigade.sh/project
stringData:
  repository: github.com/brigadecore/empty-testbed
  cloneURL: https://github.com/brigadecore/empty-testbed.git
  sharedSecret: geheim
  namespace: jobs-elsewhere
  secrets: '{"a": "b"}'
  somebodys.own: keep me
`

const projectID = "brigade-830c16d4aaf6f5490937ad719afd8490a5bcbef064d397411043ac"

// v1Build is what a gateway of v1, or a shell script, makes.
func v1Build(name, label, extra string) string {
	if label != "" {
		label = "build: " + label
	}
	return fmt.Sprintf(`
---
apiVersion: v1
kind: Secret
metadata:
  name: %s
  labels:
    heritage: brigade
    component: build
    project: %s
    %s
type: brigade.sh/build
stringData:
  event_provider: script
  event_type: exec
  commit_ref: master
  payload: 'hello %s'
  log_level: log
%s`, name, projectID, label, name, extra)
}

func TestBuildsOfOthers(t *testing.T) {
	w := newWorld(t)
	h := &heard{}
	s := w.open(h.options())
	const ulid = "01f3v8j2jqd7v5m7v0f3w2x9ab"
	w.cluster.Apply(t, w.ns, v1Project+
		v1Build("brigade-worker-"+ulid, ulid, "  project_id: "+projectID+"\n")+
		v1Build("no-label", "", "")+
		v1Build("loud", "01F3V8J2JQD7V5M7V0F3W2X9ZZ", "")+
		v1Build("twice", "01f3v8j2jqd7v5m7v0f3w2x9zz", "")+ // the same, in lower case
		v1Build("with-uuid", "5BCBD6F8-3C2E-4C44-9D9F-0A1B2C3D4E5F", "")+
		v1Build("odd", "x_y", "  clone_url: https://example.org/fork.git\n")+
		strings.Replace(v1Build("stranger", "01f3v8j2jqd7v5m7v0f3w2x9st", ""), projectID, "brigade-unknown", 1))

	want := []string{ulid, "01f3v8j2jqd7v5m7v0f3w2x9zz", "5bcbd6f8-3c2e-4c44-9d9f-0a1b2c3d4e5f", "x-y", "01f3v8j2jqd7v5m7v0f3w2x9st"}
	until(t, "all good builds are there", func() bool {
		list, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
		must(t, err)
		var ids []string
		for _, b := range list {
			ids = append(ids, b.ID)
		}
		for _, id := range want {
			if !slices.Contains(ids, id) {
				return false
			}
		}
		if len(ids) != len(want) {
			t.Fatalf("there are %q", ids)
		}
		return true
	})
	until(t, "somebody is woken", func() bool { return h.ask(func() bool { return h.woken > 0 }) })
	b, err := s.Build(t.Context(), ulid)
	must(t, err)
	if b.State != brigade.StatePending || b.Event.Payload != "hello brigade-worker-"+ulid || b.Event.LogLevel != brigade.LevelLog ||
		b.ProjectID != projectID || b.Project != "brigadecore/empty-testbed" || b.Created.IsZero() || b.Event.Revision.Ref != "master" {
		t.Errorf("the build is %+v", b)
	}
	if name, label, ok := s.SecretOf("5bcbd6f8-3c2e-4c44-9d9f-0a1b2c3d4e5f"); name != "with-uuid" || label != "5BCBD6F8-3C2E-4C44-9D9F-0A1B2C3D4E5F" || !ok {
		t.Errorf("its Secret is %s, its label %s", name, label)
	}
	owner, err := s.Owner(t.Context(), &brigade.Build{ID: "x-y"})
	must(t, err)
	if owner == nil || owner.Name != "odd" || owner.UID == "" {
		t.Errorf("it belongs to %+v", owner)
	}
	// The wrong ones are told of where people look.
	for name, reason := range map[string]string{"no-label": "Discarded", "twice": "Discarded"} {
		until(t, "there is an event about "+name, func() bool {
			events, err := w.client.Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
			must(t, err)
			return len(events.Items) == 1 && events.Items[0].Reason == reason && events.Items[0].Type == corev1.EventTypeWarning
		})
	}
	// One of them is run, and v1's tools see it.
	got, err := s.Claim(t.Context(), "x-y", "me", time.Hour)
	must(t, err)
	if got == nil || got.Event.CloneURL == "" {
		t.Fatalf("it was not to be claimed: %+v", got)
	}
	_, err = s.UpdateBuild(t.Context(), "x-y", func(b *brigade.Build) error {
		b.State, b.Started = brigade.StateRunning, time.Now()
		return nil
	})
	must(t, err)
	secret, err := w.client.Secrets("").Get(t.Context(), "odd", metav1.GetOptions{})
	must(t, err)
	if secret.Labels["status"] != "accepted" || secret.Labels[objects.LabelState] != "running" || !strings.Contains(secret.Annotations[objects.AnnotationStatus], `"attempt":1`) || string(secret.Data["payload"]) != "hello odd" {
		t.Errorf("its Secret says %v %v", secret.Labels, secret.Annotations)
	}
	// The stranger fails, as the dispatcher does it, and says so.
	_, err = s.UpdateBuild(t.Context(), "01f3v8j2jqd7v5m7v0f3w2x9st", func(b *brigade.Build) error {
		b.State, b.Failure = brigade.StateFailed, brigade.NotFound("project", "brigade-unknown")
		return nil
	})
	must(t, err)
	until(t, "there is an event about the missing project", func() bool {
		events, err := w.client.Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=stranger"})
		must(t, err)
		return len(events.Items) == 1 && events.Items[0].Reason == "MissingProject"
	})
}

func TestProjectsKeepWhatIsForeign(t *testing.T) {
	w := newWorld(t)
	h := &heard{}
	s := w.open(h.options())
	w.cluster.Apply(t, w.ns, v1Project)
	w.cluster.Apply(t, w.ns, "apiVersion: v1\nkind: Secret\nmetadata: {name: brigade-broken}\ntype: brigade.sh/project\nstringData: {secrets: 'no json'}\n")
	until(t, "both are told of", func() bool { return h.ask(func() bool { return len(h.projects) >= 2 }) })
	p, err := s.Project(t.Context(), "brigadecore/empty-testbed")
	must(t, err)
	if p.ID != projectID || p.Kubernetes.Namespace != "jobs-elsewhere" || !p.AllowPrivilegedJobs || p.Secrets["a"] != "b" {
		t.Errorf("the project is %+v", p)
	}
	if _, err := s.Project(t.Context(), "brigade-broken"); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("a broken project: %v", err)
	}
	all, err := s.ListProjects(t.Context())
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d projects are listed", len(all))
	}
	// Somebody labels it between our reading and our writing.
	_, err = w.client.Secrets("").Patch(t.Context(), projectID, types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"red"},"annotations":{"note":"x"}}}`), metav1.PatchOptions{})
	must(t, err)
	p.SharedSecret = "other"
	p.Limits.Builds = 3
	must(t, s.PutProject(t.Context(), p))
	secret, err := w.client.Secrets("").Get(t.Context(), projectID, metav1.GetOptions{})
	must(t, err)
	if secret.Labels["team"] != "red" || secret.Annotations["note"] != "x" || string(secret.Data["somebodys.own"]) != "keep me" ||
		string(secret.Data["sharedSecret"]) != "other" || string(secret.Data["namespace"]) != "jobs-elsewhere" || len(secret.Data["brigade.v3"]) == 0 {
		t.Errorf("the Secret has %v %v %q", secret.Labels, secret.Annotations, secret.Data)
	}
	p.Limits.Builds = 0
	must(t, s.PutProject(t.Context(), p))
	secret, err = w.client.Secrets("").Get(t.Context(), projectID, metav1.GetOptions{})
	must(t, err)
	if _, there := secret.Data["brigade.v3"]; there || string(secret.Data["somebodys.own"]) != "keep me" {
		t.Errorf("the Secret has %q", secret.Data)
	}
	w.cluster.Kubectl(t, "-n", w.ns, "delete", "secret", projectID)
	until(t, "the project is gone", func() bool {
		_, err := s.Project(t.Context(), projectID)
		return brigade.CodeOf(err) == brigade.CodeNotFound
	})
}

func TestCancelAndDeleteByOthers(t *testing.T) {
	w := newWorld(t)
	h := &heard{}
	s := w.open(h.options())
	running, waiting, deleted := newBuild(1), newBuild(2), newBuild(3)
	for _, b := range []*brigade.Build{running, waiting, deleted} {
		_, err := s.CreateBuild(t.Context(), b)
		must(t, err)
	}
	for _, b := range []*brigade.Build{running, deleted} {
		_, err := s.Claim(t.Context(), b.ID, "me", time.Hour)
		must(t, err)
		_, err = s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { b.State = brigade.StateRunning; return nil })
		must(t, err)
	}
	must(t, s.PutJob(t.Context(), &brigade.Job{ID: "j-" + deleted.ID, BuildID: deleted.ID, Name: "j", State: brigade.StateRunning}))
	for _, b := range []*brigade.Build{running, waiting} {
		w.cluster.Kubectl(t, "-n", w.ns, "annotate", "secret", b.WorkerID(), objects.AnnotationCancel+"=wrong branch")
	}
	w.cluster.Kubectl(t, "-n", w.ns, "delete", "secret", deleted.WorkerID())
	until(t, "all are told of", func() bool { return h.ask(func() bool { return len(h.canceled) == 3 }) })
	if h.canceled[running.ID].Reason != "wrong branch" || !strings.Contains(h.canceled[deleted.ID].Reason, "deleted") {
		t.Errorf("the requests are %+v", h.canceled)
	}
	b, err := s.Build(t.Context(), running.ID)
	must(t, err)
	if b.State != brigade.StateRunning || b.Cancel == nil || b.Cancel.Reason != "wrong branch" {
		t.Errorf("the running build is %+v", b)
	}
	// Our next write does not undo it.
	b, err = s.UpdateBuild(t.Context(), running.ID, func(b *brigade.Build) error { b.Runner = "pods"; return nil })
	must(t, err)
	secret, err := w.client.Secrets("").Get(t.Context(), running.WorkerID(), metav1.GetOptions{})
	must(t, err)
	if b.Cancel == nil || !strings.Contains(secret.Annotations[objects.AnnotationCancel], "wrong branch") {
		t.Errorf("the cancel is gone: %+v, %v", b.Cancel, secret.Annotations)
	}
	// The one that waits is ended when its turn comes.
	got, err := s.Claim(t.Context(), "", "me", time.Hour)
	must(t, err)
	if got != nil {
		t.Errorf("the canceled build %s was claimed", got.ID)
	}
	b, err = s.Build(t.Context(), waiting.ID)
	must(t, err)
	if b.State != brigade.StateCanceled || b.Attempt != 0 || b.Ended.IsZero() {
		t.Errorf("the waiting build is %+v", b)
	}
	until(t, "the deleted one is forgotten with its job", func() bool {
		_, err := s.Build(t.Context(), deleted.ID)
		_, jobErr := s.Job(t.Context(), "j-"+deleted.ID)
		return brigade.CodeOf(err) == brigade.CodeNotFound && brigade.CodeOf(jobErr) == brigade.CodeNotFound
	})
}

// newBuild returns a pending build whose ID sorts by n.
func newBuild(n int) *brigade.Build {
	return &brigade.Build{
		ID: fmt.Sprintf("01k%023d", n), ProjectID: projectID, Project: "brigadecore/empty-testbed", State: brigade.StatePending,
		Created: time.Date(2026, 11, 20, 9, 0, n, 0, time.UTC), Event: brigade.Event{Provider: "test", Type: "exec", Payload: fmt.Sprint("payload ", n)},
	}
}

// Two processes change one build: neither undoes what the other did, and what
// contradicts is refused.
func TestTwoWriters(t *testing.T) {
	w := newWorld(t)
	a := w.open(store.Options{})
	b := newBuild(1)
	_, err := a.CreateBuild(t.Context(), b)
	must(t, err)
	cli := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeOnce})
	_, err = cli.Build(t.Context(), b.ID) // and from now on it does not look again
	must(t, err)
	_, err = a.Claim(t.Context(), b.ID, "me", time.Hour)
	must(t, err)
	_, err = a.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
		b.State, b.Runner = brigade.StateRunning, "pods"
		return nil
	})
	must(t, err)
	calls := 0
	pinned, err := cli.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { calls++; b.Pinned = true; return nil })
	must(t, err)
	if calls != 1 || !pinned.Pinned || pinned.State != brigade.StateRunning || pinned.Runner != "pods" {
		t.Errorf("after %d calls the other process has %+v", calls, pinned)
	}
	until(t, "the first one knows", func() bool {
		got, err := a.Build(t.Context(), b.ID)
		must(t, err)
		return got.Pinned && got.State == brigade.StateRunning && got.Lease.Owner == "me"
	})
	second := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeOnce})
	_, err = second.Build(t.Context(), b.ID)
	must(t, err)
	_, err = a.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
		b.State, b.Ended, b.Lease = brigade.StateSucceeded, time.Now(), brigade.Lease{}
		return nil
	})
	must(t, err)
	_, err = second.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error { b.State = brigade.StateCanceled; return nil })
	if brigade.CodeOf(err) != brigade.CodeConflict {
		t.Errorf("a build that has ended was canceled: %v", err)
	}
	got, err := a.Build(t.Context(), b.ID)
	must(t, err)
	if got.State != brigade.StateSucceeded || !got.Pinned {
		t.Errorf("it is %+v", got)
	}
}

// A build of v1 does not name its project. Whoever looks finds the name: also
// when the project came after the build, and with what is asked for only once.
func TestNamesOfProjects(t *testing.T) {
	w := newWorld(t)
	const ulid = "01f3v8j2jqd7v5m7v0f3w2x9ab"
	watching := w.open(store.Options{})
	w.cluster.Apply(t, w.ns, v1Build("brigade-worker-"+ulid, ulid, ""))
	until(t, "the build is there", func() bool {
		b, err := watching.Build(t.Context(), ulid)
		return err == nil && b.Project == projectID
	})
	w.cluster.Apply(t, w.ns, v1Project)
	once := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeOnce})
	for name, s := range map[string]*store.Store{"watched": watching, "asked for once": once} {
		until(t, "the build has its project's name, "+name, func() bool {
			list, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
			must(t, err)
			b, err := s.Build(t.Context(), ulid)
			must(t, err)
			return len(list) == 1 && list[0].Project == "brigadecore/empty-testbed" && b.Project == "brigadecore/empty-testbed"
		})
	}
}
