package projectfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
)

// SecretType is the type of the Kubernetes Secret that v1 keeps a project in.
const SecretType = "brigade.sh/project"

// nameAnnotation holds a project's name in its Secret.
const nameAnnotation = "projectName"

// Secret is a Kubernetes Secret as far as a project needs it. Its JSON is what
// kubectl and v1's brig project create -f read and -o writes: keys in a fixed
// order, so that the same project gives the same bytes.
type Secret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   Metadata          `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data,omitempty"`
	StringData map[string]string `json:"stringData,omitempty"` // wins over Data
}

// Metadata names a Secret.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Labels are the labels of every project's Secret. The map is the caller's.
func Labels() map[string]string {
	return map[string]string{"app": "brigade", "heritage": "brigade", "component": "project"}
}

// ToSecret is the Secret in which v1 keeps p: all of v1's keys, empty ones too,
// in StringData, and the settings that v1 does not have under one key more,
// when there are any. An empty namespace is left out.
func ToSecret(p *brigade.Project, namespace string) (*Secret, error) {
	data := make(map[string]string, len(keys))
	for _, k := range keys {
		value, err := k.get(p)
		if err != nil {
			return nil, fmt.Errorf("write %s of project %s: %w", k.name, p.Name, err)
		}
		if value != "" || !k.optional {
			data[k.name] = value
		}
	}
	return &Secret{
		APIVersion: "v1", Kind: "Secret", Type: SecretType, StringData: data,
		Metadata: Metadata{
			Name: p.ID, Namespace: namespace, Labels: Labels(),
			Annotations: map[string]string{nameAnnotation: p.Name},
		},
	}, nil
}

// FromSecret reads what ToSecret or v1 wrote, with v1's defaults for what is
// missing or empty. Values that are unclear are warned about and taken the safe
// way. It does not look at the Secret's type and labels. The error is
// CodeInvalid and names the key.
func FromSecret(s *Secret) (p *brigade.Project, warnings []string, err error) {
	data := make(map[string]string, len(s.Data)+len(s.StringData))
	for k, v := range s.Data {
		data[k] = string(v)
	}
	maps.Copy(data, s.StringData)
	name := s.Metadata.Annotations[nameAnnotation]
	if name == "" {
		name = data["repository"]
	}
	if name == "" {
		name = s.Metadata.Name
	}
	if name == "" {
		return nil, nil, brigade.Errorf(brigade.CodeInvalid, "metadata.name: the Secret has no name").
			WithHint("the project's name is in metadata.annotations.%s", nameAnnotation)
	}
	p, warnings, err = fromData(name, data)
	if err == nil && s.Metadata.Name != "" {
		p.ID = s.Metadata.Name
	}
	return p, warnings, err
}

