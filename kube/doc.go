// Package kube and the folders below it are what Brigade does in a Kubernetes
// cluster, and the only ones that know Kubernetes.
//
//	cluster/  the connection: lean typed clients, watched views, events, leader election, errors
//	objects/  projects, builds and jobs as Secrets and Pods: names, labels, keys; no I/O
//	store/    the root's Store on v1's Secrets
//	pods/     the root's Runner: a job becomes a Pod
//	worker/   the root's Worker that runs a script in v1's worker Pod
//	vacuum/   old builds are deleted
//	console/  what brig of a person does there: reads the store, follows logs of pods, checks
//	forward/  connections to ports of pods, through the API server
//
// Everything else of the program sees the root's interfaces only.
package kube
