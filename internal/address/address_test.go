package address_test

import (
	"testing"

	"github.com/brigadecore/brigade/v3/internal/address"
)

func TestLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "https://github.com/acme/app.git": false, "HTTP://host/x": false, "ssh://git@host/x": false, "git://host/x": false,
		"git@github.com:acme/app.git": false, "host:acme/app": false, "host:22:acme/app": false,
		"file:///srv/repo": true, "FILE:///srv/repo": true, "/srv/repo": true, "../repo": true, "repo": true, "./a:b": true, `C:\repos\app`: true, "C:/repos/app": true,
		"unknown://x": true, ":x": true, "x:": true,
	} {
		if got := address.Local(text); got != want {
			t.Errorf("Local(%q) = %t", text, got)
		}
	}
}
