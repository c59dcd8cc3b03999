// Package cluster connects to a Kubernetes API server: typed clients for the
// few resources that Brigade uses, lists that are watched instead of asked for,
// events, leader election, and errors that people understand.
//
// It has a scheme of its own with those few types instead of client-go's typed
// packages, which bring every API group there is into the program.
package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	_ "k8s.io/client-go/plugin/pkg/client/auth/oidc" // kubeconfigs that log in through OpenID Connect
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	brigade "github.com/brigadecore/brigade/v3"
)

// Options say which cluster to connect to and as whom.
type Options struct {
	// Kubeconfig is a path, or several as KUBECONFIG lists them. When it is
	// empty, the service account of the pod that the program runs in is used,
	// and outside of a cluster the file .kube/config of the user.
	Kubeconfig string
	Context    string // of the kubeconfig; "" is its current one
	Namespace  string // "" is that of the context or the pod, else "default"
	UserAgent  string // default "brig"
	Log        *slog.Logger
	// Wrap, when set, wraps the transport of every request, for instance to
	// count them.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Client is a connection to a cluster. It is safe for concurrent use and needs
// no closing. Requests are not slowed down on this side: the server has
// priority and fairness for that.
type Client struct {
	Namespace string // where Brigade's objects are
	Host      string // address of the API server, for people

	log    *slog.Logger
	config *rest.Config
	http   *http.Client
	core   rest.Interface
	coord  rest.Interface
	emit   emitter
}

// serviceAccount is where a pod finds its own credentials.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Open reads the configuration. It does not reach out: see Check. The error is
// CodeUsage when the kubeconfig is missing or broken, with a hint.
func Open(opt Options) (*Client, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	libraries.to.Store(opt.Log)
	config, namespace, err := load(opt)
	if err != nil {
		return nil, err
	}
	if opt.Namespace != "" {
		namespace = opt.Namespace
	}
	if namespace == "" {
		namespace = "default"
	}
	config.QPS, config.Burst = -1, -1
	config.UserAgent = opt.UserAgent
	if config.UserAgent == "" {
		config.UserAgent = "brig"
	}
	config.WarningHandlerWithContext = warnings{opt.Log}
	if opt.Wrap != nil {
		config.Wrap(opt.Wrap)
	}
	c := &Client{Namespace: namespace, Host: config.Host, log: opt.Log, config: config}
	if c.http, err = rest.HTTPClientFor(config); err != nil {
		return nil, broken(opt.Kubeconfig, err)
	}
	if c.core, err = c.group("/api", coreGroup); err == nil {
		c.coord, err = c.group("/apis", coordinationGroup)
	}
	if err != nil {
		return nil, broken(opt.Kubeconfig, err)
	}
	c.emit.slots = make(chan struct{}, maxEmits)
	return c, nil
}

// Config is a copy of the connection's configuration, for clients of further
// resources. They share the throttling (none) and the transport's options.
func (c *Client) Config() *rest.Config { return rest.CopyConfig(c.config) }

// load finds the configuration: see Options.Kubeconfig.
func load(opt Options) (*rest.Config, string, error) {
	if opt.Kubeconfig == "" && opt.Context == "" {
		config, err := rest.InClusterConfig()
		if err == nil {
			raw, _ := os.ReadFile(filepath.Join(serviceAccount, "namespace"))
			return config, strings.TrimSpace(string(raw)), nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", brigade.Errorf(brigade.CodeUsage, "read this pod's service account: %w", err).
				WithHint("the pod needs a service account token: automountServiceAccountToken must not be false")
		}
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: []string{clientcmd.RecommendedHomeFile}}
	if opt.Kubeconfig != "" {
		rules.Precedence = filepath.SplitList(opt.Kubeconfig)
	}
	if !anyExists(rules.Precedence) {
		return nil, "", brigade.Errorf(brigade.CodeUsage, "there is no kubeconfig at %s", strings.Join(rules.Precedence, ", ")).
			WithHint("name one with --kubeconfig or KUBECONFIG; inside a cluster it is not needed")
	}
	rules.WarnIfAllMissing = false
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: opt.Context})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", broken(strings.Join(rules.Precedence, ", "), err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", broken(strings.Join(rules.Precedence, ", "), err)
	}
	return config, namespace, nil
}

func anyExists(files []string) bool {
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			return true
		}
	}
	return false
}

// broken is the error for a kubeconfig that cannot be used.
func broken(where string, err error) error {
	e := brigade.Errorf(brigade.CodeUsage, "use the kubeconfig: %w", err)
	if where != "" {
		e = brigade.Errorf(brigade.CodeUsage, "use the kubeconfig %s: %w", where, err)
	}
	if clientcmd.IsContextNotFound(err) {
		return e.WithHint("`kubectl config get-contexts` lists the contexts there are")
	}
	return e.WithHint("`kubectl config view` shows what is in it")
}

// group makes the client of one API group.
func (c *Client) group(path string, gv groupVersion) (rest.Interface, error) {
	config := rest.CopyConfig(c.config)
	config.APIPath = path
	config.GroupVersion = &gv
	config.NegotiatedSerializer = codecs.WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(config, c.http)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", gv, err)
	}
	return client, nil
}
