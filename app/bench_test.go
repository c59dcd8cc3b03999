package app_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
)

// BenchmarkBuild takes events through the generic gateway and builds of one
// job to their end, all in this process, for profiles:
//
//	go test -run '^$' -bench Build -cpuprofile cpu.out ./app
func BenchmarkBuild(b *testing.B) {
	dir := b.TempDir()
	var ended sync.WaitGroup
	server, err := app.NewServer(b.Context(), app.ServerOptions{
		Options: app.Options{
			Dirs: app.Dirs{State: dir, Cache: dir + "/cache", Home: dir}, Runner: "dummy",
			Watch: []brigade.Watcher{func(c brigade.Change) {
				if c.Build != nil && c.Build.State.Ended() {
					ended.Done()
				}
			}},
		},
		API: app.Listener{Address: "127.0.0.1:0"}, Gateways: app.Listener{Address: "127.0.0.1:0"}, Drain: 10 * time.Second,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // a benchmark
	p := brigade.NewProject("bench")
	p.GenericGatewaySecret, p.Limits.Events = "s", 1<<30
	p.DefaultScript = `
		const { events, Job } = require("brigadier");
		events.on("simpleevent", () => new Job("hello", "alpine:3.20", ["echo hello"]).run());`
	if err := server.Store.PutProject(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- server.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	url := "http://" + server.Addresses()["gateways"] + "/simpleevents/v1/bench/s"
	slots := make(chan struct{}, 32)
	begun := time.Now()
	for b.Loop() {
		ended.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			resp, err := client.Post(url, "application/json", strings.NewReader(`{"n": 1}`))
			if err != nil {
				b.Error(err)
				return
			}
			_ = resp.Body.Close()
		}()
	}
	ended.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "builds/s")
	cancel()
	if err := <-over; err != nil {
		b.Error(err)
	}
}
