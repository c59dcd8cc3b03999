package engine

import (
	"encoding/json"
	"path"
	"strings"
)

// fixMap makes a source map that the bundler wrote fit for the engine: what it
// calls bundled gets its name, other sources and the bundler's own functions the
// names of internal files, and columns count from 1. It returns "" for what is
// no source map.
func fixMap(sourceMap, bundled, name string) string {
	var m map[string]any
	if json.Unmarshal([]byte(sourceMap), &m) != nil {
		return ""
	}
	sources, _ := m["sources"].([]any)
	for i, s := range sources {
		if sources[i] = "brigade:entry"; s == bundled {
			sources[i] = path.Base(name) // the engine takes it relative to name
		}
	}
	text, _ := m["mappings"].(string)
	shifted, ok := shiftColumns(text)
	if !ok {
		return ""
	}
	m["mappings"] = mapHead(shifted, len(sources))
	m["sources"] = append(sources, "brigade:bundler")
	out, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(out)
}

// shiftColumns adds one to every column of a source map's mappings, generated
// and original: the engine counts columns from 1 and uses maps as if they did
// too. Columns are written as differences, those of generated code within a
// line and the original ones within the file, so that few numbers change.
func shiftColumns(mappings string) (string, bool) {
	lines := strings.Split(mappings, ";")
	shifted := false
	for i, line := range lines {
		if line == "" {
			continue
		}
		segments := strings.Split(line, ",")
		for n, segment := range segments {
			fields, ok := decodeVLQ(segment)
			if !ok || len(fields) == 0 {
				return "", false
			}
			if n == 0 {
				fields[0]++
			}
			if !shifted && len(fields) > 3 {
				fields[3]++
				shifted = true
			}
			segments[n] = encodeVLQ(fields)
			if shifted {
				break
			}
		}
		lines[i] = strings.Join(segments, ",")
	}
	return strings.Join(lines, ";"), true
}

// mapHead maps the lines before the first that has mappings, where the bundler
// puts functions of its own, to the beginning of the source with that index.
func mapHead(mappings string, source int) string {
	head := len(mappings) - len(strings.TrimLeft(mappings, ";"))
	first, rest := mappings[head:], ""
	if i := strings.IndexAny(first, ",;"); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	fields, ok := decodeVLQ(first)
	if head == 0 || !ok || len(fields) < 4 {
		return mappings
	}
	// Numbers are written as differences. Column 0 of the first line would be
	// what the engine takes for no mapping.
	fields[1] -= source
	fields[3]--
	var b strings.Builder
	for i := range head {
		if i == 0 {
			b.WriteString(encodeVLQ([]int{0, source, 0, 1}) + ";")
			continue
		}
		b.WriteString(encodeVLQ([]int{0, 0, 0, 0}) + ";")
	}
	return b.String() + encodeVLQ(fields) + rest
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// decodeVLQ reads the numbers of a segment: base 64 digits of five bits, low
// ones first, the sixth saying that more follow; the lowest bit is the sign.
func decodeVLQ(segment string) (fields []int, ok bool) {
	value, shift := 0, 0
	for i := range len(segment) {
		digit := strings.IndexByte(base64Digits, segment[i])
		if digit < 0 || shift > 40 {
			return nil, false
		}
		value |= (digit & 31) << shift
		if digit&32 != 0 {
			shift += 5
			continue
		}
		number := value >> 1
		if value&1 != 0 {
			number = -number
		}
		fields = append(fields, number)
		value, shift = 0, 0
	}
	return fields, shift == 0
}

func encodeVLQ(fields []int) string {
	var b strings.Builder
	for _, n := range fields {
		value := n << 1
		if n < 0 {
			value = -n<<1 | 1
		}
		for {
			digit := value & 31
			if value >>= 5; value > 0 {
				digit |= 32
			}
			b.WriteByte(base64Digits[digit])
			if value == 0 {
				break
			}
		}
	}
	return b.String()
}
