package cluster

import (
	"context"
	"io"
	"log/slog"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
)

type groupVersion = schema.GroupVersion

var (
	coreGroup         = corev1.SchemeGroupVersion
	coordinationGroup = coordinationv1.SchemeGroupVersion

	scheme     = newScheme()
	codecs     = serializer.NewCodecFactory(scheme)
	parameters = runtime.NewParameterCodec(scheme)
)

// newScheme knows the types that this program uses and no other: all of the
// core group alone would make it megabytes larger.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypes(coreGroup,
		&corev1.Secret{}, &corev1.SecretList{},
		&corev1.Pod{}, &corev1.PodList{}, &corev1.PodLogOptions{},
		&corev1.ConfigMap{}, &corev1.ConfigMapList{},
		&corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaimList{},
		&corev1.Event{}, &corev1.EventList{},
		&corev1.Node{}, &corev1.NodeList{},
		&corev1.ServiceAccount{}, &corev1.ServiceAccountList{},
		&corev1.Namespace{}, &corev1.NamespaceList{},
	)
	metav1.AddToGroupVersion(s, coreGroup)
	s.AddKnownTypes(coordinationGroup, &coordinationv1.Lease{}, &coordinationv1.LeaseList{})
	metav1.AddToGroupVersion(s, coordinationGroup)
	return s
}

// Object is a Kubernetes object.
type Object interface {
	runtime.Object
	metav1.Object
}

// Resource is the client of one resource in one namespace: Create, Update,
// Delete, DeleteCollection, Get, List, Watch, Patch. Its errors are the API
// server's: see Error.
type Resource[T Object, L runtime.Object] = gentype.ClientWithList[T, L]

// Secrets is the client of Secrets.
type Secrets = Resource[*corev1.Secret, *corev1.SecretList]

// Pods is the client of Pods.
type Pods = Resource[*corev1.Pod, *corev1.PodList]

// ConfigMaps is the client of ConfigMaps.
type ConfigMaps = Resource[*corev1.ConfigMap, *corev1.ConfigMapList]

// PersistentVolumeClaims is the client of claims of volumes.
type PersistentVolumeClaims = Resource[*corev1.PersistentVolumeClaim, *corev1.PersistentVolumeClaimList]

// Events is the client of Events.
type Events = Resource[*corev1.Event, *corev1.EventList]

// Nodes is the client of Nodes.
type Nodes = Resource[*corev1.Node, *corev1.NodeList]

// ServiceAccounts is the client of service accounts.
type ServiceAccounts = Resource[*corev1.ServiceAccount, *corev1.ServiceAccountList]

// Namespaces is the client of Namespaces.
type Namespaces = Resource[*corev1.Namespace, *corev1.NamespaceList]

// Leases is the client of Leases.
type Leases = Resource[*coordinationv1.Lease, *coordinationv1.LeaseList]

// AllNamespaces selects every namespace where a namespace is asked for. It is
// good for List and Watch only.
const AllNamespaces = "*"

// namespace is the one to ask for: "" is the client's own.
func (c *Client) namespace(ns string) string {
	switch ns {
	case "":
		return c.Namespace
	case AllNamespaces:
		return ""
	}
	return ns
}

func resource[T Object, L runtime.Object](client rest.Interface, plural, ns string, one func() T, list func() L) *Resource[T, L] {
	return gentype.NewClientWithList(plural, client, parameters, ns, one, list, gentype.PrefersProtobuf[T]())
}

// Secrets of a namespace; "" is the client's own, also below.
func (c *Client) Secrets(ns string) *Secrets {
	return resource(c.core, "secrets", c.namespace(ns),
		func() *corev1.Secret { return &corev1.Secret{} }, func() *corev1.SecretList { return &corev1.SecretList{} })
}

// Pods of a namespace.
func (c *Client) Pods(ns string) *Pods {
	return resource(c.core, "pods", c.namespace(ns),
		func() *corev1.Pod { return &corev1.Pod{} }, func() *corev1.PodList { return &corev1.PodList{} })
}

// ConfigMaps of a namespace.
func (c *Client) ConfigMaps(ns string) *ConfigMaps {
	return resource(c.core, "configmaps", c.namespace(ns),
		func() *corev1.ConfigMap { return &corev1.ConfigMap{} }, func() *corev1.ConfigMapList { return &corev1.ConfigMapList{} })
}

// PersistentVolumeClaims of a namespace.
func (c *Client) PersistentVolumeClaims(ns string) *PersistentVolumeClaims {
	return resource(c.core, "persistentvolumeclaims", c.namespace(ns),
		func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		func() *corev1.PersistentVolumeClaimList { return &corev1.PersistentVolumeClaimList{} })
}

// Events of a namespace. To make one, see Emit.
func (c *Client) Events(ns string) *Events {
	return resource(c.core, "events", c.namespace(ns),
		func() *corev1.Event { return &corev1.Event{} }, func() *corev1.EventList { return &corev1.EventList{} })
}

// ServiceAccounts of a namespace.
func (c *Client) ServiceAccounts(ns string) *ServiceAccounts {
	return resource(c.core, "serviceaccounts", c.namespace(ns),
		func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} },
		func() *corev1.ServiceAccountList { return &corev1.ServiceAccountList{} })
}

// Leases of a namespace.
func (c *Client) Leases(ns string) *Leases {
	return resource(c.coord, "leases", c.namespace(ns),
		func() *coordinationv1.Lease { return &coordinationv1.Lease{} },
		func() *coordinationv1.LeaseList { return &coordinationv1.LeaseList{} })
}

// Nodes of the cluster.
func (c *Client) Nodes() *Nodes {
	return resource(c.core, "nodes", "",
		func() *corev1.Node { return &corev1.Node{} }, func() *corev1.NodeList { return &corev1.NodeList{} })
}

// Namespaces of the cluster.
func (c *Client) Namespaces() *Namespaces {
	return resource(c.core, "namespaces", "",
		func() *corev1.Namespace { return &corev1.Namespace{} }, func() *corev1.NamespaceList { return &corev1.NamespaceList{} })
}

// PodLog opens the log of a pod's container. The caller closes it. With Follow
// it ends with the container, or with ctx.
func (c *Client) PodLog(ctx context.Context, ns, pod string, opt *corev1.PodLogOptions) (io.ReadCloser, error) {
	if opt == nil {
		opt = &corev1.PodLogOptions{}
	}
	return c.core.Get().Namespace(c.namespace(ns)).Resource("pods").Name(pod).SubResource("log").
		VersionedParams(opt, parameters).Stream(ctx)
}

// Check asks the server for its version, such as "v1.36.3". An error says why
// it cannot be reached or used: see Error.
func (c *Client) Check(ctx context.Context) (version string, err error) {
	raw, err := c.core.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", Error(err)
	}
	return versionOf(raw), nil
}

// warnings logs what the API server warns about: deprecations, mostly.
type warnings struct{ log *slog.Logger }

// HandleWarningHeaderWithContext logs one warning.
func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if code == 299 && text != "" {
		w.log.DebugContext(ctx, "the API server warns", "warning", text)
	}
}
