package docker

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// removeAtOnce is how many containers are removed at the same time.
const removeAtOnce = 8

// EndBuild implements brigade.Runner.
func (r *Runner) EndBuild(ctx context.Context, buildID string) error {
	if buildID == "" {
		return nil
	}
	if err := r.settle(ctx, buildID); err != nil {
		return err
	}
	r.mu.Lock()
	e := r.engine
	r.mu.Unlock()
	if e == nil {
		// Nothing was started by this process; an engine that cannot be
		// reached has nothing that we could remove.
		var err error
		if e, err = r.connect(ctx); err != nil {
			return errors.Join(err, os.RemoveAll(r.buildDir(buildID)))
		}
	}
	_, err := r.clean(ctx, e, []string{labelBuild + "=" + buildID}, func(id string) bool { return id == buildID })
	return errors.Join(err, os.RemoveAll(r.buildDir(buildID)))
}

// Sweep implements brigade.Sweeper. It looks only at what belongs to this
// installation.
func (r *Runner) Sweep(ctx context.Context, alive func(buildID string) bool) (int, error) {
	e, err := r.connect(ctx)
	if err != nil {
		return 0, err
	}
	dead := func(id string) bool { return id != "" && !alive(id) }
	n, err := r.clean(ctx, e, nil, dead)
	dirs, dirErr := r.sweepDirs(dead)
	return n + dirs, errors.Join(err, dirErr)
}

// clean removes the containers, and then the volumes, of the builds that are
// dead, among those with the labels.
func (r *Runner) clean(ctx context.Context, e *engine, labels []string, dead func(buildID string) bool) (int, error) {
	filters := make(client.Filters).Add("label", append(labels, labelHeritage+"="+heritage, labelOwner+"="+r.opts.Owner)...)
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return 0, unreachable(e.host, err)
	}
	removed := 0
	var group errgroup.Group
	group.SetLimit(removeAtOnce)
	for _, c := range containers.Items {
		if dead(c.Labels[labelBuild]) {
			removed++
			group.Go(func() error { return e.remove(ctx, c.ID, nil) })
		}
	}
	if err := group.Wait(); err != nil {
		return removed, err
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: filters})
	if err != nil {
		return removed, unreachable(e.host, err)
	}
	var errs []error
	for _, v := range volumes.Items {
		if !dead(v.Labels[labelBuild]) {
			continue // alive, or a cache
		}
		if _, err := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); forgiveMissing(err) != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

// sweepDirs removes the directories of dead builds.
func (r *Runner) sweepDirs(dead func(buildID string) bool) (int, error) {
	entries, err := os.ReadDir(r.opts.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	removed := 0
	var errs []error
	for _, entry := range entries {
		escaped, ok := strings.CutPrefix(entry.Name(), dirPrefix)
		if !ok {
			continue
		}
		if id, err := url.PathUnescape(escaped); err != nil || !dead(id) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.opts.StateDir, entry.Name())); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}
