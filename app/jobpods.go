package app

import (
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// JobPods say how jobs run in a cluster, where their project or script does
// not. Its JSON goes to worker pods, see JobOptionsEnv.
type JobPods struct {
	// VCSImage fetches the files for projects that name no image of their own,
	// by VCSCommand; "": those get none, as in v1.
	VCSImage   string   `json:"vcsImage,omitempty"`
	VCSCommand []string `json:"vcsCommand,omitempty"`
	// KnownHosts are the SSH servers that may be cloned from, as lines of a
	// known_hosts file, besides those of the project; "" is all, as in v1.
	KnownHosts string `json:"knownHosts,omitempty"`
	// Source is sidecar or workspace, BuildStorage and Cache are pvc-rwx,
	// pvc-rwo or workspace.
	Source            string `json:"source,omitempty"`
	BuildStorage      string `json:"buildStorage,omitempty"`
	Cache             string `json:"cache,omitempty"`
	BuildStorageClass string `json:"buildStorageClass,omitempty"`
	CacheStorageClass string `json:"cacheStorageClass,omitempty"`
	// WorkspaceImage is what brings files to pods over the workspace: this
	// program.
	WorkspaceImage string `json:"workspaceImage,omitempty"`
	// ServiceAccount is that of jobs that name none, ServiceAccounts a regular
	// expression for those they may name.
	ServiceAccount  string `json:"serviceAccount,omitempty"`
	ServiceAccounts string `json:"serviceAccounts,omitempty"`
	// Overlay lists what scripts may set with job.pod; nil is the default, an
	// empty list nothing.
	Overlay []string `json:"overlay,omitzero"`
	// Restricted gives pods what the Pod Security Standard of that name asks for.
	Restricted bool `json:"restricted,omitempty"`
}

func (j JobPods) options(client *cluster.Client) pods.Options {
	return pods.Options{
		Cluster: client, VCSImage: j.VCSImage, VCSCommand: j.VCSCommand, KnownHosts: j.KnownHosts,
		Source: pods.SourceMode(j.Source), WorkspaceImage: j.WorkspaceImage,
		BuildStorage: pods.StorageMode(j.BuildStorage), Cache: pods.StorageMode(j.Cache),
		BuildStorageClass: j.BuildStorageClass, CacheStorageClass: j.CacheStorageClass,
		ServiceAccount: j.ServiceAccount, ServiceAccounts: j.ServiceAccounts, Overlay: j.Overlay, Restricted: j.Restricted,
	}
}
