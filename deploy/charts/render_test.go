// Package charts has the tests of the Helm charts: they are linted, rendered,
// and installed on a real cluster through Helm's own library.
package charts

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v3chart "helm.sh/helm/v3/pkg/chart/loader"
	v3util "helm.sh/helm/v3/pkg/chartutil"
	v3engine "helm.sh/helm/v3/pkg/engine"
	v3lint "helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files, the README files and the manifest")

// values reads values as people write them.
func values(t testing.TB, text string) map[string]any {
	t.Helper()
	vals := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &vals); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return vals
}

const (
	release   = "brigade-server"
	namespace = "brigade"
)

// render renders a chart with Helm 4 and returns its files that have content.
func render(chart string, vals map[string]any) (map[string]string, error) {
	c, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	all, err := util.ToRenderValues(c, vals, common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return clean(engine.Render(c, all))
}

// render3 does it with Helm 3.
func render3(chart string, vals map[string]any) (map[string]string, error) {
	c, err := v3chart.Load(chart)
	if err != nil {
		return nil, err
	}
	all, err := v3util.ToRenderValues(c, vals, v3util.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}, v3util.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return clean(v3engine.Render(c, all))
}

func clean(files map[string]string, err error) (map[string]string, error) {
	for name, text := range files {
		if strings.TrimSpace(strings.ReplaceAll(text, "---", "")) == "" {
			delete(files, name)
		}
	}
	return files, err
}

// manifest joins what a chart rendered, without its notes.
func manifest(files map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(keys(files)) {
		if path := filepath.Base(name); path != "NOTES.txt" {
			fmt.Fprintf(&out, "---\n# %s\n%s\n", name, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(files[name]), "---")))
		}
	}
	return out.String()
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// object is one of a manifest.
type object map[string]any

func (o object) str(path ...string) string {
	var at any = map[string]any(o)
	for _, name := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[name]
	}
	text, _ := at.(string)
	return text
}

func (o object) name() string { return o.str("kind") + " " + o.str("metadata", "name") }

// objects reads a manifest and wants every object to be complete.
func objects(t testing.TB, text string) []object {
	t.Helper()
	var all []object
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		var o object
		if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		if len(o) == 0 {
			continue
		}
		if o.str("kind") == "" || o.str("apiVersion") == "" || o.str("metadata", "name") == "" {
			t.Errorf("an object without a kind, version or name:\n%s", doc)
		}
		if ns := o.str("metadata", "namespace"); ns == "" && o.str("kind") != "Namespace" {
			t.Errorf("%s has no namespace", o.name())
		}
		all = append(all, o)
	}
	return all
}

// everything turns on all there is.
const everything = `
image: {registry: registry.example.org, name: brig, tag: "1.2", pullPolicy: Always}
imagePullSecrets: [pull]
store: {type: postgres, postgres: {existingSecret: db}}
controller:
  replicas: 3
  extraArgs: [--lease-duration=20s]
  extraEnv: [{name: AWS_ACCESS_KEY_ID, value: x}]
  verbose: true
  traces: http://otel:4318
  workerResources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
pods:
  annotations: {example.org/a: b}
  labels: {team: ci}
  nodeSelector: {pool: system}
  tolerations: [{key: x, operator: Exists}]
  affinity: {nodeAffinity: {}}
  priorityClassName: high
api:
  baseURL: https://ci.example.org
  openV1: true
  corsOrigins: [https://example.org]
  trustedProxies: [10.0.0.0/8]
  oidc: {issuer: https://id.example.org, clientID: brig, clientSecret: {name: oidc}, audience: a, grants: ["devs=read,event:create", "ops=admin"]}
  tls: {secretName: api-tls}
  ingress: {enabled: true, className: nginx, annotations: {a: b}, hosts: [ci.example.org], tls: [{secretName: ci, hosts: [ci.example.org]}]}
  httpRoute: {enabled: true, parentRefs: [{name: gw, namespace: infra}], hostnames: [ci.example.org]}
worker: {mode: pod, v1Compatible: true, nodeSelector: {pool: ci}}
jobs:
  namespaces: [team-a, brigade]
  buildStorage: pvc-rwo
  cache: pvc-rwo
  buildStorageClass: fast
  cacheStorageClass: slow
  serviceAccount: job
  serviceAccountRegex: ^(job|deploy)$
  overlay: [spec.tolerations]
  restricted: true
  knownHosts: |
    git.example.org ssh-ed25519 AAAA
genericGateway: {enabled: true, replicas: 2, tls: {secretName: gg}, trustedProxies: [10.0.0.0/8]}
cr: {enabled: true, ingress: {enabled: true, hosts: [cr.example.org]}}
brigade-github-app:
  enabled: true
  ingress: {enabled: true, hosts: [gh.example.org], tls: [{secretName: gh, hosts: [gh.example.org]}]}
  github: {appID: 12345678, key: "-----BEGIN", defaultSharedSecret: s, url: https://ghe.example.org/api/v3}
gateways: {enabled: true, httpRoute: {enabled: true, parentRefs: [{name: gw}], hostnames: [hooks.example.org]}}
vacuum: {mode: cronjob, age: 30d, maxBuilds: 500}
networkPolicy: {enabled: true, apiFrom: [{podSelector: {}}], gatewaysFrom: [{namespaceSelector: {}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
`

