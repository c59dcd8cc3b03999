package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

func newArtifact(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "artifact", Short: "Get the files that jobs left behind", GroupID: "work",
		Example: "  brig artifact list 01hxyz\n  brig artifact get 01hxyz dist/app.tar.gz",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newArtifactList(s), newArtifactGet(s))
	return cmd
}

// keptArtifact is an artifact and the job that left it.
type keptArtifact struct {
	Job   string `json:"job"`
	JobID string `json:"jobID"`
	brigade.Artifact
}

// artifacts are those of a build, or of one job of it.
func artifacts(ctx context.Context, b *backend, id, job string) ([]keptArtifact, error) {
	build, err := lightBuild(ctx, b.Builds, id)
	if err != nil {
		return nil, err
	}
	jobs, err := b.ListJobs(ctx, build.ID)
	if err != nil {
		return nil, err
	}
	list := []keptArtifact{}
	found := job == ""
	for _, j := range jobs {
		if job != "" && j.Name != job && j.ID != job {
			continue
		}
		found = true
		for _, a := range j.Artifacts {
			list = append(list, keptArtifact{j.Name, j.ID, a})
		}
	}
	if !found {
		return nil, jobNotFound(build, job, jobs)
	}
	return list, nil
}

func newArtifactList(s *State) *cobra.Command {
	var f listFlags
	var job string
	cmd := &cobra.Command{
		Use: "list BUILD", Aliases: []string{"ls"}, Short: "List the files that a build's jobs left behind",
		Example: "  brig artifact list 01hxyz\n  brig artifact list 01hxyz -j package -o json",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeBuilds,
		RunE: func(_ *cobra.Command, argv []string) error {
			return s.withBackend(func(ctx context.Context, b *backend) error {
				list, err := artifacts(ctx, b, argv[0], job)
				if err != nil {
					return err
				}
				return printList(s, &f, artifactColumns, list)
			})
		},
	}
	addListFlags(cmd, s, &f, artifactColumns)
	cmd.Flags().StringVarP(&job, "job", "j", "", "only those of the job with that `name`")
	s.jobFlagCompletion(cmd)
	return cmd
}

var artifactColumns = columns[keptArtifact]{
	name: func(a keptArtifact) string { return a.Name },
	all: []column[keptArtifact]{
		{head: "JOB", of: func(_ printing, a keptArtifact) string { return a.Job }},
		{head: "NAME", of: func(_ printing, a keptArtifact) string { return a.Name }},
		{head: ">BYTES", of: func(_ printing, a keptArtifact) string { return fmt.Sprint(a.Size) }},
		{head: "SHA-256", of: func(_ printing, a keptArtifact) string { return a.SHA256 }},
		{head: "JOB ID", more: true, of: func(_ printing, a keptArtifact) string { return a.JobID }},
	},
}

type artifactFlags struct {
	job, to string
	all     bool
}

func newArtifactGet(s *State) *cobra.Command {
	var f artifactFlags
	cmd := &cobra.Command{
		Use: "get BUILD [NAME]", Short: "Download a file that a job left behind, or all of a build's",
		Long: `Download a file that a job left behind into the current directory, or as --to
says: a file, or - for standard output. With --all all files of the build are
put below the directory --to, each job's in a directory of its name. What was
downloaded is compared with its checksum; a file that does not match is not
kept.`,
		Example: `  brig artifact get 01hxyz dist/app.tar.gz
  brig artifact get 01hxyz report.xml -j test --to - | less
  brig artifact get 01hxyz --all --to artifacts/`,
		Args: args(cobra.RangeArgs(1, 2)), ValidArgsFunction: s.completeArtifacts,
		RunE: func(_ *cobra.Command, argv []string) error {
			if f.all == (len(argv) == 2) {
				return brigade.Errorf(brigade.CodeUsage, "which file?").WithHint("name it as brig artifact list %s shows it, or use --all", argv[0])
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				list, err := artifacts(ctx, b, argv[0], f.job)
				if err != nil {
					return err
				}
				if b.place == nil {
					return serverOnly("files of jobs are kept", "")
				}
				if f.all {
					return s.getAll(ctx, b, list, &f)
				}
				return s.getOne(ctx, b, list, argv[1], &f)
			})
		},
	}
	cmd.Flags().StringVarP(&f.job, "job", "j", "", "the `name` of the job that left it")
	s.jobFlagCompletion(cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "where to put it: a `file`, - for standard output, or with --all a directory")
	cmd.Flags().BoolVar(&f.all, "all", false, "all files of the build")
	return cmd
}

