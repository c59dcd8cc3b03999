package main

import (
	"cmp"
	"os"
	"path/filepath"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/source"
)

// hostKeys are the SSH servers to clone from: those of the file, "" for those of
// the environment, which are lines of a known_hosts file or the path of one.
// Without either they are the zero value.
func (s *State) hostKeys(file string) (h source.HostKeys, err error) {
	h.Known = s.Getenv("BRIGADE_REPO_KNOWN_HOSTS")
	if file == "" && filepath.IsAbs(h.Known) {
		file = h.Known
	}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return h, brigade.Errorf(brigade.CodeUsage, "the list of known SSH servers cannot be read: %w", err)
		}
		h.Known = cmp.Or(string(text), "#\n") // an empty list lets nobody in
	}
	if h.Known == "" {
		return h, nil
	}
	h.Pods = true
	return h, h.Check()
}
