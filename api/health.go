package api

import (
	"context"
	"net/http"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// readyWithin is how long a part may take to say that it works.
const readyWithin = 5 * time.Second

// ready answers 200 when the server can do its work: the store answers and
// builds are started.
func ready(c *call) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), readyWithin)
	defer cancel()
	if _, err := c.a.opt.Store.ListBuilds(ctx, brigade.BuildFilter{Limit: 1}); err != nil {
		return c.notReady("the store", err)
	}
	if f := c.a.opt.Ready; f != nil {
		if err := f(ctx); err != nil {
			return c.notReady("the server", err)
		}
	}
	return c.json(http.StatusOK, map[string]string{"status": "ready"})
}

func (c *call) notReady(what string, err error) error {
	c.a.opt.Log.Warn("not ready", "part", what, "err", err)
	return brigade.Errorf(brigade.CodeUnavailable, "%s does not work now", what)
}
