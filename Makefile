# make prints what there is; every target is a line of shell that works without make.

.DEFAULT_GOAL := help
.PHONY: help build demo check test lint format vet cross image charts examples bench fault fault-kube docs site engine cluster clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

build: ## the program, to bin/brig
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/brig ./cmd/brig

demo: ## run a pipeline with parallel jobs, as the README does
	go run ./cmd/brig run -f examples/parallel/brigade.js

check: ## everything a change has to pass, the same as CI
	sh scripts/check.sh

test: ## the tests, with the race detector
	CHECK_ONLY="cluster test" sh scripts/check.sh

lint: ## the linter, pinned in tools/go.mod
	CHECK_ONLY=lint sh scripts/check.sh

format: ## gofmt every file
	gofmt -w .

vet: ## go vet for linux, macOS and Windows
	CHECK_ONLY=vet sh scripts/check.sh

cross: ## the program for every platform, to dist/, with sizes
	sh scripts/cross.sh

image: ## the image for amd64 and arm64, to dist/brig-image.tar; no container engine needed
	go run ./deploy/image

examples: ## only the examples, on every runner that is here
	go test -count=1 -run TestExamples -v ./e2e

charts: ## the Helm charts: rendered, linted, installed on a cluster
	CHECK_ONLY=charts sh scripts/check.sh

bench: ## speed and memory, as ratios to a reference measured in the same run
	go test -run '^$$' -bench . -benchtime 1x -count 1 ./bench/... ./web

fault: ## kill a server, fill its disk and send it nonsense for five minutes: nothing may be lost
	go run ./e2e/fault/cmd -builds 500 -for 5m

fault-kube: ## kill controllers, workers, jobs and the API server of a cluster for five minutes: nothing may be lost
	go run ./e2e/kubefault/cmd -for 5m

docs: ## write again what is generated in docs/reference
	go generate ./docs/...

site: ## the documentation as a web site, to dist/site (ARGS="-serve 127.0.0.1:8088" to look at it)
	cd docs/site && go run . $(ARGS)

engine: ## start a container engine for tests, until Ctrl-C
	go run ./e2e/engine/cmd/engine

cluster: ## start a Kubernetes for tests, until Ctrl-C; ARGS=-node with a real node
	go run ./e2e/cluster/cmd/cluster $(ARGS)

clean: ## remove what was built
	rm -rf bin dist
