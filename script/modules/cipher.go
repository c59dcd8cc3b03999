package modules

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// ciphers keeps the ciphers of a script that are being fed, by number.
type ciphers struct {
	next int
	live map[int]*cipherState
}

type cipherState struct {
	mode    string
	encrypt bool
	padding bool
	block   cipher.Block
	stream  cipher.Stream    // ctr, and the key stream of gcm
	chain   cipher.BlockMode // cbc
	aead    cipher.AEAD
	iv      []byte
	held    []byte // what is not a whole block yet; for gcm everything so far
	aad     []byte
	tag     []byte
}

func cipherNames() []any {
	var names []string
	for _, bits := range []string{"128", "192", "256"} {
		for _, mode := range []string{"cbc", "ctr", "ecb", "gcm"} {
			names = append(names, "aes-"+bits+"-"+mode)
		}
	}
	sort.Strings(names)
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = n
	}
	return out
}

// cipherSizes returns the bytes of key and iv, {0, 0} for an unknown name.
func cipherSizes(name string) []any {
	parts := strings.Split(strings.ToLower(name), "-")
	if len(parts) == 2 && strings.HasPrefix(parts[0], "aes") {
		parts = []string{"aes", parts[0][3:], parts[1]}
	}
	if len(parts) != 3 || parts[0] != "aes" {
		return []any{0, 0, ""}
	}
	bits, err := strconv.Atoi(parts[1])
	if err != nil || (bits != 128 && bits != 192 && bits != 256) {
		return []any{0, 0, ""}
	}
	iv, known := map[string]int{"cbc": 16, "ctr": 16, "ecb": 0, "gcm": 12}[parts[2]]
	if !known {
		return []any{0, 0, ""}
	}
	return []any{bits / 8, iv, parts[2]}
}

func (c *ciphers) open(name string, key, iv []byte, encrypt bool) (int, error) {
	sizes := cipherSizes(name)
	if sizes[0] == 0 || len(key) != sizes[0] {
		return 0, errors.New("Invalid key length")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return 0, err
	}
	s := &cipherState{mode: sizes[2].(string), encrypt: encrypt, padding: true, block: block, iv: iv}
	if err := s.start(); err != nil {
		return 0, err
	}
	c.next++
	c.live[c.next] = s
	return c.next, nil
}

func (s *cipherState) start() error {
	if s.mode != "gcm" && s.mode != "ecb" && len(s.iv) != aes.BlockSize {
		return errors.New("Invalid initialization vector")
	}
	switch s.mode {
	case "ctr":
		s.stream = cipher.NewCTR(s.block, s.iv)
	case "cbc":
		if s.encrypt {
			s.chain = cipher.NewCBCEncrypter(s.block, s.iv)
		} else {
			s.chain = cipher.NewCBCDecrypter(s.block, s.iv)
		}
	case "gcm":
		if len(s.iv) == 0 {
			return errors.New("Invalid initialization vector")
		}
		aead, err := cipher.NewGCMWithNonceSize(s.block, len(s.iv))
		if err != nil {
			return err
		}
		s.aead = aead
		if len(s.iv) == 12 { // the key stream begins at the second counter value
			s.stream = cipher.NewCTR(s.block, append(append([]byte(nil), s.iv...), 0, 0, 0, 2))
		}
	}
	return nil
}

func (c *ciphers) get(id int) (*cipherState, error) {
	if s := c.live[id]; s != nil {
		return s, nil
	}
	return nil, errors.New("Unsupported state")
}

func (c *ciphers) update(id int, data []byte) ([]byte, error) {
	s, err := c.get(id)
	if err != nil {
		return nil, err
	}
	switch s.mode {
	case "ctr":
		s.stream.XORKeyStream(data, data)
		return data, nil
	case "gcm":
		s.held = append(s.held, data...)
		if s.stream == nil {
			return nil, nil
		}
		s.stream.XORKeyStream(data, data)
		return data, nil
	}
	s.held = append(s.held, data...)
	n := len(s.held) / aes.BlockSize * aes.BlockSize
	if !s.encrypt && s.padding && n == len(s.held) && n > 0 {
		n -= aes.BlockSize // the last block may hold the padding
	}
	out := append([]byte(nil), s.held[:n]...)
	s.held = s.held[n:]
	s.blocks(out)
	return out, nil
}

func (s *cipherState) blocks(b []byte) {
	if s.chain != nil {
		s.chain.CryptBlocks(b, b)
		return
	}
	for ; len(b) > 0; b = b[aes.BlockSize:] {
		if s.encrypt {
			s.block.Encrypt(b, b)
		} else {
			s.block.Decrypt(b, b)
		}
	}
}

func (c *ciphers) final(id int) ([]byte, error) {
	s, err := c.get(id)
	if err != nil {
		return nil, err
	}
	switch {
	case s.mode == "ctr":
		delete(c.live, id)
		return nil, nil
	case s.mode == "gcm":
		return s.finalGCM()
	}
	delete(c.live, id)
	if !s.padding {
		if len(s.held) > 0 {
			return nil, errors.New("wrong final block length")
		}
		return nil, nil
	}
	if s.encrypt {
		n := aes.BlockSize - len(s.held)
		out := append(append([]byte(nil), s.held...), strings.Repeat(string(rune(n)), n)...)
		s.blocks(out)
		return out, nil
	}
	if len(s.held) != aes.BlockSize {
		return nil, errors.New("wrong final block length")
	}
	s.blocks(s.held)
	return unpad(s.held)
}

func unpad(b []byte) ([]byte, error) {
	n := int(b[len(b)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, errors.New("bad decrypt")
	}
	for _, c := range b[len(b)-n:] {
		if int(c) != n {
			return nil, errors.New("bad decrypt")
		}
	}
	return b[:len(b)-n], nil
}

func (s *cipherState) finalGCM() ([]byte, error) {
	if s.encrypt {
		sealed := s.aead.Seal(nil, s.iv, s.held, s.aad)
		s.tag = sealed[len(s.held):]
		if s.stream == nil {
			return sealed[:len(s.held)], nil
		}
		return nil, nil
	}
	plain, err := s.aead.Open(nil, s.iv, append(s.held, s.tag...), s.aad)
	if err != nil || len(s.tag) != 16 {
		return nil, errors.New("Unsupported state or unable to authenticate data")
	}
	if s.stream == nil {
		return plain, nil
	}
	return nil, nil
}

func (c *ciphers) set(id int, what string, value []byte) error {
	s, err := c.get(id)
	if err != nil {
		return err
	}
	switch what {
	case "aad":
		s.aad = append(s.aad, value...)
	case "tag":
		s.tag = value
	case "padding":
		s.padding = len(value) > 0
	default:
		return fmt.Errorf("no such setting: %s", what)
	}
	return nil
}

func (c *ciphers) tag(id int) []byte {
	if s := c.live[id]; s != nil {
		return s.tag
	}
	return nil
}
