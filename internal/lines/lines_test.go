package lines_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lines"
)

// collect writes the parts, closes, and returns the texts.
func collect(o lines.Options, parts ...string) []string {
	var got []string
	o.Emit = func(texts []string) { got = append(got, texts...) }
	w := lines.New(o)
	for _, p := range parts {
		_, _ = w.Write([]byte(p))
	}
	_ = w.Close()
	_ = w.Close()
	return got
}

var cases = []struct {
	name, in string
	want     []string
}{
	{"nothing", "", nil},
	{"line ends", "a\nb\r\n\nc", []string{"a", "b", "", "c"}},
	{"only an end", "\n", []string{""}},
	{"progress keeps the last state", "10%\r20%\r30%\ndone\n", []string{"30%", "done"}},
	{"progress that ends with a return", "10%\r20%\r\r\nx\r", []string{"20%", "x"}},
	{"progress in colour", "\x1b[32m1\x1b[0m\r\x1b[31m2\x1b[0m\n", []string{"\x1b[31m2\x1b[0m"}},
	{"erase before progress", "10%\r\x1b[K20%\n", []string{"20%"}},
	{"backspace", "a|\b/\b-\bz\b\b\b\b\n", []string{""}},
	{"backspace over a wide character", "aé\bb\n", []string{"ab"}},
	{"backspace cannot open a sequence", "\x1b[2m\bJ\n", []string{"\x1b[2mJ"}},
	{"unicode", "grüß dich, 世界 🌍\n", []string{"grüß dich, 世界 🌍"}},
	{"invalid", "a\xffb\xe2\x82c\xc3\n\xf0\x9f\x8c", []string{"a\uFFFDb\uFFFD\uFFFDc\uFFFD", "\uFFFD\uFFFD\uFFFD"}},
	{"surrogate and overlong", "\xed\xa0\x80\xc0\xaf\n", []string{strings.Repeat("\uFFFD", 5)}},
	{"controls", "a\x00b\x01\x7f\tc\x07\n", []string{"a␀b␁␡\tc␇"}},
	{"C1 controls", "a\u009b2Jb\u0085c\n", []string{"a\uFFFD2Jb\uFFFDc"}},
	{"colour stays", "\x1b[1;38;5;196mred\x1b[m \x1b[38:2:1:2:3mx\n", []string{"\x1b[1;38;5;196mred\x1b[m \x1b[38:2:1:2:3mx"}},
	{"cursor and modes go", "a\x1b[2J\x1b[10;10Hb\x1b[?25lc\x1b[>4;2md\n", []string{"abcd"}},
	{"titles and links go", "\x1b]0;evil\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", []string{"alink"}},
	{"DCS, APC, charset, reset go", "\x1bP1$r\x1b\\a\x1b_x\x1b\\b\x1b(Bc\x1bcd\x1b=e\n", []string{"abcde"}},
	{"unfinished sequences end with the line", "a\x1b]0;never\nb\x1b[31\nc\x1b\nd\x1b[", []string{"a", "b", "c", "d"}},
	{"ESC restarts a sequence", "\x1b\x1b[31mr\x1b[3\x1b[32mg\n", []string{"\x1b[31mr\x1b[32mg"}},
	{"endless colour", "\x1b[" + strings.Repeat("1;", 100) + "mx\n", []string{"x"}},
}

func TestTexts(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := collect(lines.Options{}, c.in); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if got := collect(lines.Options{}, strings.Split(c.in, "")...); utf8.ValidString(c.in) && !slices.Equal(got, c.want) {
				t.Errorf("by character: got %q", got)
			}
			var bytes []string
			for i := range len(c.in) {
				bytes = append(bytes, c.in[i:i+1])
			}
			if got := collect(lines.Options{}, bytes...); !slices.Equal(got, c.want) {
				t.Errorf("by byte: got %q", got)
			}
		})
	}
}

func TestLongLinesAreCutBetweenCharacters(t *testing.T) {
	in := strings.Repeat("é", 200_000) + "\nshort\n"
	got := collect(lines.Options{}, in)
	if strings.Join(got, "") != strings.Repeat("é", 200_000)+"short" {
		t.Fatal("the pieces are not the line")
	}
	for i, s := range got[:len(got)-2] {
		if len(s) > brigade.MaxLineBytes || len(s) < brigade.MaxLineBytes-utf8.UTFMax {
			t.Errorf("piece %d has %d bytes", i, len(s))
		}
	}
	colour := "\x1b[31m"
	got = collect(lines.Options{MaxLine: 128}, strings.Repeat("x", 126)+colour+"y\n")
	if want := []string{strings.Repeat("x", 126), colour + "y"}; !slices.Equal(got, want) {
		t.Errorf("a colour sequence was cut: %q", got)
	}
}

