package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	gossh "golang.org/x/crypto/ssh"

	brigade "github.com/brigadecore/brigade/v3"
)

// clone brings the build's revision of its repository into dir, without
// history where the server allows it.
func (f *Fetcher) clone(ctx context.Context, p *brigade.Project, b *brigade.Build, dir string, notice func(string)) error {
	address := b.Event.CloneURL
	if address == "" {
		address = p.Repo.CloneURL
	}
	if address == "" {
		return brigade.Errorf(brigade.CodeSource, "the project names no repository to clone").
			WithHint("set its clone URL, or run with --repo URL")
	}
	var credentials brigade.Repo
	if sameHost(address, p.Repo.CloneURL) {
		credentials = p.Repo
	}
	credentials.KnownHosts = p.Repo.KnownHosts
	auth, err := f.authFor(address, credentials, notice)
	if err != nil {
		return err
	}
	notice("cloning " + redacted(address))
	// Jobs can read the address in the clone's configuration.
	c := cloner{address: withoutUser(address), auth: auth, dir: dir, submodules: p.Repo.InitSubmodules, opt: &f.opt, notice: notice}
	if err := c.checkout(ctx, b.Event.Revision); err != nil {
		return c.explain(err, b.Event.Revision)
	}
	return nil
}

type cloner struct {
	address    string
	auth       transport.AuthMethod
	dir        string
	submodules bool
	opt        *Options
	notice     func(string)
	repo       *git.Repository
}

// checkout tries the cheap way first, and the whole repository when the server
// does not give out a single commit.
func (c *cloner) checkout(ctx context.Context, rev brigade.Revision) error {
	var err error
	if c.repo, err = git.PlainInit(c.dir, false); err != nil {
		return fmt.Errorf("make an empty repository: %w", err)
	}
	if _, err = c.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{c.address}}); err != nil {
		return fmt.Errorf("name the remote: %w", err)
	}
	hash, err := c.fetch(ctx, rev)
	if err != nil {
		return err
	}
	tree, err := c.repo.Worktree()
	if err != nil {
		return fmt.Errorf("open the work tree: %w", err)
	}
	if err := tree.Checkout(&git.CheckoutOptions{Hash: hash, Force: true}); err != nil {
		return fmt.Errorf("check out %s: %w", hash, err)
	}
	if !c.submodules {
		return nil
	}
	return c.fetchSubmodules(ctx, c.repo, maxSubmoduleDepth)
}

// local is where what was fetched is found.
const local = "refs/brigade/build"

// fetch brings in the revision and returns its commit. A commit wins over a
// ref; neither means the head of the default branch.
func (c *cloner) fetch(ctx context.Context, rev brigade.Revision) (plumbing.Hash, error) {
	if rev.Commit != "" && plumbing.IsHash(rev.Commit) {
		return c.fetchCommit(ctx, rev)
	}
	name := rev.Commit
	if name == "" {
		name = rev.Ref
	}
	var last error
	for _, ref := range refNames(name) {
		err := c.get(ctx, "+"+ref+":"+local, c.depth())
		if err == nil {
			return c.resolve(local)
		}
		last = err
		if !errors.Is(err, git.NoMatchingRefSpecError{}) {
			return plumbing.ZeroHash, err
		}
	}
	return plumbing.ZeroHash, last
}

// depth is how many commits are fetched; 0: all.
func (c *cloner) depth() int {
	if c.opt.History {
		return 0
	}
	return 1
}

// fetchCommit asks for the commit itself, then looks for it in what its ref
// holds, then in everything: not every server gives out single commits.
func (c *cloner) fetchCommit(ctx context.Context, rev brigade.Revision) (plumbing.Hash, error) {
	hash := plumbing.NewHash(rev.Commit)
	err := c.get(ctx, rev.Commit+":"+local, c.depth())
	if err == nil || final(err) {
		return hash, err
	}
	if rev.Ref != "" {
		for _, ref := range refNames(rev.Ref) {
			if err := c.get(ctx, "+"+ref+":refs/brigade/ref", 0); final(err) {
				return plumbing.ZeroHash, err
			}
			if _, err := c.repo.CommitObject(hash); err == nil {
				return hash, nil
			}
		}
	}
	if err := c.get(ctx, "+refs/*:refs/remotes/origin/*", 0); err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := c.repo.CommitObject(hash); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("commit %s is not in the repository: %w", rev.Commit, err)
	}
	return hash, nil
}

// final reports whether asking for something else fails in the same way.
func final(err error) bool {
	return errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) ||
		errors.Is(err, transport.ErrRepositoryNotFound) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		explainHostKey(err, "") != nil || err != nil && transient(err)
}

