package worker

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// Defaults gives a project the default script and config that it only names: v1
// keeps them in ConfigMaps. A project that names none costs no request.
func (w *Worker) Defaults(ctx context.Context, p *brigade.Project) error {
	for _, d := range []struct {
		to             *string
		configMap, key string
	}{{&p.DefaultScript, p.DefaultScriptName, "brigade.js"}, {&p.DefaultConfig, p.DefaultConfigName, "brigade.json"}} {
		if *d.to != "" || d.configMap == "" {
			continue
		}
		m, err := w.opt.Client.ConfigMaps("").Get(ctx, d.configMap, metav1.GetOptions{})
		if err != nil {
			return brigade.Errorf(brigade.CodeScriptLoad, "the ConfigMap %s, which the project names, cannot be read: %w", d.configMap, cluster.Error(err)).
				WithHint("it has to be in namespace %s, with the key %s", w.opt.Client.Namespace, d.key)
		}
		*d.to = m.Data[d.key]
	}
	return nil
}
