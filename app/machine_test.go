package app_test

import (
	"context"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
)

// Limits and concurrency keys are kept by each server for itself, so one data
// directory has one server.
func TestOneServerPerDataDirectory(t *testing.T) {
	dir := t.TempDir()
	options := func() app.ServerOptions {
		return app.ServerOptions{
			Options: app.Options{Dirs: app.Dirs{State: dir, Cache: dir, Home: dir}, Runner: "dummy"},
			API:     app.Listener{Address: "127.0.0.1:0"}, Gateways: app.Listener{Address: "127.0.0.1:0"},
		}
	}
	first, err := app.NewServer(context.Background(), options())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := app.NewServer(context.Background(), options()); brigade.CodeOf(err) != brigade.CodeConflict {
		if err == nil {
			_ = second.Close()
		}
		t.Errorf("the second server: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := app.NewServer(context.Background(), options())
	if err != nil {
		t.Fatalf("the next server: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
}
