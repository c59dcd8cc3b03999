package projectfile

import (
	"reflect"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestDiff(t *testing.T) {
	old, is := brigade.NewProject("acme/app"), brigade.NewProject("acme/app")
	old.Limits.Builds, is.Limits.Builds = 2, 3
	old.SharedSecret, is.SharedSecret = "was-secret", "is-secret"
	old.Repo.Token = "old-token"
	old.Secrets = map[string]any{"same": "s", "gone": "g", "other": map[string]any{"deep": "1"}}
	is.Secrets = map[string]any{"same": "s", "new": "n", "other": map[string]any{"deep": "2"}}
	old.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily"}, {Name: "b", Cron: "@daily"}}
	is.Schedules = []brigade.Schedule{{Name: "b", Cron: "@hourly"}, {Name: "a", Cron: "@daily"}}
	is.Concurrency = &brigade.Concurrency{}
	is.ImagePullSecrets, old.ImagePullSecrets = []string{"x"}, []string{}
	is.DefaultScript = "one\ntwo\n"
	old.Forks.Authors, is.Forks.Authors = nil, []string{}
	var got []string
	for _, c := range Diff(old, is) {
		got = append(got, c.String())
	}
	want := []string{
		`concurrency: (not set) → {"key":""}`,
		`defaultScript: (not set) → (2 lines)`,
		`imagePullSecrets: (not set) → ["x"]`,
		`limits.builds: 2 → 3`,
		`repo.token: removed`,
		`schedules["b"].cron: "@daily" → "@hourly"`,
		`secrets.gone: removed`, `secrets.new: set`, `secrets.other: changed`,
		`sharedSecret: changed`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text := jsonText(Diff(old, is)); strings.Contains(text, "-secret") || strings.Contains(text, "old-token") {
		t.Errorf("a secret: %s", text)
	}
	if len(Diff(nil, is)) == 0 || len(Diff(is, nil)) == 0 {
		t.Error("a project that is not there does not differ")
	}
}

// TestSecretsAreAllKnown compares with what the root takes for a secret.
func TestSecretsAreAllKnown(t *testing.T) {
	p := brigade.NewProject("acme/app")
	fill(reflect.ValueOf(p).Elem())
	for _, f := range SecretFields() {
		*f.Of(p) = "hidden-" + f.Path
	}
	p.Secrets = map[string]any{"key": "hidden-key"}
	if text := jsonText(p.WithoutSecrets()); strings.Contains(text, "hidden-") {
		t.Errorf("WithoutSecrets leaves %s", text)
	}
	if n := len(p.SecretValues()); n != len(SecretNames(p)) {
		t.Errorf("the root knows %d secrets, SecretNames %v", n, SecretNames(p))
	}
	redacted := Redact(p)
	if text := jsonText(redacted); strings.Contains(text, "hidden-") || len(SecretNames(redacted)) != len(SecretNames(p)) {
		t.Errorf("Redact: %s", text)
	}
	text, err := FormatYAML(redacted, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Parse("x.yaml", text, nil); err == nil || strings.Count(err.Error(), "placeholder") != 7 {
		t.Errorf("placeholders are taken for secrets: %v", err)
	}
}

func TestKeep(t *testing.T) {
	stored, declared := brigade.NewProject("a/b"), brigade.NewProject("a/b")
	stored.SharedSecret, stored.Repo.Token = "shared", "token"
	stored.Secrets = map[string]any{"kept": "1", "changed": "1", "removed": "1"}
	declared.Repo.Token = "new"
	declared.Secrets = map[string]any{"changed": "2", "removed": nil, "never": nil}
	got := Keep(stored, declared)
	if got.SharedSecret != "shared" || got.Repo.Token != "new" || !reflect.DeepEqual(got.Secrets, map[string]any{"kept": "1", "changed": "2"}) {
		t.Errorf("got %+v", got)
	}
	if len(declared.Secrets) != 3 || len(stored.Secrets) != 3 {
		t.Error("the arguments were changed")
	}
	if got := Keep(nil, declared); len(got.Secrets) != 1 {
		t.Errorf("secrets of a new project: %v", got.Secrets)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"90s": "1m30s", "1h30m": "1h30m", "7d": "7d", "1d12h": "36h", "30": "30s", "1.5": "1.5s", "0": "0s", "48h": "2d", "1h0m5s": "1h0m5s", "-5m": "-5m", "1.5d": "36h", "250ms": "250ms", "10m": "10m",
	} {
		d, ok := parseDuration(text)
		if !ok || formatDuration(d) != want {
			t.Errorf("%s: %v %s, want %s", text, ok, formatDuration(d), want)
		}
	}
	for _, text := range []string{"", "soon", "d", "1", "1w", "99999999999d", "99999999999999h", "1e9", "nan", "1d-5h", "--1s", ".5s x"} {
		if d, ok := parseDuration(text); ok && text != "1" {
			t.Errorf("%q is %v", text, d)
		}
	}
}
