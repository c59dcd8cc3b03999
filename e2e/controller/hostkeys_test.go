package controller_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/source"
)

// sshDoor is an SSH server that lets nobody in: who is told so has believed it
// to be who it says it is.
func sshDoor(t *testing.T) (address, known string) {
	t.Helper()
	host, _ := sshKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return nil, errors.New("nobody may")
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _, _, _ = ssh.NewServerConn(c, config)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String(), knownhosts.Line([]string{l.Addr().String()}, host.PublicKey())
}

func sshKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return s, string(pem.EncodeToMemory(block))
}

// The controller's own clones look at the lists of the installation and of the
// project, and without any believe every server, as v1 did.
func TestControllerKnowsSSHServers(t *testing.T) {
	address, known := sshDoor(t)
	_, private := sshKey(t)
	_, elsewhere := sshDoor(t)
	const strange, letIn = "nothing is known about the SSH server", "does not accept the key"
	for name, c := range map[string]struct{ installation, project, want string }{
		"no list":                 {"", "", letIn},
		"the installation knows":  {known + "\n", "", letIn},
		"the project knows":       {"", known, letIn},
		"one of both knows":       {elsewhere, known, letIn},
		"not the installation":    {elsewhere + "\n", "", strange},
		"not the project":         {"", elsewhere + "\n", strange},
		"a list that holds none":  {"#\n", "", strange},
		"neither of both, dollar": {elsewhere, "# $(x)\n" + elsewhere, strange},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{}, noJobs)
			s.project(map[string]string{
				"defaultScript": noJobs, "cloneURL": "ssh://git@" + address + "/acme/app.git", "sshKey": strings.ReplaceAll(private, "\n", "$"), "knownHosts": c.project,
			})
			opt := s.options()
			opt.HostKeys = source.HostKeys{Known: c.installation}
			controller, _ := s.start(opt)
			s.leads(controller)
			status := s.state(s.build(), brigade.StateFailed)
			if !strings.Contains(fmt.Sprint(status["failure"]), c.want) {
				t.Errorf("the build failed: %v", status)
			}
		})
	}
}
