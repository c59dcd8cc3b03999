package source

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	brigade "github.com/brigadecore/brigade/v3"
)

// HostKeys say which SSH servers are believed to be who they say they are. The
// zero value asks the user's known_hosts, as ssh does.
type HostKeys struct {
	// Pods is for programs that run where nobody has a known_hosts: Known and
	// the keys of the large public forges count instead of the user's.
	Pods bool
	// Known are lines of a known_hosts file, @cert-authority and @revoked ones
	// among them.
	Known string
	// AcceptNew lets servers in of which nothing is known, and tells their
	// fingerprint. A server with another key than the known one never is.
	AcceptNew bool
}

// with adds the list of a project: with it nothing else is let in, and nobody's
// own files are asked.
func (h HostKeys) with(list string) HostKeys {
	if strings.TrimSpace(list) == "" {
		return h
	}
	return HostKeys{Pods: true, Known: strings.TrimSuffix(h.Known, "\n") + "\n" + list}
}

// forgeKeys are the keys of the large public forges, as these publish them:
//
//	https://docs.github.com/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
//	https://docs.gitlab.com/user/gitlab_com/#ssh-known_hosts-entries
//	https://bitbucket.org/site/ssh
const forgeKeys = `
github.com,ssh.github.com,[ssh.github.com]:443 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
gitlab.com,altssh.gitlab.com,[altssh.gitlab.com]:443 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf
bitbucket.org,altssh.bitbucket.org,[altssh.bitbucket.org]:443 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO
`

// sshDialTimeout is how long a connection to an SSH server may take to come about.
const sshDialTimeout = 30 * time.Second

// sshKeys is go-git's way to sign in with a key, with a time limit.
type sshKeys struct{ *ssh.PublicKeys }

// ClientConfig adds the limit.
func (k sshKeys) ClientConfig() (*gossh.ClientConfig, error) {
	c, err := k.PublicKeys.ClientConfig()
	if err == nil {
		c.Timeout = sshDialTimeout
	}
	return c, err
}

// check sets how keys finds out that it talks to the right server.
func (h HostKeys) check(keys *ssh.PublicKeys, end *transport.Endpoint, notice func(string)) error {
	if !h.Pods {
		return nil // go-git asks the user's files
	}
	known, algorithms, err := h.db()
	if err != nil {
		return err
	}
	port := end.Port
	if port <= 0 {
		port = 22
	}
	keys.HostKeyAlgorithms = algorithms(net.JoinHostPort(end.Host, strconv.Itoa(port)))
	keys.HostKeyCallback = func(host string, remote net.Addr, key gossh.PublicKey) error {
		err := known(host, remote, key)
		var unknown *knownhosts.KeyError
		if h.AcceptNew && errors.As(err, &unknown) && len(unknown.Want) == 0 {
			notice(fmt.Sprintf("warning: nothing is known about the SSH server %s, its key %s is not checked", host, gossh.FingerprintSHA256(key)))
			return nil
		}
		return err
	}
	return nil
}

// Check says whether the list can be read.
func (h HostKeys) Check() error {
	_, _, err := h.db()
	return err
}

// db is what is known: who a server is, and which kinds of keys it has.
func (h HostKeys) db() (known gossh.HostKeyCallback, algorithms func(hostPort string) []string, err error) {
	file, err := os.CreateTemp("", "known_hosts-")
	if err != nil {
		return nil, nil, failed(err, "the keys of SSH servers cannot be looked up")
	}
	defer os.Remove(file.Name())                                                     //nolint:errcheck // it holds no secret
	_, err = file.WriteString(strings.ReplaceAll(h.Known, "\r\n", "\n") + forgeKeys) // which begin with an end of line
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, nil, failed(err, "the keys of SSH servers cannot be looked up")
	}
	db, err := ssh.NewKnownHostsDb(file.Name())
	if err != nil {
		return nil, nil, brigade.Errorf(brigade.CodeUsage, "the list of known SSH servers cannot be read: %s", strings.ReplaceAll(err.Error(), file.Name(), "line")).
			WithHint("it has lines as ssh-keyscan prints them")
	}
	return db.HostKeyCallback(), db.HostKeyAlgorithms, nil
}

// explainHostKey returns a sentence for a server that is not who it should be,
// or nil.
func explainHostKey(err error, address string) *brigade.Error {
	var wrong *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return brigade.Errorf(brigade.CodeSource, "the SSH server of %s has a key that was revoked", address).WithHint("somebody may pretend to be it: do not go on before you know")
	case !errors.As(err, &wrong):
		return nil
	case len(wrong.Want) > 0:
		return brigade.Errorf(brigade.CodeSource, "the SSH server of %s has another key than the one that is known", address).
			WithHint("somebody may pretend to be it; if its key was changed, change it in known_hosts")
	}
	return brigade.Errorf(brigade.CodeSource, "nothing is known about the SSH server of %s", address).
		WithHint("add what ssh-keyscan prints, once compared, to the project's repo.knownHosts or the installation's list (--known-hosts, BRIGADE_REPO_KNOWN_HOSTS)")
}
