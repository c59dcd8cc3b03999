package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"testing"
)

// signingKey makes a key that signs ID tokens, and the set of keys in which its
// public half is published.
func signingKey(t *testing.T) (sign func(claims map[string]any) string, keys any) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys = map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
	}}}
	return func(claims map[string]any) string {
		body, err := json.Marshal(claims)
		if err != nil {
			t.Error(err)
		}
		text := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64(body)
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Error(err)
		}
		return text + "." + b64(sig)
	}, keys
}