// v1Values are what somebody may have set for v1's chart.
const v1Values = `
rbac: {enabled: true}
controller: {enabled: true, registry: brigadecore, name: brigade-controller, tag: v1.4.0, pullPolicy: Always, serviceAccount: {create: true, name: null}}
api:
  enabled: true
  registry: brigadecore
  name: brigade-api
  service: {name: brigade-api, type: LoadBalancer, externalPort: 7745, internalPort: 7745}
  livenessProbe: {initialDelaySeconds: 20}
  ingress: {enabled: true, hosts: [api.example.org], paths: [/]}
  serviceAccount: {create: true, name: null}
worker: {registry: example.org/team, name: our-worker, tag: v7, pullPolicy: Always, serviceAccount: {create: true, name: brigade-worker}}
cr: {enabled: true, registry: brigadecore, name: brigade-cr-gateway, service: {name: brigade-cr-service, type: ClusterIP, externalPort: 80, internalPort: 8000}, serviceAccount: {create: true, name: null}}
genericGateway:
  enabled: true
  registry: brigadecore
  name: brigade-generic-gateway
  service: {name: brigade-generic-service, type: ClusterIP, externalPort: 8081, internalPort: 8000}
  ingress: {enabled: true, annotations: {kubernetes.io/ingress.class: nginx}, hosts: [events.example.org], paths: [/], tls: [{secretName: t, hosts: [events.example.org]}]}
brigade-github-app:
  enabled: true
  registry: brigadecore
  name: brigade-github-app
  rbac: {enabled: true}
  service: {name: brigade-github-app, type: ClusterIP, externalPort: 80, internalPort: 7746}
  ingress: {enabled: true, hosts: [gh.example.org], annotations: {kubernetes.io/tls-acme: "true"}, tls: [{secretName: gh, hosts: [gh.example.org]}]}
  gateway: {allowedAuthorRoles: [OWNER], emittedEvents: ["*"]}
  github: {appID: 1, key: k, checkSuiteOnPR: false, defaultSharedSecret: s}
kashti: {enabled: true, service: {name: kashti}}
gw: {enabled: false}
vacuum: {enabled: true, schedule: "@daily", age: 24h, maxBuilds: 10, registry: brigadecore, name: brigade-vacuum, skipRunningBuilds: false, serviceAccount: {create: true, name: null}}
privateRegistry: old
`

const fullProject = `
project: acme/app
repository: github.com/acme/app
cloneURL: git@github.com:acme/app.git
initGitSubmodules: "true"
defaultScript: |
  console.log("hi: {{ no template }}")
sharedSecret: IBrake
genericGatewaySecret: open
secrets: {user: hello, deep: {list: [1, two]}}
github: {token: abc, baseURL: https://ghe/api}
sshKey: |
  -----BEGIN
  x
  -----END
knownHosts: |
  git.example.org ssh-ed25519 AAAA
namespace: team-a
serviceAccount: job
imagePullSecrets: a,b
vcsSidecar: example.org/git-sidecar:v1
vcsSidecarResources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 100m}}
kubernetes: {buildStorageClass: fast, allowSecretKeyRef: true}
allowPrivilegedJobs: "false"
worker: {registry: r, name: w, tag: 1.4}
workerCommand: yarn start
`

