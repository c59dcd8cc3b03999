// Package address tells addresses of repositories apart.
package address

import "strings"

// Local reports whether a repository's address names files of this machine
// rather than another one: a path, or a URL with the scheme file. "" is none.
func Local(repository string) bool {
	if repository == "" {
		return false
	}
	if scheme, _, ok := strings.Cut(repository, "://"); ok {
		switch strings.ToLower(scheme) {
		case "http", "https", "ssh", "git":
			return false
		}
		return true
	}
	// What is left without a scheme is [user@]host:path, or a path, such as C:/repos.
	host, path, ok := strings.Cut(repository, ":")
	return !ok || len(host) < 2 || path == "" || strings.ContainsAny(host, `/\ `) || strings.HasPrefix(path, `\`)
}
