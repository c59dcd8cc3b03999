package npm

import (
	"bytes"
	"encoding/json"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// overrideKey names a package in overrides: "foo" or "foo@^1".
type overrideKey struct {
	name string
	spec *spec // nil: any version
}

// overrideRule replaces what is asked for under the last key's name, below
// packages of the other keys' names in that order.
type overrideRule struct {
	keys []overrideKey
	text string
}

func (r overrideRule) target() overrideKey { return r.keys[len(r.keys)-1] }

// parseOverrides reads the overrides of a package.json. "$name" stands for
// what the project itself asks for under that name.
func parseOverrides(raw json.RawMessage, direct map[string]string) ([]overrideRule, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return overrideLevel(raw, direct, nil, 0)
}

func overrideLevel(raw json.RawMessage, direct map[string]string, above []overrideKey, depth int) ([]overrideRule, error) {
	var level map[string]json.RawMessage
	if err := json.Unmarshal(raw, &level); err != nil || depth > 16 {
		return nil, brigade.Errorf(brigade.CodeDependency, "the overrides are not an object of names and versions")
	}
	var out []overrideRule
	for _, name := range sortedKeys(level) {
		value := bytes.TrimSpace(level[name])
		keys := above
		if name != "." {
			key, err := parseOverrideKey(name)
			if err != nil {
				return nil, err
			}
			keys = append(append([]overrideKey(nil), above...), key)
		}
		if len(keys) == 0 {
			continue
		}
		if len(value) > 0 && value[0] == '{' {
			rules, err := overrideLevel(value, direct, keys, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, rules...)
			continue
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, brigade.Errorf(brigade.CodeDependency, "the override of %q is neither a version nor an object", clip(name))
		}
		if ref, ok := strings.CutPrefix(text, "$"); ok && direct != nil {
			if text, ok = direct[ref]; !ok {
				return nil, brigade.Errorf(brigade.CodeDependency, "the override of %q refers to $%s, which is no dependency of the project", clip(name), clip(ref))
			}
		}
		out = append(out, overrideRule{keys, text})
	}
	return out, nil
}

func parseOverrideKey(text string) (overrideKey, error) {
	name, rng := splitAlias(text)
	key := overrideKey{name: name}
	sp, err := parseSpec(name, rng)
	if err != nil {
		return key, err
	}
	if rng != "" {
		key.spec = &sp
	}
	return key, nil
}

// matches reports whether a key names a package asked for as sp.
func (k overrideKey) matches(name string, sp spec) bool {
	if k.name != name {
		return false
	}
	if k.spec == nil || k.spec.text == sp.text || k.spec.rng == nil {
		return true
	}
	if sp.rng == nil {
		return false
	}
	for _, set := range sp.rng.sets {
		for _, c := range set {
			if c.version != nil && c.op != "<" && k.spec.rng.Has(c.version) {
				return true
			}
		}
	}
	return false
}

// override returns what the rules put in place of a dependency of n. What the
// project itself asks for stays.
func override(rules []overrideRule, n *node, name string, sp spec) (string, bool) {
	best := -1
	for i, rule := range rules {
		if n.parent == nil || !rule.target().matches(name, sp) {
			continue
		}
		left := len(rule.keys) - 2
		for at := n; at != nil && left >= 0; at = at.from {
			if at.rel != nil && rule.keys[left].matches(at.name, exactSpec(at.rel)) {
				left--
			}
		}
		if left < 0 && (best < 0 || len(rule.keys) > len(rules[best].keys)) {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	return rules[best].text, true
}

func exactSpec(r *release) spec {
	sp := spec{name: r.name, text: r.version}
	sp.rng, _ = ParseRange(r.version)
	return sp
}
