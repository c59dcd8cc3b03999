package app

import (
	"context"
	"errors"
	"time"

	"github.com/brigadecore/brigade/v3/api"
	"github.com/brigadecore/brigade/v3/kube/lead"
)

// How long a token is tried to be shared before builds begin, and the rest
// between tries after that.
const (
	sharePatience = 10 * time.Second
	shareRest     = 30 * time.Second
)

// shareToken lets those read in the API who may read the namespace's Secrets,
// and so may see all that the API shows: the token is in one. brig uses it for
// what is in no Secret and no pod's log.
func (k *clusterSite) shareToken(ctx context.Context, s *Server) error {
	t := api.Token{Name: "readers of the namespace's Secrets", Scopes: []api.Scope{api.ScopeRead}, CreatedBy: "controller"}
	made := ""
	err := lead.ShareToken(ctx, k.c.client, func(have string) (token string, err error) {
		token, made, err = api.KeepToken(ctx, s.Store, have, t, s.opt.Now())
		return token, err
	})
	switch {
	case made == "":
		return err
	case err != nil: // nobody has it
		_, forget := s.Store.DeleteRecords(ctx, api.KindToken, made, true)
		return errors.Join(err, forget)
	}
	return api.ReplaceTokens(ctx, s.Store, t, made)
}

// keepSharing tries until the token is shared.
func (k *clusterSite) keepSharing(ctx context.Context, s *Server) {
	for !k.shared {
		try, cancel := context.WithTimeout(ctx, sharePatience)
		err := k.shareToken(try, s)
		cancel()
		k.shared = err == nil
		if k.shared || ctx.Err() != nil {
			return
		}
		s.opt.Log.Warn("share a token for the API with those who may read Secrets", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(shareRest):
		}
	}
}
