package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// patience is how long a condition may take on a busy machine.
const patience = 2 * time.Minute

func open(t *testing.T, c *testcluster.Cluster, ns string) *cluster.Client {
	t.Helper()
	client, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: ns})
	must(t, err)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ask(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"a": "b"}}, Data: map[string]string{"v": value, "large": "x"}}
}

func TestView(t *testing.T) {
	c := testcluster.Shared(t)
	client := open(t, c, c.Namespace(t))
	maps := client.ConfigMaps("")
	_, err := maps.Create(t.Context(), configMap("before", "1"), metav1.CreateOptions{})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	view := cluster.Watch(ctx, maps, cluster.ViewOptions[*corev1.ConfigMap]{
		LabelSelector: "a=b",
		Transform:     func(m *corev1.ConfigMap) *corev1.ConfigMap { delete(m.Data, "large"); return m },
	})
	must(t, view.Synced(t.Context()))
	if got, ok := view.Get("before"); !ok || got.Data["v"] != "1" || got.Data["large"] != "" || got.ManagedFields != nil {
		t.Errorf("the view has %+v", got)
	}
	var mu sync.Mutex
	var told []string
	stop := view.Subscribe(func(e cluster.Event[*corev1.ConfigMap]) {
		mu.Lock()
		defer mu.Unlock()
		text := string(e.Type) + " " + e.Object().Name + " " + e.Object().Data["v"]
		if e.Type == cluster.Updated {
			text += " after " + e.Old.Data["v"]
		}
		told = append(told, text)
	})
	hears := func(want ...string) {
		t.Helper()
		until(t, strings.Join(want, ", ")+" is told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(told, want)
		})
	}
	hears("added before 1")
	made, err := maps.Create(t.Context(), configMap("new", "1"), metav1.CreateOptions{})
	must(t, err)
	made.Data["v"] = "2"
	_, err = maps.Update(t.Context(), made, metav1.UpdateOptions{})
	must(t, err)
	must(t, maps.Delete(t.Context(), "new", metav1.DeleteOptions{}))
	_, err = maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, metav1.CreateOptions{}) // without the label
	must(t, err)
	hears("added before 1", "added new 1", "updated new 2 after 1", "deleted new 2")
	if len(view.List()) != 1 || view.Err() != nil {
		t.Errorf("the view lists %d, %v", len(view.List()), view.Err())
	}
	stop()
	stop()
	must(t, maps.Delete(t.Context(), "before", metav1.DeleteOptions{}))
	until(t, "the view is empty", func() bool { return len(view.List()) == 0 })
	hears("added before 1", "added new 1", "updated new 2 after 1", "deleted new 2")
	cancel()
	view.Subscribe(func(cluster.Event[*corev1.ConfigMap]) { t.Error("told by a view that has ended") })
}

