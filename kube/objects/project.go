package objects

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/projectfile"
)

// ownProjectKey is the key of a project's Secret that is not written when
// there is nothing to write: then it must not stay from before.
const ownProjectKey = "brigade.v3"

// ProjectSecret is the Secret that keeps p. before is the one there is, nil for
// none: its labels, annotations and keys that this program does not know are
// kept, and its resource version, so that writing it notices a change meanwhile.
func ProjectSecret(p *brigade.Project, namespace string, before *corev1.Secret) (*corev1.Secret, error) {
	plain, err := projectfile.ToSecret(p, namespace)
	if err != nil {
		return nil, err
	}
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: plain.Metadata.Name, Namespace: namespace}}
	if before != nil {
		s = before.DeepCopy()
	}
	s.Type = TypeProject
	s.Labels = merged(s.Labels, plain.Metadata.Labels)
	s.Annotations = merged(s.Annotations, plain.Metadata.Annotations)
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	delete(s.Data, ownProjectKey)
	for key, value := range plain.StringData {
		s.Data[key] = []byte(value)
	}
	return s, checkSize(s, "project "+p.Name)
}

func merged(to, from map[string]string) map[string]string {
	if to == nil {
		to = map[string]string{}
	}
	maps.Copy(to, from)
	return to
}

// Project reads what ProjectSecret, v1 or kubectl wrote, with v1's defaults.
// Warnings are about values that are unclear. The error is CodeInvalid and says
// which key is wrong.
func Project(s *corev1.Secret) (p *brigade.Project, warnings []string, err error) {
	return projectfile.FromSecret(plainSecret(s))
}

func plainSecret(s *corev1.Secret) *projectfile.Secret {
	return &projectfile.Secret{
		Type:     string(s.Type),
		Metadata: projectfile.Metadata{Name: s.Name, Namespace: s.Namespace, Labels: s.Labels, Annotations: s.Annotations},
		Data:     s.Data, StringData: s.StringData,
	}
}

// ProjectName is the name of the project in s, without reading all of it.
func ProjectName(s *corev1.Secret) string {
	if name := s.Annotations["projectName"]; name != "" {
		return name
	}
	if name := string(s.Data["repository"]); name != "" {
		return name
	}
	return s.Name
}

// The limits of the API server on a Secret.
const (
	maxSecretData  = corev1.MaxSecretSize // of all values
	maxAnnotations = 256 << 10            // of all keys and values
)

// checkSize reports what is too large for a Secret before the API server does:
// with sizes, and what to do.
func checkSize(s *corev1.Secret, what string) error {
	data, largest := 0, ""
	for key, value := range s.Data {
		data += len(value)
		if len(value) > len(s.Data[largest]) || largest == "" {
			largest = key
		}
	}
	if data > maxSecretData {
		return brigade.Errorf(brigade.CodeTooLarge, "%s has %d bytes (%s alone %d); a cluster keeps at most %d of it in a Secret",
			what, data, largest, len(s.Data[largest]), maxSecretData).
			WithHint("send less: keep what is large elsewhere, and its address in the payload")
	}
	notes := 0
	for key, value := range s.Annotations {
		notes += len(key) + len(value)
	}
	if notes > maxAnnotations {
		return brigade.Errorf(brigade.CodeTooLarge, "%s has %d bytes of annotations; a cluster keeps at most %d", what, notes, maxAnnotations).
			WithHint("the event's key, actor or names are very long, or others wrote large annotations")
	}
	return nil
}

// describe names s in a message.
func describe(s *corev1.Secret) string { return fmt.Sprintf("Secret %s", s.Name) }
