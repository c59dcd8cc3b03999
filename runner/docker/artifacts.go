package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/pick"
)

// keepTimeout bounds how long the artifacts of one job may take.
const keepTimeout = 30 * time.Minute

// keep hands over the files that the job's artifacts name. The job has ended;
// what goes wrong is told in its log.
func (x *execution) keep() {
	if x.run.Keep == nil || len(x.run.Job.Spec.Artifacts) == 0 {
		return
	}
	spec := x.run.Job.Spec.WithDefaults()
	set := pick.Compile(spec.Artifacts, spec.MountPath)
	var problems []string
	if root := x.source(spec); root != nil {
		problems = set.Dir(root, x.run.Keep)
		_ = root.Close() // it was only read
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
		defer cancel()
		problems = set.Tar(spec.MountPath, func(name string) (io.ReadCloser, error) {
			result, err := x.e.CopyFromContainer(ctx, x.id, client.CopyFromContainerOptions{SourcePath: path.Join(spec.MountPath, name)})
			if isNotFound(err) {
				return nil, errors.Join(fs.ErrNotExist, err)
			}
			return result.Content, err
		}, x.run.Keep)
	}
	for _, problem := range problems {
		_, _ = fmt.Fprintf(x.run.Log, "artifacts: %s\n", problem) // never fails
	}
}

// source opens the job's copy of the source on this machine, when all that the
// job saw at mountPath is there and can be read here: what other users of the
// container wrote only root can.
func (x *execution) source(spec brigade.JobSpec) *os.Root {
	if x.dir == "" || os.Geteuid() != 0 {
		return nil
	}
	at := []string{}
	if spec.Storage.Enabled {
		at = append(at, spec.Storage.Path)
	}
	if spec.Cache.Enabled {
		at = append(at, spec.Cache.Path)
	}
	for _, m := range spec.VolumeMounts {
		at = append(at, m.MountPath)
	}
	for _, mounted := range at {
		if strings.HasPrefix(path.Clean(mounted), strings.TrimSuffix(path.Clean(spec.MountPath), "/")+"/") {
			return nil
		}
	}
	root, err := os.OpenRoot(filepath.Join(x.dir, "source"))
	if err != nil {
		return nil // the job had no source
	}
	return root
}
