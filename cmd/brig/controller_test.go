package main

import (
	"testing"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact/s3"
)

// TestControllerCaches reads where caches are kept from the flags.
func TestControllerCaches(t *testing.T) {
	service := s3.Options{Endpoint: "https://s3.example.org", Bucket: "artifacts", Prefix: "kept", AccessKey: "a", SecretKey: "b"}
	for name, c := range map[string]struct {
		args           []string
		service        s3.Options
		storage        string
		bucket, prefix string
		bad            bool
	}{
		"nothing":                {storage: "pvc-rwx", service: service},
		"no volumes":             {args: []string{"--cache-storage", "workspace"}, storage: "workspace"},
		"a bucket":               {args: []string{"--cache-store", "s3://caches"}, service: service, storage: "workspace", bucket: "caches"},
		"a prefix":               {args: []string{"--cache-store", "s3://caches/of/jobs"}, service: service, storage: "workspace", bucket: "caches", prefix: "/of/jobs"},
		"a bucket said so":       {args: []string{"--cache-store", "s3://caches", "--cache-storage", "workspace"}, service: service, storage: "workspace", bucket: "caches"},
		"a bucket and volumes":   {args: []string{"--cache-store", "s3://caches", "--cache-storage", "pvc-rwo"}, service: service, bad: true},
		"a bucket without keys":  {args: []string{"--cache-store", "s3://caches"}, bad: true},
		"a directory":            {args: []string{"--cache-store", "/caches"}, service: service, bad: true},
		"no bucket":              {args: []string{"--cache-store", "s3:///x"}, service: service, bad: true},
		"a size that is no size": {args: []string{"--cache-total", "much"}, bad: true},
	} {
		var f controllerFlags
		cmd := &cobra.Command{Use: "controller"}
		f.register(cmd)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if err := f.caches(c.service); c.bad != (brigade.CodeOf(err) == brigade.CodeUsage) || !c.bad && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.bad {
			continue
		}
		if got := f.files; f.jobs.Cache != c.storage || got.Caches.Bucket != c.bucket || got.Caches.Prefix != c.prefix || got.CacheTotal != 20<<30 || got.CacheAge != 720*time.Hour {
			t.Errorf("%s: storage %q, %+v", name, f.jobs.Cache, got)
		}
		if c.bucket != "" && (f.files.Caches.Endpoint != service.Endpoint || f.files.Caches.SecretKey != "b") {
			t.Errorf("%s: %+v", name, f.files.Caches)
		}
	}
}
