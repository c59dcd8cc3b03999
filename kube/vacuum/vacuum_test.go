package vacuum_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/vacuum"
)

// world is a namespace with builds of v1 and ours.
type world struct {
	t      *testing.T
	c      *testcluster.Cluster
	client *cluster.Client
	ns     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := testcluster.Shared(t)
	w := &world{t: t, c: c, ns: c.Namespace(t)}
	var err error
	if w.client, err = cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: w.ns}); err != nil {
		t.Fatal(err)
	}
	return w
}

// object makes one of the kinds, labelled as belonging to a build.
func (w *world) object(kind, component, name, build string, extra string) {
	w.t.Helper()
	body := ""
	switch kind {
	case "Pod":
		body = `,"spec":{"containers":[{"name":"c","image":"x"}]}`
	case "Secret":
		body = `,"type":"brigade.sh/` + component + `"`
	case "PersistentVolumeClaim":
		body = `,"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Mi"}}}`
	}
	w.c.Apply(w.t, w.ns, fmt.Sprintf(`{"apiVersion":"v1","kind":%q,"metadata":{"name":%q,"labels":{"heritage":"brigade","component":%q,"build":%q%s`,
		kind, name, component, build, extra)+body+"}")
}

const plain = `}}`

// left are the names of what is there of the kinds.
func (w *world) left() []string {
	w.t.Helper()
	out := w.c.Kubectl(w.t, "-n", w.ns, "get", "secrets,pods,pvc,configmaps", "-l", "heritage=brigade", "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}`)
	var names []string
	for line := range strings.Lines(out) {
		if name, deleted, _ := strings.Cut(strings.TrimRight(line, "\n"), " "); deleted == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *world) run(opt vacuum.Options) vacuum.Report {
	w.t.Helper()
	opt.Client = w.client
	report, err := vacuum.Run(w.t.Context(), opt)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// stays waits until just these are left.
func (w *world) stays(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	testcluster.Until(w.t, "only what is to stay is left", func() error {
		if got := w.left(); !slices.Equal(got, want) {
			return fmt.Errorf("left: %s", strings.Join(got, " "))
		}
		return nil
	})
}

func TestOldBuildsGoWithAllTheyHave(t *testing.T) {
	w := newWorld(t)
	w.object("Secret", "build", "brigade-worker-01a", "01a", plain)
	w.object("Pod", "build", "brigade-worker-01a", "01a", plain)
	w.object("Pod", "job", "one-01a", "01a", plain)
	w.object("Secret", "job", "one-01a", "01a", plain)
	w.object("PersistentVolumeClaim", "buildStorage", "brigade-worker-01a", "01a", plain)
	w.object("PersistentVolumeClaim", "jobCache", "acme-app-one", "", plain)
	w.object("ConfigMap", "event-key", "brigade-event-1", "01a", plain)
	w.object("Secret", "project", "brigade-1", "", plain)
	later := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

	if r := w.run(vacuum.Options{Age: time.Hour, MaxBuilds: -1}); r.Builds != 0 || r.Kept != 1 || r.Pods+r.Secrets+r.Claims+r.Markers != 0 {
		t.Errorf("nothing is old: %+v", r)
	}
	before := w.left()
	if r := w.run(vacuum.Options{Age: time.Hour, MaxBuilds: -1, Now: later(2 * time.Hour), DryRun: true}); r.Builds != 1 || r.Pods != 2 || r.Secrets != 1 || r.Claims != 1 {
		t.Errorf("dry run: %+v", r)
	}
	if got := w.left(); !slices.Equal(got, before) {
		t.Fatalf("a dry run deletes: %v", got)
	}
	if r := w.run(vacuum.Options{Age: time.Hour, MaxBuilds: -1, SkipRunning: true, Now: later(2 * time.Hour)}); r.Builds != 0 || r.Kept != 1 {
		t.Errorf("its worker has not ended: %+v", r)
	}
	w.run(vacuum.Options{Age: time.Hour, MaxBuilds: -1, Now: later(2 * time.Hour)})
	w.stays("ConfigMap/brigade-event-1", "PersistentVolumeClaim/acme-app-one", "Secret/brigade-1")
	if r := w.run(vacuum.Options{Age: time.Hour, MaxBuilds: -1, Now: later(8 * 24 * time.Hour)}); r.Markers != 1 {
		t.Errorf("marks: %+v", r)
	}
	w.stays("PersistentVolumeClaim/acme-app-one", "Secret/brigade-1")
}

func TestOnlySomeBuildsAreKept(t *testing.T) {
	w := newWorld(t)
	// All within a second, perhaps: then the name decides.
	for _, id := range []string{"01a", "01b", "01c", "01d"} {
		extra := plain
		switch id {
		case "01a":
			extra = `},"annotations":{"brigade.sh/status":"{\"state\":\"succeeded\",\"pinned\":true}"}}`
		case "01b":
			extra = `,"brigade.sh/state":"running"}}`
		}
		w.object("Secret", "build", "brigade-worker-"+id, id, extra)
	}
	if r := w.run(vacuum.Options{MaxBuilds: 1, SkipRunning: true}); r.Builds != 1 || r.Kept != 3 {
		t.Errorf("%+v", r)
	}
	w.stays("Secret/brigade-worker-01a", "Secret/brigade-worker-01b", "Secret/brigade-worker-01d")
	if r := w.run(vacuum.Options{MaxBuilds: 0}); r.Builds != 2 {
		t.Errorf("%+v", r)
	}
	w.stays("Secret/brigade-worker-01a")
}

// What is left of builds that are gone goes, whatever the age.
func TestLeftovers(t *testing.T) {
	w := newWorld(t)
	w.object("Secret", "build", "brigade-worker-up", "01UPPER", plain)
	w.object("Pod", "job", "one-01upper", "01upper", plain) // of the same build: only its label is written otherwise
	w.object("Pod", "job", "one-01gone", "01gone", plain)
	w.object("Secret", "job", "one-01gone", "01gone", plain)
	w.object("Pod", "other", "not-ours", "01gone", plain)
	w.run(vacuum.Options{Age: 720 * time.Hour, MaxBuilds: -1})
	w.stays("Secret/brigade-worker-up", "Pod/one-01upper", "Pod/not-ours")
}

// Who may not delete is told so, and what may be deleted is.
func TestMissingRights(t *testing.T) {
	w := newWorld(t)
	w.object("Secret", "build", "brigade-worker-01a", "01a", plain)
	w.c.Apply(t, w.ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"looks"},"rules":[{"apiGroups":[""],"resources":["secrets","pods","persistentvolumeclaims","configmaps"],"verbs":["list"]}]}`)
	w.c.Apply(t, w.ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"looks"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"looks"},"subjects":[{"kind":"ServiceAccount","name":"vacuum"}]}`)
	client, err := cluster.Open(cluster.Options{Kubeconfig: w.c.KubeconfigFor(t, "vacuum", w.ns), Namespace: w.ns})
	if err != nil {
		t.Fatal(err)
	}
	_, err = vacuum.Run(t.Context(), vacuum.Options{Client: client, MaxBuilds: 0})
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != brigade.CodeDenied || e.Hint == "" {
		t.Errorf("err = %v", err)
	}
	w.stays("Secret/brigade-worker-01a")
}
