package app

import (
	"os"
	"path/filepath"
	"strconv"
)

// sourceDir is where this process keeps the files of its builds: below the
// state directory, by process ID. What processes left there that were killed
// is removed.
func (a *App) sourceDir() string {
	all := filepath.Join(a.opt.Dirs.State, "source")
	own := filepath.Join(all, strconv.Itoa(os.Getpid()))
	a.onClose("directory of sources", func() error {
		_ = os.Remove(own) // it is not there, or somebody still uses it
		return nil
	})
	entries, err := os.ReadDir(all)
	if err != nil {
		return own // it is made when it is needed
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid != os.Getpid() && processExists(pid) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(all, e.Name())); err != nil {
			a.opt.Log.Warn("remove sources of a build of before", "err", err)
		}
	}
	return own
}
