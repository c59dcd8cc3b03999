"use strict";

const { Job } = require("brigadier");

const kindJobImage = "brigadecore/golang-kind:1.15.8-v0.10.0";

// KindJob starts a Kubernetes cluster within a job; what it tests is pushed
// onto its tasks. The project has to allow privileged jobs and host mounts.
class KindJob extends Job {
	constructor(name, image = kindJobImage, kubernetesVersion = "v1.20.2") {
		super(name, image);
		this.privileged = true;
		this.timeout = 30 * 60 * 1000;
		const volume = (name, path) => {
			this.volumes.push({ name, hostPath: { path, type: "Directory" } });
			this.volumeMounts.push({ name, mountPath: path, readOnly: name === "modules" });
		};
		volume("modules", "/lib/modules");
		volume("cgroup", "/sys/fs/cgroup");
		this.volumes.push({ name: "docker-graph-storage", emptyDir: {} });
		this.volumeMounts.push({ name: "docker-graph-storage", mountPath: "/var/lib/docker" });
		this.tasks.push(
			"trap 'kind delete cluster' EXIT",
			"dockerd-entrypoint.sh &",
			"sleep 20",
			`kind create cluster --wait 300s --image kindest/node:${kubernetesVersion}`,
			'export KUBECONFIG="${HOME}/.kube/config"',
			'for v in $(env | sed -n "s/^\\(KUBERNETES_[A-Z_0-9]*\\)=.*/\\1/p"); do unset "$v"; done',
		);
	}
}

exports.KindJob = KindJob;
exports.kindJobImage = kindJobImage;
