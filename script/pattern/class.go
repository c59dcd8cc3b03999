package pattern

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDeep bounds how deep classes may stand in one another.
const maxDeep = 200

// class reads a class of the flag v, which begins at r.pos.
func (r *rewriter) class() (contents, error) {
	if r.deep++; r.deep > maxDeep {
		return contents{}, errSet
	}
	defer func() { r.deep-- }()
	r.pos++
	negated := r.take("^")
	total, err := r.members()
	if err != nil {
		return contents{}, err
	}
	if !negated {
		return total, nil
	}
	if len(total.strings) > 0 {
		return contents{}, mistake("Negated character class may contain strings")
	}
	return contents{chars: total.chars.not()}, nil
}

// members reads what stands in a class, and its closing bracket.
func (r *rewriter) members() (contents, error) {
	var total contents
	for count, operation := 0, ""; ; count++ {
		if r.take("]") {
			return total, nil
		}
		if r.pos >= len(r.text) {
			return total, errClassEnd
		}
		if count > 0 {
			switch next := r.operator(); {
			case next != "" && (operation == next || operation == "" && count == 1):
				operation = next
			case next != "" || operation != "":
				return total, errSet
			}
		}
		one, ranged, err := r.operand()
		if err != nil {
			return total, err
		}
		if ranged && (operation != "" || r.operatorFollows()) {
			return total, errSet
		}
		switch operation {
		case "--":
			total.chars = total.chars.minus(one.chars)
			total.strings = slices.DeleteFunc(total.strings, func(s string) bool { return slices.Contains(one.strings, s) })
		case "&&":
			total.chars = total.chars.and(one.chars)
			total.strings = slices.DeleteFunc(total.strings, func(s string) bool { return !slices.Contains(one.strings, s) })
		default:
			total.chars = total.chars.union(one.chars)
			total.strings = append(total.strings, one.strings...)
		}
	}
}

// take goes over text if that comes next.
func (r *rewriter) take(text string) bool {
	if strings.HasPrefix(r.text[r.pos:], text) {
		r.pos += len(text)
		return true
	}
	return false
}

// operator reads -- or &&, or nothing.
func (r *rewriter) operator() string {
	for _, o := range []string{"--", "&&"} {
		if r.take(o) {
			return o
		}
	}
	return ""
}

func (r *rewriter) operatorFollows() bool {
	rest := r.text[r.pos:]
	return strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "&&")
}

// operand reads a nested class, an escape that stands for several characters,
// a character or a range.
func (r *rewriter) operand() (c contents, ranged bool, err error) {
	rest := r.text[r.pos:]
	switch {
	case rest == "":
		return contents{}, false, errClassEnd
	case rest[0] == '[':
		c, err = r.class()
		return c, false, err
	case strings.HasPrefix(rest, `\p`), strings.HasPrefix(rest, `\P`):
		s, err := r.propertyEscape()
		return contents{chars: s}, false, err
	case strings.HasPrefix(rest, `\q{`):
		c, err = r.quoted()
		return c, false, err
	case len(rest) > 1 && rest[0] == '\\' && classEscapes[rest[1]] != nil:
		r.pos += 2
		return contents{chars: classEscapes[rest[1]]}, false, nil
	}
	lo, err := r.character()
	if err != nil {
		return contents{}, false, err
	}
	if strings.HasPrefix(r.text[r.pos:], "-") && !strings.HasPrefix(r.text[r.pos:], "--") {
		r.pos++
		hi, err := r.character()
		if err != nil {
			return contents{}, false, err
		}
		if hi < lo {
			return contents{}, false, mistake("Range out of order in character class")
		}
		return contents{chars: set{{lo, hi}}}, true, nil
	}
	return contents{chars: set{{lo, lo}}}, false, nil
}

