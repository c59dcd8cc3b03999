package projectfile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// maxName bounds a project's name, in bytes.
const maxName = 200

// CheckName reports what is wrong with a project's name, as CodeInvalid.
func CheckName(name string) error {
	switch {
	case name == "":
		return brigade.Errorf(brigade.CodeInvalid, "name: the project has no name").WithHint("give it one, such as acme/app")
	case len(name) > maxName:
		return brigade.Errorf(brigade.CodeInvalid, "name: it is longer than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		return brigade.Errorf(brigade.CodeInvalid, "name: %q has blanks or characters that cannot be printed", clip(name)).
			WithHint("name it like a repository, such as acme/app")
	}
	return nil
}

var (
	idText       = lazyregexp.New(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	pullPolicies = []string{"", "Always", "IfNotPresent", "Never"}
)

// CheckValues reports what is wrong with values whose rules are the same in
// every installation, as a CodeInvalid error that begins with the setting's
// path. What projects say about events is checked by whoever handles them.
func CheckValues(p *brigade.Project) error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	if !idText.MatchString(p.ID) {
		return brigade.Errorf(brigade.CodeInvalid, "id: %q is no ID", clip(p.ID)).WithHint("leave it out: it follows from the name")
	}
	k := p.Kubernetes
	for _, q := range []struct {
		path, text string
		read       func(string) (int64, error)
	}{
		{"kubernetes.buildStorageSize", k.BuildStorageSize, quantity.Bytes},
		{"kubernetes.vcsSidecarResourcesLimits.cpu", k.SidecarLimits.CPU, quantity.Milli},
		{"kubernetes.vcsSidecarResourcesLimits.memory", k.SidecarLimits.Memory, quantity.Bytes},
		{"kubernetes.vcsSidecarResourcesRequests.cpu", k.SidecarRequests.CPU, quantity.Milli},
		{"kubernetes.vcsSidecarResourcesRequests.memory", k.SidecarRequests.Memory, quantity.Bytes},
	} {
		if q.text == "" {
			continue
		}
		if _, err := q.read(q.text); err != nil {
			return brigade.Errorf(brigade.CodeInvalid, "%s: %w", q.path, err)
		}
	}
	if !slices.Contains(pullPolicies, p.Worker.PullPolicy) {
		return brigade.Errorf(brigade.CodeInvalid, "worker.pullPolicy: there is no policy %q", clip(p.Worker.PullPolicy)).
			WithHint("use Always, IfNotPresent or Never")
	}
	if strings.ContainsAny(p.GenericGatewaySecret, "/?#% \t\r\n") {
		return brigade.Errorf(brigade.CodeInvalid, "genericGatewaySecret: it is part of an address, and has characters that cannot be").
			WithHint("use letters and digits")
	}
	for i, s := range p.ImagePullSecrets {
		if s == "" || strings.Contains(s, ",") || strings.ContainsFunc(s, unicode.IsSpace) {
			return fmt.Errorf("imagePullSecrets: %w", brigade.Errorf(brigade.CodeInvalid, "number %d is no name of a Secret", i+1))
		}
	}
	return nil
}
