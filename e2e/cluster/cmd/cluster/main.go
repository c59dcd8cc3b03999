// Command cluster starts a Kubernetes in the foreground for somebody who has
// none, and prints how to use it. It ends, and cleans up, on Ctrl-C. The first
// time it builds it, which takes minutes.
//
//	go run ./e2e/cluster/cmd/cluster -node
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// flags are what the command line asks for.
type flags struct {
	node, build, check, keep bool
	fakes                    int
	images, load, pin        string
}

func main() {
	var f flags
	flag.BoolVar(&f.node, "node", false, "with a real node: needs root, containerd, runc and CNI plugins")
	flag.IntVar(&f.fakes, "fakes", 0, "how many fake nodes, which run nothing, to add; the default is one if there is no real one")
	flag.StringVar(&f.images, "images", "", "further names of the busybox image on the real node, with commas between them")
	flag.StringVar(&f.load, "load", "", "OCI archives to load onto the real node, with commas between them")
	flag.BoolVar(&f.keep, "keep", false, "keep the directory with the logs at the end")
	flag.BoolVar(&f.build, "build", false, "only build Kubernetes "+cluster.Version())
	flag.StringVar(&f.pin, "pin", "", "only change the version of Kubernetes that the repository names: v1.37.0")
	flag.BoolVar(&f.check, "check", false, "only say what is missing here, and fail if something is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	switch {
	case f.pin != "":
		return pin(ctx, f.pin)
	case f.check:
		_, err := cluster.Cached(ctx)
		return errors.Join(err, cluster.CanNode())
	case f.build:
		bin, err := cluster.Build(ctx, os.Stderr)
		if err == nil {
			fmt.Println(bin.Dir)
		}
		return err
	}
	started := time.Now()
	opts := cluster.Options{Node: f.node, Build: true, Keep: f.keep, Progress: os.Stderr}
	if f.images != "" {
		opts.Images = strings.Split(f.images, ",")
	}
	c, err := cluster.Open(ctx, opts)
	if err != nil {
		return err
	}
	if err := furnish(ctx, c, f); err != nil {
		return errors.Join(err, c.Close())
	}
	fmt.Printf("export KUBECONFIG=%s PATH=%s:$PATH\n", c.Kubeconfig(), c.Bin().Dir)
	fmt.Printf("# Kubernetes %s at %s after %.1f s, logs in %s\n", cluster.Version(), c.URL, time.Since(started).Seconds(), c.Dir)
	if f.node {
		fmt.Printf("# images: %s\n", strings.Join(cluster.DefaultImages, " "))
	}
	fmt.Println("# Ctrl-C ends it.")
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "cluster: ending")
	return c.Close()
}

// furnish adds nodes and images.
func furnish(ctx context.Context, c *cluster.Cluster, f flags) error {
	if f.fakes == 0 && !f.node {
		f.fakes = 1
	}
	for range f.fakes {
		if _, err := c.AddFakeNode(ctx, cluster.FakeNodeOptions{}); err != nil {
			return err
		}
	}
	for archive := range strings.SplitSeq(f.load, ",") {
		if archive == "" {
			continue
		}
		names, err := c.Import(ctx, archive)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "loaded %s\n", strings.Join(names, " "))
	}
	return nil
}
