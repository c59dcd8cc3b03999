package app

import (
	"context"

	"github.com/brigadecore/brigade/v3/dispatch"
)

// InstallPackages installs the npm packages that a script needs, as a build of
// it would, and returns their node_modules directory, "" when it needs none.
// notice is told of what people should know.
func InstallPackages(ctx context.Context, o Options, dir, script, config string, notice func(string)) (string, error) {
	d := &dependencies{opt: o}
	return d.Install(ctx, dispatch.DependencyRequest{Script: script, Config: config, Dir: dir, Notice: notice})
}