func (c *cloner) resolve(ref string) (plumbing.Hash, error) {
	hash, err := c.repo.ResolveRevision(plumbing.Revision(ref + "^{commit}"))
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("read %s: %w", ref, err)
	}
	return *hash, nil
}

func (c *cloner) get(ctx context.Context, spec string, depth int) error {
	tags := git.NoTags
	if c.opt.History {
		tags = git.AllTags
	}
	return c.again(ctx, func() error {
		err := c.repo.FetchContext(ctx, &git.FetchOptions{
			RemoteName: "origin", RefSpecs: []config.RefSpec{config.RefSpec(spec)},
			Depth: depth, Auth: c.auth, Tags: tags,
		})
		if errors.Is(err, git.NoErrAlreadyUpToDate) {
			return nil
		}
		return err
	})
}

func (c *cloner) again(ctx context.Context, do func() error) error {
	return c.opt.Retry.again(ctx, c.notice, func(err error) string { return strings.ReplaceAll(err.Error(), c.address, redacted(c.address)) }, do)
}

// refNames lists what a ref as people and gateways write it may mean.
func refNames(name string) []string {
	switch {
	case name == "":
		return []string{"HEAD"}
	case name == "HEAD", strings.HasPrefix(name, "refs/"):
		return []string{name}
	case name == "master": // v1's default for events that name no revision
		return []string{"refs/heads/master", "HEAD"}
	}
	return []string{"refs/heads/" + name, "refs/tags/" + name, "refs/" + name}
}

const credentialsHint = "give the project a token (github.token) or an SSH key; brig run takes them from BRIGADE_REPO_AUTH_TOKEN and BRIGADE_REPO_KEY"

// explain turns what git says into a sentence and a hint. The address is shown
// without credentials.
func (c *cloner) explain(err error, rev brigade.Revision) error {
	if known := (*brigade.Error)(nil); errors.As(err, &known) {
		return err
	}
	e := &brigade.Error{Code: brigade.CodeSource, Err: err}
	address := redacted(c.address)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		e.Message = fmt.Sprintf("the server of %s does not let us in", address)
		e.Hint = credentialsHint + "; a private repository often answers as if it were not there"
	case errors.Is(err, transport.ErrRepositoryNotFound):
		e.Message = fmt.Sprintf("there is no repository %s, or it is private", address)
		e.Hint = "check the address; if it is private, " + credentialsHint
	case errors.Is(err, git.NoMatchingRefSpecError{}), errors.Is(err, plumbing.ErrObjectNotFound):
		e.Message = fmt.Sprintf("%s has no revision %q", address, firstOf(rev.Commit, rev.Ref, "HEAD"))
		e.Hint = "name a branch, tag or full commit with --ref or --commit"
	case explainHostKey(err, address) != nil:
		known := explainHostKey(err, address)
		e.Message, e.Hint = known.Message, known.Hint
	case strings.Contains(err.Error(), "ssh: unable to authenticate"):
		e.Message = fmt.Sprintf("the SSH server of %s does not accept the key", address)
		e.Hint = "add the public half of the project's sshKey to the repository's deploy keys; with a certificate, look at its principals and how long it is valid"
	default:
		e.Message = fmt.Sprintf("%s cannot be cloned: %s", address, strings.ReplaceAll(err.Error(), c.address, address))
		e.Hint = "check the address and the network"
	}
	return e
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// authFor chooses what opens the address: the SSH key for SSH addresses, the
// token for HTTPS ones.
func (f *Fetcher) authFor(address string, repo brigade.Repo, notice func(string)) (transport.AuthMethod, error) {
	end, err := transport.NewEndpoint(address)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeSource, "%q is no address of a git repository", redacted(address))
	}
	switch end.Protocol {
	case "ssh":
		if repo.SSHKey != "" {
			return f.sshAuth(end, repo, notice)
		}
		if f.opt.HostKeys.Pods {
			return nil, brigade.Errorf(brigade.CodeSource, "%s needs an SSH key, and there is none", redacted(address)).WithHint("set the project's sshKey, or use an https address")
		}
		return nil, nil // the user's agent
	case "http", "https":
		return httpAuth(address, repo.Token)
	}
	return nil, nil
}

// httpAuth is the password in the address, else the token; a user without
// either is a token, as forges take it. A token is never sent over plain HTTP,
// except to this machine.
func httpAuth(address, projectToken string) (transport.AuthMethod, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeSource, "%q is no address of a git repository", redacted(address))
	}
	user := u.User.Username()
	password, _ := u.User.Password()
	switch {
	case password != "":
	case projectToken != "":
		if u.Scheme == "http" && !isLoopback(u.Hostname()) {
			return nil, brigade.Errorf(brigade.CodeSource, "the token is not sent to %s over plain http", u.Host).
				WithHint("use an https address")
		}
		password = projectToken
	case user != "":
		user, password = "", user
	default:
		return nil, nil
	}
	return &http.BasicAuth{Username: firstOf(user, tokenUser), Password: password}, nil
}

