package pods_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

func newRunner(t testing.TB, change func(*pods.Options)) *pods.Runner {
	t.Helper()
	c, err := cluster.Open(cluster.Options{Kubeconfig: os.Getenv("KUBECONFIG"), Namespace: "pods-dev"})
	if err != nil {
		t.Fatal(err)
	}
	opt := pods.Options{Cluster: c, Grace: 10 * time.Second, Events: true, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&opt)
	}
	r, err := pods.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestContract(t *testing.T) {
	has := runnertest.AllFeatures()
	has.Bash, has.Source, has.Artifacts, has.Storage, has.Cache = false, false, false, false, false
	has.RawOutput, has.OutputFile = false, false
	runnertest.Run(t, runnertest.Config{
		New:          func(t *testing.T) brigade.Runner { return newRunner(t, nil) },
		Image:        "docker.io/library/alpine:3.8",
		MissingImage: "localhost:1/nobody/nothing:1",
		Has:          has,
		Jobs:         20,
	})
}
