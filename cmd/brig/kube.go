package main

import (
	"cmp"

	"github.com/spf13/cobra"
)

// kubeFlags say on which cluster commands work, and where in it: v1's global
// flags. brig controller and the other parts of an installation take them, too.
type kubeFlags struct {
	kubeconfig, context, namespace string
}

func (f *kubeFlags) register(root *cobra.Command) {
	fl := root.PersistentFlags()
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`file` that says how to reach the cluster to work on (also: KUBECONFIG, which alone selects no cluster)")
	fl.StringVar(&f.context, "kube-context", "", "`name` of the context of that file; default its current one")
	fl.StringVarP(&f.namespace, "namespace", "n", "", "`namespace` of Brigade in the cluster to work on (also: BRIGADE_NAMESPACE)")
	_ = root.MarkPersistentFlagFilename("kubeconfig")
}

// given reports whether a flag asks for a cluster.
func (f kubeFlags) given() bool { return f != kubeFlags{} }

// kubeSettings are the flags, each with the environment behind it: KUBECONFIG
// may be a list of files, and no namespace is that of the kubeconfig's context.
func (s *State) kubeSettings() kubeFlags {
	f := s.kube
	f.kubeconfig = cmp.Or(f.kubeconfig, s.Getenv("KUBECONFIG"))
	f.namespace = cmp.Or(f.namespace, s.Getenv("BRIGADE_NAMESPACE"))
	return f
}
