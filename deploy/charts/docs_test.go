package charts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	tableBegin = "<!-- begin of the values, written by go test -C deploy/charts -update -->\n"
	tableEnd   = "<!-- end of the values -->\n"
)

// TestReadme checks the tables of values in the README files, or writes them
// with -update.
func TestReadme(t *testing.T) {
	for _, chart := range []string{"brigade", "brigade-project"} {
		t.Run(chart, func(t *testing.T) {
			path := filepath.Join(chart, "README.md")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			before, rest, ok := strings.Cut(string(text), tableBegin)
			_, after, ok2 := strings.Cut(rest, tableEnd)
			if !ok || !ok2 {
				t.Fatalf("%s lacks the marks of its table", path)
			}
			golden(t, path, before+tableBegin+table(t, filepath.Join(chart, "values.yaml"))+tableEnd+after)
		})
	}
}

// table lists all values of a file with their defaults and comments.
func table(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("\n| value | default | meaning |\n|---|---|---|\n")
	rows(t, &out, doc.Content[0], "", "")
	out.WriteString("\n")
	return out.String()
}

func rows(t *testing.T, out *strings.Builder, of *yaml.Node, prefix, meaning string) {
	t.Helper()
	for i := 0; i < len(of.Content); i += 2 {
		key, value := of.Content[i], of.Content[i+1]
		path := prefix + key.Value
		text := meaning
		if _, said, ok := strings.Cut(key.HeadComment, "# -- "); ok {
			text = strings.Join(strings.Fields(strings.ReplaceAll(said, "\n#", " ")), " ")
		}
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && value.Style&yaml.FlowStyle == 0 {
			rows(t, out, value, path+".", "")
			continue
		}
		var plain any
		if err := value.Decode(&plain); err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "| `%s` | `%s` | %s |\n", path, shown, strings.ReplaceAll(text, "|", "\\|"))
	}
}

// TestSchemas wants every default to be known to the schema, and everything
// the schema knows and does not ignore to have a default.
func TestSchemas(t *testing.T) {
	for _, chart := range []string{"brigade", "brigade-project"} {
		text, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		text, err = os.ReadFile(filepath.Join(chart, "values.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		compare(t, chart, schema, values(t, string(text)))
	}
}

func compare(t *testing.T, path string, schema, vals map[string]any) {
	t.Helper()
	known, _ := schema["properties"].(map[string]any)
	for name, value := range vals {
		of, ok := known[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if inner, ok := value.(map[string]any); ok && of["properties"] != nil && len(inner) > 0 {
			compare(t, path+"."+name, of, inner)
		}
	}
	for name, of := range known {
		_, given := vals[name]
		described, _ := of.(map[string]any)["description"].(string)
		optional := strings.Contains(described, "ignored") || name == "global" || name == "nameOverride" || name == "imagePullSecrets" || name == "claims"
		if !given && !optional {
			t.Errorf("%s.%s is in the schema, but not among the defaults", path, name)
		}
	}
}

// TestManifest keeps the manifest for kubectl apply up to date: the chart with
// its defaults and the generic gateway, for the namespace brigade.
func TestManifest(t *testing.T) {
	vals := values(t, `{genericGateway: {enabled: true}}`)
	files, err := render("brigade", vals)
	if err != nil {
		t.Fatal(err)
	}
	text := manifest(files)
	text = strings.ReplaceAll(text, `app.kubernetes.io/managed-by: "Helm"`, `app.kubernetes.io/managed-by: "kubectl"`)
	text = strings.ReplaceAll(text, "app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")
	head := `# Brigade in the namespace brigade, for kubectl apply -f. It is the chart
# deploy/charts/brigade with its defaults and the generic gateway, written by
# go test -C deploy/charts -update; docs/guide/kubernetes.md has more.
---
apiVersion: v1
kind: Namespace
metadata:
  name: ` + namespace + `
  labels:
    pod-security.kubernetes.io/warn: restricted
`
	golden(t, filepath.Join("..", "manifests", "brigade.yaml"), head+text)
	if !*update {
		objects(t, head+text)
	}
}
