// Package server measures `brig server` as a whole against its targets: events
// and builds per second, answers of the API with 100,000 builds in the store,
// and memory. Its benchmarks print how far each figure is from its target, and
// fail for none of them:
//
//	go test -run '^$' -bench . -benchtime 1x ./bench/server
//
// The senders run on the same machine as the server, and so take their part of
// it.
package server
