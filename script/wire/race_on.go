//go:build race

package wire

// shadow: the race detector maps many times the memory the program uses, which
// a hard limit would count.
const shadow = true
