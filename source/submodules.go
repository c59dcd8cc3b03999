package source

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/transport"

	brigade "github.com/brigadecore/brigade/v3"
)

// maxSubmoduleDepth is how deep submodules of submodules are fetched.
const maxSubmoduleDepth = 10

// fetchSubmodules brings in the submodules of a clone, and theirs. Who writes a
// repository chooses their addresses, so the credentials go to those of the
// repository's own server only, and a repository from elsewhere gets no files
// of this machine.
func (c *cloner) fetchSubmodules(ctx context.Context, repo *git.Repository, depth int) error {
	tree, err := repo.Worktree()
	if err != nil {
		return fmt.Errorf("open the work tree: %w", err)
	}
	subs, err := tree.Submodules()
	if err != nil {
		return fmt.Errorf("read the submodules: %w", err)
	}
	if len(subs) > 0 && depth == 0 {
		return brigade.Errorf(brigade.CodeSource, "%s has submodules nested more than %d deep", redacted(c.address), maxSubmoduleDepth)
	}
	for _, sub := range subs {
		if err := c.fetchSubmodule(ctx, sub, depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *cloner) fetchSubmodule(ctx context.Context, sub *git.Submodule, depth int) error {
	name := sub.Config().Name
	if err := sub.Init(); err != nil {
		return fmt.Errorf("set up the submodule %q: %w", name, err)
	}
	repo, err := sub.Repository()
	if err != nil {
		return fmt.Errorf("set up the submodule %q: %w", name, err)
	}
	remote, err := repo.Remote(git.DefaultRemoteName) // where relative addresses are resolved
	if err != nil {
		return fmt.Errorf("find the submodule %q: %w", name, err)
	}
	inner := cloner{address: remote.Config().URLs[0], opt: c.opt, notice: c.notice}
	if isLocal(inner.address) && !isLocal(c.address) {
		return brigade.Errorf(brigade.CodeSource, "the submodule %q is at %s, a path of this machine", name, inner.address).
			WithHint("give it an https or ssh address in .gitmodules")
	}
	if sameHost(inner.address, c.address) {
		inner.auth = c.auth
	}
	err = inner.again(ctx, func() error {
		return sub.UpdateContext(ctx, &git.SubmoduleUpdateOptions{Auth: inner.auth})
	})
	if err != nil {
		return inner.explain(fmt.Errorf("submodule %q: %w", name, err), brigade.Revision{})
	}
	return inner.fetchSubmodules(ctx, repo, depth-1)
}

// isLocal reports whether the address is a path of this machine. What cannot
// be read as an address at all counts as one.
func isLocal(address string) bool {
	end, err := transport.NewEndpoint(address)
	return err != nil || end.Protocol == "file"
}
