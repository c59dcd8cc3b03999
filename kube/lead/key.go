package lead

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/kube/cluster"
)

const (
	keyField  = "key"
	keyLength = 32
)

// Key is a key that all controllers of the namespace share: what one has signed
// the next leader accepts. It is kept in a Secret of that name, which the first
// who asks makes.
func Key(ctx context.Context, client *cluster.Client, name string) ([]byte, error) {
	for {
		found, err := client.Secrets("").Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			if key := found.Data[keyField]; len(key) >= keyLength {
				return key, nil
			}
			return nil, fmt.Errorf("the Secret %s has no %q of %d bytes or more", name, keyField, keyLength)
		}
		if !apierrors.IsNotFound(err) {
			return nil, cluster.Error(err)
		}
		key := make([]byte, keyLength)
		_, _ = rand.Read(key) // it never fails
		_, err = client.Secrets("").Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "brigade", "heritage": "brigade", "component": "key"}},
			Data:       map[string][]byte{keyField: key},
		}, metav1.CreateOptions{})
		if err == nil {
			return key, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, cluster.Error(err)
		}
	}
}

// Address is the IP address of the pod; "" when there is no such pod.
func Address(ctx context.Context, client *cluster.Client, pod string) (string, error) {
	p, err := client.Pods("").Get(ctx, pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", cluster.Error(err)
	}
	return p.Status.PodIP, nil
}