// tokenUser is the user that forges expect with a token.
const tokenUser = "x-access-token"

// SplitToken takes the password out of an http or https address, or the token
// that stands for user and password; with named, a user alone is a user's name.
// Other addresses have none.
func SplitToken(address string, named bool) (without, token string) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return address, ""
	}
	switch password, _ := u.User.Password(); {
	case password != "":
		token, u.User = password, url.User(u.User.Username())
	case !named:
		token, u.User = u.User.Username(), nil
	}
	return u.String(), token
}

// sameHost reports whether an event's address is at the project's own forge.
// Its credentials are for no other: an event may name any address.
func sameHost(address, own string) bool {
	a, errA := transport.NewEndpoint(address)
	b, errB := transport.NewEndpoint(own)
	return errA == nil && errB == nil && own != "" && strings.EqualFold(a.Host, b.Host) && a.Port == b.Port && a.Protocol == b.Protocol
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || host == "[::1]" || strings.HasPrefix(host, "127.")
}

// sshAuth makes the key method. v1 keeps keys with "$" for line ends.
func (f *Fetcher) sshAuth(end *transport.Endpoint, repo brigade.Repo, notice func(string)) (transport.AuthMethod, error) {
	keys, err := ssh.NewPublicKeys(firstOf(end.User, "git"), []byte(lines(repo.SSHKey)), "")
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeSource, "the project's SSH key cannot be read").
			WithHint("it must be an unencrypted private key in PEM or OpenSSH form")
	}
	if err := f.opt.HostKeys.with(repo.KnownHosts).check(keys, end, notice); err != nil {
		return nil, err
	}
	if repo.SSHCert == "" {
		return sshKeys{keys}, nil
	}
	public, _, _, _, err := gossh.ParseAuthorizedKey([]byte(lines(repo.SSHCert)))
	cert, ok := public.(*gossh.Certificate)
	if err != nil || !ok {
		return nil, brigade.Errorf(brigade.CodeSource, "the project's SSH certificate cannot be read").
			WithHint("it must be the content of a -cert.pub file")
	}
	if keys.Signer, err = gossh.NewCertSigner(cert, keys.Signer); err != nil {
		return nil, brigade.Errorf(brigade.CodeSource, "the project's SSH certificate does not belong to its key")
	}
	return sshKeys{keys}, nil
}

// lines is a key as v1 keeps it, with its line ends back.
func lines(key string) string {
	return strings.TrimSpace(strings.ReplaceAll(key, "$", "\n")) + "\n"
}

// withoutUser is an http address without user and password; for others they
// are part of the way there.
func withoutUser(address string) string {
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return address
	}
	return redacted(address)
}

// redacted is the address without user and password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	u.User = nil
	return u.String()
}

// copyTracked copies the files that git tracks, with their present content.
func copyTracked(ctx context.Context, from, to string) error {
	repo, err := git.PlainOpenWithOptions(from, &git.PlainOpenOptions{DetectDotGit: true})
	if err != nil {
		return brigade.Errorf(brigade.CodeSource, "%s is not in a git repository", from).
			WithHint("leave out --tracked-only, or make it one with git init")
	}
	tree, err := repo.Worktree()
	if err != nil {
		return failed(err, "the git work tree cannot be read")
	}
	index, err := repo.Storer.Index()
	if err != nil {
		return failed(err, "the git index cannot be read")
	}
	prefix, err := prefixIn(tree.Filesystem.Root(), from)
	if err != nil {
		return failed(err, "the git work tree cannot be read")
	}
	for _, entry := range index.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, below := strings.CutPrefix(entry.Name, prefix)
		if !below {
			continue
		}
		if err := copyFile(from, to, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return failed(err, "the tracked files cannot be copied")
		}
	}
	return nil
}

// Head is what is checked out in the work tree that dir belongs to; zero when
// it is in none, or nothing was committed yet.
func Head(dir string) brigade.Revision {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true})
	if err != nil {
		return brigade.Revision{}
	}
	head, err := repo.Head()
	if err != nil {
		return brigade.Revision{}
	}
	rev := brigade.Revision{Commit: head.Hash().String()}
	if head.Name().IsBranch() {
		rev.Ref = head.Name().String()
	}
	return rev
}

// Remote is the address of the remote "origin" of the work tree that dir
// belongs to, without credentials, or "".
func Remote(dir string) string {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true})
	if err != nil {
		return ""
	}
	remote, err := repo.Remote("origin")
	if err != nil || len(remote.Config().URLs) == 0 {
		return ""
	}
	return redacted(remote.Config().URLs[0])
}
