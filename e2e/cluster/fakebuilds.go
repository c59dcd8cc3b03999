package cluster

import corev1 "k8s.io/api/core/v1"

// WorkersFate is a FakeNodeOptions.Run for builds: what worker says of a worker
// pod, by its labels and its image, and FateOf for all others. It is for tests
// outside of the folders where Kubernetes' types are at home.
func WorkersFate(worker func(labels map[string]string, image string) Fate) func(*corev1.Pod) Fate {
	return func(pod *corev1.Pod) Fate {
		if pod.Labels["component"] != "build" || len(pod.Spec.Containers) == 0 {
			return FateOf(pod)
		}
		return worker(pod.Labels, pod.Spec.Containers[0].Image)
	}
}
