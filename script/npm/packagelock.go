package npm

import (
	"encoding/json"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// npmEntry is a package in versions 2 and 3 of package-lock.json.
type npmEntry struct {
	Name      string          `json:"name"`
	Version   string          `json:"version"`
	Resolved  json.RawMessage `json:"resolved"` // text; false or absent when unknown
	Integrity string          `json:"integrity"`
	Link      bool            `json:"link"`
	InBundle  bool            `json:"inBundle"`
	rawManifest
}

// npmV1Entry is a package in version 1.
type npmV1Entry struct {
	Version      string                `json:"version"`
	Resolved     string                `json:"resolved"`
	Integrity    string                `json:"integrity"`
	Bundled      bool                  `json:"bundled"`
	Requires     json.RawMessage       `json:"requires"` // of an entry: a map; of the file: a boolean
	Dependencies map[string]npmV1Entry `json:"dependencies"`
}

// ParsePackageLock reads npm's package-lock.json or npm-shrinkwrap.json of
// version 1, 2 or 3. file names it in errors, which have CodeDependency.
func ParsePackageLock(file string, text []byte) (*Lock, error) {
	if len(text) > maxLock {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s is larger than %d MiB", file, maxLock>>20)
	}
	var raw struct {
		Version  int                 `json:"lockfileVersion"`
		Packages map[string]npmEntry `json:"packages"`
		npmV1Entry
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		// The nested Version of the project itself is of no interest, and the
		// only field that may clash; anything else is an error.
		return nil, jsonError(file, text, err)
	}
	l := &Lock{Version: lockVersion, foreign: true}
	var err error
	switch {
	case raw.Packages != nil:
		err = l.addNPM(raw.Packages)
	case raw.Version <= 1:
		err = l.addV1("", raw.Dependencies, 0)
	default:
		err = brigade.Errorf(brigade.CodeDependency, "it has version %d and no packages", raw.Version)
	}
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s: %w", file, err)
	}
	return l, l.validate(file)
}

// addNPM converts the flat form of versions 2 and 3. A link to a directory of
// the project becomes a file: package; what is installed inside that directory
// moves along.
func (l *Lock) addNPM(entries map[string]npmEntry) error {
	moved := map[string]string{} // directory → path in node_modules
	for _, at := range sortedKeys(entries) {
		if e := entries[at]; e.Link {
			var dir string
			if json.Unmarshal(e.Resolved, &dir) == nil && validPath(at) && moved[dir] == "" {
				moved[dir] = at
			}
		}
	}
	for _, at := range sortedKeys(entries) {
		e := entries[at]
		if at == "" {
			m, err := e.manifest()
			if err != nil {
				return err
			}
			l.Dependencies, l.Optional = orEmpty(m.Dependencies), orEmpty(m.Optional)
			for name, text := range m.Dev {
				l.Dependencies[name] = text
			}
			continue
		}
		p, err := e.locked(at, entries)
		if err != nil {
			return err
		}
		if !validPath(at) {
			if p.Path = relocated(at, moved); p.Path == "" {
				continue // the linked directory itself, or a workspace's own tree
			}
		}
		l.Packages = append(l.Packages, p)
	}
	return nil
}

// relocated is where "lib/node_modules/x" lies once lib is a package.
func relocated(at string, moved map[string]string) string {
	for i := strings.Index(at, "/node_modules/"); i > 0; {
		if to, ok := moved[at[:i]]; ok {
			return to + at[i:]
		}
		next := strings.Index(at[i+1:], "/node_modules/")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return ""
}

func (e npmEntry) locked(at string, entries map[string]npmEntry) (Package, error) {
	p := Package{Path: at, Name: e.Name, Version: e.Version, Integrity: e.Integrity, Bundled: e.InBundle}
	var resolved string
	_ = json.Unmarshal(e.Resolved, &resolved)
	if e.Link {
		p.Resolved = "file:" + resolved
		e = entries[resolved]
		p.Version, p.Name = e.Version, e.Name
	} else {
		p.Resolved = cleanResolved(resolved)
	}
	if p.Name == "" {
		p.Name = p.folder()
	}
	m, err := e.manifest()
	if err != nil {
		return p, err
	}
	p.fill(m)
	return p, nil
}

// fill takes over what a manifest says about dependencies and platforms.
func (p *Package) fill(m *Manifest) {
	p.Dependencies, p.Optional, p.Peer = m.Dependencies, m.Optional, m.Peer
	p.Bundles, p.platformLists, p.PeerOptional = m.Bundled, m.platform, sortedKeys(m.PeerOptional)
}

// addV1 converts the nested form of version 1.
func (l *Lock) addV1(above string, deps map[string]npmV1Entry, depth int) error {
	if depth > 100 {
		return brigade.Errorf(brigade.CodeDependency, "packages are nested deeper than 100")
	}
	for _, name := range sortedKeys(deps) {
		e := deps[name]
		at := "node_modules/" + name
		if above != "" {
			at = above + "/" + at
		}
		p := Package{Path: at, Name: name, Version: e.Version, Resolved: cleanResolved(e.Resolved), Integrity: e.Integrity, Bundled: e.Bundled}
		switch {
		case strings.HasPrefix(e.Version, "npm:"):
			p.Name, p.Version = splitAlias(e.Version[len("npm:"):])
		case strings.HasPrefix(e.Version, "file:"):
			p.Resolved, p.Version = e.Version, ""
		case strings.HasPrefix(e.Version, "http://"), strings.HasPrefix(e.Version, "https://"):
			p.Resolved, p.Version = e.Version, ""
		}
		requires, err := stringMap(e.Requires)
		if err != nil && string(e.Requires) != "true" && string(e.Requires) != "false" {
			return err
		}
		p.Dependencies = requires
		l.Packages = append(l.Packages, p)
		if err := l.addV1(at, e.Dependencies, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// cleanResolved removes what may be a credential from a stored address.
func cleanResolved(s string) string {
	s = withoutUser(s)
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	return s
}
