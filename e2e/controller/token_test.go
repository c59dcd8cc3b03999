package controller_test

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/client"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
)

// Whoever may read the namespace's Secrets may read in the API, and no more.
// The token survives a restart with a database, is another one without, and
// when its Secret is deleted it is one with which the old one opens nothing.
func TestTokenForReadersOfSecrets(t *testing.T) {
	s := newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{}, noJobs)
	for _, store := range []string{app.StoreSQLite, app.StoreMemory} {
		t.Run(store, func(t *testing.T) {
			opt := s.options()
			opt.Store = store
			var tokens []string
			for round := range 3 {
				controller, stop := s.start(opt)
				select {
				case <-controller.Leading():
				case <-time.After(3 * time.Minute):
					t.Fatal("the controller does not lead")
				}
				token := s.token(t, controller)
				tokens = append(tokens, token)
				api := apiOf(t, controller, token)
				if _, err := api.Tokens(context.Background()); brigade.CodeOf(err) != brigade.CodeDenied {
					t.Errorf("with the readers' token tokens can be listed: %v", err)
				}
				if round == 2 {
					if _, err := apiOf(t, controller, tokens[1]).WhoAmI(context.Background()); brigade.CodeOf(err) != brigade.CodeDenied {
						t.Errorf("the token before still opens the API: %v", err)
					}
				}
				stop()
				if round == 1 {
					s.kubectl("delete", "secret", "brigade-api-token")
				}
			}
			if kept := tokens[0] == tokens[1]; kept != (store == app.StoreSQLite) {
				t.Errorf("after a restart the token is the same: %t", kept)
			}
			if tokens[2] == tokens[1] {
				t.Error("after its Secret was deleted the token is the same")
			}
		})
	}
}

const noJobs = `require("brigadier").events.on("exec", () => {});`

// token waits for a token in the Secret that opens the API.
func (s *site) token(t *testing.T, c *app.Controller) string {
	t.Helper()
	token := ""
	testcluster.Until(t, "the token of the Secret opens the API", func() error {
		text, err := base64.StdEncoding.DecodeString(s.get("secret", "brigade-api-token", ".data.token"))
		if err != nil || len(text) == 0 {
			return errors.Join(err, errors.New("there is none"))
		}
		token = string(text)
		who, err := apiOf(t, c, token).WhoAmI(context.Background())
		if err == nil && (len(who.Scopes) != 1 || who.Scopes[0] != "read") {
			t.Errorf("who has the token may: %q", who.Scopes)
		}
		return err
	})
	return token
}

func apiOf(t *testing.T, c *app.Controller, token string) *client.Client {
	t.Helper()
	api, err := client.New(client.Options{URL: "http://" + c.Addresses()["api"], Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return api
}
