//go:build !race

package wire

const shadow = false
