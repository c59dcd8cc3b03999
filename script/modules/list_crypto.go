package modules

import _ "embed"

//go:embed js/crypto.js
var cryptoSource string

//go:embed js/crypto_sign.js
var cryptoSignSource string

//go:embed js/crypto_cipher.js
var cryptoCipherSource string

//go:embed js/webcrypto.js
var webcryptoSource string

// cryptoModules lists crypto and the web's crypto.
func cryptoModules() []Module {
	return []Module{
		{Names: []string{"crypto"}, Node: true, Source: cryptoSource, Native: nativeCrypto},
		{Names: []string{"internal/crypto_sign"}, Internal: true, Source: cryptoSignSource},
		{Names: []string{"internal/crypto_cipher"}, Internal: true, Source: cryptoCipherSource},
		{Names: []string{"internal/webcrypto"}, Internal: true, Source: webcryptoSource, Globals: map[string]string{
			"crypto":       "crypto",
			"Crypto":       "Crypto",
			"CryptoKey":    "CryptoKey",
			"SubtleCrypto": "SubtleCrypto",
		}},
	}
}
