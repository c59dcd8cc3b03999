package projectfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
)

// FormatYAML is p in our own form: what differs from the defaults, in the order
// of the documentation. With secrets, Parse reads the same project from it;
// without, a comment at the end names those that are left out.
func FormatYAML(p *brigade.Project, withSecrets bool) ([]byte, error) {
	shown := p
	if !withSecrets {
		shown = p.WithoutSecrets()
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, word("kind"), word(Kind))
	err := appendFields(root, reflect.ValueOf(shown).Elem(), reflect.ValueOf(brigade.NewProject(p.Name)).Elem())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# yaml-language-server: $schema=%s\n", SchemaURL)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write project %s as YAML: %w", p.Name, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write project %s as YAML: %w", p.Name, err)
	}
	if names := SecretNames(p); !withSecrets && len(names) > 0 {
		fmt.Fprintf(&b, "# Left out, and kept when this is applied: %s\n", strings.Join(names, ", "))
	}
	return b.Bytes(), nil
}

func word(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// otherwiseRead are texts that some readers of YAML take for something else.
var otherwiseRead = []string{"y", "n", "yes", "no", "on", "off", "<<", "="}

// scalarNode is a text that is read back as it is. Lines are shown as lines
// where that is safe.
func scalarNode(s string) *yaml.Node {
	n := &yaml.Node{}
	if !utf8.ValidString(s) {
		n.SetString(s) // as Base64
		return n
	}
	n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!str", s
	switch {
	case slices.Contains(otherwiseRead, strings.ToLower(s)):
		n.Style = yaml.DoubleQuotedStyle
	case strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\t' || c > '~' && c < 0xa0 || c == 0x2028 || c == 0x2029 || c == 0xfeff
	}):
		n.Style = yaml.DoubleQuotedStyle
	case !strings.Contains(s, "\n"):
	case strings.TrimLeft(s, " \n\t") == s && !strings.Contains(s, "\t\n") && !strings.Contains(s, " \n") && !strings.HasSuffix(s, " ") && !strings.HasSuffix(s, "\t"):
		n.Style = yaml.LiteralStyle
	default:
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// appendFields adds the fields of v that differ from those of otherwise.
func appendFields(to *yaml.Node, v, otherwise reflect.Value) error {
	names, index := fieldsOf(v.Type())
	for _, name := range names {
		field, usual := v.Field(index[name]), otherwise.Field(index[name])
		if same(field, usual) && name != "name" {
			continue
		}
		n, err := nodeOf(field, usual)
		if err != nil {
			return err
		}
		to.Content = append(to.Content, scalarNode(name), n)
	}
	return nil
}

// same reports whether two values are written the same.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map:
		if a.Len() == 0 || b.Len() == 0 {
			return a.Len() == b.Len()
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// nodeOf is v as YAML; usual is what it is when it is not written.
func nodeOf(v, usual reflect.Value) (*yaml.Node, error) {
	if v.Type() == durationType {
		return scalarNode(formatDuration(time.Duration(v.Int()))), nil
	}
	switch v.Kind() {
	case reflect.String:
		return scalarNode(v.String()), nil
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}, nil
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}, nil
	case reflect.Pointer:
		return nodeOf(v.Elem(), reflect.Zero(v.Type().Elem()))
	case reflect.Interface:
		return anyNode(v.Interface())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		return n, appendFields(n, v, usual)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			item, err := nodeOf(v.Index(i), reflect.Zero(v.Type().Elem()))
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		return n, nil
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			item, err := nodeOf(v.MapIndex(k), usual)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, scalarNode(k.String()), item)
		}
		return n, nil
	}
	return nil, fmt.Errorf("a %s cannot be written", v.Type())
}

// anyNode is a value as JSON has them.
func anyNode(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case string:
		return scalarNode(v), nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}, nil
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			item, err := anyNode(v[k])
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, scalarNode(k), item)
		}
		return n, nil
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			item, err := anyNode(e)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		return n, nil
	}
	text, err := json.Marshal(v)
	if err != nil || len(text) == 0 || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return nil, fmt.Errorf("a secret of type %T cannot be written", v)
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: string(text)}
	if bytes.ContainsAny(text, ".eE") {
		n.Tag = "!!float"
	}
	return n, nil
}
