package worker

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixture is a Worker without a cluster, a build and a project.
func fixture() (*Worker, *brigade.Build, *brigade.Project) {
	p := brigade.NewProject("acme/app")
	p.Repo.CloneURL = "https://github.com/acme/app.git"
	b := &brigade.Build{ID: "01hworker", ProjectID: p.ID, Project: p.Name, Event: brigade.Event{
		Type: "push", Provider: "github", Revision: brigade.Revision{Commit: "c0ffee", Ref: "refs/heads/main"}, Payload: "{}",
	}}
	w := &Worker{opt: Options{
		Client: &cluster.Client{Namespace: "brigade"}, Image: "brigadecore/brig:v3", Grace: 10 * time.Second,
		Secret: func(id string) (name, label string, ok bool) { return "brigade-worker-" + id, id, true },
		Owner: func(context.Context, *brigade.Build) (*metav1.OwnerReference, error) {
			return &metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: "brigade-worker-01hworker", UID: "1-2-3"}, nil
		},
		BuildStorageClass: "fast", CacheStorageClass: "slow", JobServiceAccount: "jobs", JobServiceAccountRegex: "^ci-",
	}}
	return w, b, p
}

// What a worker pod looks like is the contract with images of people's own
// workers: one file for each way to ask for it.
func TestPodIsThatOfV1(t *testing.T) {
	for name, change := range map[string]func(w *Worker, b *brigade.Build, p *brigade.Project){
		"plain": func(*Worker, *brigade.Build, *brigade.Project) {},
		"custom": func(_ *Worker, b *brigade.Build, p *brigade.Project) {
			p.Worker = brigade.WorkerImage{Registry: "registry.example/acme", Name: "worker", Tag: "1.2", PullPolicy: "Always"}
			p.WorkerCommand = "yarn -s start"
			p.ImagePullSecrets = []string{"one", " two", ""}
			p.DefaultScriptName, p.DefaultConfigName = "scripts", "configs"
			p.Kubernetes = brigade.Kubernetes{
				Namespace: "jobs", ServiceAccount: "builder", VCSSidecar: "brigadecore/git-sidecar:v1.4.0", AllowSecretKeyRef: true,
				SidecarRequests: brigade.Resources{CPU: "50m", Memory: "nonsense"}, SidecarLimits: brigade.Resources{Memory: "64Mi"},
			}
			p.Repo.InitSubmodules = true
			p.ScriptPath, p.ConfigPath = "ci/brigade.js", "/etc/passwd"
			p.Limits.Timeout = brigade.Duration(time.Hour)
			b.Event.CloneURL, b.Event.LogLevel = "https://github.com/fork/app.git", brigade.LevelWarn
		},
		"own": func(w *Worker, b *brigade.Build, _ *brigade.Project) {
			w.opt.Own, w.opt.Command, w.opt.Env = true, []string{"brig", "worker"}, map[string]string{"BRIGADE_JOB_OPTIONS": "{}"}
			w.opt.Sidecar, w.opt.SidecarCommand = "brigadecore/brig:v3", []string{"brig", "vcs"}
			w.opt.Limits, w.opt.NodeSelector = brigade.Resources{Memory: "1Gi"}, map[string]string{"pool": "ci"}
			b.Retries, b.RerunOf, b.Inherit = 2, "01hbefore", true
		},
		"fork": func(w *Worker, b *brigade.Build, _ *brigade.Project) {
			w.opt.Sidecar, w.opt.SidecarCommand = "brigadecore/brig:v3", []string{"brig", "vcs"}
			b.Event.CloneURL = "https://elsewhere.example.com/fork.git"
		},
		"known-hosts": func(w *Worker, _ *brigade.Build, p *brigade.Project) {
			w.opt.Sidecar, w.opt.SidecarCommand = "brigadecore/brig:v3", []string{"brig", "vcs"}
			w.opt.KnownHosts, p.Repo.KnownHosts = "git.installation.test ssh-ed25519 BBBB\n", "git.acme.test ssh-ed25519 AAAA"
		},
		"no-sidecar": func(w *Worker, _ *brigade.Build, p *brigade.Project) {
			w.opt.Sidecar, p.Kubernetes.VCSSidecar = "brigadecore/brig:v3", "NONE"
		},
		"untrusted": func(w *Worker, b *brigade.Build, p *brigade.Project) {
			p.Kubernetes.VCSSidecar = "git"
			b.Event.Untrusted, b.Event.ScriptRef, b.Event.CloneURL = true, "refs/heads/main", "https://github.com/stranger/app.git"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, b, p := fixture()
			change(w, b, p)
			meta, err := w.meta(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			text, err := yaml.Marshal(w.podOf(meta, b, p))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", string(text))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is different now (-update writes it anew):\n%s", file, got)
	}
}

// No secret of the project reaches the worker of an event that is not trusted,
// whatever keys v1's Secret has.
func TestUntrustedWorkersGetNoSecrets(t *testing.T) {
	w, b, p := fixture()
	b.Event.Untrusted = true
	pod := w.podOf(metav1.ObjectMeta{Name: "x", Annotations: map[string]string{}}, b, p)
	for _, e := range pod.Spec.Containers[0].Env {
		if e.ValueFrom != nil {
			t.Errorf("%s comes from a Secret", e.Name)
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.Name != "brigade-project" {
			continue
		}
		if len(v.Secret.Items) == 0 {
			t.Fatal("the whole Secret is mounted")
		}
		for _, item := range v.Secret.Items {
			for _, word := range []string{"secret", "token", "sshkey", "sshcert", "brigade.v3"} {
				if key := strings.ToLower(item.Key); strings.Contains(key, word) && item.Key != "kubernetes.allowSecretKeyRef" && item.Key != "imagePullSecrets" {
					t.Errorf("%s is mounted", item.Key)
				}
			}
		}
	}
}

func podWith(change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "brigade-worker-x"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	change(pod)
	return pod
}

func terminated(code int32, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodFailed
		if code == 0 {
			p.Status.Phase = corev1.PodSucceeded
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: Container, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message},
		}}}
	}
}

