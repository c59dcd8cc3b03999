package objects_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden reads each testdata/<folder>/*.yaml as an object of the cluster, has it
// turned into something of ours and compares that, or the error, with the file
// beside it.
func golden[T any](t *testing.T, folder string, turn func(*testing.T, *T) (any, error)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data in %s: %v", folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var o T
			if err := yaml.UnmarshalStrict(text, &o); err != nil {
				t.Fatal(err)
			}
			result, err := turn(t, &o)
			var got []byte
			if err != nil {
				e, _ := err.(*brigade.Error)
				if e == nil || e.Hint == "" {
					t.Errorf("the error has no hint: %v", err)
				}
				result = map[string]any{"error": e}
			}
			if got, err = json.MarshalIndent(result, "", "  "); err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			want := strings.TrimSuffix(file, ".yaml") + ".json"
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
				t.Errorf("%s\ngot  %s\nwant %s", want, got, expected)
			}
		})
	}
}

// secretOf is what the API server makes of a Secret as people write it.
func secretOf(s *corev1.Secret) *corev1.Secret {
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	return s
}

func TestBuilds(t *testing.T) {
	golden(t, "builds", func(t *testing.T, s *corev1.Secret) (any, error) {
		b, err := objects.ReadBuild(secretOf(s))
		if err != nil {
			return nil, err
		}
		writeBack(t, b.Build)
		return b, nil
	})
}

// writeBack wants that a build is the same after it was written and read.
func writeBack(t *testing.T, b *brigade.Build) {
	t.Helper()
	secret, err := objects.BuildSecret(b, "ns")
	if err != nil {
		t.Fatal(err)
	}
	again, err := objects.ReadBuild(secret)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Warnings) > 0 || !again.HasStatus || again.Accepted != (b.State != brigade.StatePending) {
		t.Errorf("what was written is read as %+v", again)
	}
	sameJSON(t, again.Build, b)
}

func sameJSON(t *testing.T, got, want any) {
	t.Helper()
	g, err1 := json.Marshal(got)
	w, err2 := json.Marshal(want)
	if err1 != nil || err2 != nil || !bytes.Equal(g, w) {
		t.Errorf("after writing and reading:\ngot  %s\nwant %s", g, w)
	}
}

func TestProjects(t *testing.T) {
	golden(t, "projects", func(t *testing.T, s *corev1.Secret) (any, error) {
		s = secretOf(s)
		p, warnings, err := objects.Project(s)
		if err != nil {
			e := err.(*brigade.Error)
			return nil, e.WithHint("of the caller")
		}
		written, err := objects.ProjectSecret(p, "ns", s)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := objects.Project(written)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, again, p)
		for key := range s.Data {
			if _, there := written.Data[key]; !there {
				t.Errorf("the key %s was lost", key)
			}
		}
		for key, value := range s.Labels {
			if written.Labels[key] != value {
				t.Errorf("the label %s is %q", key, written.Labels[key])
			}
		}
		if objects.ProjectName(s) != p.Name {
			t.Errorf("its name is %q and %q", objects.ProjectName(s), p.Name)
		}
		return map[string]any{"project": p, "warnings": warnings}, nil
	})
}

func TestJobs(t *testing.T) {
	golden(t, "jobs", func(t *testing.T, p *corev1.Pod) (any, error) {
		j, ok := objects.ReadJob(p)
		if !ok {
			return "no job", nil
		}
		return j, nil
	})
}

func TestWorkers(t *testing.T) {
	golden(t, "workers", func(t *testing.T, p *corev1.Pod) (any, error) {
		b := &brigade.Build{ID: "01k"}
		objects.ApplyWorkerPod(b, p)
		return b, nil
	})
}
