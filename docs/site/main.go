package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	repository := flag.String("repository", "../..", "`directory` of the repository")
	out := flag.String("o", "../../dist/site", "`directory` the site is written to; what is there is replaced")
	serve := flag.String("serve", "", "`address` to look at the site afterwards, such as 127.0.0.1:8088")
	flag.Parse()
	if err := run(*repository, *out, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func run(repository, out, serve string) error {
	begun := time.Now()
	s, err := build(repository)
	if err != nil {
		return err
	}
	if err := s.write(out); err != nil {
		return err
	}
	fmt.Printf("%d pages in %s (%s)\n", len(s.pages), out, time.Since(begun).Round(time.Millisecond))
	if serve == "" {
		return nil
	}
	listener, err := net.Listen("tcp", serve)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: http.FileServer(http.Dir(out)), ReadHeaderTimeout: 10 * time.Second}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
