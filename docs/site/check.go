package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var href = regexp.MustCompile(`<a href="([^"]+)"`)

// check fails when a link of a page leads nowhere.
func (s *site) check() error {
	byURL := map[string]*page{}
	for _, p := range s.pages {
		byURL[p.url] = p
	}
	for _, p := range s.pages {
		for _, m := range href.FindAllStringSubmatch(p.html, -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") || fragment == "" {
				continue
			}
			other := p
			if target != "" {
				other = byURL[path.Join(path.Dir(p.url), target)]
			}
			if other != nil && !other.ids[fragment] {
				s.broken = append(s.broken, fmt.Sprintf("%s: %s has no heading #%s", p.source, other.source, fragment))
			}
		}
	}
	if len(s.broken) == 0 {
		return nil
	}
	slices.Sort(s.broken)
	return fmt.Errorf("links lead nowhere:\n  %s", strings.Join(slices.Compact(s.broken), "\n  "))
}