// cases are the value sets that are rendered and kept as golden files.
var cases = []struct{ name, chart, values string }{
	{"defaults", "brigade", ``},
	{"everything", "brigade", everything},
	{"memory", "brigade", `{store: {type: memory}, controller: {replicas: 2}, kashti: {enabled: false}, vacuum: {enabled: false}, jobs: {vcsImage: NONE, overlay: [], source: workspace, cache: workspace, cacheStore: "s3://caches/brigade", cacheTotal: 100Gi}, objectStore: {endpoint: "https://s3.example.org", region: eu-1, pathStyle: true, existingSecret: s3, artifacts: {bucket: kept, prefix: brigade}}, networkPolicy: {enabled: true}}`},
	{"v1", "brigade", v1Values},
	{"bare", "brigade", `{rbac: {enabled: false}, api: {enabled: false}, nameOverride: b, store: {persistence: {existingClaim: mine}}, image: {digest: "sha256:` + strings.Repeat("ab", 32) + `"}, worker: {serviceAccount: {create: false, name: mine}}}`},
	{"project", "brigade-project", `{project: acme/app, cloneURL: "https://github.com/acme/app.git"}`},
	{"project-full", "brigade-project", fullProject},
}

func TestRender(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files, err := render(c.chart, values(t, c.values))
			if err != nil {
				t.Fatal(err)
			}
			files3, err := render3(c.chart, values(t, c.values))
			if err != nil {
				t.Fatalf("Helm 3: %v", err)
			}
			for name := range files {
				if files[name] != files3[name] {
					t.Errorf("Helm 3 renders %s differently:\n%s\nHelm 4:\n%s", name, files3[name], files[name])
				}
			}
			text := manifest(files)
			seen := map[string]bool{}
			for _, o := range objects(t, text) {
				if key := o.name() + " " + o.str("metadata", "namespace"); seen[key] {
					t.Errorf("%s is there twice", key)
				} else {
					seen[key] = true
				}
			}
			golden(t, filepath.Join("testdata", c.name+".yaml"), text)
			for name, notes := range files {
				if filepath.Base(name) == "NOTES.txt" {
					golden(t, filepath.Join("testdata", c.name+".txt"), strings.TrimSpace(notes)+"\n")
				}
			}
		})
	}
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(text)) {
		t.Errorf("%s is not up to date: look at what differs and run go test -C deploy/charts -run '%s' -update\ngot:\n%s", path, t.Name(), text)
	}
}

func TestLint(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := lint.RunAll(c.chart, values(t, c.values), namespace)
			for _, m := range found.Messages {
				if m.Severity >= support.WarningSev {
					t.Error(m)
				}
			}
			for _, m := range v3lint.All(c.chart, values(t, c.values), namespace, true).Messages {
				if m.Severity >= support.WarningSev {
					t.Errorf("Helm 3: %v", m)
				}
			}
		})
	}
}

// TestMistakes gives values that are wrong: what is wrong must be said so that
// a person finds it.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ chart, values, want string }{
		{"brigade", `{controler: {}}`, `controler`},
		{"brigade", `{controller: {replica: 2}}`, `replica`},
		{"brigade", `{controller: {replicas: two}}`, `controller/replicas`},
		{"brigade", `{store: {type: mysql}}`, `'memory', 'sqlite', 'postgres'`},
		{"brigade", `{image: {digest: abc}}`, `image/digest`},
		{"brigade", `{controller: {drain: soon}}`, `controller/drain`},
		{"brigade", `{api: {oidc: {grants: [devs]}}}`, `api/oidc/grants/0`},
		{"brigade", `{worker: {serviceAccount: {name: ""}}}`, `worker/serviceAccount/name`},
		{"brigade", `{controller: {replicas: 2}}`, `choose store.type postgres`},
		{"brigade", `{store: {type: postgres}}`, `kubectl create secret generic`},
		{"brigade", `{brigade-github-app: {enabled: true, github: {appID: 3}}}`, `the App's private key is needed`},
		{"brigade", `{genericGateway: {enabled: true, ingress: {enabled: true}}}`, `name its hosts`},
		{"brigade", `{cr: {enabled: true, httpRoute: {enabled: true}}}`, `name the Gateway`},
		{"brigade", `{jobs: {cacheStore: "s3://caches"}}`, `set jobs.cache to workspace`},
		{"brigade", `{jobs: {cacheStore: caches, cache: workspace}}`, `jobs/cacheStore`},
		{"brigade", `{objectStore: {artifacts: {bucket: kept}}}`, `objectStore.existingSecret`},
		{"brigade-project", `{}`, `--set project=acme/app`},
		{"brigade-project", `{project: a, allowPrivilegedJobs: maybe}`, `allowPrivilegedJobs`},
		{"brigade-project", `{project: a, github: {tocken: x}}`, `tocken`},
	} {
		for version, f := range map[string]func(string, map[string]any) (map[string]string, error){"4": render, "3": render3} {
			if _, err := f(c.chart, values(t, c.values)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Helm %s, %s: want an error with %q, got %v", version, c.values, c.want, err)
			}
		}
	}
}
