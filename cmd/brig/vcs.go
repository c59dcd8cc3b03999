package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/source"
)

// vcsGrace is how long a fetch that was called off may take to end.
const vcsGrace = 5 * time.Second

type vcsFlags struct {
	timeout time.Duration
	tries   int
	history bool
}

// vcsPause is how long brig vcs waits before its second try.
const vcsPause = time.Second

// newVCS is the command of the sidecar image: it brings a build's files into
// the volume of a pod.
func newVCS(s *State) *cobra.Command {
	var f vcsFlags
	cmd := &cobra.Command{
		Use: "vcs", GroupID: "server", Args: args(cobra.NoArgs),
		Short: "Fetch a build's files into a pod, as its sidecar",
		Long: `Fetch the files of a build from its git repository into a directory, as the
sidecar of a worker or job pod does. What to fetch comes in environment
variables, the same as with v1's sidecar image:

  BRIGADE_REMOTE_URL      the repository: https, ssh or git@host:path
  BRIGADE_COMMIT_ID       the commit; without one the head of the ref
  BRIGADE_COMMIT_REF      a branch, tag or full ref such as refs/pull/7/head;
                          without one the default branch, as for "master" when
                          there is none of that name
  BRIGADE_WORKSPACE       the directory, empty; default /vcs
  BRIGADE_SUBMODULES      "true": fetch submodules, and theirs
  BRIGADE_REPO_AUTH_TOKEN token for https; never sent over plain http
  BRIGADE_REPO_KEY        private key for ssh; $ may stand for the ends of lines
  BRIGADE_REPO_SSH_CERT   certificate that belongs to it

and, which v1 does not know:

  BRIGADE_REPO_KNOWN_HOSTS  lines of a known_hosts file, or the path of one: an
                          SSH server that is not in it is refused. The keys of
                          github.com, gitlab.com and bitbucket.org are known in
                          any case. Without it other servers are let in, as v1
                          does, with a warning that has the fingerprint.
  BRIGADE_PROJECT_CLONE_URL the project's own repository, when the event names
                          another: token and key are for servers of its host only

Only the commit itself is fetched, where the server lets that happen; with
--history all of it, and tags. What the network breaks is tried again. The
credentials are in no output and not in the clone.`,
		Example: `  BRIGADE_REMOTE_URL=https://github.com/brigadecore/empty-testbed.git BRIGADE_WORKSPACE=$PWD/src brig vcs
  BRIGADE_REMOTE_URL=git@example.com:acme/app.git BRIGADE_COMMIT_REF=refs/pull/7/head \
    BRIGADE_REPO_KEY="$(cat deploy_key)" BRIGADE_WORKSPACE=$PWD/src brig vcs`,
		RunE: func(*cobra.Command, []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			return s.vcs(ctx, &f)
		},
	}
	cmd.Flags().DurationVar(&f.timeout, "timeout", 15*time.Minute, "how long it may take, tries and all")
	cmd.Flags().IntVar(&f.tries, "tries", 5, "how `often` to try when the network breaks")
	cmd.Flags().BoolVar(&f.history, "history", false, "fetch the whole history and tags")
	return cmd
}

func (s *State) vcs(ctx context.Context, f *vcsFlags) error {
	repo := brigade.Repo{Token: s.Getenv(repoTokenVariable), SSHKey: s.Getenv("BRIGADE_REPO_KEY"), SSHCert: s.Getenv("BRIGADE_REPO_SSH_CERT")}
	remote, secrets := s.Getenv("BRIGADE_REMOTE_URL"), []string{repo.Token, repo.SSHKey, strings.ReplaceAll(repo.SSHKey, "$", "\n")}
	if _, password := source.SplitToken(remote, true); password != "" {
		secrets = append(secrets, password)
	}
	masked := mask.New(secrets)
	notices := &vcsNotices{to: s.Stderr, masked: masked}
	err := s.vcsInto(ctx, f, remote, repo, notices.print)
	notices.end()
	var e *brigade.Error
	if errors.As(err, &e) {
		return &brigade.Error{Code: e.Code, Message: masked.String(e.Message), Hint: masked.String(e.Hint)}
	}
	if err != nil {
		return brigade.Errorf(brigade.CodeSource, "%s", masked.String(err.Error()))
	}
	return nil
}

// vcsNotices prints what happens until the command ends: a server that does not
// answer may be waited for a little longer than that.
type vcsNotices struct {
	mu     sync.Mutex
	to     io.Writer
	masked *mask.Masker
	ended  bool
}

func (n *vcsNotices) print(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		_, _ = fmt.Fprintln(n.to, n.masked.String(text))
	}
}

func (n *vcsNotices) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
}

func (s *State) vcsInto(ctx context.Context, f *vcsFlags, remote string, repo brigade.Repo, notice func(string)) error {
	if remote == "" {
		return brigade.Errorf(brigade.CodeUsage, "which repository? BRIGADE_REMOTE_URL is empty").WithHint("set the project's cloneURL")
	}
	var err error
	if text := s.Getenv("BRIGADE_SUBMODULES"); text != "" {
		if repo.InitSubmodules, err = strconv.ParseBool(text); err != nil {
			return brigade.Errorf(brigade.CodeUsage, "BRIGADE_SUBMODULES is %q, neither true nor false", text)
		}
	}
	hosts, err := s.hostKeys("")
	if err != nil {
		return err
	}
	hosts.Pods, hosts.AcceptNew = true, hosts.Known == ""
	p := &brigade.Project{Name: "this build", Repo: repo}
	if p.Repo.CloneURL = s.Getenv("BRIGADE_PROJECT_CLONE_URL"); p.Repo.CloneURL == "" {
		p.Repo.CloneURL = remote
	}
	rev := brigade.Revision{Commit: s.Getenv("BRIGADE_COMMIT_ID"), Ref: s.Getenv("BRIGADE_COMMIT_REF")}
	dir := s.Getenv("BRIGADE_WORKSPACE")
	if dir == "" {
		dir = "/vcs"
	}
	fetcher := source.New(source.Options{HostKeys: hosts, History: f.history, Retry: source.Retry{Tries: f.tries, Pause: vcsPause}})
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	done := make(chan error, 1) // not every wait for a server ends with the context
	go func() {
		done <- fetcher.Into(ctx, p, &brigade.Build{Event: brigade.Event{CloneURL: remote, Revision: rev}}, dir, notice)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		select {
		case <-done: //nolint:errcheck // what ended it is told
		case <-time.After(vcsGrace):
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return brigade.Errorf(brigade.CodeSource, "the repository was not fetched within %s", f.timeout).WithHint("allow more with --timeout, or look at the network")
	}
	if err == nil {
		head := source.Head(dir)
		notice("checked out " + head.Commit)
	}
	return err
}
