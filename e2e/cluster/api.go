package cluster

import (
	"context"
	"fmt"
	"net/http"

	authentication "k8s.io/api/authentication/v1"
	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// The groups this package speaks with.
var (
	core     = corev1.SchemeGroupVersion
	leases   = coordination.SchemeGroupVersion
	classes  = storage.SchemeGroupVersion
	protobuf = "application/vnd.kubernetes.protobuf"
)

// codecs encodes the kinds this package uses; others would cost every test
// binary seconds to link.
func codecs() (serializer.CodecFactory, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, coordination.AddToScheme, storage.AddToScheme, authentication.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return serializer.CodecFactory{}, err
		}
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme), nil
}

// restFor returns a client of an API group, as the administrator.
func (c *Cluster) restFor(group schema.GroupVersion) (rest.Interface, error) {
	codecs, err := codecs()
	if err != nil {
		return nil, err
	}
	config := &rest.Config{
		Host: c.URL, APIPath: "/apis", BearerToken: c.adminToken, QPS: -1, WarningHandler: rest.NoWarnings{},
		TLSClientConfig: rest.TLSClientConfig{CAData: c.ca},
		ContentConfig: rest.ContentConfig{GroupVersion: &group, NegotiatedSerializer: codecs.WithoutConversion(),
			ContentType: protobuf, AcceptContentTypes: protobuf + ",application/json"},
	}
	if group.Group == "" {
		config.APIPath = "/api"
	}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// get reads an object of core/v1; into may be nil.
func (c *Cluster) get(ctx context.Context, namespace, resource, name string, into runtime.Object) error {
	r := c.admin.Get().NamespaceIfScoped(namespace, namespace != "").Resource(resource).Name(name).Do(ctx)
	if into == nil {
		return r.Error()
	}
	return r.Into(into)
}

func create(ctx context.Context, client rest.Interface, namespace, resource string, object runtime.Object) error {
	return client.Post().NamespaceIfScoped(namespace, namespace != "").Resource(resource).Body(object).Do(ctx).Into(object)
}

// deleteNow deletes a pod, or with no name all of a namespace, without waiting
// for a node to end it.
func (c *Cluster) deleteNow(ctx context.Context, namespace, pod string) error {
	r := c.admin.Delete().Namespace(namespace).Resource("pods").SetHeader("Content-Type", "application/json").
		Body([]byte(`{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}`))
	if pod != "" {
		r = r.Name(pod)
	}
	return r.Do(ctx).Error()
}

// follow calls a handler for every object of a resource, those that are there
// and those that come, in order and from one goroutine, until the context ends.
func (c *Cluster) follow(ctx context.Context, resource, selector string, object runtime.Object, handler cache.ResourceEventHandler) error {
	fields, err := fields.ParseSelector(selector)
	if err != nil {
		return fmt.Errorf("watch %s: %w", resource, err)
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(c.admin, resource, metav1.NamespaceAll, fields),
		ObjectType:    object, Handler: handler,
	})
	c.tasks.Add(1)
	go func() {
		defer c.tasks.Done()
		informer.RunWithContext(ctx)
	}()
	return nil
}

// status is the HTTP status of an API error, or 0.
func status(err error) int {
	if s, ok := err.(interface{ Status() metav1.Status }); ok { //nolint:errorlint // as the client returns it
		return int(s.Status().Code)
	}
	return 0
}

func notFound(err error) bool { return status(err) == http.StatusNotFound }
func exists(err error) bool   { return status(err) == http.StatusConflict }
