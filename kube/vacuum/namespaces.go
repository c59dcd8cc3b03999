package vacuum

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Namespaces are those in which projects run their jobs.
func Namespaces(ctx context.Context, client *cluster.Client) ([]string, error) {
	list, err := client.Secrets("").List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(objects.TypeProject)})
	if err != nil {
		return nil, fmt.Errorf("list the projects: %w", cluster.Error(err))
	}
	var names []string
	for _, s := range list.Items {
		if ns := string(s.Data["namespace"]); ns != "" {
			names = append(names, ns)
		}
	}
	return names, nil
}
