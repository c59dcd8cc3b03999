//go:build !unix

package pick

// nonblock: here opening a file does not block.
const nonblock = 0
