package modules

import (
	"github.com/brigadecore/brigade/v3/script/modules/whatwg"
)

func nativeURL(*Env) map[string]any {
	return map[string]any{
		"platform":      nodePlatform(),
		"parse":         parseURL,
		"set":           setURL,
		"toASCII":       whatwg.ToASCII,
		"toUnicode":     whatwg.ToUnicode,
		"wellFormed":    wellFormed,
		"percentDecode": func(s string) string { return decodeUTF8(whatwg.PercentDecode(s)) },
	}
}

// parseURL returns the parts of a URL in the order url.js expects, nil when it
// is none.
func parseURL(input, base string, hasBase bool) any {
	var from *whatwg.URL
	if hasBase {
		var err error
		if from, err = whatwg.Parse(base, nil); err != nil {
			return nil
		}
	}
	u, err := whatwg.Parse(input, from)
	if err != nil {
		return nil
	}
	return urlParts(u)
}

func setURL(href, name, value string) any {
	u, err := whatwg.Parse(href, nil)
	if err != nil {
		return nil
	}
	u.Set(name, value)
	return urlParts(u)
}

func urlParts(u *whatwg.URL) []any {
	return []any{
		u.Href(), u.Origin(), u.Scheme + ":", u.Username, u.Password, u.HostPort(), u.Hostname(), u.PortText(),
		u.Pathname(), u.Search(), u.Hash(),
	}
}

// wellFormed returns its argument: on the way into Go, surrogates that stand
// alone are replaced.
func wellFormed(s string) string { return s }

func nativeUtil(*Env) map[string]any { return map[string]any{"wellFormed": wellFormed} }
