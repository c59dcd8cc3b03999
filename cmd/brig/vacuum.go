package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
)

// vacuumFlags say what of a cluster is old.
type vacuumFlags struct {
	age, markerAge duration
	maxBuilds      int
	skipRunning    bool
}

// register registers the flags; prefix goes before their names.
func (f *vacuumFlags) register(fl *pflag.FlagSet, prefix string) {
	f.age, f.markerAge = duration(720*time.Hour), duration(7*24*time.Hour)
	fl.Var(&f.age, prefix+"age", "how old a build may get, such as 720h or 30d; 0 is any age")
	fl.IntVar(&f.maxBuilds, prefix+"max-builds", -1, "how many builds to keep at most, the newest ones; -1 is all")
	fl.BoolVar(&f.skipRunning, prefix+"skip-running-builds", true, "leave builds alone that wait or run")
	fl.Var(&f.markerAge, prefix+"event-age", "how long a repeated event is recognised, such as 7d")
}

func (f *vacuumFlags) options() app.VacuumOptions {
	return app.VacuumOptions{Age: time.Duration(f.age), MaxBuilds: f.maxBuilds, SkipRunning: f.skipRunning, MarkerAge: time.Duration(f.markerAge)}
}

// duration is a flag's value that knows days.
type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }
func (d *duration) Type() string   { return "duration" }

// Set reads "720h" or "30d".
func (d *duration) Set(text string) error {
	v, err := brigade.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time: write it like 720h or 30d", text)
	}
	*d = duration(v)
	return nil
}

func newVacuum(s *State) *cobra.Command {
	var f vacuumFlags
	var dryRun bool
	var output string
	cmd := &cobra.Command{
		Use: "vacuum", GroupID: "server", Short: "Delete old builds from a Kubernetes cluster",
		Long: `Delete builds from a cluster that are too old or too many, with their Secrets,
pods, jobs and volumes, what is left of builds that are gone, and the marks by
which repeated events are recognised. Pinned builds stay. It does so once and
ends: run it as a CronJob, or have the controller do it with --vacuum-every.

As in v1, VACUUM_AGE, VACUUM_MAX_BUILDS and VACUUM_SKIP_RUNNING_BUILDS of the
environment stand for the flags.`,
		Example: `  brig vacuum --namespace brigade
  brig vacuum --age 7d --max-builds 500
  brig vacuum --dry-run -o json`,
		Args:    args(cobra.NoArgs),
		PreRunE: func(cmd *cobra.Command, _ []string) error { return s.vacuumEnvironment(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			opt := f.options()
			opt.DryRun = dryRun
			report, err := app.Vacuum(ctx, s.kubeOptions("brigade-vacuum"), opt, s.Now)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(s.Stdout, report)
			}
			verb := "deleted"
			if dryRun {
				verb = "would delete"
			}
			_, err = fmt.Fprintf(s.Stdout, "%s %d builds, %d pods, %d job secrets, %d volumes and %d marks of events; %d builds stay\n",
				verb, report.Builds, report.Pods, report.Secrets, report.Claims, report.Markers, report.Kept)
			return err
		},
	}
	f.register(cmd.Flags(), "")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	outputFlag(cmd, &output)
	return cmd
}

// vacuumEnvironment takes what v1's variables say where no flag does.
func (s *State) vacuumEnvironment(fl *pflag.FlagSet) error {
	for flag, name := range map[string]string{"age": "VACUUM_AGE", "max-builds": "VACUUM_MAX_BUILDS", "skip-running-builds": "VACUUM_SKIP_RUNNING_BUILDS"} {
		value := s.Getenv(name)
		if value == "" || fl.Changed(flag) {
			continue
		}
		if err := fl.Set(flag, value); err != nil {
			return brigade.Errorf(brigade.CodeUsage, "%s: %w", name, err).WithHint("it stands for --%s", flag)
		}
	}
	return nil
}
