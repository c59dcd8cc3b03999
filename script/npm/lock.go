package npm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// LockFile is the name of our lock file in a project.
const LockFile = "brigade.lock"

// lockVersion is the format that is written and the only one that is read.
const lockVersion = 1

// Lock says exactly which packages a manifest resolved to and where each lies
// in node_modules. Written as JSON it is deterministic.
type Lock struct {
	Version int `json:"lockfileVersion"`
	// Dependencies, Optional and Overrides are what the project asked for when
	// the lock was made. Dependencies is nil when the lock does not say.
	Dependencies map[string]string `json:"dependencies,omitempty"`
	Optional     map[string]string `json:"optionalDependencies,omitempty"`
	Overrides    json.RawMessage   `json:"overrides,omitempty"`
	Packages     []Package         `json:"packages"` // sorted by Path

	foreign bool // made by npm
}

// Package is one package of a lock. The same name and version may occur at
// several paths.
type Package struct {
	Path      string `json:"path"` // node_modules/a/node_modules/b
	Name      string `json:"name"` // differs from the path's end for aliases
	Version   string `json:"version"`
	Resolved  string `json:"resolved,omitempty"`  // tarball URL without credentials, or file:path
	Integrity string `json:"integrity,omitempty"` // subresource integrity

	Dependencies map[string]string `json:"dependencies,omitempty"`
	Optional     map[string]string `json:"optionalDependencies,omitempty"`
	Peer         map[string]string `json:"peerDependencies,omitempty"`
	PeerOptional []string          `json:"optionalPeers,omitempty"`
	Bundles      []string          `json:"bundles,omitempty"` // what its tarball brings along
	Bundled      bool              `json:"bundled,omitempty"` // comes inside the tarball of the package above it
	platformLists
	Deprecated string `json:"deprecated,omitempty"`
}

// ParseLock reads a brigade.lock. file names it in errors, which have
// CodeDependency.
func ParseLock(file string, text []byte) (*Lock, error) {
	if len(text) > maxLock {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s is larger than %d MiB", file, maxLock>>20)
	}
	l := &Lock{}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, jsonError(file, text, err)
	}
	if l.Version != lockVersion {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s has version %d; this program reads version %d", file, l.Version, lockVersion).
			WithHint("Remove the file and run `brig install` to write it anew.")
	}
	if l.Dependencies == nil {
		l.Dependencies = map[string]string{}
	}
	return l, l.validate(file)
}

// Text returns the lock as it is written to a file.
func (l *Lock) Text() []byte {
	l.sort()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	// Encode cannot fail: the type has only texts, and Overrides was parsed.
	_ = e.Encode(l)
	return b.Bytes()
}

func (l *Lock) sort() {
	slices.SortFunc(l.Packages, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
}

// validate refuses what could write or read outside the tree, and brings the
// packages into order.
func (l *Lock) validate(file string) error {
	bad := func(p *Package, what string) error {
		return brigade.Errorf(brigade.CodeDependency, "%s: the entry %q has %s", file, clip(p.Path), what).
			WithHint("Restore the file from version control, or remove it and run `brig install`.")
	}
	l.sort()
	if c := bytes.TrimSpace(l.Overrides); len(c) == 0 || bytes.Equal(c, []byte("null")) {
		l.Overrides = nil
	}
	for i := range l.Packages {
		p := &l.Packages[i]
		switch {
		case !validPath(p.Path):
			return bad(p, "a path that is not below node_modules")
		case i > 0 && l.Packages[i-1].Path == p.Path:
			return bad(p, "a twin with the same path")
		case !validName(p.Name):
			return bad(p, "no valid package name")
		case p.Bundled:
		case strings.HasPrefix(p.Resolved, "file:"):
			if !localPath(p.Resolved[len("file:"):]) {
				return bad(p, "a file: path outside the project")
			}
		case p.Resolved != "" && !strings.HasPrefix(p.Resolved, "https://") && !strings.HasPrefix(p.Resolved, "http://"):
			return bad(p, "a source that is not http(s) or file:")
		}
		if p.Integrity != "" {
			if _, err := parseIntegrity(p.Integrity); err != nil {
				return bad(p, "an integrity value that cannot be read")
			}
		}
	}
	return nil
}

// validPath reports whether p has the form node_modules/a/node_modules/@s/b.
func validPath(p string) bool {
	if len(p) > 4096 {
		return false
	}
	rest := "/" + p
	for rest != "" {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, "/node_modules/"); !ok {
			return false
		}
		name := rest
		if i := strings.Index(rest, "/node_modules/"); i >= 0 {
			name = rest[:i]
		}
		if !validName(name) {
			return false
		}
		rest = rest[len(name):]
	}
	return true
}

