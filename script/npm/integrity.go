package npm

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// digest is the hash of a tarball under one algorithm.
type digest struct {
	algorithm string
	sum       []byte
}

// strength orders the algorithms; what is not in it is not accepted.
var strength = []struct {
	name string
	size int
	make func() hash.Hash
}{
	{"sha512", sha512.Size, sha512.New},
	{"sha384", sha512.Size384, sha512.New384},
	{"sha256", sha256.Size, sha256.New},
	{"sha1", sha1.Size, sha1.New},
}

// parseIntegrity reads a subresource-integrity text and returns the digests
// of its strongest algorithm; any of them may match.
func parseIntegrity(text string) ([]digest, error) {
	byName := map[string][]digest{}
	for entry := range strings.FieldsSeq(text) {
		entry, _, _ = strings.Cut(entry, "?")
		name, b64, ok := strings.Cut(entry, "-")
		if !ok {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			continue
		}
		byName[name] = append(byName[name], digest{name, sum})
	}
	for _, algorithm := range strength {
		var list []digest
		for _, d := range byName[algorithm.name] {
			if len(d.sum) == algorithm.size {
				list = append(list, d)
			}
		}
		if len(list) > 0 {
			return list, nil
		}
		if len(byName[algorithm.name]) > 0 {
			return nil, fmt.Errorf("the integrity value %q has the wrong length", clip(text))
		}
	}
	return nil, fmt.Errorf("the integrity value %q holds no known hash", clip(text))
}

// shasumIntegrity turns the registry's old hexadecimal sha1 into the modern
// form.
func shasumIntegrity(hexSum string) (string, error) {
	sum, err := hex.DecodeString(strings.TrimSpace(hexSum))
	if err != nil || len(sum) != sha1.Size {
		return "", fmt.Errorf("the shasum %q is not a sha1", clip(hexSum))
	}
	return digest{"sha1", sum}.String(), nil
}

// String returns the digest as subresource integrity writes it.
func (d digest) String() string {
	return d.algorithm + "-" + base64.StdEncoding.EncodeToString(d.sum)
}

// file is the digest as a file name.
func (d digest) file() string { return d.algorithm + "-" + hex.EncodeToString(d.sum) }

// newHash starts a hash of the digests' algorithm; sha512 when there are none.
func newHash(want []digest) (string, hash.Hash) {
	name := "sha512"
	if len(want) > 0 {
		name = want[0].algorithm
	}
	for _, a := range strength {
		if a.name == name {
			return name, a.make()
		}
	}
	return "sha512", sha512.New()
}

// matches reports whether sum is one of want.
func matches(want []digest, sum []byte) bool {
	for _, d := range want {
		if bytes.Equal(d.sum, sum) {
			return true
		}
	}
	return false
}

// keyIntegrity turns a key of the store back into subresource integrity.
func keyIntegrity(key string) (string, error) {
	algorithm, hexSum, _ := strings.Cut(key, "-")
	sum, err := hex.DecodeString(hexSum)
	if err != nil {
		return "", fmt.Errorf("the cache key %q is not a hash", clip(key))
	}
	return digest{algorithm, sum}.String(), nil
}
