package npm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	brigade "github.com/brigadecore/brigade/v3"
)

// maxManifest is the largest manifest or lock that is read, in bytes.
const (
	maxManifest = 4 << 20
	maxLock     = 64 << 20
)

// Manifest is what a project asks for: package names and what is wanted of
// each (a version, range, tag, alias, file: path or tarball URL).
type Manifest struct {
	Name         string
	Version      string
	Dependencies map[string]string
	Optional     map[string]string
	Dev          map[string]string
	Peer         map[string]string
	PeerOptional map[string]bool // the peers that are not installed by themselves
	Bundled      []string
	Overrides    json.RawMessage // package.json's overrides, nil for none
	platform     platformLists
}

// platformLists are the systems a package is made for; empty means all.
type platformLists struct {
	OS   []string `json:"os,omitempty"`
	CPU  []string `json:"cpu,omitempty"`
	Libc []string `json:"libc,omitempty"`
}

// rawManifest is package.json as it may be found; fields that are often
// malformed in the wild are read leniently.
type rawManifest struct {
	Name                 json.RawMessage `json:"name"`
	Version              json.RawMessage `json:"version"`
	Dependencies         json.RawMessage `json:"dependencies"`
	OptionalDependencies json.RawMessage `json:"optionalDependencies"`
	DevDependencies      json.RawMessage `json:"devDependencies"`
	PeerDependencies     json.RawMessage `json:"peerDependencies"`
	PeerDependenciesMeta json.RawMessage `json:"peerDependenciesMeta"`
	BundleDependencies   json.RawMessage `json:"bundleDependencies"`
	BundledDependencies  json.RawMessage `json:"bundledDependencies"`
	Overrides            json.RawMessage `json:"overrides"`
	OS                   json.RawMessage `json:"os"`
	CPU                  json.RawMessage `json:"cpu"`
	Libc                 json.RawMessage `json:"libc"`
}

// ParseManifest reads brigade.json or package.json. file names it in errors,
// which have CodeDependency.
func ParseManifest(file string, text []byte) (*Manifest, error) {
	if len(text) > maxManifest {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s is larger than %d MiB", file, maxManifest>>20)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(text)) == 0 {
		return &Manifest{}, nil
	}
	var raw rawManifest
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, jsonError(file, text, err)
	}
	m, err := raw.manifest()
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "%s: %w", file, err).
			WithHint("Dependencies are written as {\"name\": \"version\"}.")
	}
	return m, nil
}

func (raw *rawManifest) manifest() (*Manifest, error) {
	m := &Manifest{}
	_ = json.Unmarshal(raw.Name, &m.Name) // a name that is no string is as good as none
	_ = json.Unmarshal(raw.Version, &m.Version)
	var err error
	for _, f := range []struct {
		field string
		text  json.RawMessage
		into  *map[string]string
	}{
		{"dependencies", raw.Dependencies, &m.Dependencies},
		{"optionalDependencies", raw.OptionalDependencies, &m.Optional},
		{"devDependencies", raw.DevDependencies, &m.Dev},
		{"peerDependencies", raw.PeerDependencies, &m.Peer},
	} {
		if *f.into, err = stringMap(f.text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.field, err)
		}
	}
	m.PeerOptional = optionalPeers(raw.PeerDependenciesMeta)
	m.Bundled = bundledNames(raw, m.Dependencies)
	if o := bytes.TrimSpace(raw.Overrides); len(o) > 0 && !bytes.Equal(o, []byte("null")) {
		m.Overrides = o
	}
	m.platform = platformLists{OS: stringList(raw.OS), CPU: stringList(raw.CPU), Libc: stringList(raw.Libc)}
	// As npm has it, a name in both places is optional.
	for name := range m.Optional {
		delete(m.Dependencies, name)
	}
	return m, nil
}

// ReadManifest reads the manifests in dir: brigade.json and, unless
// brigadeOnly, package.json. brigade.json wins for every name it lists. No
// file at all gives an empty manifest.
func ReadManifest(dir string, brigadeOnly bool) (*Manifest, error) {
	own, err := readManifestFile(dir, "brigade.json")
	if err != nil || brigadeOnly {
		return own, err
	}
	other, err := readManifestFile(dir, "package.json")
	if err != nil {
		return nil, err
	}
	return mergeManifests(own, other), nil
}

