package forge

import (
	"net/url"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// Addresses of the APIs when nothing else is said.
const (
	GitHubAPI    = "https://api.github.com"
	GitLabURL    = "https://gitlab.com"
	BitbucketURL = "https://bitbucket.org"
	BitbucketAPI = "https://api.bitbucket.org"
)

// ReportPrefix starts the external ID of check runs, and StatusPrefix the
// context of commit statuses, by which results of builds are reported. The
// webhooks about those start nothing, or every report would lead to another.
const (
	ReportPrefix = "brigade-report:"
	StatusPrefix = "brigade/"
)

// Place is where a repository is.
type Place struct {
	Base string // the forge's address, such as https://git.example.org:3000, without a slash at the end
	Repo string // the repository's full name there, such as acme/app
}

// PlaceOf returns where the project's repository is: by its clone URL, else by
// the host its Repository or Name starts with, else at fallback. What a
// webhook says about its sender's address is never used, because credentials
// are sent there. ok is false when nobody knows.
func PlaceOf(p *brigade.Project, fallback string) (place Place, ok bool) {
	if base, repo := splitAddress(p.Repo.CloneURL); base != "" && repo != "" {
		return Place{base, repo}, true
	}
	for _, name := range []string{p.Repository, p.Name} {
		if host, repo := splitName(name); host != "" {
			return Place{"https://" + host, repo}, true
		}
	}
	for _, name := range []string{p.Repository, p.Name} {
		if strings.Contains(name, "/") && fallback != "" {
			return Place{strings.TrimSuffix(fallback, "/"), strings.Trim(name, "/")}, true
		}
	}
	return Place{}, false
}

// Names returns the full names under which the project's repository is known.
func Names(p *brigade.Project) []string {
	var names []string
	add := func(name string) {
		if name = strings.ToLower(strings.Trim(name, "/")); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range []string{p.Repository, p.Name} {
		if host, repo := splitName(name); host != "" {
			add(repo)
		} else {
			add(name)
		}
	}
	_, repo := splitAddress(p.Repo.CloneURL)
	add(repo)
	return names
}

// Owns reports whether repo, the full name a webhook gives, is the project's
// repository. A project that merely subscribes to the events of another
// repository does not own it.
func Owns(p *brigade.Project, repo string) bool {
	return repo != "" && slices.Contains(Names(p), strings.ToLower(strings.Trim(repo, "/")))
}

// splitName cuts "github.com/acme/app" into host and full name; a name without
// a host has none.
func splitName(name string) (host, repo string) {
	host, repo, found := strings.Cut(strings.Trim(name, "/"), "/")
	if !found || !strings.Contains(repo, "/") || !strings.ContainsAny(host, ".:") {
		return "", ""
	}
	return host, repo
}

// splitAddress cuts a clone URL into the forge's address and the full name.
func splitAddress(clone string) (base, repo string) {
	if clone == "" {
		return "", ""
	}
	if !strings.Contains(clone, "://") { // git@host:acme/app.git
		host, path, found := strings.Cut(clone, ":")
		if _, after, at := strings.Cut(host, "@"); at {
			host = after
		}
		if !found || host == "" || strings.ContainsAny(host, `/\`) {
			return "", ""
		}
		return "https://" + host, repoPath(path)
	}
	u, err := url.Parse(clone)
	if err != nil || u.Hostname() == "" {
		return "", ""
	}
	switch u.Scheme {
	case "https", "http":
		return u.Scheme + "://" + u.Host, repoPath(u.Path)
	case "ssh", "git", "git+ssh":
		return "https://" + u.Hostname(), repoPath(u.Path)
	}
	return "", ""
}

// repoPath makes a full name of a clone URL's path. Bitbucket Server puts
// "scm/" before it.
func repoPath(path string) string {
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if rest, found := strings.CutPrefix(path, "scm/"); found && strings.Count(rest, "/") == 1 {
		return rest
	}
	return path
}

// EscapePath escapes every part of a full name for the path of an address.
func EscapePath(repo string) string {
	parts := strings.Split(repo, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// TokenFits reports whether the project's own token is for the forge whose API
// is at base: when the project says that its repository is elsewhere, it is
// not, and must not be sent there.
func TokenFits(p *brigade.Project, base string) bool {
	place, known := PlaceOf(p, "")
	return !known || hostOf(place.Base) == strings.TrimPrefix(hostOf(base), "api.")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
