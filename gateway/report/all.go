package report

import (
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// Forges are the options of the reporters.
type Forges struct {
	// App reports check runs at GitHub. nil: commit statuses are reported
	// there, with a project's own token.
	App *forge.App
	// BaseURL is where people look at builds: reports lead to
	// BaseURL/builds/<ID>. Empty: they lead nowhere.
	BaseURL string
	// Addresses of servers for projects whose repository names none.
	GitLabURL    string // default https://gitlab.com
	GiteaURL     string // default none
	BitbucketAPI string // of Bitbucket Cloud; default https://api.bitbucket.org
	Client       forge.Client
}

// All returns the reporters.
func All(o Forges) []brigade.Reporter {
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	if o.GitLabURL == "" {
		o.GitLabURL = forge.GitLabURL
	}
	if o.BitbucketAPI == "" {
		o.BitbucketAPI = forge.BitbucketAPI
	}
	return []brigade.Reporter{
		newGitHub(o),
		&gitlab{o},
		&gitea{o},
		&bitbucket{o},
	}
}
