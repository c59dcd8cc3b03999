// Package gateway turns what others send into events: a webhook of a forge, a
// CloudEvent, a notification of a registry. A gateway decodes a request and
// says how it is authenticated; intake authenticates and stores, and answers
// only after that. Each gateway is one file that holds its options, routes and
// tables; All lists them.
package gateway

import (
	brigade "github.com/brigadecore/brigade/v3"
)

// Options hold the options of every gateway.
type Options struct {
	GitHub    GitHubOptions
	GitLab    GitLabOptions
	Gitea     GiteaOptions
	Bitbucket BitbucketOptions
}

// All returns every gateway.
func All(o Options) []brigade.Gateway {
	return []brigade.Gateway{
		NewGitHub(o.GitHub),
		NewGitLab(o.GitLab),
		NewGitea(o.Gitea),
		NewBitbucket(o.Bitbucket),
		NewGeneric(),
		NewCloudEvents(),
		NewRegistry(),
		NewSlack(),
		NewWebhook(),
	}
}
