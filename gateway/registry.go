package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Registry takes the notifications of container registries: Docker Hub, Azure
// Container Registry (its webhooks, and Event Grid), Harbor, and whatever
// sends those of the distribution registry. Each push of a tag is the event
// image_push. The project's Registry.Token is the bearer token, the password
// of basic authentication, or the parameter token.
type Registry struct{}

var _ brigade.Gateway = (*Registry)(nil)

// NewRegistry returns the gateway.
func NewRegistry() *Registry { return &Registry{} }

// providerRegistry is what v1 called every registry.
const providerRegistry = "dockerhub"

// Name is "registry".
func (*Registry) Name() string { return "registry" }

// Routes are v1's.
func (*Registry) Routes() []string {
	return []string{
		"POST /events/webhook/{org}/{repo}/{commit}",
		"POST /events/webhook/{org}/{repo}",
		"POST /events/webhook/{project}",
	}
}

// Read makes an event of each push of a tag.
func (*Registry) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	asked := in
	if org := wildcard(in, "org"); org != "" {
		name := org + "/" + wildcard(in, "repo")
		asked.Path = func(string) string { return name }
	}
	project, err := namedProject(asked)
	if err != nil {
		return none, err
	}
	revision, err := registryRevision(in)
	if err != nil {
		return none, err
	}
	pushes, err := readNotification(in.Body)
	if err != nil {
		return none, err
	}
	reading := brigade.Reading{
		Project: project, Verify: registryToken(in),
		Complete: func(_ context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
			return trustImages(p, events), nil
		},
	}
	if err := addPushes(&reading, pushes, in.Body, revision); err != nil {
		return none, err
	}
	return reading, nil
}

// addPushes makes the reading's events.
func addPushes(reading *brigade.Reading, pushes []imagePush, body []byte, revision brigade.Revision) error {
	bodyDigest := sync.OnceValue(func() string { return digest(body) })
	seen := map[string]bool{}
	for _, p := range pushes {
		if p.validation != "" {
			acceptGrid(p.validation, reading)
			return nil
		}
		if reading.Ignored = p.ignored(); reading.Ignored != "" {
			continue
		}
		if err := p.check(); err != nil {
			return err
		}
		e := p.event(bodyDigest, revision)
		if !seen[e.Key] {
			seen[e.Key] = true
			reading.Events = append(reading.Events, e)
		}
	}
	switch {
	case len(reading.Events) > 0:
		reading.Ignored, reading.Answer = "", statusAnswer("Success")
	case reading.Ignored == "":
		reading.Ignored = "the notification is empty"
	}
	return nil
}

// registryRevision is the revision that the URL asks for. As in v1 it goes as
// the ref; of a whole hash it is known that it is a commit.
func registryRevision(in brigade.Inbound) (brigade.Revision, error) {
	name := wildcard(in, "commit")
	if name == "" {
		name = in.Query.Get("commit")
	}
	r := brigade.Revision{Ref: name}
	if fullHash.MatchString(strings.ToLower(name)) {
		r.Commit = strings.ToLower(name)
	}
	return r, checkRevision(r)
}

// registryToken authenticates with the project's token. A project without one
// is refused, unless it says that everybody may.
func registryToken(in brigade.Inbound) func(*brigade.Project) error {
	given := registryCredential(in.Header)
	if given == "" {
		given = in.Query.Get("token")
	}
	return func(p *brigade.Project) error {
		err := checkToken(p.Registry.Token, given)
		if openRegistry(p) {
			return nil
		}
		return err
	}
}

// registryCredential is what the header Authorization holds: registries let
// people write into it what they like.
func registryCredential(h http.Header) string {
	r := http.Request{Header: h}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	if token := bearer(h); token != "" {
		return token
	}
	if plain := strings.TrimSpace(h.Get("Authorization")); !strings.Contains(plain, " ") {
		return plain
	}
	return ""
}

// openRegistry reports whether everybody may start builds of p.
func openRegistry(p *brigade.Project) bool {
	return p.Registry.Unauthenticated && p.Registry.Token == ""
}

// trustImages keeps the secrets from builds that a stranger made run what is
// not of the project's branches and tags. The revision is in the URL, and
// everybody can put files into a repository as a pull request: its ref, or the
// hash of its commit, must not run with secrets because somebody knows the URL.
func trustImages(p *brigade.Project, events []brigade.Event) []brigade.Event {
	trusted := append([]brigade.Event(nil), events...)
	for i := range trusted {
		trusted[i].Untrusted = openRegistry(p) && !ownRef(trusted[i].Revision.Ref)
	}
	return trusted
}

// ownRef reports whether a ref can only be a branch or a tag. Git finds refs
// of other kinds by names that have a slash.
func ownRef(ref string) bool {
	return strings.HasPrefix(ref, "refs/heads/") || strings.HasPrefix(ref, "refs/tags/") ||
		!strings.Contains(ref, "/") && !anyHash.MatchString(strings.ToLower(ref))
}

// imagePush is an entry of a notification, of whichever registry.
type imagePush struct {
	id         string // of the entry, in the registry's words; may be empty
	action     string // "push" for what starts builds
	repository string
	tag        string
	digest     string
	actor      string
	payload    []byte // the notification with this entry only
	validation string // Event Grid asks whether it may send
}

var (
	imageTag = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	// companionTag is what signatures, attestations and lists of referrers are
	// stored under, for want of a better place.
	companionTag = lazyregexp.New(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)
)

// ignored says why the entry starts nothing, or "".
func (p imagePush) ignored() string {
	switch {
	case p.action != "push":
		return "only pushes start builds, not " + cut(firstLine(p.action), maxWord)
	case p.tag == "" || strings.HasPrefix(p.tag, "sha256:"):
		return "no tag was pushed"
	case companionTag.MatchString(p.tag):
		return "what was pushed is not an image but belongs to one"
	}
	return ""
}

func (p imagePush) check() error {
	if err := checkName("repository", p.repository, maxRef); err != nil {
		return err
	}
	if !imageTag.MatchString(p.tag) {
		return brigade.Errorf(brigade.CodeInvalid, "the tag is not the name of one")
	}
	return nil
}

func (p imagePush) event(bodyDigest func() string, revision brigade.Revision) brigade.Event {
	id := p.id
	if id == "" {
		id = bodyDigest()
	}
	e := brigade.Event{
		Provider: providerRegistry, Type: "image_push", Revision: revision, Payload: string(p.payload),
		ShortTitle: cut(p.repository+":"+p.tag, maxShortTitle),
		LongTitle:  cut(p.repository+":"+p.tag, maxLongTitle),
		Actor:      cut(p.actor, maxShortTitle),
		Key:        eventKey("registry", id, p.repository, p.tag, revision.Ref),
		// Until the project was asked.
		Untrusted: true,
	}
	if p.digest != "" {
		e.LongTitle = cut(p.repository+":"+p.tag+"@"+p.digest, maxLongTitle)
	}
	return e
}
