package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api/oidc"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/gateway"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// serverFlags are the flags of `brig server`.
type serverFlags struct {
	data, runner, worker, baseURL, logFormat string
	api, gateways                            app.Listener
	anonymous, openV1, verbose               bool
	maxBuilds, maxJobs                       int
	grace, drain, scriptTimeout              time.Duration
	scriptMemory, logCap                     string
	githubAppID                              int64
	githubAppKey, githubURL                  string
	gitlabURL, giteaURL, traces, knownHosts  string
	s3Endpoint, s3Region, s3Bucket, s3Prefix string
	s3PathStyle                              bool
	oidc                                     oidc.Options
	oidcGrants                               []string
	checkSuiteOnPR                           bool
	origins, proxies                         []string
	keepAge, keepFailedAge                   string
	keepCount, reuse                         int
}

func newServer(s *State) *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "server", GroupID: "server", Short: "Turn events from outside into builds",
		Long: `Run a server: gateways that take webhooks and other events, a queue, workers,
and an API, in one process with an embedded database. An event is stored before
it is answered; builds go on after a crash or a restart.

The API listens on loopback only unless told otherwise. At the first start a
token for this user is written to the file "token" in the data directory.

Secrets come from the environment: BRIGADE_GITHUB_SECRET is the key of
signatures for projects without a shared secret of their own, the keys of an S3
bucket are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the secret of the
client of --oidc-client-id, if it has one, is BRIGADE_OIDC_CLIENT_SECRET.`,
		Example: `  brig server --runner docker
  brig server --gateways :7744 --gateways-cert cert.pem --gateways-key key.pem
  brig server --github-app-id 123 --github-app-key app.pem --base-url https://ci.example.org`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serve(&f) },
	}
	f.register(cmd)
	return cmd
}

func (f *serverFlags) register(cmd *cobra.Command) {
	f.drain, f.maxBuilds, f.api.Address, f.gateways.Address = 30*time.Second, 16, "127.0.0.1:7745", "127.0.0.1:7744"
	f.shared(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.runner, "runner", "docker", "what runs the jobs: docker, process (no isolation from strangers), dummy")
	fl.StringVar(&f.worker, "worker", "process", "what runs scripts: process (of their own) or in-process")
	fixed(cmd, "runner", "docker", "process", "dummy")
	fixed(cmd, "worker", "process", "in-process")
}

// fixed completes a flag with the values it can have.
func fixed(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// shared registers what a server and a controller have in common. Defaults that
// differ are in f.
func (f *serverFlags) shared(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "`directory` of the database and of everything else the server keeps")
	fl.StringVar(&f.api.Address, "api", f.api.Address, "`address` of the API")
	fl.StringVar(&f.api.CertFile, "api-cert", "", "TLS certificate `file` of the API")
	fl.StringVar(&f.api.KeyFile, "api-key", "", "TLS key `file` of the API")
	fl.StringVar(&f.gateways.Address, "gateways", f.gateways.Address, "`address` of the gateways")
	fl.StringVar(&f.gateways.CertFile, "gateways-cert", "", "TLS certificate `file` of the gateways")
	fl.StringVar(&f.gateways.KeyFile, "gateways-key", "", "TLS key `file` of the gateways")
	fl.BoolVar(&f.anonymous, "anonymous", false, "processes of this machine, jobs and scripts among them, need no token for the API")
	fl.BoolVar(&f.openV1, "open-v1", false, "v1's read-only routes need no token at all, as in v1")
	fl.StringArrayVar(&f.origins, "cors-origin", nil, "`site` whose pages may use the API; may be repeated")
	fl.StringArrayVar(&f.proxies, "trusted-proxy", nil, "`address` or network of a proxy whose X-Forwarded-For is believed; may be repeated")
	fl.StringVar(&f.baseURL, "base-url", "", "`URL` under which people reach the API, for links in reports")
	fl.IntVar(&f.maxBuilds, "max-builds", f.maxBuilds, "builds that run at once")
	fl.IntVar(&f.reuse, "worker-reuse", 50, "how many trusted scripts of one project a process may run, one after another; 1 is a process each")
	fl.IntVar(&f.maxJobs, "max-jobs", 0, "jobs that run at once; 0 is no limit")
	fl.DurationVar(&f.grace, "grace", 10*time.Second, "time a job has to end after it was told to")
	fl.DurationVar(&f.drain, "drain", f.drain, "time builds have after the first signal, before they are handed over")
	fl.DurationVar(&f.scriptTimeout, "script-timeout", 24*time.Hour, "longest a script may live; 0 is no limit")
	fl.StringVar(&f.scriptMemory, "script-memory", "512Mi", "memory a script may use")
	fl.StringVar(&f.logCap, "log-cap", "10Mi", "how much of each log, and of each job's result, is kept")
	fl.StringVar(&f.keepAge, "keep-age", "720h", "how long builds are kept, such as 720h or 30d; 0 is for ever")
	fl.StringVar(&f.keepFailedAge, "keep-failed-age", "", "how long failed builds are kept; default as the others")
	fl.IntVar(&f.keepCount, "keep-count", 0, "how many builds of each project are kept; 0 is all")
	fl.StringVar(&f.gitlabURL, "gitlab-url", "", "`URL` of the GitLab server of projects whose repository names none; default https://gitlab.com")
	fl.StringVar(&f.giteaURL, "gitea-url", "", "`URL` of the Gitea or Forgejo server of projects whose repository names none")
	fl.StringVar(&f.oidc.Issuer, "oidc-issuer", "", "`URL` of an OpenID provider whose ID tokens open the API")
	fl.StringVar(&f.oidc.Audience, "oidc-audience", "", "`audience` those tokens must be for, besides the client of --oidc-client-id")
	fl.StringVar(&f.oidc.ClientID, "oidc-client-id", "", "`ID` of the provider's client as which people log in, in the dashboard and with brig login; its ID tokens open the API, too")
	fl.StringSliceVar(&f.oidc.Scopes, "oidc-scope", nil, "`scopes` that brig login asks for; default what the provider supports of profile, email, groups and offline_access")
	fl.StringVar(&f.oidc.Claim, "oidc-claim", "groups", "`claim` of those tokens that grants look at")
	fl.StringArrayVar(&f.oidcGrants, "oidc-grant", nil, "`VALUE=SCOPES` that a value of the claim gives, such as devs=read,event:create@acme/app; may be repeated")
	fl.StringVar(&f.s3Bucket, "s3-bucket", "", "`name` of an S3-compatible bucket that keeps artifacts; default a directory")
	fl.StringVar(&f.s3Endpoint, "s3-endpoint", "", "`URL` of the bucket's service; default Amazon's")
	fl.StringVar(&f.s3Region, "s3-region", "", "`region` of the bucket")
	fl.StringVar(&f.s3Prefix, "s3-prefix", "", "`path` in the bucket")
	fl.BoolVar(&f.s3PathStyle, "s3-path-style", false, "put the bucket into the path of URLs, as most services but Amazon's want it")
	fl.StringVar(&f.knownHosts, "known-hosts", "", "`file` with the SSH servers to clone from, as ssh-keyscan prints them: others are refused, unless their project names them (also: BRIGADE_REPO_KNOWN_HOSTS, the lines or a path)")
	fl.StringVar(&f.traces, "traces", "", "`URL` of an OpenTelemetry collector (OTLP over HTTP), such as http://localhost:4318")
	f.gatewaySettings(fl)
	f.logging(cmd)
}