// localPath reports whether p is a clean relative path that stays below the
// project.
func localPath(p string) bool {
	return p != "" && p == path.Clean(p) && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\:\x00")
}

// index gives the packages by path.
func (l *Lock) index() map[string]*Package {
	m := make(map[string]*Package, len(l.Packages))
	for i := range l.Packages {
		m[l.Packages[i].Path] = &l.Packages[i]
	}
	return m
}

// lookup finds what the package at from gets when it requires name: below
// itself first, then upwards as Node does. from is "" for the project.
func lookup(index map[string]*Package, from, name string) *Package {
	for {
		at := "node_modules/" + name
		if from != "" {
			at = from + "/" + at
		}
		if p, ok := index[at]; ok {
			return p
		}
		if from == "" {
			return nil
		}
		from = parentPath(from)
	}
}

// parentPath is the path of the package that p is nested in, "" for the
// project.
func parentPath(p string) string {
	if i := strings.LastIndex(p, "/node_modules/"); i >= 0 {
		return p[:i]
	}
	return ""
}

// folder is the name under which a package lies in node_modules.
func (p *Package) folder() string {
	_, name, ok := strings.Cut("/"+p.Path[len(parentPath(p.Path)):], "node_modules/")
	if !ok {
		return p.Name
	}
	return name
}

// release is a locked package as the resolver takes it.
func (p *Package) release() *release {
	m := &Manifest{
		Name: p.Name, Version: p.Version, Dependencies: p.Dependencies, Optional: p.Optional, Peer: p.Peer,
		PeerOptional: map[string]bool{}, Bundled: p.Bundles, platform: p.platformLists,
	}
	for _, name := range p.PeerOptional {
		m.PeerOptional[name] = true
	}
	return &release{
		manifest: m, name: p.Name, version: p.Version, resolved: p.Resolved,
		integrity: p.Integrity, deprecated: p.Deprecated, locked: true,
	}
}

// Platform is the system a tree is laid out for, in Node's words.
type Platform struct {
	OS   string // linux, darwin, win32
	CPU  string // x64, arm64
	Libc string // glibc, musl; "" when that means nothing
}

// HostPlatform is the machine the program runs on. The C library of Linux is
// taken to be glibc: packages without native parts, the only ones a script
// can use, do not depend on it.
func HostPlatform() Platform {
	p := Platform{OS: runtime.GOOS, CPU: runtime.GOARCH}
	switch runtime.GOOS {
	case "windows":
		p.OS = "win32"
	case "linux":
		p.Libc = "glibc"
	}
	switch runtime.GOARCH {
	case "amd64":
		p.CPU = "x64"
	case "386":
		p.CPU = "ia32"
	}
	return p
}

// runs reports whether a package with those lists is made for p.
func (p Platform) runs(l platformLists) bool {
	libc := len(l.Libc) == 0 || (p.OS == "linux" && listed(l.Libc, p.Libc))
	return libc && listed(l.OS, p.OS) && listed(l.CPU, p.CPU)
}

// listed reads npm's lists: names, or "!name" for all others.
func listed(list []string, name string) bool {
	if len(list) == 0 || (len(list) == 1 && list[0] == "any") {
		return true
	}
	negative := true
	for _, entry := range list {
		if no, ok := strings.CutPrefix(entry, "!"); ok {
			if no == name {
				return false
			}
			continue
		}
		negative = false
		if entry == name {
			return true
		}
	}
	return negative
}

// String returns os-cpu-libc.
func (p Platform) String() string { return fmt.Sprintf("%s-%s-%s", p.OS, p.CPU, p.Libc) }
