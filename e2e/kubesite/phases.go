package kubesite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Phases says, for people, where the time of builds of one job went that began
// at once: how long after the first Secret each stage was reached by half of
// them, and by the last. Kubernetes tells times of pods in whole seconds.
func (s *Site) Phases(ctx context.Context, begun time.Time, builds []string) (string, error) {
	pods, err := s.Client.Pods("").List(ctx, metav1.ListOptions{LabelSelector: objects.LabelHeritage + "=" + objects.Heritage})
	if err != nil {
		return "", err
	}
	names := []string{"begun", "worker's pod made", "worker began", "job's pod made", "job began", "job ended", "worker ended", "build ended"}
	times := make([][]time.Duration, len(names))
	add := func(stage int, t time.Time) { times[stage] = append(times[stage], t.Sub(begun)) }
	for _, p := range pods.Items {
		if id, _ := objects.BuildID(p.Labels[objects.LabelBuild]); !slices.Contains(builds, id) {
			continue
		}
		made, began, ended := 3, 4, 5
		if p.Labels[objects.LabelComponent] == objects.ComponentBuild {
			made, began, ended = 1, 2, 6
		}
		add(made, p.CreationTimestamp.Time)
		for _, c := range p.Status.ContainerStatuses {
			if end := c.State.Terminated; end != nil {
				add(began, end.StartedAt.Time)
				add(ended, end.FinishedAt.Time)
			}
		}
	}
	for _, b := range builds {
		if status, ok := s.Status(b); ok {
			add(0, status.Started)
			add(7, status.Ended)
		}
	}
	var text []string
	for i, name := range names {
		if all := times[i]; len(all) > 0 {
			slices.Sort(all)
			text = append(text, fmt.Sprintf("%s %.1f/%.1f s", name, all[len(all)/2].Seconds(), all[len(all)-1].Seconds()))
		}
	}
	return strings.Join(text, ", "), nil
}
