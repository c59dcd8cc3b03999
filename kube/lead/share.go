package lead

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// ShareToken keeps a token for the API in a Secret, for those who may read the
// namespace's Secrets. renew is given the token that is there, "" for none, and
// returns the one that is to be there.
func ShareToken(ctx context.Context, client *cluster.Client, renew func(have string) (string, error)) error {
	secrets := client.Secrets("")
	there, err := secrets.Get(ctx, objects.APITokenSecret, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if missing {
		there = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Name:   objects.APITokenSecret,
			Labels: map[string]string{"app": "brigade", objects.LabelHeritage: objects.Heritage, objects.LabelComponent: objects.ComponentAPIToken},
		}}
	} else if err != nil {
		return cluster.Error(err)
	}
	have := string(there.Data[objects.APITokenKey])
	token, err := renew(have)
	if err != nil || token == have && !missing {
		return err
	}
	there = there.DeepCopy()
	there.Data = map[string][]byte{objects.APITokenKey: []byte(token)}
	if missing {
		_, err = secrets.Create(ctx, there, metav1.CreateOptions{})
	} else {
		_, err = secrets.Update(ctx, there, metav1.UpdateOptions{})
	}
	return cluster.Error(err)
}