func TestFlush(t *testing.T) {
	var got []string
	w := lines.New(lines.Options{Emit: func(texts []string) { got = append(got, texts...) }})
	write := func(s string) { _, _ = w.Write([]byte(s)) }
	write("Password: ")
	if len(got) != 0 {
		t.Fatalf("a partial line came out by itself: %q", got)
	}
	w.Flush()
	w.Flush()
	write("\nnext") // the line end of the flushed line adds no empty one
	w.Flush()
	write("\r\n")
	write("a")
	w.Flush()
	write("b\n\n")
	write("x\r")
	w.Flush()
	write("y\n")
	_ = w.Close()
	want := []string{"Password: ", "next", "a", "b", "", "x", "y"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCap(t *testing.T) {
	in := "12345\n12345\n12345\nx\n"
	got := collect(lines.Options{Cap: 12}, in)
	want := []string{"12345", "12345", "… log capped at 12 bytes; 8 more bytes were not kept"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := collect(lines.Options{Cap: 20}, in); len(got) != 4 {
		t.Errorf("a log of exactly the cap is not capped: %q", got)
	}
	if got := collect(lines.Options{Cap: -1}, strings.Repeat("123456789\n", 2<<20)); len(got) != 2<<20 {
		t.Errorf("without a cap: %d lines", len(got))
	}
	if got := collect(lines.Options{Cap: 128, MaxLine: 128}, strings.Repeat("x", 300)); !slices.Equal(got, []string{"… log capped at 128 bytes; 300 more bytes were not kept"}) {
		t.Errorf("got %q", got)
	}
}

func TestBigStreamInConstantMemory(t *testing.T) {
	for name, chunk := range map[string]string{
		"lines":          strings.Repeat("0123456789 abcdefghijklmnopqrstuvwxyz\n", 1000),
		"one line":       strings.Repeat("x", 32<<10),
		"progress":       strings.Repeat("10%\r20%\r", 4<<10),
		"open OSC":       "\x1b]" + strings.Repeat("x", 32<<10),
		"open CSI":       "\x1b[" + strings.Repeat("1;", 16<<10),
		"continuations":  strings.Repeat("\x80", 32<<10),
		"empty lines":    strings.Repeat("\n", 32<<10),
		"only backspace": strings.Repeat("\b", 32<<10),
	} {
		t.Run(name, func(t *testing.T) {
			var kept int64
			w := lines.New(lines.Options{Emit: func(texts []string) {
				for _, s := range texts {
					kept += int64(len(s)) + 1
				}
			}})
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			total, size := 0, 4<<20
			if name == "lines" {
				size = 100 << 20
			}
			for total < size {
				n, _ := w.Write([]byte(chunk))
				total += n
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
				t.Errorf("the heap grew by %d KB", grown>>10)
			}
			_ = w.Close()
			if w.Bytes() != int64(total) || kept > brigade.DefaultLogCap+200 {
				t.Errorf("%d of %d bytes counted, %d kept", w.Bytes(), total, kept)
			}
		})
	}
}

// check holds the promises that are true for any input and any split.
func check(t *testing.T, in []byte, seed uint64) {
	t.Helper()
	o := lines.Options{MaxLine: 128, Cap: 1000}
	whole := collect(o, string(in))
	random := rand.New(rand.NewPCG(seed, 1))
	var parts []string
	for rest := string(in); rest != ""; {
		n := 1 + random.IntN(min(len(rest), 9))
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	if split := collect(o, parts...); !slices.Equal(whole, split) {
		t.Fatalf("whole %q\nsplit %q as %q", whole, split, parts)
	}
	for _, s := range whole {
		if !utf8.ValidString(s) || len(s) > 128 || strings.ContainsAny(s, "\n\r\b\x00\x07\x7f\u009b") {
			t.Fatalf("unsafe text %q of %q", s, in)
		}
		for rest := s; ; {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			rest = strings.TrimLeft(strings.TrimPrefix(after, "["), "0123456789;:")
			if !strings.HasPrefix(after, "[") || !strings.HasPrefix(rest, "m") {
				t.Fatalf("escape sequence left in %q of %q", s, in)
			}
		}
	}
}

func TestAnySplitGivesTheSame(t *testing.T) {
	alphabet := []string{"a", "b", "é", "世", "\xff", "\xe2", "\x82", "\n", "\r", "\r\n", "\x1b", "[", "]", "31m", "m", ";", "\\", "\x07", "\b", "\x00", "\xc2\x9b", strings.Repeat("x", 60)}
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 5000 {
		var b strings.Builder
		for range random.IntN(60) {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		check(t, []byte(b.String()), uint64(i))
	}
}

func FuzzWriter(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.in), uint64(1))
	}
	f.Fuzz(check)
}

func BenchmarkWriter(b *testing.B) {
	var in strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&in, "2026-01-02T03:04:05Z \x1b[32mINFO\x1b[0m request %d served in 12ms from 10.0.0.1\n", i)
	}
	data := []byte(in.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	w := lines.New(lines.Options{Cap: -1, Emit: func([]string) {}})
	for b.Loop() {
		_, _ = w.Write(data)
	}
}
