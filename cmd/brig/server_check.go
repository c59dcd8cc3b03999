package main

import (
	"net/url"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// leastMemory is what a script's process needs before its script begins.
const leastMemory = 32 << 20

// check refuses numbers, times and addresses that make no sense, before
// anything is started with them.
func (f *serverFlags) check(memory int64) error {
	for _, count := range []struct {
		flag string
		n    int
	}{{"max-builds", f.maxBuilds}, {"max-jobs", f.maxJobs}, {"keep-count", f.keepCount}, {"worker-reuse", f.reuse}} {
		if count.n < 0 {
			return brigade.Errorf(brigade.CodeUsage, "--%s %d is less than nothing", count.flag, count.n)
		}
	}
	for _, span := range []struct {
		flag string
		d    time.Duration
	}{{"grace", f.grace}, {"drain", f.drain}, {"script-timeout", f.scriptTimeout}} {
		if span.d < 0 {
			return brigade.Errorf(brigade.CodeUsage, "--%s %v is less than nothing", span.flag, span.d)
		}
	}
	if memory < leastMemory {
		return brigade.Errorf(brigade.CodeUsage, "--script-memory %s is too little for any script", f.scriptMemory).WithHint("give at least 32Mi")
	}
	for _, at := range []struct{ flag, address string }{
		{"base-url", f.baseURL}, {"gitlab-url", f.gitlabURL}, {"gitea-url", f.giteaURL}, {"github-url", f.githubURL},
		{"s3-endpoint", f.s3Endpoint}, {"oidc-issuer", f.oidc.Issuer},
	} {
		if at.address == "" {
			continue
		}
		if u, err := url.Parse(at.address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return brigade.Errorf(brigade.CodeUsage, "--%s %q is not an address", at.flag, at.address).WithHint("write it like https://ci.example.org")
		}
	}
	return nil
}