// gatewaySettings registers what gateways need to know.
func (f *serverFlags) gatewaySettings(fl *pflag.FlagSet) {
	fl.Int64Var(&f.githubAppID, "github-app-id", 0, "`ID` of the GitHub App")
	fl.StringVar(&f.githubAppKey, "github-app-key", "", "`file` with the GitHub App's private key")
	fl.StringVar(&f.githubURL, "github-url", "", "API `URL` of the GitHub Enterprise server the App belongs to")
	fl.BoolVar(&f.checkSuiteOnPR, "check-suite-on-pr", false, "request a check suite for every pull request")
}

// logging registers how to log.
func (f *serverFlags) logging(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	fixed(cmd, "log-format", "text", "json")
}

// serve runs the server until a signal.
func (s *State) serve(f *serverFlags) error {
	opt, err := s.serverOptions(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.Context)
	defer cancel()
	server, err := app.NewServer(ctx, opt)
	if err != nil {
		return err
	}
	defer func() {
		if err := server.Close(); err != nil {
			opt.Log.Error("close the server", "err", err)
		}
	}()
	finished := make(chan struct{})
	defer close(finished)
	go s.serverSignals(finished, cancel, server)
	addresses := server.Addresses()
	end, err := s.announce(addresses["api"], filepath.Join(opt.Dirs.State, "token"))
	if err != nil {
		return fmt.Errorf("tell brig of the server: %w", err)
	}
	defer end()
	opt.Log.Info("serving", "api", addresses["api"], "gateways", addresses["gateways"], "runner", f.runner, "data", opt.Dirs.State, "version", versionInfo().Version)
	return server.Run(ctx)
}

// serverSignals makes the first signal drain, the second end at once.
func (s *State) serverSignals(finished <-chan struct{}, cancel func(), server interface{ Kill() }) {
	for n := 1; ; n++ {
		select {
		case <-finished:
			return
		case _, ok := <-s.Interrupts:
			if !ok {
				return
			}
			if n == 1 {
				cancel()
				continue
			}
			server.Kill()
		}
	}
}