func waits(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: Container, Image: "nope", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "because"},
		}}}
	}
}

func deleted(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }

func both(a, b func(*corev1.Pod)) func(*corev1.Pod) { return func(p *corev1.Pod) { a(p); b(p) } }

func TestHowPodsEnd(t *testing.T) {
	told := string(EncodeResult(brigade.ScriptResult{Handled: true, Handlers: []string{"push"}, Failure: brigade.Errorf(brigade.CodeJobTimeout, "too slow")}))
	for name, c := range map[string]struct {
		pod     func(*corev1.Pod)
		code    brigade.Code // of the error, or of the result's failure; "" for none
		exit    int
		going   bool // it has not ended
		crashed bool // it is to be started again
	}{
		"runs":                 {pod: func(*corev1.Pod) {}, going: true},
		"succeeded":            {pod: terminated(0, "Completed", "")},
		"failed":               {pod: terminated(3, "Error", "anything"), code: brigade.CodeBuildFailed, exit: 3},
		"failed and says why":  {pod: terminated(1, "Error", told), code: brigade.CodeJobTimeout, exit: 1},
		"out of memory":        {pod: terminated(137, "OOMKilled", ""), code: brigade.CodeScriptLimit, exit: 137},
		"handed over":          {pod: terminated(ExitHandedOver, "Error", ""), crashed: true},
		"evicted":              {pod: both(terminated(137, "Error", ""), func(p *corev1.Pod) { p.Status.Reason = "Evicted" }), crashed: true},
		"evicted early":        {pod: func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }, crashed: true},
		"node is gone":         {pod: both(terminated(137, "ContainerStatusUnknown", ""), func(*corev1.Pod) {}), crashed: true},
		"being deleted":        {pod: deleted, going: true},
		"deleted":              {pod: both(terminated(143, "Error", ""), deleted), crashed: true},
		"done before deletion": {pod: both(terminated(0, "Completed", ""), deleted)},
		"image missing":        {pod: waits("ErrImagePull"), code: brigade.CodeImagePull},
		"bad settings":         {pod: waits("CreateContainerConfigError"), code: brigade.CodeScriptLoad},
		"starts":               {pod: waits("ContainerCreating"), going: true},
		"sidecar failed": {code: brigade.CodeSource, pod: func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodFailed
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: Sidecar, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 128}}}}
		}},
		"preempted": {crashed: true, pod: both(terminated(143, "Error", ""), func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Message: "preempted"}}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			w, b, p := fixture()
			f := &follower{w: w, run: brigade.ScriptRun{Build: b, Project: p}}
			v := f.judge(podWith(c.pod), true)
			if (v == nil) != c.going {
				t.Fatalf("verdict = %+v", v)
			}
			if v == nil {
				return
			}
			code := brigade.CodeOf(v.err)
			if v.err == nil && v.result.Failure != nil {
				code = v.result.Failure.Code
			}
			want := c.code
			if c.crashed {
				want = brigade.CodeScriptCrashed
			}
			if code != want || v.result.ExitCode != c.exit {
				t.Errorf("code %q, exit %d, verdict %+v", code, v.result.ExitCode, v)
			}
		})
	}
}

func TestResultsFitIntoAMessage(t *testing.T) {
	for name, r := range map[string]brigade.ScriptResult{
		"small":           {Handled: true, Handlers: []string{"push"}},
		"many handlers":   {Handlers: strings.Split(strings.Repeat("event ", 2000), " ")},
		"long failure":    {ExitCode: 1, Failure: &brigade.Error{Code: brigade.CodeBuildFailed, Message: strings.Repeat("ä", 9000), Hint: strings.Repeat("h", 9000)}},
		"escaped failure": {ExitCode: 1, Failure: &brigade.Error{Code: brigade.CodeBuildFailed, Message: strings.Repeat("\x01", 9000)}},
	} {
		data := EncodeResult(r)
		if len(data) == 0 || len(data) > maxMessage {
			t.Errorf("%s: %d bytes", name, len(data))
		}
		got, ok := decodeResult(string(data))
		if !ok || got.ExitCode != r.ExitCode || (got.Failure == nil) != (r.Failure == nil) || got.Failure != nil && got.Failure.Code != r.Failure.Code {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for _, foreign := range []string{"", "oops", "{}", `{"brigadeResult":null}`, "[1]", `{"brigadeResult":3}`} {
		if r, ok := decodeResult(foreign); ok {
			t.Errorf("%q was taken for %+v", foreign, r)
		}
	}
}
