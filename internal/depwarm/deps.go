//go:build depwarm

package depwarm

import (
	_ "charm.land/bubbletea/v2"
	_ "charm.land/lipgloss/v2"
	_ "github.com/Masterminds/semver/v3"
	_ "github.com/cpuguy83/dockercfg"
	_ "github.com/dop251/goja"
	_ "github.com/evanw/esbuild/pkg/api"
	_ "github.com/go-git/go-git/v5"
	_ "github.com/goccy/go-yaml"
	_ "github.com/moby/moby/client"
	_ "github.com/oklog/ulid/v2"
	_ "github.com/spf13/cobra"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/text/language"
	_ "golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"
)
