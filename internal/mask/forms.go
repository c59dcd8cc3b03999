package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode/utf16"
)

// trivial values are words that hide nothing.
var trivial = map[string]bool{"true": true, "false": true, "null": true, "none": true, "undefined": true}

// patternsOf returns everything to look for, each once.
func patternsOf(values []string) map[string]bool {
	all := map[string]bool{}
	for _, v := range values {
		v = strings.TrimSpace(v)
		if len(v) < minValue || trivial[strings.ToLower(v)] {
			continue
		}
		addForms(all, v)
		if !strings.ContainsAny(v, "\r\n") {
			continue
		}
		for line := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == '\n' || r == '\r' }) {
			line = strings.TrimSpace(line)
			if len(line) >= minLine && !strings.HasPrefix(line, "-----") {
				addForms(all, line)
			}
		}
	}
	return all
}

// addForms adds v and what it looks like after the usual encodings.
func addForms(all map[string]bool, v string) {
	all[v] = true
	addBase64(all, v, base64.StdEncoding)
	addBase64(all, v, base64.URLEncoding)
	hexed := hex.EncodeToString([]byte(v))
	all[hexed], all[strings.ToUpper(hexed)] = true, true
	addURL(all, v)
	addJSON(all, v)
	all[html.EscapeString(v)] = true
	all[strings.ReplaceAll(v, "'", `'\''`)] = true
	all[strings.ReplaceAll(v, "'", `'"'"'`)] = true
	all[strings.ReplaceAll(v, "\n", "\r\n")] = true
}

// addBase64 adds the characters of the encoded text that depend on v alone,
// for each of the three places at which v can begin in a group of 3 bytes, the
// whole encoded text of v, and its lines when it is wrapped.
func addBase64(all map[string]bool, v string, enc *base64.Encoding) {
	for before := range 3 {
		encoded := enc.EncodeToString([]byte("\x00\x00"[:before] + v))
		own := encoded[(before*8+5)/6 : (before+len(v))*8/6]
		all[own] = true
		if before == 0 {
			all[encoded], all[strings.TrimRight(encoded, "=")] = true, true
			for _, columns := range []int{64, 76} {
				for from := 0; len(own) > columns && from+minLine <= len(own); from += columns {
					all[own[from:min(from+columns, len(own))]] = true
				}
			}
		}
	}
}

// addURL adds v as it stands in the query, the path and a component of a URL,
// after Go's and JavaScript's rules, with upper and lower case digits.
func addURL(all map[string]bool, v string) {
	const (
		strict    = "-_.~"
		component = strict + "!'()*"
		whole     = component + ";/?:@&=+$,#"
	)
	forms := []string{url.QueryEscape(v), url.PathEscape(v), escape(v, strict), escape(v, strict+"/"), escape(v, component), escape(v, whole)}
	for _, form := range forms {
		all[form] = true
		all[lowerDigits(form)] = true
	}
}

// escape writes every byte that is no ASCII letter, no digit and not in keep
// as % and two digits.
func escape(v, keep string) string {
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// lowerDigits writes the two digits after each % of an escaped text in lower case.
func lowerDigits(form string) string {
	b := []byte(form)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// addJSON adds v as it stands within a JSON string: as Go writes it, as
// JavaScript does, in ASCII only, and with slashes escaped.
func addJSON(all map[string]bool, v string) {
	quoted, err := json.Marshal(v)
	if err != nil {
		return
	}
	all[string(quoted[1:len(quoted)-1])] = true
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return
	}
	text := strings.TrimSuffix(plain.String(), "\n")
	text = text[1 : len(text)-1]
	all[text] = true
	all[strings.ReplaceAll(text, "/", `\/`)] = true
	all[ascii(text)] = true
	all[strings.ReplaceAll(ascii(text), "/", `\/`)] = true
}

// ascii writes every character above ASCII as \u and four digits, and those
// that need it as two of them.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
