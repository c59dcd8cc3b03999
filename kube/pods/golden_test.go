package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
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

var update = flag.Bool("update", false, "write what came out as what is expected")

// goldenCase is a file of testdata: what is asked for. Beside it is a file with
// the objects that come of it, or the error.
type goldenCase struct {
	Job     brigade.JobSpec
	Attempt int
	Name    string // of the project
	Project json.RawMessage
	Event   brigade.Event
	Build   string // ID
	Owner   string // name of the build's Secret
	Keep    bool
	Options struct {
		VCSImage, ServiceAccount, ServiceAccounts, BuildStorageClass, RunBy, KnownHosts string
		VCSCommand, Overlay                                                             []string
		Source                                                                          SourceMode
		BuildStorage, Cache                                                             StorageMode
		Restricted, Workspace, Turns                                                    bool
	}
}

// equipment is a workspace that hands out the same to all.
type equipment struct{}

func (equipment) Equip(_ context.Context, run brigade.JobRun, want Want) (Equipment, error) {
	e := Equipment{
		Secret: map[string]string{"BRIGADE_WORKSPACE_TOKEN": "token of " + run.Job.ID}, Env: map[string]string{"BRIGADE_WORKSPACE_URL": "https://workspace"},
		Init:    &Container{Name: "workspace-fetch", Args: []string{"workspace", "fetch"}, Mounts: []Mount{{Volume: SourceVolume, Path: "/brigade/source"}}},
		Sidecar: &Container{Name: "workspace", Args: []string{"workspace", "sidecar"}, Mounts: []Mount{{Volume: "brigade-output", Path: "/brigade/output", ReadOnly: true}}},
		Mounts:  []Mount{{Volume: "brigade-output", Path: "/mnt/brigade/output"}}, JobEnv: map[string]string{"BRIGADE_OUTPUT": "/mnt/brigade/output/outputs"},
		Volumes: []Scratch{{Name: "brigade-output", Size: 2 << 20}}, Grace: 10 * time.Minute,
	}
	if want.Source {
		e.Mounts = append(e.Mounts, Mount{Volume: SourceVolume, Path: run.Job.Spec.MountPath})
		e.Volumes = append(e.Volumes, Scratch{Name: SourceVolume})
	}
	return e, nil
}

func (equipment) Collect(context.Context, brigade.JobRun, Want) (Collected, error) {
	return Collected{}, nil
}
func (equipment) EndBuild(context.Context, string) error { return nil }

// TestGolden makes the objects of jobs and compares them with those written
// down: adding a case is adding a file.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			got := golden(t, file)
			want := strings.TrimSuffix(file, ".json") + ".yaml"
			if *update {
				if err := os.WriteFile(want, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, expected) {
				t.Errorf("%s gives\n%s\nwant\n%s", file, got, expected)
			}
		})
	}
}

func golden(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c goldenCase
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	project := brigade.NewProject(or(c.Name, "acme/app"))
	if len(c.Project) > 0 {
		if err := json.Unmarshal(c.Project, project); err != nil {
			t.Fatal(err)
		}
	}
	build := &brigade.Build{ID: or(c.Build, "01jx0000000000000000000000"), ProjectID: project.ID, Project: project.Name, Event: c.Event}
	spec := c.Job.WithDefaults()
	run := brigade.JobRun{Build: build, Project: project, Job: &brigade.Job{
		ID: spec.Name + "-" + build.ID, BuildID: build.ID, Name: spec.Name, Spec: spec, State: brigade.StatePending,
		Attempt: or(c.Attempt, 1), Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}}
	if c.Keep {
		run.Keep = keepNothing
	}
	p, err := planned(t, c, run)
	if err != nil {
		return explain(err)
	}
	var out bytes.Buffer
	write := func(kind string, o any) {
		y, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("# " + kind + "\n" + strings.Replace(string(y), "  creationTimestamp: null\n", "", 1))
	}
	for _, claim := range p.claims {
		write("PersistentVolumeClaim", claim)
	}
	if p.secret != nil {
		readable := map[string]string{}
		for k, v := range p.secret.Data {
			readable[k] = string(v)
		}
		secret := p.secret.DeepCopy()
		secret.Data, secret.StringData = nil, readable
		write("Secret", secret)
	}
	write("Pod", p.pod)
	return out.Bytes()
}

func planned(t *testing.T, c goldenCase, run brigade.JobRun) (*plan, error) {
	t.Helper()
	o := c.Options
	opt := Options{
		Cluster: &cluster.Client{Namespace: "ci"}, VCSImage: o.VCSImage, VCSCommand: o.VCSCommand, KnownHosts: o.KnownHosts, ServiceAccount: o.ServiceAccount, ServiceAccounts: o.ServiceAccounts,
		BuildStorageClass: o.BuildStorageClass, Overlay: o.Overlay, Source: o.Source, BuildStorage: o.BuildStorage, Cache: o.Cache, Restricted: o.Restricted, RunBy: o.RunBy, Turns: o.Turns,
	}
	if o.Workspace {
		opt.Workspace, opt.WorkspaceImage = equipment{}, "registry/brigade:3"
	}
	r, err := New(opt)
	if err != nil {
		return nil, err
	}
	t.Cleanup(r.Close)
	var owner *metav1.OwnerReference
	if c.Owner != "" {
		owner = &metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: c.Owner, UID: "11111111-2222-3333-4444-555555555555"}
	}
	p, err := r.planOf(run, owner)
	if err != nil {
		return nil, err
	}
	return p, r.finish(t.Context(), p, owner)
}

// explain writes an error as people see it.
func explain(err error) []byte {
	var e *brigade.Error
	if errors.As(err, &e) {
		return []byte("# error\ncode: " + string(e.Code) + "\nmessage: " + e.Message + "\nhint: " + e.Hint + "\n")
	}
	return []byte("# error\n" + err.Error() + "\n")
}

var _ Workspace = equipment{}

var _ = corev1.Pod{}

func keepNothing(string, int64, io.Reader) error { return nil }
