package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// GateTurn is the scheduling gate of a job's pod that waits for its turn: a
// worker pod makes it so, and the controller, which knows how many jobs run,
// takes the gate away.
const GateTurn = "brigade.sh/turn"

// WaitsForTurn reports whether the pod of a job waits for its turn.
func WaitsForTurn(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name == GateTurn })
}
