package main

import (
	"strings"
	"testing"
)

func TestServerRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"max-builds", "-1", "less than nothing"},
		{"max-jobs", "-3", "less than nothing"},
		{"keep-count", "-1", "less than nothing"},
		{"worker-reuse", "-1", "less than nothing"},
		{"drain", "-5s", "less than nothing"},
		{"grace", "-1s", "less than nothing"},
		{"script-timeout", "-1s", "less than nothing"},
		{"script-memory", "1", "too little"},
		{"script-memory", "many", "not a size"},
		{"keep-age", "-5d", "not a time"},
		{"base-url", "nope", "not an address"},
		{"gitlab-url", "gitlab.example.org", "not an address"},
		{"gitea-url", "ssh://gitea", "not an address"},
		{"github-url", "https://", "not an address"},
		{"s3-endpoint", "minio:9000", "not an address"},
		{"oidc-issuer", "%", "not an address"},
	} {
		sh := newShell(t)
		_, errs, code := sh.brig("server", "--runner", "dummy", "--api", "127.0.0.1:0", "--gateways", "127.0.0.1:0", "--"+c.flag, c.value)
		if code != 2 || !strings.Contains(errs, c.want) || !strings.Contains(errs, c.value) {
			t.Errorf("--%s %s: exit %d: %s", c.flag, c.value, code, errs)
		}
	}
}