func (s *State) serverOptions(f *serverFlags) (app.ServerOptions, error) {
	var none app.ServerOptions
	dirs, err := s.serverDirs(f)
	if err != nil {
		return none, err
	}
	memory, err := bytesFlag("--script-memory", f.scriptMemory)
	if err != nil {
		return none, err
	}
	if err := f.check(memory); err != nil {
		return none, err
	}
	logCap, err := bytesFlag("--log-cap", f.logCap)
	if err != nil {
		return none, err
	}
	log, err := s.logger(f)
	if err != nil {
		return none, err
	}
	opt := app.ServerOptions{
		Options: app.Options{
			Dirs: dirs, Environ: s.Environ(), Runner: f.runner, Grace: f.grace, MaxJobs: f.maxJobs, LogCap: logCap,
			Limits: brigade.ScriptLimits{Memory: memory, Wall: f.scriptTimeout}, Now: s.Now, Log: log,
		},
		API: f.api, Gateways: f.gateways, BaseURL: f.baseURL,
		MaxBuilds: f.maxBuilds, Drain: max(f.drain, time.Nanosecond), Anonymous: f.anonymous, OpenV1: f.openV1, Origins: f.origins,
		GitLabURL: f.gitlabURL, GiteaURL: f.giteaURL, Traces: f.traces, Version: versionInfo().Version,
	}
	opt.Bucket = s3.Options{
		Endpoint: f.s3Endpoint, Region: f.s3Region, Bucket: f.s3Bucket, Prefix: f.s3Prefix, PathStyle: f.s3PathStyle,
		AccessKey: s.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: s.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: s.Getenv("AWS_SESSION_TOKEN"),
	}
	if opt.HostKeys, err = s.hostKeys(f.knownHosts); err != nil {
		return none, err
	}
	switch f.worker {
	case "in-process":
	case "process":
		if opt.Worker.Program, err = s.Program(); err != nil {
			return none, fmt.Errorf("find this program: %w", err)
		}
		opt.Worker.Args, opt.Worker.Env = []string{"worker"}, s.workerEnv()
		opt.Worker.Keep, opt.Worker.Starting = f.reuse, 2*runtime.GOMAXPROCS(0)
	default:
		return none, brigade.Errorf(brigade.CodeUsage, "there is no worker %q", f.worker).WithHint("use process or in-process")
	}
	opt.OIDC = f.oidc
	opt.OIDC.ClientSecret = s.Getenv("BRIGADE_OIDC_CLIENT_SECRET")
	for _, text := range f.oidcGrants {
		grant, err := oidc.ParseGrant(text)
		if err != nil {
			return none, err
		}
		opt.OIDC.Grants = append(opt.OIDC.Grants, grant)
	}
	if opt.Proxies, err = app.ParseProxies(f.proxies); err != nil {
		return none, err
	}
	if opt.Retention, err = f.retention(); err != nil {
		return none, err
	}
	opt.Gateway, err = s.gatewayOptions(f)
	return opt, err
}

func (f *serverFlags) retention() (brigade.Retention, error) {
	r := brigade.Retention{Count: f.keepCount}
	for _, keep := range []struct {
		text string
		to   *brigade.Duration
	}{{f.keepAge, &r.Age}, {f.keepFailedAge, &r.FailedAge}} {
		if keep.text == "" || keep.text == "0" {
			continue
		}
		d, err := brigade.ParseDuration(keep.text)
		if err != nil || d < 0 {
			return r, brigade.Errorf(brigade.CodeUsage, "%q is not a time to keep builds", keep.text).WithHint("write it like 720h or 30d")
		}
		*keep.to = brigade.Duration(d)
	}
	return r, nil
}

// serverDirs are the server's own: it never takes up builds of `brig run`.
func (s *State) serverDirs(f *serverFlags) (app.Dirs, error) {
	dirs, err := s.dirs()
	if f.data != "" {
		data, absErr := filepath.Abs(f.data)
		return app.Dirs{State: data, Cache: filepath.Join(data, "cache"), Home: dirs.Home}, absErr
	}
	dirs.State = filepath.Join(dirs.State, "server")
	return dirs, err
}

func (s *State) logger(f *serverFlags) (*slog.Logger, error) {
	opt := &slog.HandlerOptions{}
	if f.verbose {
		opt.Level = slog.LevelDebug
	}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(s.Stderr, opt)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(s.Stderr, opt)), nil
	}
	return nil, brigade.Errorf(brigade.CodeUsage, "there is no log format %q", f.logFormat).WithHint("use text or json")
}

func (s *State) gatewayOptions(f *serverFlags) (gateway.Options, error) {
	var opt gateway.Options
	opt.GitHub.Secret = s.Getenv("BRIGADE_GITHUB_SECRET")
	opt.GitHub.CheckSuiteOnPR = f.checkSuiteOnPR
	if f.githubAppID == 0 && f.githubAppKey == "" {
		return opt, nil
	}
	if f.githubAppID == 0 || f.githubAppKey == "" {
		return opt, brigade.Errorf(brigade.CodeUsage, "a GitHub App has an ID and a key").WithHint("give both --github-app-id and --github-app-key")
	}
	key, err := readInput("key", f.githubAppKey, 1<<20)
	if err != nil {
		return opt, err
	}
	opt.GitHub.App, err = forge.NewApp(forge.AppOptions{ID: f.githubAppID, Key: []byte(key), BaseURL: f.githubURL})
	return opt, err
}