func (s *State) getOne(ctx context.Context, b *backend, list []keptArtifact, name string, f *artifactFlags) error {
	var found []keptArtifact
	for _, a := range list {
		if a.Name == name {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 0:
		return brigade.NotFound("artifact", name).WithHint("brig artifact list shows those that there are")
	case len(found) > 1:
		return brigade.Errorf(brigade.CodeUsage, "%d jobs left a file %q", len(found), name).WithHint("name one with -j, such as -j %s", found[0].Job)
	}
	if f.to == "-" {
		return download(ctx, b, found[0], s.Stdout)
	}
	to := f.to
	if to == "" {
		to = path.Base(strings.ReplaceAll(name, `\`, "/"))
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, path.Base(strings.ReplaceAll(name, `\`, "/")))
	}
	return s.getTo(ctx, b, found[0], to)
}

func (s *State) getAll(ctx context.Context, b *backend, list []keptArtifact, f *artifactFlags) error {
	if f.to == "-" {
		return brigade.Errorf(brigade.CodeUsage, "--all needs a directory").WithHint("name it with --to")
	}
	for _, a := range list {
		local := filepath.Join(filepath.FromSlash(a.Job), filepath.FromSlash(a.Name))
		if !filepath.IsLocal(local) || strings.ContainsAny(a.Job, `/\`) {
			return brigade.Errorf(brigade.CodeInvalid, "the artifact %q of job %q would be put somewhere else", a.Name, a.Job).WithHint("get it by itself, with --to")
		}
		to := filepath.Join(f.to, local)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return brigade.Errorf(brigade.CodeUsage, "the directory for %s cannot be made: %w", to, err)
		}
		if err := s.getTo(ctx, b, a, to); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) getTo(ctx context.Context, b *backend, a keptArtifact, to string) error {
	if err := toFile(to, func(f *os.File) error { return download(ctx, b, a, f) }); err != nil {
		return err
	}
	if err := os.Chmod(to, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stderr, "%s (%d bytes)\n", tui.Clean(to, false), a.Size)
	return err
}

// download copies an artifact, and compares it with its checksum.
func download(ctx context.Context, b *backend, a keptArtifact, to io.Writer) error {
	c, err := b.api()
	if err != nil {
		return err
	}
	content, err := c.OpenArtifact(ctx, a.JobID, a.Name)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), content)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		var known *brigade.Error
		if errors.As(err, &known) {
			return known
		}
		return brigade.Errorf(brigade.CodeUnavailable, "the download of %q broke after %d bytes: %v", a.Name, n, err).WithHint("try again")
	}
	if n != a.Size || hex.EncodeToString(sum.Sum(nil)) != a.SHA256 {
		return brigade.Errorf(brigade.CodeUnavailable, "what was downloaded is not the artifact %q: its checksum differs", a.Name).WithHint("try again")
	}
	return nil
}

// completeArtifacts completes builds, and then the files of the build.
func (s *State) completeArtifacts(cmd *cobra.Command, argv []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(argv) == 0 {
		return s.completeBuilds(cmd, argv, word)
	}
	var names []string
	s.completing(func(ctx context.Context, b *backend) error {
		list, err := artifacts(ctx, b, argv[0], "")
		for _, a := range list {
			names = append(names, a.Name+"\t"+a.Job)
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
