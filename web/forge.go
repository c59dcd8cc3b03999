package web

import (
	"net/url"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

var forgeRepository = lazyregexp.New(`^[a-z0-9-]+(\.[a-z0-9-]+)+/[\w.-]+(/[\w.-]+)+$`)

// forgePaths are the addresses within a repository at a kind of forge.
type forgePaths struct{ commit, branch, tag, pull string }

var (
	githubPaths    = forgePaths{"/commit/", "/tree/", "/releases/tag/", "/pull/"}
	gitlabPaths    = forgePaths{"/-/commit/", "/-/tree/", "/-/tags/", "/-/merge_requests/"}
	giteaPaths     = forgePaths{"/commit/", "/src/branch/", "/src/tag/", "/pulls/"}
	bitbucketPaths = forgePaths{"/commits/", "/branch/", "/commits/tag/", "/pull-requests/"}
)

// pathsOf tells forges apart by the sender of an event, or the host's name.
func pathsOf(repository, provider string) forgePaths {
	host, _, _ := strings.Cut(repository, "/")
	for _, kind := range []struct {
		name  string
		paths forgePaths
	}{{"gitlab", gitlabPaths}, {"gitea", giteaPaths}, {"forgejo", giteaPaths}, {"codeberg", giteaPaths}, {"bitbucket", bitbucketPaths}} {
		if strings.Contains(strings.ToLower(provider), kind.name) || strings.Contains(host, kind.name) {
			return kind.paths
		}
	}
	return githubPaths
}

// forgeURL is the address of a repository such as github.com/acme/app; "" when
// it names no forge.
func forgeURL(repository string) string {
	if !forgeRepository.MatchString(repository) {
		return ""
	}
	return "https://" + repository
}

// revisionURLs are the addresses of a revision's commit and of its branch, tag
// or pull request; "" where that is not known.
func revisionURLs(repository, provider string, r brigade.Revision) (commit, ref string) {
	at := forgeURL(repository)
	if at == "" {
		return "", ""
	}
	paths := pathsOf(repository, provider)
	if len(r.Commit) >= 7 && len(r.Commit) <= 64 && isHex(r.Commit) {
		commit = at + paths.commit + r.Commit
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.Ref, "refs/"), "/")
	if !strings.HasPrefix(r.Ref, "refs/") || name == "" || !plainText(r.Ref, 300) {
		return commit, ""
	}
	escaped := strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
	switch kind {
	case "heads":
		ref = at + paths.branch + escaped
	case "tags":
		ref = at + paths.tag + escaped
	case "pull", "merge-requests":
		number, _, _ := strings.Cut(name, "/")
		if strings.Trim(number, "0123456789") == "" {
			ref = at + paths.pull + number
		}
	}
	return commit, ref
}