func readManifestFile(dir, name string) (*Manifest, error) {
	text, err := readCapped(filepath.Join(dir, name), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return &Manifest{}, nil
	}
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "read %s: %w", name, err)
	}
	return ParseManifest(name, text)
}

// readCapped reads a regular file of at most limit bytes.
func readCapped(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("larger than %d MiB", limit>>20)
	}
	return os.ReadFile(file)
}

// mergeManifests adds to own what other has under further names.
func mergeManifests(own, other *Manifest) *Manifest {
	m := *other
	named := func(name string) bool {
		_, a := own.Dependencies[name]
		_, b := own.Optional[name]
		return a || b
	}
	m.Dependencies = map[string]string{}
	m.Optional = map[string]string{}
	m.Dev = map[string]string{}
	for _, p := range []struct{ into, from, first map[string]string }{
		{m.Dependencies, other.Dependencies, own.Dependencies},
		{m.Optional, other.Optional, own.Optional},
		{m.Dev, other.Dev, own.Dev},
	} {
		for name, want := range p.from {
			if !named(name) {
				p.into[name] = want
			}
		}
		maps.Copy(p.into, p.first)
	}
	if own.Overrides != nil {
		m.Overrides = own.Overrides
	}
	return &m
}

// jsonError says where in the text the JSON breaks.
func jsonError(file string, text []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := int(min(syntax.Offset, int64(len(text))))
		line := 1 + bytes.Count(text[:at], []byte("\n"))
		column := at - bytes.LastIndexByte(text[:at], '\n') - 1
		return &brigade.Error{
			Code: brigade.CodeDependency, Err: err,
			Message: fmt.Sprintf("%s:%d:%d: %s", file, line, max(column, 1), err),
			Hint:    "The file has to be JSON: no comments, no trailing commas.",
		}
	}
	e := &brigade.Error{Code: brigade.CodeDependency, Err: err, Message: fmt.Sprintf("%s does not have the expected form: %s", file, err)}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		where := "it"
		if wrong.Field != "" {
			where = fmt.Sprintf("%q", wrong.Field)
		}
		e.Message = fmt.Sprintf("%s does not have the expected form: %s may not be of the kind %s", file, where, wrong.Value)
	}
	return e
}

// stringMap reads {"name": "text"}. An empty list, as old packages have it,
// is an empty map.
func stringMap(text json.RawMessage) (map[string]string, error) {
	text = bytes.TrimSpace(text)
	var list []json.RawMessage
	if len(text) == 0 || text[0] == 'n' || json.Unmarshal(text, &list) == nil && len(list) == 0 {
		return nil, nil
	}
	var any map[string]json.RawMessage
	if err := json.Unmarshal(text, &any); err != nil {
		return nil, errors.New("this is not an object")
	}
	out := make(map[string]string, len(any))
	for name, value := range any {
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, fmt.Errorf("the version of %q is not text", clip(name))
		}
		out[name] = s
	}
	return out, nil
}

// stringList reads a list of texts, or a single one.
func stringList(text json.RawMessage) []string {
	var list []string
	if json.Unmarshal(text, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(text, &one) == nil && one != "" {
		return []string{one}
	}
	return nil
}

func optionalPeers(text json.RawMessage) map[string]bool {
	var meta map[string]struct {
		Optional bool `json:"optional"`
	}
	if json.Unmarshal(text, &meta) != nil {
		return nil
	}
	out := map[string]bool{}
	for name, m := range meta {
		if m.Optional {
			out[name] = true
		}
	}
	return out
}

// bundledNames reads bundleDependencies: a list, or true for all.
func bundledNames(raw *rawManifest, deps map[string]string) []string {
	for _, text := range []json.RawMessage{raw.BundleDependencies, raw.BundledDependencies} {
		var all bool
		if json.Unmarshal(text, &all) == nil && all {
			return slices.Sorted(maps.Keys(deps))
		}
		if list := stringList(text); len(list) > 0 {
			return list
		}
	}
	return nil
}
