// Package docs holds the documentation: guide/ to read, reference/ to look
// things up, design/ for why it is as it is. What can be generated from the
// code is; what the guide shows is run by e2e.
package docs

//go:generate go test -run TestGenerated -update .
//go:generate go test -run TestGeneratedReference ../cmd/brig -update