// classEscapes are the escapes that stand for several characters.
var classEscapes = func() map[byte]set {
	digits := set{{'0', '9'}}
	words := newSet(span{'0', '9'}, span{'A', 'Z'}, span{'_', '_'}, span{'a', 'z'})
	spaces := newSet(span{9, 13}, span{' ', ' '}, span{0xa0, 0xa0}, span{0x1680, 0x1680}, span{0x2000, 0x200a},
		span{0x2028, 0x2029}, span{0x202f, 0x202f}, span{0x205f, 0x205f}, span{0x3000, 0x3000}, span{0xfeff, 0xfeff})
	return map[byte]set{'d': digits, 'D': digits.not(), 'w': words, 'W': words.not(), 's': spaces, 'S': spaces.not()}
}()

// quoted reads \q{one|two}.
func (r *rewriter) quoted() (contents, error) {
	r.pos += len(`\q{`)
	var out contents
	var word []rune
	finish := func() {
		if len(word) == 1 {
			out.chars = out.chars.union(set{{word[0], word[0]}})
		} else {
			out.strings = append(out.strings, string(word))
		}
		word = nil
	}
	for r.pos < len(r.text) {
		switch {
		case r.take("}"):
			finish()
			return out, nil
		case r.take("|"):
			finish()
		default:
			c, err := r.character()
			if err != nil {
				return out, err
			}
			word = append(word, c)
		}
	}
	return out, errClassEnd
}

// character reads one character of a class of the flag v, escaped or not.
func (r *rewriter) character() (rune, error) {
	rest := r.text[r.pos:]
	if rest == "" {
		return 0, errClassEnd
	}
	if rest[0] != '\\' {
		c, n := utf8.DecodeRuneInString(rest)
		if strings.ContainsRune(`()[]{}/-|`, c) || len(rest) > 1 && rest[0] == rest[1] && strings.ContainsRune("&!#$%*+,.:;<=>?@^`~", c) {
			return 0, mistake("Invalid character in character class")
		}
		r.pos += n
		return c, nil
	}
	if len(rest) < 2 {
		return 0, errEscape
	}
	r.pos += 2
	switch c := rest[1]; c {
	case 'b':
		return 8, nil
	case 't':
		return '\t', nil
	case 'n':
		return '\n', nil
	case 'v':
		return '\v', nil
	case 'f':
		return '\f', nil
	case 'r':
		return '\r', nil
	case '0':
		return 0, nil
	case 'x':
		return r.hex(2)
	case 'u':
		return r.unicodeEscape()
	case 'c':
		if r.pos < len(r.text) && (r.text[r.pos]|0x20) >= 'a' && (r.text[r.pos]|0x20) <= 'z' {
			r.pos++
			return rune(r.text[r.pos-1] & 31), nil
		}
		return 0, errEscape
	default:
		if c < utf8.RuneSelf && strings.ContainsRune("^$\\.*+?()[]{}|/-&!#%,:;<=>@`~", rune(c)) {
			return rune(c), nil
		}
		return 0, errEscape
	}
}

// hex reads that many hexadecimal digits.
func (r *rewriter) hex(n int) (rune, error) {
	if r.pos+n > len(r.text) {
		return 0, errEscape
	}
	v, err := strconv.ParseUint(r.text[r.pos:r.pos+n], 16, 32)
	if err != nil {
		return 0, errEscape
	}
	r.pos += n
	return rune(v), nil
}

// unicodeEscape reads what follows \u: {…}, or four digits, of which two may
// make one character.
func (r *rewriter) unicodeEscape() (rune, error) {
	if r.take("{") {
		n := strings.IndexByte(r.text[r.pos:], '}')
		if n < 1 {
			return 0, errEscape
		}
		v, err := strconv.ParseUint(strings.TrimLeft(r.text[r.pos:r.pos+n-1], "0")+r.text[r.pos+n-1:r.pos+n], 16, 32)
		if err != nil || v > utf8.MaxRune {
			return 0, errEscape
		}
		r.pos += n + 1
		return rune(v), nil
	}
	high, err := r.hex(4)
	if err != nil || high < 0xd800 || high > 0xdbff || !strings.HasPrefix(r.text[r.pos:], `\u`) {
		return high, err
	}
	at := r.pos
	r.pos += 2
	if low, err := r.hex(4); err == nil && low >= 0xdc00 && low <= 0xdfff {
		return 0x10000 + (high-0xd800)<<10 + (low - 0xdc00), nil
	}
	r.pos = at
	return high, nil
}
