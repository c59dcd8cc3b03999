package cluster

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Error turns an error of a request to the API server into one that says what
// is wrong and what to do: a *brigade.Error that wraps it. nil, the end of a
// context and what is a brigade.Error already stay as they are.
func Error(err error) error {
	var known *brigade.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return statusError(status.Status(), err)
	}
	return networkError(err)
}

// make builds the error; a text with % in it is safe.
func failure(code brigade.Code, err error, hint, format string, args ...any) *brigade.Error {
	return &brigade.Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Err: err}
}

// forbidden is how the API server says that a right is missing.
var forbidden = lazyregexp.New(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)

func statusError(s metav1.Status, err error) error {
	what := s.Message
	switch {
	case IsQuota(err):
		return failure(brigade.CodeLimited, err, "raise the ResourceQuota, delete finished builds (`brig vacuum`), or wait until others have ended",
			"the namespace's quota is used up: %s", what)
	case tooLarge(s):
		return failure(brigade.CodeTooLarge, err, "a Secret holds 1 MiB; keep what is large elsewhere and send its address", "too large for the cluster: %s", what)
	}
	switch s.Reason {
	case metav1.StatusReasonNotFound:
		return notFound(s, err)
	case metav1.StatusReasonAlreadyExists, metav1.StatusReasonConflict:
		return failure(brigade.CodeConflict, err, "", "%s", what)
	case metav1.StatusReasonForbidden:
		return denied(s, err)
	case metav1.StatusReasonUnauthorized:
		return failure(brigade.CodeDenied, err, "log in again, or choose another context of the kubeconfig", "the cluster does not accept the credentials: %s", what)
	case metav1.StatusReasonInvalid, metav1.StatusReasonBadRequest:
		return failure(brigade.CodeInvalid, err, "", "the cluster does not accept it: %s", what)
	case metav1.StatusReasonTooManyRequests, metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonInternalError,
		metav1.StatusReasonExpired, metav1.StatusReasonGone:
		return failure(brigade.CodeUnavailable, err, "try again in a moment", "the cluster could not do it now: %s", what)
	}
	if s.Code >= 500 {
		return failure(brigade.CodeUnavailable, err, "try again in a moment", "the cluster could not do it now: %s", what)
	}
	return failure(brigade.CodeInternal, err, "", "the cluster answered: %s", what)
}

func notFound(s metav1.Status, err error) error {
	if s.Details != nil && s.Details.Kind == "namespaces" {
		return failure(brigade.CodeNotFound, err, "create it with `kubectl create namespace "+s.Details.Name+"`, or name another with --namespace",
			"there is no namespace %q in the cluster", s.Details.Name)
	}
	return failure(brigade.CodeNotFound, err, "", "%s", s.Message)
}

// denied tells the reasons apart for which Kubernetes says "forbidden".
func denied(s metav1.Status, err error) error {
	what := s.Message
	switch m := forbidden.FindStringSubmatch(what); {
	case m != nil:
		where, hint := "in the whole cluster", fmt.Sprintf("a ClusterRole with the verb %q on %q, bound to that user, gives the right", m[2], m[3])
		if m[5] != "" {
			where = "in namespace " + m[5]
			hint = fmt.Sprintf("a Role in namespace %s with the verb %q on %q, bound to that user, gives the right; the chart makes the roles when rbac.enabled is true", m[5], m[2], m[3])
		}
		if m[4] != "" {
			m[3] += "." + m[4]
		}
		return failure(brigade.CodeDenied, err, hint, "%s may not %s %s %s", m[1], m[2], m[3], where)
	case strings.Contains(what, "violates PodSecurity"):
		return failure(brigade.CodeDenied, err, "the namespace's label pod-security.kubernetes.io/enforce sets what pods may do", "%s", what)
	case apierrors.HasStatusCause(err, "NamespaceTerminating"):
		return failure(brigade.CodeUnavailable, err, "wait until it is gone, or use another namespace", "the namespace is being deleted: %s", what)
	}
	return failure(brigade.CodeDenied, err, "", "the cluster forbids it: %s", what)
}

// IsQuota reports whether a ResourceQuota of the namespace forbids it for now.
func IsQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// tooLarge reports whether something is beyond what the API server takes, or
// etcd behind it.
func tooLarge(s metav1.Status) bool {
	if s.Reason == metav1.StatusReasonRequestEntityTooLarge {
		return true
	}
	for _, text := range []string{"etcdserver: request is too large", "trying to send message larger than max", "Request entity too large"} {
		if strings.Contains(s.Message, text) {
			return true
		}
	}
	return s.Reason == metav1.StatusReasonInvalid && strings.Contains(s.Message, "Too long") && strings.Contains(s.Message, "data")
}

// networkError is about requests that were not answered.
func networkError(err error) error {
	host := "the cluster"
	var asked *url.Error
	cause := err
	if errors.As(err, &asked) {
		if u, parseErr := url.Parse(asked.URL); parseErr == nil && u.Host != "" {
			host = "the cluster at " + u.Host
		}
		cause = asked.Err
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var old x509.CertificateInvalidError
	var dns *net.DNSError
	hint := "is the cluster up, and is it the right one? `kubectl config current-context` tells"
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &old):
		hint = "the kubeconfig's certificate authority does not go with this server"
	case errors.As(err, &dns):
		hint = "the server's name in the kubeconfig cannot be resolved"
	case strings.Contains(err.Error(), "getting credentials"):
		return failure(brigade.CodeDenied, err, "the kubeconfig gets its credentials from a program: run it by hand to see why it fails",
			"get credentials for %s: %v", host, cause)
	}
	return failure(brigade.CodeUnavailable, err, hint, "%s cannot be reached: %v", host, cause)
}

// versionOf reads the answer of /version.
func versionOf(raw []byte) string {
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if json.Unmarshal(raw, &v) != nil || v.GitVersion == "" {
		return "unknown"
	}
	return v.GitVersion
}
