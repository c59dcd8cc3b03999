package projectfile

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	brigade "github.com/brigadecore/brigade/v3"
)

// texts are values that are hard to write.
var texts = []string{
	"", "plain", "007", "1.0", "true", "null", "~", "yes", "0x1F", "2024-01-01", " blank ", "a: b", "# c", "- d", "*e", "&f", "!g", "%h", "@i", "`j",
	"two\nlines", "two\nlines\n", "three\n\n\n", "\nfirst empty", "  indented\nlater", "trailing \nblank", "tab\tin\n\tit", "\ttab", "cr\r\nlf\r\n", "'single'", `"double"`,
	"ünïcödé 😀", "\u2028line", "\u0085next", "\ufeffbom", "bell\a", "{json: [1]}", "<<", "=", ".inf", "1e3", "-", "?", ":", "$dollar$", strings.Repeat("long ", 200), "\n", "\n\n", " \n ", "x\n ", "a\n  b\n c",
}

// random fills v with values.
func random(rng *rand.Rand, v reflect.Value, path string) {
	if rng.IntN(4) == 0 {
		return
	}
	switch {
	case v.Type() == durationType:
		v.SetInt(rng.Int64N(1e18) / []int64{1, 1e6, 1e9, 60e9, 3600e9, 86400e9}[rng.IntN(6)] * []int64{1, 1e6, 1e9, 60e9, 3600e9, 86400e9}[rng.IntN(6)] % 3e18)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		random(rng, v.Elem(), path)
	case v.Kind() == reflect.Struct:
		names, index := fieldsOf(v.Type())
		for _, name := range names {
			random(rng, v.Field(index[name]), join(path, name))
		}
	case v.Kind() == reflect.Slice:
		n := rng.IntN(3)
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range v.Len() {
			random(rng, v.Index(i), path)
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rng.IntN(5) {
			e := reflect.New(v.Type().Elem()).Elem()
			random(rng, e, path)
			v.SetMapIndex(reflect.ValueOf("k"+texts[rng.IntN(len(texts))]), e)
		}
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(randomAny(rng, 3)))
	case v.Kind() == reflect.String:
		v.SetString(texts[rng.IntN(len(texts))])
	case v.Kind() == reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case v.Kind() == reflect.Int:
		v.SetInt(rng.Int64N(2000) - 1000)
	}
}

func randomAny(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(6); {
	case n == 0:
		return rng.NormFloat64() * []float64{1, 1e30, 1e-30}[rng.IntN(3)]
	case n == 1:
		return float64(rng.IntN(1 << 30))
	case n == 2:
		return rng.IntN(2) == 0
	case n == 3 && depth > 0:
		return []any{randomAny(rng, depth-1), nil, randomAny(rng, depth-1)}
	case n == 4 && depth > 0:
		return map[string]any{"x" + texts[rng.IntN(len(texts))]: randomAny(rng, depth-1), "": nil}
	}
	return texts[rng.IntN(len(texts))]
}

// randomProject has all kinds of values, but such as Parse accepts.
func randomProject(rng *rand.Rand) *brigade.Project {
	p := brigade.NewProject(fmt.Sprintf("acme/p%d", rng.IntN(100)))
	name := p.Name
	random(rng, reflect.ValueOf(p).Elem(), "")
	p.Name, p.ID = name, brigade.ProjectID(name)
	if rng.IntN(3) == 0 {
		p.ID = "brigade-of-another-name"
	}
	k := &p.Kubernetes
	k.BuildStorageSize, k.SidecarLimits, k.SidecarRequests = "1Gi", brigade.Resources{CPU: "1"}, brigade.Resources{}
	p.Worker.PullPolicy, p.GenericGatewaySecret = "", "abc"
	p.ImagePullSecrets = slices.DeleteFunc(p.ImagePullSecrets, func(s string) bool {
		return s == "" || strings.Contains(s, ",") || strings.ContainsFunc(s, unicode.IsSpace)
	})
	return p
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 1500 {
		p := randomProject(rng)
		again(t, p)
		if t.Failed() {
			t.Fatalf("project %d", i)
		}
	}
}

func TestFormatIsIdempotentAndHidesSecrets(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		p := randomProject(rng)
		p.SharedSecret, p.Repo.Token = "the-shared-secret", "the-token"
		p.Secrets = map[string]any{"key": "the-value", "nested": map[string]any{"deep": "the-deep-value"}}
		text, err := FormatYAML(p, false)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "the-") {
			t.Fatalf("a secret in\n%s", text)
		}
		if !strings.Contains(string(text), "secrets.key, secrets.nested, sharedSecret") {
			t.Fatalf("no names of secrets in\n%s", text)
		}
		back, _, err := Parse("x.yaml", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if changes := Diff(p, Keep(p, back[0])); len(changes) != 0 {
			t.Fatalf("applying what was exported changes %v", changes)
		}
		once, err := FormatYAML(back[0], true)
		if err != nil {
			t.Fatal(err)
		}
		backAgain, _, err := Parse("x.yaml", once, nil)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := FormatYAML(backAgain[0], true)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	}
}

// TestSecretKeys holds the keys that v1 and its tools know.
func TestSecretKeys(t *testing.T) {
	want := strings.Fields(`allowHostMounts allowPrivilegedJobs brigadeConfigPath brigadejsPath buildStorageSize cloneURL defaultConfig
		defaultConfigName defaultScript defaultScriptName genericGatewaySecret github.baseURL github.token github.uploadURL imagePullSecrets
		initGitSubmodules kubernetes.allowSecretKeyRef kubernetes.buildStorageClass kubernetes.cacheStorageClass namespace repository secrets
		serviceAccount sharedSecret sshCert sshKey vcsSidecar vcsSidecarResources.limits.cpu vcsSidecarResources.limits.memory
		vcsSidecarResources.requests.cpu vcsSidecarResources.requests.memory worker.name worker.pullPolicy worker.registry worker.tag workerCommand`)
	p := brigade.NewProject("acme/app")
	s, err := ToSecret(p, "ci")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for k := range s.StringData {
		got = append(got, k)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	p.Repo.SSHKey, p.Secrets = "a\nb\n", map[string]any{"x": "<&>"}
	if s, err = ToSecret(p, "ci"); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/secret.json.golden", append(text, '\n'))
	p.Limits.Builds = 3
	if s, _ = ToSecret(p, ""); s.StringData[ownKey] != `{"limits":{"builds":3}}` {
		t.Errorf("our settings: %q", s.StringData[ownKey])
	}
}

// TestOwnKeyHoldsEverySetting guards against a new field of Project
// that nobody writes to the Secret.
func TestOwnKeyHoldsEverySetting(t *testing.T) {
	p := brigade.NewProject("acme/app")
	empty := *p
	fill(reflect.ValueOf(p).Elem())
	p.ID, p.Name = empty.ID, empty.Name
	s, err := ToSecret(p, "")
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := FromSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	if changes := Diff(p, back); len(changes) != 0 {
		t.Errorf("lost in the Secret: %v", changes)
	}
}

// fill sets everything to something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), e)
	case reflect.Interface:
		v.Set(reflect.ValueOf("value"))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
}
