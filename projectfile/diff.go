package projectfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// SecretField is a setting that is a secret.
type SecretField struct {
	Path string // as in JSON, such as "repo.token"
	Of   func(*brigade.Project) *string
}

// SecretFields are the settings that are secrets, besides Secrets.
func SecretFields() []SecretField {
	return []SecretField{
		{"sharedSecret", func(p *brigade.Project) *string { return &p.SharedSecret }},
		{"genericGatewaySecret", func(p *brigade.Project) *string { return &p.GenericGatewaySecret }},
		{"repo.sshKey", func(p *brigade.Project) *string { return &p.Repo.SSHKey }},
		{"repo.sshCert", func(p *brigade.Project) *string { return &p.Repo.SSHCert }},
		{"repo.token", func(p *brigade.Project) *string { return &p.Repo.Token }},
		{"registryGateway.token", func(p *brigade.Project) *string { return &p.Registry.Token }},
	}
}

// SecretNames are the paths of all secrets that p has, sorted: "repo.token",
// "secrets.DEPLOY_KEY".
func SecretNames(p *brigade.Project) []string {
	var names []string
	for _, f := range SecretFields() {
		if *f.Of(p) != "" {
			names = append(names, f.Path)
		}
	}
	for key := range p.Secrets {
		names = append(names, "secrets."+key)
	}
	slices.Sort(names)
	return names
}

// Redact returns a copy of p with Placeholder for each secret that is set.
func Redact(p *brigade.Project) *brigade.Project {
	c := p.WithoutSecrets()
	for _, f := range SecretFields() {
		if *f.Of(p) != "" {
			*f.Of(c) = Placeholder
		}
	}
	for key := range p.Secrets {
		if c.Secrets == nil {
			c.Secrets = map[string]any{}
		}
		c.Secrets[key] = Placeholder
	}
	return c
}

// Keep returns declared, a copy, with the secrets that stored has and declared
// says nothing about, so that a file without secrets can be applied. A key of
// Secrets that is declared as null is taken away. stored may be nil.
func Keep(stored, declared *brigade.Project) *brigade.Project {
	c := *declared
	if stored != nil {
		for _, f := range SecretFields() {
			if *f.Of(&c) == "" {
				*f.Of(&c) = *f.Of(stored)
			}
		}
	}
	secrets := map[string]any{}
	if stored != nil {
		maps.Copy(secrets, stored.Secrets)
	}
	maps.Copy(secrets, declared.Secrets)
	maps.DeleteFunc(secrets, func(_ string, v any) bool { return v == nil })
	if c.Secrets = secrets; len(secrets) == 0 {
		c.Secrets = nil
	}
	return &c
}

// Change is one difference between two projects. A secret's values are left
// out.
type Change struct {
	Path   string `json:"path"`          // as in JSON: "limits.builds", `schedules["nightly"].cron`
	Old    any    `json:"old,omitempty"` // nil: it was not set
	New    any    `json:"new,omitempty"` // nil: it is not set any more
	Secret string `json:"secret,omitempty"`
}

// String is the change as a line, long values cut.
func (c Change) String() string {
	if c.Secret != "" {
		return c.Path + ": " + c.Secret
	}
	return c.Path + ": " + brief(c.Old) + " → " + brief(c.New)
}

// brief is a value on one line.
func brief(v any) string {
	if v == nil {
		return "(not set)"
	}
	if s, ok := v.(string); ok && strings.Count(s, "\n") > 0 {
		return fmt.Sprintf("(%d lines)", strings.Count(strings.TrimSuffix(s, "\n"), "\n")+1)
	}
	return clip(jsonText(v))
}

// Diff lists what differs, by path. A nil project is one where nothing is set.
// What is no difference to the product, such as an empty list instead of none,
// is none here.
func Diff(old, new *brigade.Project) []Change {
	var changes []Change
	if old == nil {
		old = &brigade.Project{}
	}
	if new == nil {
		new = &brigade.Project{}
	}
	secret := func(path string, was, is any) {
		switch {
		case reflect.DeepEqual(was, is):
		case was == nil || was == "":
			changes = append(changes, Change{Path: path, Secret: "set"})
		case is == nil || is == "":
			changes = append(changes, Change{Path: path, Secret: "removed"})
		default:
			changes = append(changes, Change{Path: path, Secret: "changed"})
		}
	}
	for _, f := range SecretFields() {
		secret(f.Path, *f.Of(old), *f.Of(new))
	}
	all := map[string]bool{}
	for key := range old.Secrets {
		all[key] = true
	}
	for key := range new.Secrets {
		all[key] = true
	}
	for key := range all {
		secret("secrets."+key, tree(old.Secrets[key]), tree(new.Secrets[key]))
	}
	compare(&changes, "", tree(old.WithoutSecrets()), tree(new.WithoutSecrets()))
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

// tree is v as JSON values; nil when it cannot be written.
func tree(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var t any
	if json.Unmarshal(text, &t) != nil {
		return nil
	}
	return t
}

// unset reports whether a value says nothing.
func unset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// compare adds what differs at and below path.
func compare(changes *[]Change, path string, was, is any) {
	if unset(was) {
		was = nil
	}
	if unset(is) {
		is = nil
	}
	if reflect.DeepEqual(was, is) {
		return
	}
	a, b, ok := members(was, is)
	if !ok {
		*changes = append(*changes, Change{Path: path, Old: was, New: is})
		return
	}
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	before := len(*changes)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := path + name
		if !strings.HasPrefix(name, "[") {
			at = join(path, name)
		}
		compare(changes, at, a[name], b[name])
	}
	if len(*changes) == before && (was == nil || is == nil) { // it is there or not, which says something by itself
		*changes = append(*changes, Change{Path: path, Old: was, New: is})
	}
}

// members are the parts of two mappings, or of two lists of mappings, by what
// follows their path. ok is false when the values are to be compared whole.
func members(was, is any) (a, b map[string]any, ok bool) {
	switch is.(type) {
	case map[string]any:
		a, ok = was.(map[string]any)
		return a, is.(map[string]any), ok || was == nil
	case nil:
		a, ok = was.(map[string]any)
		return a, nil, ok
	}
	a, okA := listMembers(was)
	b, okB := listMembers(is)
	return a, b, okA && okB
}

func listMembers(v any) (map[string]any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	m := map[string]any{}
	for i, e := range list {
		object, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		at := fmt.Sprintf("[%d]", i)
		if name, ok := object["name"].(string); ok && name != "" && m[fmt.Sprintf("[%q]", name)] == nil {
			at = fmt.Sprintf("[%q]", name)
		}
		m[at] = object
	}
	return m, true
}
