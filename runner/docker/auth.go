package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cpuguy83/dockercfg"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// dockerHub is the name under which docker keeps its own registry's
// credentials.
const dockerHub = "https://index.docker.io/v1/"

// credential is what a registry is shown.
type credential struct {
	encoded string   // for the engine's API; "" for nobody
	from    string   // for people: a file or a program
	missing []string // imagePullSecrets that do not exist here
}

// registryOf returns the registry an image's name begins with.
func registryOf(image string) string {
	first, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return "docker.io"
	}
	return first
}

// credentials looks for what opens the image's registry: the job's and the
// project's imagePullSecrets, then docker's configuration, then Podman's.
func (r *Runner) credentials(p *plan) credential {
	var cred credential
	secrets := p.spec.ImagePullSecrets
	if p.run.Project != nil {
		secrets = slices.Concat(secrets, p.run.Project.ImagePullSecrets)
	}
	for _, name := range secrets {
		file := r.pullSecret(name)
		if file == "" {
			cred.missing = append(cred.missing, name)
			continue
		}
		if r.lookUp(&cred, file, p.spec.Image) {
			return cred
		}
	}
	for _, file := range r.authFiles() {
		if r.lookUp(&cred, file, p.spec.Image) {
			return cred
		}
	}
	return cred
}

// pullSecret returns the file of credentials of that name, "" for none.
func (r *Runner) pullSecret(name string) string {
	if r.opts.PullSecretsDir == "" || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return ""
	}
	dir := filepath.Join(r.opts.PullSecretsDir, name)
	for _, file := range []string{filepath.Join(dir, "config.json"), filepath.Join(dir, ".dockerconfigjson"), dir} {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// authFiles lists where docker and Podman keep credentials.
func (r *Runner) authFiles() []string {
	var files []string
	if dir := r.configDir(); dir != "" {
		files = append(files, filepath.Join(dir, "config.json"))
	}
	if file := r.env["REGISTRY_AUTH_FILE"]; file != "" {
		files = append(files, file)
	}
	if dir := r.env["XDG_RUNTIME_DIR"]; dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := r.env["XDG_CONFIG_HOME"]; dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	} else if home := r.home(); home != "" {
		files = append(files, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return files
}

// lookUp sets cred to what the file has for the image's registry and reports
// whether it has anything.
func (r *Runner) lookUp(cred *credential, file, image string) bool {
	var config dockercfg.Config
	if err := dockercfg.FromFile(file, &config); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.opts.Logger.Warn("a file of registry credentials cannot be read", "file", file, "error", err)
		}
		return false
	}
	host := registryOf(image)
	auth, from := stored(&config, image), file
	if auth.Username == "" && auth.IdentityToken == "" && auth.RegistryToken == "" {
		helper := config.CredentialHelpers[host]
		if helper == "" && host == "docker.io" {
			helper = config.CredentialHelpers[dockerHub]
		}
		if helper == "" {
			helper = config.CredentialsStore
		}
		if helper == "" {
			return false
		}
		key := host
		if host == "docker.io" {
			key = dockerHub
		}
		user, secret, err := dockercfg.GetCredentialsFromHelper(helper, key)
		if err != nil || secret == "" {
			if err != nil {
				r.opts.Logger.Warn("a credential helper failed", "helper", helper, "registry", host, "error", err)
			}
			return false
		}
		from = "docker-credential-" + helper
		auth = registry.AuthConfig{Username: user, Password: secret}
		if user == "" || user == "<token>" {
			auth = registry.AuthConfig{IdentityToken: secret}
		}
	}
	auth.ServerAddress = host
	if host == "docker.io" {
		auth.ServerAddress = dockerHub
	}
	encoded, err := authconfig.Encode(auth)
	if err != nil {
		return false
	}
	cred.encoded, cred.from = encoded, from
	return true
}

// stored returns what the file itself has for an image: under the longest
// prefix of its name, as Podman and Kubernetes understand it, and under the
// ways in which docker writes a registry.
func stored(config *dockercfg.Config, image string) registry.AuthConfig {
	host := registryOf(image)
	name, _, _ := strings.Cut(image, "@")
	if slash := strings.LastIndex(name, "/"); strings.LastIndex(name, ":") > slash {
		name = name[:strings.LastIndex(name, ":")]
	}
	if host == "docker.io" && !strings.HasPrefix(name, "docker.io/") {
		name = "docker.io/" + name
	}
	var keys []string
	for ; name != ""; name = name[:max(0, strings.LastIndex(name, "/"))] {
		keys = append(keys, name)
	}
	keys = append(keys, "https://"+host, "https://"+host+"/", "http://"+host, "https://"+host+"/v1/", "https://"+host+"/v2/")
	if host == "docker.io" {
		keys = append(keys, dockerHub, "index.docker.io", "index.docker.io/v1/", "registry-1.docker.io", "https://index.docker.io/v2/")
	}
	for _, key := range keys {
		found, ok := config.AuthConfigs[key]
		if !ok {
			continue
		}
		auth := registry.AuthConfig{
			Username: found.Username, Password: found.Password,
			IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
		}
		if found.Auth != "" {
			if user, password, err := dockercfg.DecodeBase64Auth(found); err == nil {
				auth.Username, auth.Password = user, password
			}
		}
		if auth.Username != "" || auth.IdentityToken != "" || auth.RegistryToken != "" {
			return auth
		}
	}
	return registry.AuthConfig{}
}
