package whatwg

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.CheckHyphens(false),
	idna.CheckJoiners(true), idna.StrictDomainName(false), idna.VerifyDNSLength(false))

// ToASCII is the domain as it is looked up, "" when it is none.
func ToASCII(domain string) string {
	host, err := parseHost(domain, false)
	if err != nil {
		return ""
	}
	return host
}

// ToUnicode is the domain as it is shown, "" when it is none.
func ToUnicode(domain string) string {
	host := ToASCII(domain)
	if host == "" {
		return ""
	}
	text, _ := profile.ToUnicode(host)
	return text
}

const forbiddenHost = "\x00\t\n\r #/:<>?@[\\]^|"

func forbiddenInDomain(r rune) bool {
	return r <= 0x1f || r == '%' || r == 0x7f || strings.ContainsRune(forbiddenHost, r)
}

func parseHost(input string, opaque bool) (string, error) {
	if strings.HasPrefix(input, "[") {
		if !strings.HasSuffix(input, "]") {
			return "", ErrInvalid
		}
		return parseIPv6(input[1 : len(input)-1])
	}
	if opaque {
		if strings.ContainsAny(input, forbiddenHost) {
			return "", ErrInvalid
		}
		return encode(input, c0Set), nil
	}
	domain := strings.ToValidUTF8(string(PercentDecode(input)), "\uFFFD")
	ascii, err := domainToASCII(domain)
	if err != nil || ascii == "" || strings.ContainsFunc(ascii, forbiddenInDomain) {
		return "", ErrInvalid
	}
	if endsInNumber(ascii) {
		return parseIPv4(ascii)
	}
	return ascii, nil
}

func domainToASCII(domain string) (string, error) {
	if isASCII(domain) && !strings.Contains(strings.ToLower(domain), "xn--") {
		return strings.ToLower(domain), nil
	}
	return profile.ToASCII(domain)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func endsInNumber(host string) bool {
	parts := strings.Split(host, ".")
	last := parts[len(parts)-1]
	if last == "" {
		if len(parts) == 1 {
			return false
		}
		last = parts[len(parts)-2]
	}
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, ok := ipv4Number(last)
	return ok
}

// ipv4Number reads a decimal, octal or hexadecimal part of an address.
func ipv4Number(s string) (float64, bool) {
	if s == "" {
		return 0, false
	}
	base := 10
	switch {
	case len(s) >= 2 && (s[:2] == "0x" || s[:2] == "0X"):
		s, base = s[2:], 16
	case len(s) >= 2 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true
	}
	total := 0.0
	for _, r := range s {
		digit, err := strconv.ParseUint(string(r), base, 8)
		if err != nil {
			return 0, false
		}
		total = total*float64(base) + float64(digit)
	}
	return total, true
}

func parseIPv4(host string) (string, error) {
	parts := strings.Split(host, ".")
	if parts[len(parts)-1] == "" && len(parts) > 1 {
		parts = parts[:len(parts)-1]
	}
	if len(parts) > 4 {
		return "", ErrInvalid
	}
	address := 0.0
	for i, part := range parts {
		n, ok := ipv4Number(part)
		if !ok {
			return "", ErrInvalid
		}
		if i < len(parts)-1 {
			if n > 255 {
				return "", ErrInvalid
			}
			address += n * math.Pow(256, float64(3-i))
			continue
		}
		if n >= math.Pow(256, float64(5-len(parts))) {
			return "", ErrInvalid
		}
		address += n
	}
	a := uint32(address)
	return fmt.Sprintf("%d.%d.%d.%d", a>>24, a>>16&255, a>>8&255, a&255), nil
}

// parseIPv6 reads an address and writes it as the standard wants it: lower
// case, the longest run of zeros shortened, never with a dotted part.
func parseIPv6(text string) (string, error) {
	if strings.ContainsAny(text, "%") {
		return "", ErrInvalid
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() {
		return "", ErrInvalid
	}
	b := addr.As16()
	var groups [8]uint16
	for i := range groups {
		groups[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	start, length := longestZeros(groups)
	var out strings.Builder
	out.WriteByte('[')
	for i := 0; i < 8; i++ {
		if i == start {
			if i == 0 {
				out.WriteByte(':')
			}
			out.WriteByte(':')
			i += length - 1
			continue
		}
		out.WriteString(strconv.FormatUint(uint64(groups[i]), 16))
		if i < 7 {
			out.WriteByte(':')
		}
	}
	out.WriteByte(']')
	return out.String(), nil
}

func longestZeros(groups [8]uint16) (start, length int) {
	start = -1
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && groups[i+n] == 0 {
			n++
		}
		if n > 1 && n > length {
			start, length = i, n
		}
		i += n
	}
	return start, length
}
