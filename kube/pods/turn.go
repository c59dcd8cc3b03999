package pods

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/brigadecore/brigade/v3/kube/objects"
)

// gate has the pod wait for its turn. A pod that is gated cannot name its node:
// it is scheduled to it instead.
func (p *plan) gate() {
	spec := &p.pod.Spec
	spec.SchedulingGates = append(spec.SchedulingGates, corev1.PodSchedulingGate{Name: objects.GateTurn})
	if spec.NodeName == "" {
		return
	}
	node := corev1.NodeSelectorRequirement{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{spec.NodeName}}
	spec.NodeName = ""
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	affinity := spec.Affinity.NodeAffinity
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
	}
	terms := affinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for i := range terms { // one of them has to hold
		terms[i].MatchFields = append(terms[i].MatchFields, node)
	}
}

// turn holds the clock of a job's time limit while its pod waits for its turn.
type turn struct {
	hold    func() (release func()) // nil: there is none
	release func()                  // not nil while it is held
}

// look holds the clock, or lets it go on.
func (t *turn) look(waits bool) {
	switch {
	case waits && t.release == nil && t.hold != nil:
		t.release = t.hold()
	case !waits && t.release != nil:
		t.release()
		t.release = nil
	}
}