// The API server goes away and comes back: nothing is missed that happened
// meanwhile, and nothing is told twice.
func TestViewAfterRestart(t *testing.T) {
	c := testcluster.Start(t, testcluster.Options{})
	client := open(t, c, c.Namespace(t))
	maps := client.ConfigMaps("")
	for _, name := range []string{"stays", "goes", "again"} {
		_, err := maps.Create(t.Context(), configMap(name, "1"), metav1.CreateOptions{})
		must(t, err)
	}
	// The one under test reaches the server through something that breaks.
	var broken sync.Map
	proxied, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: client.Namespace, Wrap: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if _, cut := broken.Load("cut"); cut {
				return nil, errors.New("the line is cut")
			}
			return next.RoundTrip(r)
		})
	}})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	view := cluster.Watch(ctx, proxied.ConfigMaps(""), cluster.ViewOptions[*corev1.ConfigMap]{LabelSelector: "a=b"})
	must(t, view.Synced(t.Context()))
	var mu sync.Mutex
	var told []string
	view.Subscribe(func(e cluster.Event[*corev1.ConfigMap]) {
		mu.Lock()
		told = append(told, string(e.Type)+" "+e.Object().Name)
		mu.Unlock()
	})
	until(t, "all are told", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) == 3 })

	broken.Store("cut", true)
	must(t, c.StopAPIServer(t.Context()))
	until(t, "the view notices", func() bool { return brigade.CodeOf(view.Err()) == brigade.CodeUnavailable })
	if _, ok := view.Get("stays"); !ok {
		t.Error("a lost connection empties the view")
	}
	must(t, c.StartAPIServer(t.Context()))
	must(t, maps.Delete(t.Context(), "goes", metav1.DeleteOptions{}))
	must(t, maps.Delete(t.Context(), "again", metav1.DeleteOptions{}))
	for _, name := range []string{"again", "new"} {
		_, err := maps.Create(t.Context(), configMap(name, "2"), metav1.CreateOptions{})
		must(t, err)
	}
	broken.Delete("cut")
	until(t, "all is told that happened meanwhile", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) >= 7 })
	mu.Lock()
	defer mu.Unlock()
	late := slices.Sorted(slices.Values(told[3:]))
	if got := strings.Join(late, ", "); got != "added again, added new, deleted again, deleted goes" {
		t.Errorf("told: %s", got)
	}
	if view.Err() != nil {
		t.Errorf("it is connected again, but %v", view.Err())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOneLeads(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	var mu sync.Mutex
	leads, most, terms := 0, 0, []string{}
	lead := func(name string, quit <-chan struct{}) func(context.Context) {
		return func(ctx context.Context) {
			mu.Lock()
			leads++
			most = max(most, leads)
			terms = append(terms, name)
			mu.Unlock()
			select {
			case <-ctx.Done():
			case <-quit:
			}
			mu.Lock()
			leads--
			mu.Unlock()
		}
	}
	contexts := map[string]context.CancelFunc{}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	for _, name := range []string{"a", "b", "c"} {
		ctx, cancel := context.WithCancel(t.Context())
		contexts[name] = cancel
		client := open(t, c, ns)
		wg.Go(func() {
			// Renewals are rare beside a busy machine's pauses: a deadline missed would only change who leads.
			if err := client.Elect(ctx, cluster.ElectOptions{Name: "l", Identity: name, LeaseDuration: 60 * time.Second, RetryPeriod: 200 * time.Millisecond}, lead(name, quit)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for n := 1; n <= 2; n++ {
		until(t, fmt.Sprint("leader number ", n), func() bool { mu.Lock(); defer mu.Unlock(); return len(terms) == n && leads == 1 })
		mu.Lock()
		contexts[terms[n-1]]() // it goes, and gives the lead up
		mu.Unlock()
	}
	until(t, "the third leads", func() bool { mu.Lock(); defer mu.Unlock(); return len(terms) == 3 })
	close(quit) // and returns on its own
	wg.Wait()
	if most != 1 || len(terms) != 3 {
		t.Errorf("%d led at once, in turn %v", most, terms)
	}
}

// A leader that is cut off, or whose lease another one takes, stops.
func TestLeadIsLost(t *testing.T) {
	c := testcluster.Shared(t)
	client := open(t, c, c.Namespace(t))
	began, ended := make(chan struct{}, 1000), make(chan error, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- client.Elect(ctx, cluster.ElectOptions{Name: "l", Identity: "me", LeaseDuration: time.Second, RetryPeriod: 100 * time.Millisecond}, func(ctx context.Context) {
			began <- struct{}{}
			<-ctx.Done()
			ended <- context.Cause(ctx)
		})
	}()
	<-began
	for stolen := false; !stolen; {
		lease, err := client.Leases("").Get(t.Context(), "l", metav1.GetOptions{})
		must(t, err)
		thief := "thief"
		lease.Spec.HolderIdentity = &thief
		_, err = client.Leases("").Update(t.Context(), lease, metav1.UpdateOptions{})
		stolen = err == nil
	}
	if cause := <-ended; !errors.Is(cause, cluster.ErrLostLead) {
		t.Errorf("it ended with %v", cause)
	}
	<-began // the thief is not heard of: after the lease it leads again
	cancel()
	<-ended
	must(t, <-over)
}

func TestErrorsFromTheServer(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	admin := open(t, c, ns)
	ctx := t.Context()
	c.Apply(t, ns, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {configmaps: \"1\"}}\n")
	until(t, "the quota holds", func() bool {
		_, err := admin.ConfigMaps("").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "m-"}}, metav1.CreateOptions{})
		return cluster.IsQuota(err)
	})
	nobody, err := cluster.Open(cluster.Options{Kubeconfig: c.KubeconfigFor(t, "nobody", ns), Namespace: ns})
	must(t, err)
	secret := func(size int) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"x": make([]byte, size)}}
	}
	_, quota := admin.ConfigMaps("").Create(ctx, configMap("more", ""), metav1.CreateOptions{})
	_, missing := admin.Secrets("").Get(ctx, "nothing", metav1.GetOptions{})
	_, forbidden := nobody.Secrets("").List(ctx, metav1.ListOptions{})
	_, forbiddenHere := nobody.Nodes().List(ctx, metav1.ListOptions{})
	_, forbiddenLease := nobody.Leases("").Get(ctx, "l", metav1.GetOptions{})
	_, large := admin.Secrets("").Create(ctx, secret(corev1.MaxSecretSize+1), metav1.CreateOptions{})
	_, huge := admin.Secrets("").Create(ctx, secret(8<<20), metav1.CreateOptions{})
	_, name := admin.Secrets("").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "NO"}}, metav1.CreateOptions{})
	_, namespace := admin.Secrets("no-such-namespace").Create(ctx, secret(1), metav1.CreateOptions{})
	_, _ = admin.Secrets("").Create(ctx, secret(1), metav1.CreateOptions{})
	_, exists := admin.Secrets("").Create(ctx, secret(1), metav1.CreateOptions{})
	for what, c := range map[string]struct {
		err  error
		code brigade.Code
		says string
	}{
		"quota":           {quota, brigade.CodeLimited, "quota"},
		"missing":         {missing, brigade.CodeNotFound, "nothing"},
		"forbidden":       {forbidden, brigade.CodeDenied, "system:serviceaccount:" + ns + ":nobody may not list secrets in namespace " + ns},
		"forbidden nodes": {forbiddenHere, brigade.CodeDenied, "may not list nodes in the whole cluster"},
		"forbidden lease": {forbiddenLease, brigade.CodeDenied, "may not get leases.coordination.k8s.io in namespace"},
		"large":           {large, brigade.CodeTooLarge, "too large"},
		"huge":            {huge, brigade.CodeTooLarge, "too large"},
		"name":            {name, brigade.CodeInvalid, "NO"},
		"namespace":       {namespace, brigade.CodeNotFound, `namespace "no-such-namespace"`},
		"exists":          {exists, brigade.CodeConflict, "exists"},
	} {
		e, ok := cluster.Error(c.err).(*brigade.Error)
		if !ok || e.Code != c.code || !strings.Contains(e.Message, c.says) || !errors.Is(e, c.err) {
			t.Errorf("%s: %v, of code %s", what, e, brigade.CodeOf(e))
			continue
		}
		if what != "missing" && what != "name" && what != "exists" && e.Hint == "" {
			t.Errorf("%s has no hint: %v", what, e)
		}
	}
	// A view does not wait for a right that will not come.
	view := cluster.Watch(ctx, nobody.Secrets(""), cluster.ViewOptions[*corev1.Secret]{})
	if err := view.Synced(ctx); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a view without the right to list: %v", err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	c := testcluster.Shared(t)
	client := open(t, c, c.Namespace(t))
	m, err := client.ConfigMaps("").Create(t.Context(), configMap("m", ""), metav1.CreateOptions{})
	must(t, err)
	for range 5 {
		client.Emit(t.Context(), m, cluster.Warning, "Wrong", "the same "+strings.Repeat("ü", 2000))
	}
	client.Emit(t.Context(), m, cluster.Normal, "Right", "another")
	client.Flush()
	events, err := client.Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=m"})
	must(t, err)
	if len(events.Items) != 2 {
		t.Errorf("%d events are there", len(events.Items))
	}
	for _, e := range events.Items {
		if e.InvolvedObject.Kind != "ConfigMap" || e.InvolvedObject.UID != m.UID || len(e.Message) > 1024 {
			t.Errorf("an event is %+v", e)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const good = `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
		"users":[{"name":"u","user":{"token":"t"}},{"name":"p","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"/nowhere/login","interactiveMode":"Never"}}}],
		"contexts":[{"name":"x","context":{"cluster":"c","user":"u","namespace":"there"}},{"name":"exec","context":{"cluster":"c","user":"p"}}],"current-context":"x"}`
	ok := write("ok", good)
	client, err := cluster.Open(cluster.Options{Kubeconfig: filepath.Join(dir, "missing") + string(os.PathListSeparator) + ok})
	must(t, err)
	if client.Namespace != "there" || client.Host != "https://127.0.0.1:1" {
		t.Errorf("it goes to %s in %s", client.Host, client.Namespace)
	}
	if _, err := client.Check(t.Context()); brigade.CodeOf(err) != brigade.CodeUnavailable || !strings.Contains(err.Error(), "127.0.0.1:1 cannot be reached") {
		t.Errorf("a server that is not there: %v", err)
	}
	other, err := cluster.Open(cluster.Options{Kubeconfig: ok, Context: "exec", Namespace: "mine"})
	must(t, err)
	if other.Namespace != "mine" {
		t.Errorf("the namespace is %s", other.Namespace)
	}
	if _, err := other.Check(t.Context()); brigade.CodeOf(err) != brigade.CodeDenied || !strings.Contains(err.Error(), "/nowhere/login") {
		t.Errorf("a program for credentials that is not there: %v", err)
	}
	for what, opt := range map[string]cluster.Options{
		"missing": {Kubeconfig: filepath.Join(dir, "missing")},
		"broken":  {Kubeconfig: write("broken", "{{{")},
		"empty":   {Kubeconfig: write("empty", "{}")},
		"context": {Kubeconfig: ok, Context: "nope"},
		"ca":      {Kubeconfig: write("ca", strings.Replace(good, `"server"`, `"certificate-authority":"/nowhere","server"`, 1))},
	} {
		_, err := cluster.Open(opt)
		if e, ok := err.(*brigade.Error); !ok || e.Code != brigade.CodeUsage || e.Hint == "" || strings.Contains(e.Message, "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A server of another authority, one that is no Kubernetes, and one in trouble.
func TestStrangeServers(t *testing.T) {
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for what, c := range map[string]struct {
		handler http.HandlerFunc
		tls     bool
		code    brigade.Code
	}{
		"foreign certificate": {answer(200, "{}"), true, brigade.CodeUnavailable},
		"unauthorized":        {answer(401, "no"), false, brigade.CodeDenied},
		"trouble":             {answer(503, "wait"), false, brigade.CodeUnavailable},
		"no Kubernetes":       {answer(404, "<html>"), false, brigade.CodeNotFound},
	} {
		server := httptest.NewUnstartedServer(c.handler)
		if c.tls {
			server.StartTLS()
		} else {
			server.Start()
		}
		path := filepath.Join(t.TempDir(), "kubeconfig")
		must(t, os.WriteFile(path, []byte(`{"clusters":[{"name":"c","cluster":{"server":"`+server.URL+`"}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x","users":[{"name":"u","user":{"token":"t"}}]}`), 0o600))
		client, err := cluster.Open(cluster.Options{Kubeconfig: path})
		must(t, err)
		if _, err := client.Check(t.Context()); brigade.CodeOf(err) != c.code {
			t.Errorf("%s: %v, of code %s", what, err, brigade.CodeOf(err))
		}
		server.Close()
	}
}
