package charts

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/pgserver"
)

// TestSeveralControllers installs two controllers on one PostgreSQL and takes
// away the one that leads while a build runs.
func TestSeveralControllers(t *testing.T) {
	server := pgserver.For(t)
	w := newWorld(t)
	own := ownImage(t, w.c)
	host, port := relay(t, w.c.HostAddress(), server)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "brigade-postgres"},
		StringData: map[string]string{"dsn": fmt.Sprintf("postgres://postgres@%s:%s/postgres?sslmode=disable", host, port)},
	}
	if _, err := w.client.CoreV1().Secrets(w.ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.h.install(release, load(t, "brigade"), values(t, own+`
store: {type: postgres, postgres: {existingSecret: brigade-postgres}}
controller: {replicas: 2, drain: 0s}
`), true)
	project := w.project("acme/slow", `
defaultScript: |
  const { events, Job } = require("brigadier");
  events.on("exec", async () => {
    await new Job("slow", "`+cluster.Busybox+`", ["while ! [ -e /tmp/go ]; do sleep 1; done"]).run();
    await new Job("after", "`+cluster.Busybox+`", ["echo done"]).run();
  });
`)
	const build = "01hf0000000000000000000021"
	w.v1Build(project, build, "exec", nil)
	w.phase("slow-"+build, corev1.PodRunning)
	before := w.leader("")
	w.c.Kubectl(t, "-n", w.ns, "delete", "pod", before, "--wait=false")
	w.leader(before)
	w.c.Kubectl(t, "-n", w.ns, "exec", "slow-"+build, "--", "touch", "/tmp/go")
	w.succeeded("build="+build, 1)
	if jobs := w.jobs(build); len(jobs) != 2 {
		t.Errorf("there are %d pods of jobs, want one of each", len(jobs))
	}
}

// leader waits for the pod that leads and is not that one.
func (w world) leader(but string) string {
	w.t.Helper()
	name := ""
	cluster.Until(w.t, "a controller leads", func() error {
		list, err := w.client.CoreV1().Pods(w.ns).List(w.t.Context(), metav1.ListOptions{LabelSelector: "brigade.sh/leader=true"})
		if err != nil {
			return err
		}
		for _, pod := range list.Items {
			if pod.Name != but && pod.DeletionTimestamp == nil {
				name = pod.Name
				return nil
			}
		}
		return fmt.Errorf("%d pods say so", len(list.Items))
	})
	return name
}

// relay makes a server's socket reachable for pods.
func relay(t *testing.T, address string, server *pgserver.Server) (host, port string) {
	t.Helper()
	socket := strings.TrimPrefix(strings.Fields(server.DSN("postgres"))[0], "host=") + "/.s.PGSQL.5432"
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				backend, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer backend.Close()
				go func() { _, _ = io.Copy(backend, client); _ = backend.Close() }()
				_, _ = io.Copy(client, backend)
			}()
		}
	}()
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
