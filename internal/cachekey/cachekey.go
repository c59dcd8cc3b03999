// Package cachekey writes the keys of caches as names that every place keeps
// as they are: file systems that do not tell capitals from small letters,
// object stores and container engines. What a key begins with is what its name
// begins with, so that whoever lists names finds keys by prefix.
package cachekey

import (
	"strconv"
	"strings"
)

// MaxName is the longest name that Encode makes of a valid key, in bytes.
const MaxName = 200

// Encode writes a key with the letters a to z, digits, dashes and underscores
// only: any other byte is an underscore and two hexadecimal digits.
func Encode(key string) string {
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			b.WriteByte('_')
			const digits = "0123456789abcdef"
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// Decode is the reverse of Encode; false for what Encode does not write.
func Decode(name string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '_' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		c, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	key := b.String()
	return key, Encode(key) == name
}
