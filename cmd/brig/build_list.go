package main

import (
	"context"
	"slices"

	brigade "github.com/brigadecore/brigade/v3"
)

// screenful is how many builds are listed for people who did not say how many.
// What reads the list instead of a person gets all, as from v1's brig.
const screenful = 20

// buildsPage is how many builds are read at once.
const buildsPage = 500

// newestBuilds lists builds as people see them, newest first: count of them, 0
// for all. With only they are those in these states.
func (s *State) newestBuilds(ctx context.Context, b *backend, f brigade.BuildFilter, only []brigade.State, count int) ([]*brigade.Build, error) {
	for _, state := range only {
		if state == interrupted {
			state = brigade.StateRunning // as the store knows it
		}
		f.States = append(f.States[:len(f.States):len(f.States)], state)
	}
	var list []*brigade.Build
	for {
		f.Limit = buildsPage
		if count > 0 {
			f.Limit = min(f.Limit, count)
		}
		page, err := b.ListBuilds(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, one := range page {
			seen := s.asSeen(one)
			if len(only) > 0 && !slices.Contains(only, seen.State) {
				continue
			}
			if list = append(list, seen); len(list) == count {
				return list, nil
			}
		}
		if len(page) < f.Limit {
			return list, nil
		}
		f.Before = page[len(page)-1].ID
	}
}

// knownProject refuses a name that neither a project nor any build has.
func knownProject(ctx context.Context, b *backend, name string) error {
	_, err := findProject(ctx, b.Projects, name)
	if brigade.CodeOf(err) != brigade.CodeNotFound {
		return nil // what else may be wrong, the list will tell
	}
	builds, listErr := b.ListBuilds(ctx, brigade.BuildFilter{ProjectID: brigade.ProjectID(name), Limit: 1})
	if listErr != nil && brigade.CodeOf(listErr) != brigade.CodeNotFound || len(builds) > 0 {
		return nil //nolint:nilerr // the list will tell
	}
	return err
}
