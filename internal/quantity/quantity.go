// Package quantity reads amounts of CPU and memory as Kubernetes writes them:
// "500m", "1.5", "128Mi", "1G", "1e9".
package quantity

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxExponent bounds the decimal exponent, so that a hostile quantity cannot
// ask for gigabytes of digits.
const maxExponent = 30

// maxLength bounds the text of a quantity.
const maxLength = 64

var suffixes = map[string]*big.Rat{
	"":   big.NewRat(1, 1),
	"n":  big.NewRat(1, 1_000_000_000),
	"u":  big.NewRat(1, 1_000_000),
	"m":  big.NewRat(1, 1000),
	"k":  power(1000, 1),
	"M":  power(1000, 2),
	"G":  power(1000, 3),
	"T":  power(1000, 4),
	"P":  power(1000, 5),
	"E":  power(1000, 6),
	"Ki": power(1024, 1),
	"Mi": power(1024, 2),
	"Gi": power(1024, 3),
	"Ti": power(1024, 4),
	"Pi": power(1024, 5),
	"Ei": power(1024, 6),
}

func power(base, n int64) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(base), big.NewInt(n), nil))
}

// Bytes reads a size and returns it in bytes, rounded up. The error is about
// s and says what is wrong with it.
func Bytes(s string) (int64, error) { return scaled(s, 1) }

// Milli reads an amount of CPU and returns it in thousandths of a core,
// rounded up.
func Milli(s string) (int64, error) { return scaled(s, 1000) }

// Nano reads an amount of CPU and returns it in billionths of a core, rounded
// up: what the Docker Engine API calls NanoCpus.
func Nano(s string) (int64, error) { return scaled(s, 1_000_000_000) }

func scaled(s string, factor int64) (int64, error) {
	r, err := parse(s)
	if err != nil {
		return 0, err
	}
	r.Mul(r, new(big.Rat).SetInt64(factor))
	n := new(big.Int)
	rest := new(big.Int)
	n.QuoRem(r.Num(), r.Denom(), rest)
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	if !n.IsInt64() {
		return math.MaxInt64, nil
	}
	return n.Int64(), nil
}

// parse splits s into its digits, and its suffix or exponent.
func parse(s string) (*big.Rat, error) {
	if s == "" {
		return nil, fmt.Errorf("a quantity is empty")
	}
	if len(s) > maxLength {
		return nil, fmt.Errorf("a quantity is longer than %d characters", maxLength)
	}
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && (s[end] == '+' || s[end] == '-')) {
		end++
	}
	digits, suffix := s[:end], s[end:]
	number := strings.TrimLeft(digits, "+-")
	if strings.Trim(number, ".") == "" || strings.Count(number, ".") > 1 {
		return nil, fmt.Errorf("quantity %q does not start with a number", s)
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return nil, fmt.Errorf("quantity %q does not start with a number", s)
	}
	if strings.HasPrefix(digits, "-") && r.Sign() != 0 {
		return nil, fmt.Errorf("quantity %q is negative", s)
	}
	unit, err := unitOf(s, suffix)
	if err != nil {
		return nil, err
	}
	return r.Mul(r, unit), nil
}

func unitOf(s, suffix string) (*big.Rat, error) {
	if unit, ok := suffixes[suffix]; ok {
		return unit, nil
	}
	if suffix[0] != 'e' && suffix[0] != 'E' {
		return nil, fmt.Errorf("quantity %q has an unknown unit %q", s, suffix)
	}
	exponent, err := strconv.Atoi(suffix[1:])
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return nil, fmt.Errorf("quantity %q has an exponent that is not understood", s)
	}
	if exponent < 0 {
		return new(big.Rat).Inv(power(10, int64(-exponent))), nil
	}
	return power(10, int64(exponent)), nil
}
