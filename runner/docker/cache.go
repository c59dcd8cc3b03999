package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/brigadecore/brigade/v3/internal/cachekey"
)

// Caches with keys are volumes of their own, of which a job keeps the newest.
const (
	labelCacheKey   = "sh.brigade.cache.key"
	labelCacheForks = "sh.brigade.cache.forks" // whether builds of forks have it
	labelCacheMade  = "sh.brigade.cache.made"  // nanoseconds since 1970

	mostKeys = 10             // of one job; further ones go,
	inUse    = 24 * time.Hour // but none that is younger
)

// keyed is the volume of a cache with a key.
type keyed struct {
	volume, key string
	made        time.Time
}

// addKeyed mounts the job's cache of its key. When there is none, what
// restoreKeys name is to be copied into the new one: see restore.
func (p *plan) addKeyed(ctx context.Context, e *engine, base, target string) error {
	name := safeName(base + "-key-" + cachekey.Encode(p.spec.Cache.Key))
	labels := map[string]string{
		labelHeritage: heritage, labelOwner: p.labels[labelOwner], labelProject: p.labels[labelProject], labelJob: p.spec.Name,
		labelCacheForks: strconv.FormatBool(p.untrusted()),
	}
	all, err := e.keyed(ctx, labels)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(k keyed) bool { return k.volume == name }) {
		p.restoring = newestOf(all, p.spec.Cache.RestoreKeys)
		e.dropOld(ctx, all, p.restoring)
	}
	labels[labelCacheKey], labels[labelCacheMade] = p.spec.Cache.Key, strconv.FormatInt(time.Now().UnixNano(), 10)
	if _, err := e.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels}); err != nil {
		return p.refused(err, "make the volume "+name)
	}
	p.mounts = append(p.mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path.Clean(target)})
	return nil
}

// keyed lists the caches with keys that have the labels, the newest first.
func (e *engine) keyed(ctx context.Context, labels map[string]string) ([]keyed, error) {
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", labelCacheKey)})
	if err != nil {
		return nil, unreachable(e.host, err)
	}
	var all []keyed
	for _, v := range volumes.Items {
		// Of several labels, some engines look for any, and not for all.
		if !maps.Equal(labels, only(v.Labels, labels)) {
			continue
		}
		made, err := strconv.ParseInt(v.Labels[labelCacheMade], 10, 64)
		if key, is := v.Labels[labelCacheKey]; is && err == nil {
			all = append(all, keyed{v.Name, key, time.Unix(0, made)})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Or(b.made.Compare(a.made), strings.Compare(a.volume, b.volume)) })
	return all, nil
}

// only are those of the labels that others have, too.
func only(labels, others map[string]string) map[string]string {
	m := maps.Clone(labels)
	maps.DeleteFunc(m, func(k, _ string) bool { _, has := others[k]; return !has })
	return m
}

// newestOf is the volume of the newest cache whose key begins with the first of
// the prefixes that any begins with; "" when there is none.
func newestOf(all []keyed, prefixes []string) string {
	for _, prefix := range prefixes {
		for _, k := range all {
			if strings.HasPrefix(k.key, prefix) {
				return k.volume
			}
		}
	}
	return ""
}

// dropOld removes caches beyond those that a job keeps. One that a container
// still has stays.
func (e *engine) dropOld(ctx context.Context, all []keyed, but string) {
	for _, k := range all[min(len(all), mostKeys-1):] {
		if k.volume != but && time.Since(k.made) > inUse {
			_, _ = e.VolumeRemove(ctx, k.volume, client.VolumeRemoveOptions{}) // else another time
		}
	}
}

// restore copies what was cached under another key into the job's cache, before
// the job begins. What keeps it from that is told in the job's log.
func (p *plan) restore(ctx context.Context, e *engine, id string) {
	if p.restoring == "" {
		return
	}
	if err := p.copyCache(ctx, e, id); err != nil {
		_, _ = fmt.Fprintf(p.run.Log, "cache: what was kept under another key is not there: %v\n", err) // never fails
	}
}

// copyCache copies between two containers that do not run: engines have no other
// way into a volume.
func (p *plan) copyCache(ctx context.Context, e *engine, id string) error {
	labels := map[string]string{labelHeritage: heritage, labelOwner: p.labels[labelOwner], labelBuild: p.run.Job.BuildID}
	made, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:       p.name + "-" + p.start + "-cache",
		Config:     &container.Config{Image: p.spec.Image, Labels: labels},
		HostConfig: &container.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: p.restoring, Target: p.spec.Cache.Path, ReadOnly: true}}},
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		_, _ = e.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{Force: true}) // else it goes with the build
	}()
	from, err := e.CopyFromContainer(ctx, made.ID, client.CopyFromContainerOptions{SourcePath: p.spec.Cache.Path + "/."})
	if err != nil {
		return err
	}
	defer from.Content.Close() //nolint:errcheck // it was only read
	_, err = e.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: p.spec.Cache.Path, Content: from.Content, CopyUIDGID: true})
	return err
}
