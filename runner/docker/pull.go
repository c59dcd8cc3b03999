package docker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
)

// pulls joins jobs that wait for the same image. The zero value is ready.
type pulls struct {
	mu    sync.Mutex
	going map[pullKey]*pull
}

type pullKey struct {
	image string
	auth  string // encoded credentials: others may be allowed less
}

// pull is an image on its way.
type pull struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed

	mu       sync.Mutex
	waiting  int
	message  string
	progress chan struct{} // closed when message changes
}

// pull has the image pulled and returns when it is there. Jobs that ask for
// the same image at the same time share one pull, which ends early only when
// all of them have given up.
func (r *Runner) pull(ctx context.Context, e *engine, p *plan) error {
	cred := r.credentials(p)
	key := pullKey{p.spec.Image, cred.encoded}
	r.pulls.mu.Lock()
	if r.pulls.going == nil {
		r.pulls.going = map[pullKey]*pull{}
	}
	t := r.pulls.going[key]
	if t == nil {
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		t = &pull{cancel: cancel, done: make(chan struct{}), progress: make(chan struct{}), message: "pulling " + p.spec.Image}
		r.pulls.going[key] = t
		go func() {
			t.err = t.run(shared, e, p.spec.Image, cred.encoded)
			r.pulls.mu.Lock()
			if r.pulls.going[key] == t {
				delete(r.pulls.going, key)
			}
			r.pulls.mu.Unlock()
			cancel()
			close(t.done)
		}()
	}
	t.waiting++
	r.pulls.mu.Unlock()

	err := t.wait(ctx, p.run.Notify)
	r.pulls.mu.Lock()
	if t.waiting--; t.waiting == 0 && ctx.Err() != nil {
		t.cancel()
		if r.pulls.going[key] == t {
			delete(r.pulls.going, key) // whoever comes now begins anew
		}
	}
	r.pulls.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		return err
	}
	return pullFailure(p, cred, err)
}

// wait hands on the progress until the image is there.
func (t *pull) wait(ctx context.Context, notify func(brigade.State, string)) error {
	for {
		t.mu.Lock()
		message, progress := t.message, t.progress
		t.mu.Unlock()
		if notify != nil {
			notify(brigade.StatePulling, message)
		}
		select {
		case <-t.done:
			return t.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-progress:
		}
	}
}

func (t *pull) tell(message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if message != t.message {
		t.message = message
		close(t.progress)
		t.progress = make(chan struct{})
	}
}

// run pulls and reports how far it is.
func (t *pull) run(ctx context.Context, e *engine, image, auth string) error {
	response, err := e.ImagePull(ctx, image, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer response.Close()
	layers := layers{}
	var told time.Time
	for message, err := range response.JSONMessages(ctx) {
		if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
		if message.Progress != nil && message.ID != "" && message.Status == "Downloading" {
			layers[message.ID] = [2]int64{message.Progress.Current, message.Progress.Total}
		} else if l, ok := layers[message.ID]; ok && message.Status == "Download complete" {
			layers[message.ID] = [2]int64{l[1], l[1]}
		}
		if now := time.Now(); now.Sub(told) >= notifyEvery {
			told = now
			t.tell("pulling " + image + layers.progress())
		}
	}
	return nil
}

// layers are how much has come of an image's layers, and how much there is.
type layers map[string][2]int64

// progress is " 41% of 3.4 MB", "" while nothing is known.
func (l layers) progress() string {
	var have, all int64
	for _, layer := range l {
		have += layer[0]
		all += layer[1]
	}
	if all <= 0 {
		return ""
	}
	return fmt.Sprintf(" %d%% of %s", min(100, have*100/all), size(all))
}

// pullFailure says in the registry's own words why an image cannot be had, and
// what may help.
func pullFailure(p *plan, cred credential, err error) error {
	if client.IsErrConnectionFailed(err) {
		return p.refused(err, "pull its image")
	}
	words := plain(err)
	failure := brigade.Errorf(brigade.CodeImagePull, "image %q cannot be pulled: %s", p.spec.Image, words)
	failure.Err = err
	return failure.WithHint("%s", pullHint(p.spec.Image, cred, strings.ToLower(words)))
}

func pullHint(image string, cred credential, words string) string {
	has := func(any ...string) bool {
		for _, s := range any {
			if strings.Contains(words, s) {
				return true
			}
		}
		return false
	}
	host := registryOf(image)
	var hint string
	switch {
	case has("toomanyrequests", "rate limit"):
		hint = "the registry limits pulls without a login: docker login " + host
	case has("unauthorized", "authentication required", "access denied", "access to the resource is denied", "forbidden", "incorrect username", "no basic auth"):
		hint = "check the image's name, or log in: docker login " + host
		if cred.encoded != "" {
			hint = "the registry does not accept the credentials from " + cred.from + ": docker login " + host
		}
	case has("no such host", "timeout", "connection refused", "network is unreachable", "tls", "x509", "dial tcp"):
		hint = "check the network between the container engine and " + host
	case has("invalid reference", "invalid tag", "must be lowercase", "repository name"):
		hint = `write it as [registry/]name[:tag], such as "alpine:3.20"`
	default:
		hint = "check the image's name and tag, and whether " + host + " has it"
	}
	if len(cred.missing) > 0 {
		hint += "; there are no credentials for the imagePullSecrets " + strings.Join(cred.missing, ", ")
	}
	return hint
}
