// Command engine starts a container engine in the foreground for somebody who
// has none, and prints how to use it. It ends, and cleans up, on Ctrl-C.
//
//	go run ./e2e/engine/cmd/engine
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/brigadecore/brigade/v3/e2e/engine"
)

func main() {
	images := flag.String("images", "", "names of the image made from busybox, with commas between them")
	pullable := flag.String("pullable", "team/tool:1", "names the loopback registry serves, with commas between them")
	flag.Parse()
	opts := engine.Options{Pullable: strings.Split(*pullable, ","), Stderr: os.Stderr}
	if *images != "" {
		opts.Images = strings.Split(*images, ",")
	}
	if err := run(opts); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(opts engine.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e, err := engine.Open(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Printf("export DOCKER_HOST=%s\n", e.Host)
	fmt.Printf("# registry: %s\n# Ctrl-C ends it.\n", e.Registry)
	<-ctx.Done()
	return e.Close()
}
