package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// TestARunClearsWhatDeadOnesLeft finds three builds that seem to run: of a
// program that died, of one that lives, and of a machine it knows nothing of.
func TestARunClearsWhatDeadOnesLeft(t *testing.T) {
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), Options{
		Dirs: Dirs{State: t.TempDir(), Cache: t.TempDir(), Home: t.TempDir()}, Runner: "process",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	a.opt.Source.Dir = t.TempDir()

	owners := map[string]string{
		"dead":      fmt.Sprintf("%s/%d/x", hostname(), ended.Process.Pid),
		"alive":     fmt.Sprintf("%s/%d/x", hostname(), os.Getppid()),
		"elsewhere": fmt.Sprintf("not-%s/%d/x", hostname(), ended.Process.Pid),
	}
	builds, dirs := map[string]string{}, map[string]string{}
	for name, owner := range owners {
		builds[name] = id.New(time.Now())
		_, err := a.Store.CreateBuild(t.Context(), &brigade.Build{
			ID: builds[name], ProjectID: brigade.ProjectID("p"), Project: "p", State: brigade.StateRunning, Runner: "process",
			Event: brigade.Event{Type: "exec"}, Created: time.Now(),
			Lease: brigade.Lease{Owner: owner, Expires: time.Now().Add(time.Minute)},
		})
		if err != nil {
			t.Fatal(err)
		}
		dirs[name] = filepath.Join(a.opt.Dirs.State, "process", "builds", builds[name])
		if err := os.MkdirAll(filepath.Join(dirs[name], "jobs"), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	p := &brigade.Project{ID: brigade.ProjectID("p"), Name: "p"}
	b, err := a.Submit(t.Context(), p, &brigade.Build{Event: brigade.Event{Type: "exec", Script: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err = a.Run(t.Context(), b.ID, p); err != nil || b.State != brigade.StateSucceeded {
		t.Fatalf("%+v, %v", b, err)
	}
	for name, dir := range dirs {
		_, statErr := os.Stat(dir)
		found, err := a.Store.Build(t.Context(), builds[name])
		if err != nil {
			t.Fatal(err)
		}
		gone, let := os.IsNotExist(statErr), found.Lease.Owner == ""
		if dead := name == "dead"; gone != dead || let != dead {
			t.Errorf("%s: its files are gone: %v, its lease is over: %v", name, gone, let)
		}
		if name == "dead" && (found.State != brigade.StateRunning || found.Lease.Expires.After(time.Now())) {
			t.Errorf("it is not interrupted: %s, %+v", found.State, found.Lease)
		}
	}
}
