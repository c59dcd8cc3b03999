package docker

import (
	"context"
	"io"
	"time"

	"github.com/moby/moby/client"
)

// The scripts below are run in the container by a shell of their own. Process 1
// gets no signal that it has no handler for, so that a shell without a trap
// would go on with its next command after TERM has ended the one before.

// askAll tells process 1 and then all others to end, if process 1 handles TERM
// or was told to ignore it (bit 14 of SigCgt and SigIgn). If neither, it does
// nothing and exits 3.
const askAll = `while read -r key value; do
  case $key in SigCgt:|SigIgn:)
    case $value in *[4567cdef]???) kill -TERM 1; kill -TERM -1; exit 0;; esac;;
  esac
done < /proc/1/status
exit 3`

// askOthers tells all but process 1 to end and waits until they have.
const askOthers = `kill -TERM -1
while :; do
  alive=
  for p in /proc/[0-9]*; do
    case $p in /proc/1|/proc/$$) continue;; esac
    state=
    while read -r key value rest; do
      case $key in State:) state=$value; break;; esac
    done 2> /dev/null < $p/status
    case $state in ''|Z|X) ;; *) alive=1;; esac
  done
  [ -n "$alive" ] || exit 0
  sleep 0.1 2> /dev/null || sleep 1
done`

// Stop asks the job to end, and ends it after grace. Of several calls the one
// with the earliest end counts.
func (x *execution) Stop(_ context.Context, grace time.Duration) error {
	if x.stop.Set(grace) {
		go x.end(grace > 0)
	}
	return nil
}

// end sees to it that the job ends by the deadline.
func (x *execution) end(ask bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if ask {
		go x.ask(ctx)
	}
	if !x.stop.Await(x.done, 0) {
		x.kill()
	}
}

// ask sends TERM to every process of the container. A process 1 that would not
// notice is halted first and ended after the others: it must not go on.
func (x *execution) ask(ctx context.Context) {
	if len(x.run.Job.Spec.Tasks) == 0 || x.sharesProcesses(ctx) {
		// The image's own command is made to be process 1.
		x.signal(ctx, "SIGTERM")
		return
	}
	code, err := x.exec(ctx, askAll)
	if err == nil && code == 3 {
		x.signal(ctx, "SIGSTOP")
		if code, err = x.exec(ctx, askOthers); err == nil && code == 0 {
			x.signal(ctx, "SIGKILL")
			return
		}
	}
	if err == nil && code == 0 || ctx.Err() != nil {
		return
	}
	x.r.opts.Logger.Debug("the job's processes cannot be asked one by one", "job", x.run.Job.ID, "exitCode", code, "error", err)
	x.signal(ctx, "SIGTERM")
}

// sharesProcesses reports whether the container sees the engine's processes,
// which an engine can be set up to do: "all of them" would be too many then.
func (x *execution) sharesProcesses(ctx context.Context) bool {
	result, err := x.e.ContainerInspect(ctx, x.id, client.ContainerInspectOptions{})
	return err != nil || result.Container.HostConfig == nil || result.Container.HostConfig.PidMode.IsHost()
}

// exec runs a script in the container, as root, and returns its exit code.
func (x *execution) exec(ctx context.Context, script string) (int, error) {
	created, err := x.e.ExecCreate(ctx, x.id, client.ExecCreateOptions{
		User: "0", Cmd: []string{"/bin/sh", "-c", script}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, err
	}
	stream, err := x.e.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	if _, err := io.Copy(io.Discard, stream.Reader); err != nil {
		return 0, err
	}
	result, err := x.e.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, err
	}
	return result.ExitCode, nil
}

func (x *execution) signal(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := x.e.ContainerKill(ctx, x.id, client.ContainerKillOptions{Signal: name}); err != nil && ctx.Err() == nil {
		x.r.opts.Logger.Debug("the job cannot be signalled", "job", x.run.Job.ID, "signal", name, "error", err)
	}
}

// kill ends the job. It tries until it has ended: an engine that is busy or
// away must not let it live.
func (x *execution) kill() {
	for {
		x.signal(context.Background(), "SIGKILL")
		select {
		case <-x.done:
			return
		case <-time.After(time.Second):
		}
	}
}
