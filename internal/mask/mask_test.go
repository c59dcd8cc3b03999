package mask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/internal/mask"
)

const pem = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END PRIVATE KEY-----
`

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestString(t *testing.T) {
	const secret = "pass/w+rd? it's \"ä\" <x>"
	m := mask.New([]string{secret, "hunter2", "hunter22", "", "abc", " abc\n", "true", "False", "  trimmed\n", pem})
	quoted, _ := json.Marshal(secret)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"nothing here, true or False, abc", "nothing here, true or False, abc"},
		{"login hunter2!", "login ***!"},
		{"hunter22 hunter2", "*** ***"},
		{"hunter2hunter2", "***"},
		{"hunter2hunter", "***hunter"},
		{"trimmed", "***"},
		{"x" + secret + "y", "x***y"},
		{url.QueryEscape(secret), "***"},
		{url.PathEscape(secret), "***"},
		{"https://u:" + url.UserPassword("", secret).String()[1:] + "@h", "https://u:***@h"},
		{strings.ToLower(url.QueryEscape("hunter2?")), "***%3f"},
		{"%70ass", "%70ass"},
		{string(quoted), `"***"`},
		{hex.EncodeToString([]byte(secret)), "***"},
		{strings.ToUpper(hex.EncodeToString([]byte("hunter2"))), "***"},
		{b64(secret), "***"},
		{base64.RawURLEncoding.EncodeToString([]byte(secret)), "***"},
		{b64("hunter2"), "***"},
		{b64("hunter2\n"), "***o="},
		{"+ echo 'pass/w+rd? it'\\''s \"ä\" <x>'", "+ echo '***'"},
		{pem, "***\n"},
		{strings.ReplaceAll(pem, "\n", "\r\n"), "***\r\n"},
		{strings.ReplaceAll(pem, "\n", "\n| "), "-----BEGIN PRIVATE KEY-----\n| ***\n| ***\n| -----END PRIVATE KEY-----\n| "},
	} {
		if got := m.String(c.in); got != c.want {
			t.Errorf("String(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	if mask.New([]string{"", "abc", "NULL"}).String("abc NULL") != "abc NULL" || !mask.New(nil).Empty() {
		t.Error("values that are too short or trivial are masked")
	}
}

func TestOverlappingSecretsLeaveNothing(t *testing.T) {
	m := mask.New([]string{"abcdef", "defghi", "cdef"})
	if got := m.String("-abcdefghi-"); got != "-***-" {
		t.Errorf("got %q", got)
	}
}

func TestBase64AnywhereAndWrapped(t *testing.T) {
	long := strings.Repeat("0123456789abcdefghij", 12)
	m := mask.New([]string{"correct horse", long})
	for before := range 7 {
		encoded := b64(strings.Repeat("x", before) + "correct horse battery")
		if got := m.String(encoded); got == encoded || strings.Contains(got, b64("correct horse")[4:12]) {
			t.Errorf("with %d bytes before it: %q", before, got)
		}
	}
	for _, columns := range []int{64, 76} {
		var wrapped strings.Builder
		for rest := b64(long + "\n"); rest != ""; {
			n := min(columns, len(rest))
			wrapped.WriteString(rest[:n] + "\n")
			rest = rest[n:]
		}
		for line := range strings.Lines(m.String(wrapped.String())) {
			if len(strings.TrimSpace(line)) > 8 {
				t.Errorf("wrapped at %d: %q is left", columns, line)
			}
		}
	}
}

func TestNothingIsHeldBackWithoutReason(t *testing.T) {
	var out bytes.Buffer
	w := mask.New([]string{"hunter2", pem}).Writer(&out)
	step := func(in, want string) {
		t.Helper()
		if n, err := w.Write([]byte(in)); n != len(in) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		if out.String() != want {
			t.Errorf("after %q: %q, want %q", in, out.String(), want)
		}
	}
	step("Password: ", "Password: ")
	step("hunt", "Password: ")
	step("s", "Password: hunts")
	step("hun", "Password: hunts")
	_ = w.Flush()
	_ = w.Flush()
	step("", "Password: huntshun")
	step("ter2!", "Password: huntshun***!") // the rest of a secret that was flushed half
	step("hun", "Password: huntshun***!")
	_ = w.Close()
	step("", "Password: huntshun***!hun")
}

func TestFlushKeepsWhatIsASecretAlready(t *testing.T) {
	var out bytes.Buffer
	w := mask.New([]string{"hunter", "hunter2000"}).Writer(&out)
	_, _ = w.Write([]byte("a hunter"))
	_ = w.Flush()
	_, _ = w.Write([]byte("2000 b"))
	_ = w.Close()
	if out.String() != "a *** b" {
		t.Errorf("got %q", out.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestErrorsComeBack(t *testing.T) {
	for _, m := range []*mask.Masker{mask.New(nil), mask.New([]string{"hunter2"})} {
		if _, err := m.Writer(broken{}).Write([]byte("x")); err == nil {
			t.Error("the error of the writer behind is lost")
		}
	}
}

// forms are encodings written without the package's own code.
func forms(s string) []string {
	quoted, _ := json.Marshal(s)
	return []string{s, b64(s), base64.RawURLEncoding.EncodeToString([]byte(s)), url.QueryEscape(s), url.PathEscape(s),
		hex.EncodeToString([]byte(s)), string(quoted[1 : len(quoted)-1])}
}

// check hides forms of the secrets in a text, splits it anywhere, and looks
// for them in what comes out.
func check(t *testing.T, secrets []string, random *rand.Rand, flush bool) {
	t.Helper()
	var usable []string
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if len(s) >= 4 && !strings.Contains(s, "*") && mask.New([]string{s}).String(s) == mask.Replacement {
			usable = append(usable, s)
		}
	}
	if len(usable) == 0 {
		return
	}
	m := mask.New(usable)
	var in []byte
	for range random.IntN(12) {
		f := forms(usable[random.IntN(len(usable))])
		one := f[random.IntN(len(f))]
		switch random.IntN(4) {
		case 0:
			in = append(in, one[:random.IntN(len(one))]...)
		case 1:
			in = append(in, "some text\n"[random.IntN(10):]...)
		default:
			in = append(in, one...)
		}
	}
	var out bytes.Buffer
	w := m.Writer(&out)
	for rest := in; len(rest) > 0; {
		n := 1 + random.IntN(min(len(rest), 7))
		_, _ = w.Write(rest[:n])
		rest = rest[n:]
		if flush && random.IntN(4) == 0 {
			_ = w.Flush()
		}
	}
	_ = w.Close()
	if !flush && out.String() != m.String(string(in)) {
		t.Fatalf("secrets %q, input %q: split gives %q, whole %q", usable, in, out.String(), m.String(string(in)))
	}
	for _, s := range usable {
		for _, form := range forms(s) {
			if strings.Contains(out.String(), form) && !strings.Contains(form, "*") {
				t.Fatalf("secrets %q, input %q: %q is left in %q", usable, in, form, out.String())
			}
		}
	}
}

func TestNoSplitLeavesASecret(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 9))
	alphabets := []string{"ab", "abcdefghijk", "aA/+ ?%\"\\ä<\n'", "0123456789abcdef"}
	for i := range 6000 {
		alphabet := []rune(alphabets[i%len(alphabets)])
		secrets := make([]string, 1+random.IntN(4))
		for k := range secrets {
			var b strings.Builder
			for range 4 + random.IntN(12) {
				b.WriteRune(alphabet[random.IntN(len(alphabet))])
			}
			secrets[k] = b.String()
		}
		check(t, secrets, random, i%3 == 0)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("hunter2", "a\nb secret line", uint64(1))
	f.Add("\xff\xfe\x00binary", "aaaaaaaa", uint64(2))
	f.Fuzz(func(t *testing.T, a, b string, seed uint64) {
		check(t, []string{a, b}, rand.New(rand.NewPCG(seed, 5)), seed%2 == 0)
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func benchmark(b *testing.B, line string) {
	secrets := make([]string, 100)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range secrets {
		secrets[i] = fmt.Sprintf("ghp_%016x%016x", random.Uint64(), random.Uint64())
	}
	var in strings.Builder
	for i := 0; in.Len() < 1<<20; i++ {
		fmt.Fprintf(&in, line, i, random.Uint64())
	}
	data := []byte(in.String())
	w := mask.New(secrets).Writer(discard{})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 32<<10)
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
	}
}

func BenchmarkLog(b *testing.B) {
	benchmark(b, "2026-01-02T03:04:05Z INFO request %d served in 12ms, trace %016x\n")
}

func BenchmarkNearMisses(b *testing.B) {
	benchmark(b, "ghp_%016x%016x\n")
}
