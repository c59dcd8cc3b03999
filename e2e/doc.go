// Package e2e tests the whole program as people run it: the binary is built
// once and driven through its command line on every example and on what the
// README and the guide say.
package e2e
