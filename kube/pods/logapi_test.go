package pods_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// api is an API server that has pods and their logs, and answers for logs as a
// test says: what a real one does only when something is amiss.
type api struct {
	*httptest.Server
	log func(w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	pods  map[string]*corev1.Pod
	calls int // for logs
	rv    int
	next  chan struct{} // closed at the next change
	last  []corev1.Pod  // changes, in order
}

func newAPI(t *testing.T) *api {
	a := &api{pods: map[string]*corev1.Pod{}, next: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/ci/pods", a.list)
	mux.HandleFunc("GET /api/v1/namespaces/ci/pods/{pod}/log", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.calls++
		a.mu.Unlock()
		a.log(w, r)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *api) logCalls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// put makes or changes the pod of a job.
func (a *api) put(name string, state corev1.ContainerState, phase corev1.PodPhase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rv++
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "ci", UID: types.UID(name), ResourceVersion: fmt.Sprint(a.rv),
			Labels: map[string]string{"heritage": "brigade", "component": "job", "build": "b"},
		},
		Spec:   corev1.PodSpec{NodeName: "node"},
		Status: corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: "brigaderun", State: state}}},
	}
	a.pods[name] = pod
	a.last = append(a.last, *pod)
	close(a.next)
	a.next = make(chan struct{})
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.FormValue("watch") == "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		all := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(a.rv)}}
		for _, pod := range a.pods {
			all.Items = append(all.Items, *pod)
		}
		_ = json.NewEncoder(w).Encode(all)
		return
	}
	var from int
	_, _ = fmt.Sscan(r.FormValue("resourceVersion"), &from)
	if r.FormValue("sendInitialEvents") == "true" {
		a.mu.Lock()
		for _, pod := range a.pods {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": pod})
		}
		end := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: fmt.Sprint(a.rv), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}}
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "BOOKMARK", "object": end})
		from = len(a.last)
		a.mu.Unlock()
	}
	for {
		a.mu.Lock()
		next, changes := a.next, a.last[from:]
		from = len(a.last)
		for _, pod := range changes {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": pod})
		}
		a.mu.Unlock()
		_ = http.NewResponseController(w).Flush()
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
	}
}

// runner makes a runner on the API.
func (a *api) runner(t *testing.T, patience time.Duration) *pods.Runner {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
		"clusters": [{"name": "c", "cluster": {"server": "` + a.URL + `"}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := cluster.Open(cluster.Options{Kubeconfig: path, Namespace: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := pods.New(pods.Options{Cluster: k, LogPatience: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// attach follows the pod of that name.
func (a *api) attach(t *testing.T, r *pods.Runner, name string) (*job, brigade.Execution) {
	t.Helper()
	j := &job{}
	j.run = brigade.JobRun{
		Log: j, Build: &brigade.Build{ID: "b"}, Project: brigade.NewProject("p"),
		Job: &brigade.Job{ID: name, BuildID: "b", Name: name, Attempt: 1, Spec: brigade.JobSpec{Name: name}.WithDefaults()},
		Notify: func(_ brigade.State, text string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.say = append(j.say, text)
		},
	}
	x, err := r.Attach(t.Context(), j.run, "")
	if err != nil {
		t.Fatal(err)
	}
	return j, x
}

func succeeded() corev1.ContainerState {
	now := metav1.Now()
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: now, FinishedAt: now}}
}

// TestLogHangs has a node that takes requests for logs and never answers: jobs
// end all the same, and other ones of the node do not wait for it again.
func TestLogHangs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.log = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	a.put("first", succeeded(), corev1.PodSucceeded)
	a.put("second", succeeded(), corev1.PodSucceeded)
	r := a.runner(t, 300*time.Millisecond)
	for _, name := range []string{"first", "second"} {
		before := a.logCalls()
		j, x := a.attach(t, r, name)
		if exit, err := x.Wait(t.Context()); err != nil || exit.Code != 0 {
			t.Fatalf("%s: %+v, %v", name, exit, err)
		}
		if !j.said("cannot be read") {
			t.Errorf("%s: nothing is said about its log: %q", name, j.say)
		}
		if asked := a.logCalls() - before; name == "second" && asked > 0 {
			t.Errorf("a node that gives no logs is asked again, %d times", asked)
		}
	}
}

// TestLogBreaks has each stream break off in the middle of something: all
// lines arrive, once and in order.
func TestLogBreaks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const lines = 300
	var text []string
	var want strings.Builder
	start := time.Now().Add(-time.Minute)
	for i := range lines {
		at := start.Add(time.Duration(i) * 37 * time.Millisecond)
		text = append(text, at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")+fmt.Sprintf(" line %d\n", i))
		fmt.Fprintf(&want, "line %d\n", i)
	}
	var mu sync.Mutex
	shown, streams, over := 0, 0, false
	a.log = func(w http.ResponseWriter, r *http.Request) {
		since, _ := time.Parse(time.RFC3339, r.FormValue("sinceTime"))
		mu.Lock()
		shown = min(shown+29, lines) // what the job has printed by then
		streams++
		upto, final := shown, r.FormValue("follow") == ""
		ends := shown == lines && !over
		over = over || ends
		mu.Unlock()
		var out strings.Builder
		for _, line := range text[:upto] {
			at, _ := time.Parse(time.RFC3339Nano, strings.Fields(line)[0])
			if !at.Before(since) {
				out.WriteString(line)
			}
		}
		if final {
			_, _ = io.WriteString(w, out.String())
			return
		}
		_, _ = io.WriteString(w, out.String()[:max(0, out.Len()-9)])
		_ = http.NewResponseController(w).Flush()
		if ends {
			a.put("breaks", succeeded(), corev1.PodSucceeded)
		}
		panic(http.ErrAbortHandler)
	}
	a.put("breaks", corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}, corev1.PodRunning)
	j, x := a.attach(t, a.runner(t, patience), "breaks")
	exit, err := x.Wait(t.Context())
	if err != nil || exit.Code != 0 || j.output() != want.String() {
		t.Errorf("%+v, %v, %d streams, printed\n%s", exit, err, streams, j.output())
	}
}
