// Package kube measures what builds cost in a cluster, beside bare pods of the
// same image in the same run: on a real node with a script beside the controller
// and with one in a worker pod, alone and forty at once; a thousand at once on
// a node that runs nothing; and what a controller asks for that has nothing to
// do. Its benchmarks print how far each figure is from its target, and fail for
// none of them:
//
//	go test -run '^$' -bench . -benchtime 1x ./bench/kube
//
// The cluster runs on the same machine, and so takes its part of it. Which is
// why figures are ratios, rounds of builds and of bare pods take turns, and it
// is said how much of a processor each program has used: who the limit is.
// BRIGADE_PROGRAM names a brig, and BRIGADE_IMAGE an archive of its image, that
// need not be built first.
package kube
