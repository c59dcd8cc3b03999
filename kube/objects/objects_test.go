package objects_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

func TestBuildID(t *testing.T) {
	for label, want := range map[string]string{
		"01f3v8j2jqd7v5m7v0f3w2x9ab":           "01f3v8j2jqd7v5m7v0f3w2x9ab",
		"01F3V8J2JQD7V5M7V0F3W2X9AB":           "01f3v8j2jqd7v5m7v0f3w2x9ab",
		"5BCBD6F8-3C2E-4C44-9D9F-0A1B2C3D4E5F": "5bcbd6f8-3c2e-4c44-9d9f-0a1b2c3d4e5f",
		"a_b.c":                                "a-b.c",
		"__x__":                                "x",
		"":                                     "", "___": "", "ü": "", "a..b": "",
	} {
		id, ok := objects.BuildID(label)
		if ok != (want != "") || ok && id != want {
			t.Errorf("BuildID(%q) = %q, %t; want %q", label, id, ok, want)
		}
		if ok && !objects.ValidBuildID(id) {
			t.Errorf("%q is no ID", id)
		}
	}
}

// The names are those that v1's tools compute.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		objects.WorkerName("01k"):                      "brigade-worker-01k",
		objects.JobName("unit", "01K"):                 "unit-01k",
		objects.CacheName("Acme/web.site", "Unit"):     "acme-web-site-unit",
		objects.BuildStorageName("brigade-worker-01K"): "brigade-worker-01k",
		objects.EventKeyName("brigade-p", "k"):         "brigade-event-cf80b43b92c43234a57e3b3540a236e71e8031e3",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if objects.EventKeyName("a", "b") == objects.EventKeyName("a", "c") || objects.EventKeyName("a", "b") == objects.EventKeyName("b", "b") {
		t.Error("two events have one mark")
	}
}

func TestTooLarge(t *testing.T) {
	b := &brigade.Build{ID: "01k", ProjectID: "p", Event: brigade.Event{Payload: strings.Repeat("x", corev1.MaxSecretSize)}}
	for name, b := range map[string]*brigade.Build{
		"payload": b,
		"also":    {ID: "01k", ProjectID: "p", Event: brigade.Event{Also: []string{strings.Repeat("x", 300<<10)}}},
	} {
		_, err := objects.BuildSecret(b, "")
		if e, ok := err.(*brigade.Error); !ok || e.Code != brigade.CodeTooLarge || e.Hint == "" || name == "payload" && !strings.Contains(e.Message, fmt.Sprint(corev1.MaxSecretSize)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := brigade.NewProject("acme/app")
	p.DefaultScript = strings.Repeat("x", corev1.MaxSecretSize)
	if _, err := objects.ProjectSecret(p, "", nil); brigade.CodeOf(err) != brigade.CodeTooLarge {
		t.Errorf("project: %v", err)
	}
	for _, id := range []string{"", "01K", "a_b", "-", strings.Repeat("x", 64)} {
		if _, err := objects.BuildSecret(&brigade.Build{ID: id}, ""); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("a build with the ID %q: %v", id, err)
		}
	}
}

// What a build fails with may be long, and its history, too: the status stays
// within what an object may carry.
func TestStatusIsBounded(t *testing.T) {
	b := &brigade.Build{ID: "01k", State: brigade.StateFailed, Failure: brigade.Errorf(brigade.CodeBuildFailed, "%s", strings.Repeat("ü", 1<<20))}
	for range 1000 {
		b.History = append(b.History, brigade.Step{State: brigade.StateRunning, Time: time.Now(), Note: "again"})
	}
	m := metav1.ObjectMeta{}
	if err := objects.SetStatus(&m, b); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Annotations[objects.AnnotationStatus]); n > 32<<10 {
		t.Errorf("the status has %d bytes", n)
	}
}

func TestCancelInWords(t *testing.T) {
	for text, want := range map[string]brigade.CancelRequest{
		"":                                {},
		"now":                             {Reason: "now"},
		`{"actor":"me","reason":"x"}`:     {Actor: "me", Reason: "x"},
		`{"actor":`:                       {Reason: `{"actor":`},
		`"quoted"`:                        {Reason: `"quoted"`},
		`{"time":"2026-11-20T10:00:00Z"}`: {Time: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)},
	} {
		if got := *objects.ReadCancel(text); got != want {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// A job's record comes back from its pod, however large it was.
func TestJobRecord(t *testing.T) {
	noise := make([]byte, 300<<10)
	_, _ = rand.Read(noise)
	for name, tasks := range map[string][]string{
		"small":       {"echo hi", "exit 1"},
		"long":        {strings.Repeat("echo hello world\n", 20_000)},
		"too much":    {base64.StdEncoding.EncodeToString(noise)},
		"no task yet": nil,
	} {
		t.Run(name, func(t *testing.T) {
			j := &brigade.Job{
				ID: "unit-01k", BuildID: "01k", Name: "unit", State: brigade.StatePending, Attempt: 2, Retries: 1, LogFrom: 7,
				Created: time.Date(2026, 11, 20, 10, 0, 0, 5, time.UTC),
				Spec:    brigade.JobSpec{Name: "unit", Image: "alpine:3.8", Tasks: tasks, Env: map[string]brigade.EnvValue{"A": {Value: "b"}}},
			}
			record, err := objects.JobRecord(j)
			if err != nil {
				t.Fatal(err)
			}
			j.State, j.ExitCode, j.Ended = brigade.StateFailed, 3, j.Created.Add(time.Minute)
			j.Failure = &brigade.Error{Code: brigade.CodeJobTimeout, Message: "m", Hint: "h"}
			j.Outputs = map[string]any{"a": "b", "noise": strings.Repeat("0123456789", 10_000)}
			j.Artifacts = []brigade.Artifact{{Name: "a.txt", Size: 3}}
			result, err := objects.JobResultOf(j)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(record) + len(result); n > 200<<10 {
				t.Errorf("the annotations have %d bytes", n)
			}
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: "unit-01k", Labels: objects.JobLabels("unit", "p", "brigade-worker-01k", "01K"),
				Annotations: map[string]string{objects.AnnotationJob: record, objects.AnnotationJobResult: result},
			}}
			got, ok := objects.ReadJob(p)
			if !ok || !objects.HasResult(p) {
				t.Fatal("it is no job")
			}
			if name == "too much" {
				j.Spec = brigade.JobSpec{Name: "unit", Image: "alpine:3.8"}
			}
			j.Handle = "unit-01k"
			sameJSON(t, got, j)
		})
	}
}

// A broken annotation makes nothing worse than if it were not there.
func TestBrokenAnnotations(t *testing.T) {
	for _, text := range []string{"", "{", "gz:", "gz:AAAA", "gz:H4sIAAAAAAAA", "[]", "null", `{"state":"odd"}`, "\xff"} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: "unit-01k", Labels: objects.JobLabels("unit", "p", "w", "01k"),
			Annotations: map[string]string{objects.AnnotationJob: text, objects.AnnotationJobResult: text},
		}}
		j, ok := objects.ReadJob(p)
		if !ok || j.ID != "unit-01k" || j.BuildID != "01k" || j.Name != "unit" || objects.HasResult(p) {
			t.Errorf("%q gives %+v", text, j)
		}
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Name: "s", Labels: objects.BuildLabels("p", "01k"),
			Annotations: map[string]string{objects.AnnotationStatus: text, objects.AnnotationEvent: text},
		}}
		b, err := objects.ReadBuild(s)
		if err != nil || b.State != brigade.StatePending {
			t.Errorf("%q gives %+v, %v", text, b, err)
		}
	}
}
