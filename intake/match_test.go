package intake

import (
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func TestSubscribersGetTheirOwnFiles(t *testing.T) {
	app, docs := &brigade.Project{ID: "app"}, &brigade.Project{ID: "docs"}
	push := brigade.Event{Type: "push", Revision: brigade.Revision{Commit: "abc", Ref: "refs/heads/main"}, CloneURL: "https://example.com/fork", ScriptRef: "main", Payload: "{}"}
	got := ofOwnFiles(push, docs, app)
	if got.Revision != (brigade.Revision{}) || got.CloneURL != "" || got.ScriptRef != "" || got.Payload != "{}" {
		t.Errorf("a subscriber gets %+v", got)
	}
	for name, named := range map[string]*brigade.Project{"the project itself": app, "nobody is named": nil} {
		if got := ofOwnFiles(push, app, named); got.Revision != push.Revision || got.CloneURL != push.CloneURL {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
