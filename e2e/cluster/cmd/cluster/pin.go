package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kubeDir is where the module of Kubernetes is, seen from the repository.
const kubeDir = "e2e/cluster/kube"

// pin writes the module of another version of Kubernetes: its go.mod replaces
// the parts that live in the same repository by their published versions, and
// takes the etcd that this version is tested with.
func pin(ctx context.Context, version string) error {
	program, err := os.ReadFile(filepath.Join(kubeDir, "main.go.txt"))
	if err != nil {
		return fmt.Errorf("run it in the repository's root: %w", err)
	}
	work, err := os.MkdirTemp("", "brigade-pin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	goTool := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stderr = work, os.Stderr
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		return cmd.Output()
	}
	out, err := goTool("mod", "download", "-json", "k8s.io/kubernetes@"+version)
	if err != nil {
		return fmt.Errorf("fetch Kubernetes %s: %w", version, err)
	}
	var module struct{ GoMod string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	theirs, err := os.ReadFile(module.GoMod)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "go.mod"), goMod(string(theirs), version), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "main.go"), program, 0o644); err != nil {
		return err
	}
	if _, err := goTool("mod", "tidy"); err != nil {
		return fmt.Errorf("settle the versions of %s: %w", version, err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(work, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(kubeDir, name+".txt"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// goMod makes a go.mod from that of Kubernetes.
func goMod(theirs, version string) []byte {
	var b bytes.Buffer
	parts := "v0." + strings.TrimPrefix(version, "v1.")
	var replaces []string
	fmt.Fprint(&b, "module kube\n\n")
	for line := range strings.Lines(theirs) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "go":
			fmt.Fprint(&b, line)
		case len(fields) >= 2 && fields[0] == "go.etcd.io/etcd/client/v3":
			fmt.Fprintf(&b, "\nrequire go.etcd.io/etcd/server/v3 %s\n", fields[1])
		case len(fields) == 3 && fields[1] == "=>" && strings.HasPrefix(fields[2], "./staging/"):
			replaces = append(replaces, fmt.Sprintf("\t%s => %s %s\n", fields[0], fields[0], parts))
		}
	}
	fmt.Fprintf(&b, "require k8s.io/kubernetes %s\n\nreplace (\n%s)\n", version, strings.Join(replaces, ""))
	return b.Bytes()
}
