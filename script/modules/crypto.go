package modules

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"sort"
	"strings"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/blake2s"
	"golang.org/x/crypto/ripemd160" //nolint:staticcheck // scripts ask for it by name
	"golang.org/x/crypto/scrypt"
)

var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384,
	"sha512": sha512.New, "sha512-224": sha512.New512_224, "sha512-256": sha512.New512_256, "ripemd160": ripemd160.New,
	"sha3-224":   func() hash.Hash { return sha3.New224() },
	"sha3-256":   func() hash.Hash { return sha3.New256() },
	"sha3-384":   func() hash.Hash { return sha3.New384() },
	"sha3-512":   func() hash.Hash { return sha3.New512() },
	"blake2b512": func() hash.Hash { h, _ := blake2b.New512(nil); return h }, // fails for long keys only
	"blake2s256": func() hash.Hash { h, _ := blake2s.New256(nil); return h },
}

// hashNamed finds a hash by any of the names that OpenSSL knows it by.
func hashNamed(name string) func() hash.Hash {
	name = strings.ToLower(name)
	name = strings.TrimPrefix(name, "rsa-")
	if h := hashes[name]; h != nil {
		return h
	}
	switch name {
	case "rmd160", "ripemd":
		return ripemd160.New
	case "sha512/256":
		return sha512.New512_256
	}
	if plain := strings.Replace(name, "sha-", "sha", 1); plain != name {
		return hashes[plain]
	}
	return nil
}

func hashNames() []any {
	names := make([]string, 0, 2*len(hashes))
	for name := range hashes {
		names = append(names, name)
		if name == "md5" || name == "ripemd160" || (strings.HasPrefix(name, "sha") && !strings.HasPrefix(name, "sha3-")) {
			names = append(names, "RSA-"+strings.ToUpper(name))
		}
	}
	sort.Strings(names)
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = name
	}
	return out
}

// digests keeps the hashes of a script that are being fed, by number.
type digests struct {
	next int
	live map[int]hash.Hash
}

func (d *digests) add(h hash.Hash) int {
	d.next++
	d.live[d.next] = h
	return d.next
}

func (d *digests) newHash(name string) int {
	h := hashNamed(name)
	if h == nil {
		return 0
	}
	return d.add(h())
}

func (d *digests) newHMAC(name string, key []byte) int {
	h := hashNamed(name)
	if h == nil {
		return 0
	}
	return d.add(hmac.New(h, key))
}

func (d *digests) update(id int, data []byte) {
	if h := d.live[id]; h != nil {
		_, _ = h.Write(data) // a hash never fails
	}
}

func (d *digests) copy(id int) (int, error) {
	c, ok := d.live[id].(hash.Cloner)
	if !ok {
		return 0, errors.New("this hash cannot be copied")
	}
	clone, err := c.Clone()
	if err != nil {
		return 0, err
	}
	return d.add(clone), nil
}

func (d *digests) digest(id int) []byte {
	h := d.live[id]
	delete(d.live, id)
	if h == nil {
		return nil
	}
	return h.Sum(nil)
}

func randomBytes(size int) []byte {
	b := make([]byte, max(size, 0))
	_, _ = rand.Read(b) // never fails
	return b
}

func derivePBKDF2(password, salt []byte, iterations, size int, digest string) ([]byte, error) {
	h := hashNamed(digest)
	if h == nil {
		return nil, fmt.Errorf("Invalid digest: %s", digest)
	}
	return pbkdf2.Key(h, string(password), salt, iterations, size)
}

// maxScrypt is the most memory that one derivation may take, 256 MiB.
const maxScrypt = 256 << 20

func deriveScrypt(password, salt []byte, size, n, r, p int) ([]byte, error) {
	if n <= 0 || r <= 0 || p <= 0 || int64(n)*int64(r)*128 > maxScrypt {
		return nil, errors.New("Invalid scrypt params: memory limit exceeded")
	}
	return scrypt.Key(password, salt, n, r, p, size)
}

func deriveHKDF(digest string, key, salt []byte, info string, size int) ([]byte, error) {
	h := hashNamed(digest)
	if h == nil {
		return nil, fmt.Errorf("Invalid digest: %s", digest)
	}
	return hkdf.Key(h, key, salt, info, size)
}

func nativeCrypto(env *Env) map[string]any {
	d := &digests{live: map[int]hash.Hash{}}
	c := &ciphers{live: map[int]*cipherState{}}
	return map[string]any{
		"hash": d.newHash, "hmac": d.newHMAC, "update": d.update, "copy": d.copy, "digest": d.digest,
		"hashes": hashNames, "known": func(name string) bool { return hashNamed(name) != nil },
		"random": randomBytes,
		"equal":  func(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 },
		"pbkdf2": derivePBKDF2, "scrypt": deriveScrypt, "hkdf": deriveHKDF,
		"pbkdf2Later": func(password, salt []byte, iterations, size int, digest string, done func(...any)) {
			later(env, done, func() ([]byte, error) { return derivePBKDF2(password, salt, iterations, size, digest) })
		},
		"scryptLater": func(password, salt []byte, size, n, r, p int, done func(...any)) {
			later(env, done, func() ([]byte, error) { return deriveScrypt(password, salt, size, n, r, p) })
		},
		"cipher": c.open, "cipherUpdate": c.update, "cipherFinal": c.final, "cipherSet": c.set, "cipherTag": c.tag,
		"ciphers": func() []any { return cipherNames() }, "cipherSizes": cipherSizes,
		"keyInfo": keyInfo, "sign": signData, "verify": verifyData,
	}
}

// later works outside the loop; done gets the error's text, or "" and the bytes.
func later(env *Env, done func(...any), work func() ([]byte, error)) {
	release := env.Loop.Hold()
	go func() {
		defer release()
		b, err := work()
		text := ""
		if err != nil {
			text = err.Error()
		}
		env.Loop.Post(func() { done(text, b) })
	}()
}
