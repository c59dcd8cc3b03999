package npm

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// packument is what a registry says about all versions of a package. The
// versions stay raw until one is chosen: there may be thousands.
type packument struct {
	Name     string                     `json:"name"`
	Tags     map[string]string          `json:"dist-tags"`
	Versions map[string]json.RawMessage `json:"versions"`

	registry string
	versions []*semver.Version // in ascending order, made by sorted
}

// release is one version of a package, wherever it comes from.
type release struct {
	manifest   *Manifest
	name       string // the real name
	version    string
	resolved   string // tarball URL, or "file:path"
	tarball    string // resolved with its query
	integrity  string // SRI
	deprecated string
	dir        string // of a file: dependency, absolute
	locked     bool   // comes from a lock
}

// parsePackument reads a registry's answer.
func parsePackument(registry string, text []byte) (*packument, error) {
	p := &packument{registry: registry}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("the answer is not a package document: %w", err)
	}
	return p, nil
}

// sorted returns the versions in ascending order; not safe for concurrent use.
func (p *packument) sorted() []*semver.Version {
	if p.versions == nil {
		p.versions = make([]*semver.Version, 0, len(p.Versions))
		for text := range p.Versions {
			if v, err := semver.StrictNewVersion(text); err == nil {
				p.versions = append(p.versions, v)
			}
		}
		slices.SortFunc(p.versions, func(a, b *semver.Version) int {
			if c := a.Compare(b); c != 0 {
				return c
			}
			if a.Original() < b.Original() {
				return -1
			}
			return 1
		})
	}
	return p.versions
}

// pick chooses as npm does: the tag `latest` when it is in the range, else
// the highest version, one that is not deprecated first. also are further
// ranges that the version should satisfy too, if one does. nil: none matches.
func (p *packument) pick(sp spec, also []spec) (*release, error) {
	var text string
	switch {
	case sp.kind == specTag:
		text = p.Tags[sp.text]
	case sp.exact != nil && p.Versions[sp.exact.Original()] != nil:
		text = sp.exact.Original()
	default:
		if text = p.pickVersion(sp, also); text == "" && len(also) > 0 {
			text = p.pickVersion(sp, nil)
		}
	}
	raw, ok := p.Versions[text]
	if !ok || text == "" {
		return nil, noVersion(sp, p)
	}
	return parseRelease(sp.name, text, raw)
}

func (p *packument) pickVersion(sp spec, also []spec) string {
	fits := func(v *semver.Version) bool {
		if !sp.rng.Has(v) {
			return false
		}
		for _, other := range also {
			if other.rng != nil && !other.rng.Has(v) {
				return false
			}
		}
		return true
	}
	if v, ok := parseVersion(p.Tags["latest"]); ok && fits(v) && p.Versions[p.Tags["latest"]] != nil {
		return p.Tags["latest"]
	}
	versions, fallback := p.sorted(), ""
	for i := len(versions) - 1; i >= 0; i-- {
		v := versions[i]
		if !fits(v) {
			continue
		}
		if !p.deprecated(v.Original()) {
			return v.Original()
		}
		if fallback == "" {
			fallback = v.Original()
		}
	}
	return fallback
}

func (p *packument) deprecated(version string) bool {
	var d struct {
		Deprecated json.RawMessage `json:"deprecated"`
	}
	return json.Unmarshal(p.Versions[version], &d) == nil && deprecation(d.Deprecated) != ""
}

// deprecation reads the field as found: a text, or true, or "" for not.
func deprecation(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return clip(text)
	}
	var flag bool
	if json.Unmarshal(raw, &flag) == nil && flag {
		return "this version is deprecated"
	}
	return ""
}

func parseRelease(name, version string, raw json.RawMessage) (*release, error) {
	var v struct {
		rawManifest
		Deprecated json.RawMessage `json:"deprecated"`
		Dist       struct {
			Tarball   string `json:"tarball"`
			Integrity string `json:"integrity"`
			Shasum    string `json:"shasum"`
		} `json:"dist"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("the document of %s@%s cannot be read: %w", name, version, err)
	}
	m, err := v.manifest()
	if err != nil {
		return nil, fmt.Errorf("the document of %s@%s: %w", name, version, err)
	}
	r := &release{
		manifest: m, name: name, version: version,
		resolved: cleanResolved(v.Dist.Tarball), integrity: v.Dist.Integrity, deprecated: deprecation(v.Deprecated),
	}
	if r.integrity == "" && v.Dist.Shasum != "" {
		r.integrity, err = shasumIntegrity(v.Dist.Shasum)
	}
	if r.resolved == "" && err == nil {
		err = fmt.Errorf("the document of %s@%s names no tarball", name, version)
	}
	r.tarball = withoutUser(v.Dist.Tarball)
	return r, err
}
