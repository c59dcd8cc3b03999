package modules

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
)

var cryptoHashes = map[string]crypto.Hash{
	"sha1": crypto.SHA1, "sha224": crypto.SHA224, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
	"md5": crypto.MD5,
}

// parseKey reads a key in PEM or DER: private (PKCS 1, PKCS 8, SEC 1) or public
// (SPKI, PKCS 1, a certificate).
func parseKey(data []byte) (any, error) {
	der := data
	if block, _ := pem.Decode(data); block != nil {
		if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("a key with a passphrase cannot be used here: store it without one as a secret")
		}
		der = block.Bytes
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
		x509.ParsePKIXPublicKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PublicKey(b) },
		func(b []byte) (any, error) {
			c, err := x509.ParseCertificate(b)
			if err != nil {
				return nil, err
			}
			return c.PublicKey, nil
		},
	} {
		if key, err := parse(der); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("error:1E08010C:DECODER routines::unsupported")
}

func publicOf(key any) any {
	if private, ok := key.(crypto.Signer); ok {
		return private.Public()
	}
	return key
}

// keyInfo tells the kind of a key: "private" or "public", and "rsa", "ec" or
// "ed25519".
func keyInfo(data []byte) ([]any, error) {
	key, err := parseKey(data)
	if err != nil {
		return nil, err
	}
	kind := "public"
	if _, ok := key.(crypto.Signer); ok {
		kind = "private"
	}
	switch publicOf(key).(type) {
	case *rsa.PublicKey:
		return []any{kind, "rsa"}, nil
	case *ecdsa.PublicKey:
		return []any{kind, "ec"}, nil
	case ed25519.PublicKey:
		return []any{kind, "ed25519"}, nil
	}
	return nil, errors.New("this kind of key is not supported")
}

func digestFor(name string, data []byte) (crypto.Hash, []byte, error) {
	name = strings.Replace(strings.TrimPrefix(strings.ToLower(name), "rsa-"), "sha-", "sha", 1)
	h, ok := cryptoHashes[name]
	if !ok {
		return 0, nil, errors.New("Invalid digest: " + name)
	}
	sum := h.New()
	_, _ = sum.Write(data) // a hash never fails
	return h, sum.Sum(nil), nil
}

// signData signs data. pss selects RSA-PSS with a salt of that many bytes (-1:
// of the digest's size); raw an ECDSA signature as r and s side by side.
func signData(name string, data, keyText []byte, pss bool, salt int, raw bool) ([]byte, error) {
	key, err := parseKey(keyText)
	if err != nil {
		return nil, err
	}
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, data), nil
	}
	h, sum, err := digestFor(name, data)
	if err != nil {
		return nil, err
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if pss {
			return rsa.SignPSS(rand.Reader, k, h, sum, &rsa.PSSOptions{SaltLength: salt, Hash: h})
		}
		return rsa.SignPKCS1v15(rand.Reader, k, h, sum)
	case *ecdsa.PrivateKey:
		if !raw {
			return ecdsa.SignASN1(rand.Reader, k, sum)
		}
		r, s, err := ecdsa.Sign(rand.Reader, k, sum)
		if err != nil {
			return nil, err
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
	}
	return nil, errors.New("signing needs a private key")
}

func verifyData(name string, data, keyText, signature []byte, pss bool, salt int, raw bool) (bool, error) {
	parsed, err := parseKey(keyText)
	if err != nil {
		return false, err
	}
	key := publicOf(parsed)
	if k, ok := key.(ed25519.PublicKey); ok {
		return ed25519.Verify(k, data, signature), nil
	}
	h, sum, err := digestFor(name, data)
	if err != nil {
		return false, err
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if pss {
			return rsa.VerifyPSS(k, h, sum, signature, &rsa.PSSOptions{SaltLength: salt, Hash: h}) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, h, sum, signature) == nil, nil
	case *ecdsa.PublicKey:
		if !raw {
			return ecdsa.VerifyASN1(k, sum, signature), nil
		}
		half := len(signature) / 2
		return ecdsa.Verify(k, sum, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])), nil
	}
	return false, errors.New("this kind of key is not supported")
}