// fromData makes a project of v1's keys.
func fromData(name string, data map[string]string) (*brigade.Project, []string, error) {
	p := brigade.NewProject(name)
	var warnings []string
	for _, k := range keys {
		value := data[k.name]
		if value == "" {
			continue
		}
		warning, err := "", fmt.Errorf("it is not UTF-8")
		if utf8.ValidString(value) {
			warning, err = k.set(p, value)
		}
		if err != nil {
			return nil, warnings, brigade.Errorf(brigade.CodeInvalid, "%s: %w", k.name, err)
		}
		if warning != "" {
			warnings = append(warnings, k.name+": "+warning)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !isKey(name) {
			warning := clip(name) + ": this is not a setting of a project, and is left out"
			if near := nearName(name, keyNames()); near != "" {
				warning += "; did you mean " + near + "?"
			}
			warnings = append(warnings, warning)
		}
	}
	return p, warnings, nil
}

// secret reads a Secret. In a list, Secrets of other types are passed over.
func (r *reader) secret(n *yaml.Node, fields []field, inList bool) {
	s := &Secret{Data: map[string][]byte{}, StringData: map[string]string{}}
	r.at = map[string]*yaml.Node{}
	if t := find(fields, "type"); t != nil {
		s.Type = t.value.Value
	}
	if s.Type != SecretType {
		if inList {
			r.warn(n, "a Secret of type %q is passed over", clip(s.Type))
			return
		}
		r.wrong(n, "", "a project's Secret has the type %s, not %q", SecretType, clip(s.Type))
		return
	}
	before := len(r.problems) + r.more
	if m := find(fields, "metadata"); m != nil && m.value.Kind == yaml.MappingNode {
		meta := r.fields(m.value)
		s.Metadata.Name = r.texts(meta, "name")
		if a := find(meta, "annotations"); a != nil && a.value.Kind == yaml.MappingNode {
			s.Metadata.Annotations = map[string]string{nameAnnotation: r.texts(r.fields(a.value), nameAnnotation)}
		}
	}
	for _, part := range []string{"data", "stringData"} {
		f := find(fields, part)
		if f == nil || isNull(f.value) || !r.want(f.value, yaml.MappingNode, part, "a mapping") {
			continue
		}
		for _, d := range r.fields(f.value) {
			r.at[d.key.Value] = d.value
			r.datum(s, part, d)
		}
	}
	if len(r.problems)+r.more > before {
		return
	}
	p, warnings, err := FromSecret(s)
	r.finish(n, p, warnings, err)
}

// datum reads one value of data or stringData.
func (r *reader) datum(s *Secret, part string, d field) {
	value, ok := "", isNull(d.value)
	if !ok && d.value.Kind == yaml.ScalarNode {
		value, ok = text(d.value)
	}
	if !ok {
		r.wrong(d.value, "", "%s.%s must be a text", part, clip(d.key.Value))
		return
	}
	if part == "stringData" {
		s.StringData[d.key.Value] = value
		return
	}
	raw, err := decodeBase64(value)
	if err != nil {
		r.wrong(d.value, "write it in Base64, or move it to stringData", "data.%s is not Base64", clip(d.key.Value))
		return
	}
	s.Data[d.key.Value] = raw
}

// texts is the text of a field, "" when it is not there.
func (r *reader) texts(fields []field, name string) string {
	if f := find(fields, name); f != nil && f.value.Kind == yaml.ScalarNode && !isNull(f.value) {
		return f.value.Value
	}
	return ""
}

// finish takes in what FromSecret or fromData made of n.
func (r *reader) finish(n *yaml.Node, p *brigade.Project, warnings []string, err error) {
	for _, w := range warnings {
		key, _, _ := strings.Cut(w, ": ")
		where := n
		if v := r.at[key]; v != nil {
			where = v
		}
		r.warn(where, "%s", w)
	}
	if err == nil {
		r.add(n, p)
		return
	}
	key, _, _ := strings.Cut(err.Error(), ": ")
	where, hint := n, ""
	if v := r.at[key]; v != nil {
		where = v
	}
	if e, ok := err.(*brigade.Error); ok {
		hint = e.Hint
	}
	r.wrong(where, hint, "%s", err)
}

// ignoredValues are values of the chart that say nothing about the project.
var ignoredValues = []string{"nameOverride", "fullnameOverride", "global"}

// values reads the values of v1's brigade-project chart. Their paths are the
// keys of the Secret that the chart makes.
func (r *reader) values(n *yaml.Node, fields []field) {
	name := r.texts(fields, "project")
	if name == "" {
		r.wrong(n, "", "project: the project has no name")
		return
	}
	r.at = map[string]*yaml.Node{}
	before := len(r.problems) + r.more
	data := map[string]string{}
	for _, f := range fields {
		if f.key.Value != "project" && !slices.Contains(ignoredValues, f.key.Value) {
			r.flatten(data, f.key.Value, f.value, 0)
		}
	}
	if len(r.problems)+r.more > before {
		return
	}
	p, warnings, err := fromData(name, data)
	r.finish(n, p, warnings, err)
}

// flatten adds a value of the chart to data, a nested one under its path.
func (r *reader) flatten(data map[string]string, path string, n *yaml.Node, depth int) {
	r.at[path] = n
	switch {
	case isNull(n):
	case depth > 4:
		r.wrong(n, "", "%s is nested too deeply", path)
	case path == "secrets":
		if !r.want(n, yaml.MappingNode, path, "a mapping") {
			return
		}
		if secrets, ok := r.any(n, path, 0); ok {
			if object, ok := secrets.(map[string]any); ok && len(object) > 0 {
				data[path] = jsonText(object)
			}
		}
	case n.Kind == yaml.MappingNode:
		for _, f := range r.fields(n) {
			r.flatten(data, join(path, f.key.Value), f.value, depth+1)
		}
	case n.Kind == yaml.SequenceNode && path == "imagePullSecrets":
		var names []string
		for _, item := range n.Content {
			if item = r.resolve(item); item != nil {
				names = append(names, item.Value)
			}
		}
		data[path] = strings.Join(names, ",")
	case n.Kind == yaml.ScalarNode:
		if value, ok := text(n); ok {
			data[path] = value
			return
		}
		fallthrough
	default:
		r.wrong(n, "", "%s must be a text", path)
	}
}
