// Package artifacttest holds the contract of artifact.Store as tests.
package artifacttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
)

// Run tests the stores that open returns, each of which must be empty.
func Run(t *testing.T, open func(t *testing.T) artifact.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, artifact.Store)
	}{
		{"RoundTrip", testRoundTrip},
		{"Names", testNames},
		{"RefusedNames", testRefusedNames},
		{"Replace", testReplace},
		{"Ranges", testRanges},
		{"Delete", testDelete},
		{"BrokenContent", testBrokenContent},
		{"Canceled", testCanceled},
		{"Large", testLarge},
		{"Concurrent", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

const build, job = "01karr8tm1", "test-01karr8tm1"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func put(t *testing.T, s artifact.Store, build, job, name, content string) {
	t.Helper()
	must(t, s.PutArtifact(t.Context(), build, job, name, strings.NewReader(content)))
}

func read(t *testing.T, s artifact.Store, build, job, name string) string {
	t.Helper()
	f, err := s.OpenArtifact(t.Context(), build, job, name)
	must(t, err)
	content, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	if f.Size != int64(len(content)) || f.Name != name || f.JobID != job || f.Modified.IsZero() {
		t.Errorf("%s has %d bytes, and is said to be %+v", name, len(content), f.Info)
	}
	return string(content)
}

// names lists a build's artifacts as job:name:size.
func names(t *testing.T, s artifact.Store, build string) string {
	t.Helper()
	all, err := s.ListArtifacts(t.Context(), build)
	must(t, err)
	var text []string
	for _, a := range all {
		text = append(text, fmt.Sprintf("%s:%s:%d", a.JobID, a.Name, a.Size))
		if a.Modified.IsZero() {
			t.Errorf("%s has no time", a.Name)
		}
	}
	return strings.Join(text, " ")
}

func wantCode(t *testing.T, err error, code brigade.Code) {
	t.Helper()
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != code || e.Message == "" {
		t.Errorf("want an error of code %s, got %v", code, err)
	}
}

func testRoundTrip(t *testing.T, s artifact.Store) {
	_, err := s.OpenArtifact(t.Context(), build, job, "a.txt")
	wantCode(t, err, brigade.CodeNotFound)
	if got := names(t, s, build); got != "" {
		t.Errorf("an empty store lists %s", got)
	}
	put(t, s, build, "b-1", "z", "")
	put(t, s, build, "b-1", "dist/app.tar.gz", "\x00\xff\r\nbytes")
	put(t, s, build, "a-1", "dist/app.tar.gz", "another job")
	put(t, s, "01karr8tm10", "a-1", "a", "another build whose ID begins the same")
	if got := read(t, s, build, "b-1", "dist/app.tar.gz"); got != "\x00\xff\r\nbytes" {
		t.Errorf("read %q", got)
	}
	if got := read(t, s, build, "b-1", "z"); got != "" {
		t.Errorf("read %q of an empty one", got)
	}
	if got, want := names(t, s, build), "a-1:dist/app.tar.gz:11 b-1:dist/app.tar.gz:9 b-1:z:0"; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	_, err = s.OpenArtifact(t.Context(), build, "b-1", "dist")
	wantCode(t, err, brigade.CodeNotFound)
}

// testNames has names that file systems and URLs have their own ideas of.
func testNames(t *testing.T, s artifact.Store) {
	odd := []string{
		"a", "A", "a/b", "a b", "a+b", "a%2fb", "a%20b", "ü/世界 🌍", "a&b=c?d#e", "nul", "con.txt", ".git/config", "..a", "a..", "a...b", "a.",
		"*", `a\b`, `c:\x`, "a:b", "\"'<>|", "f.a", "t.a", "d.a", "!a", "~", "-", "line\nbreak", "a/c", "README.md", "readme.md",
		strings.Repeat("long/", 100) + "end", strings.Repeat("x", artifact.MaxName), strings.Repeat("ü.", 200) + "x",
	}
	for i, name := range odd {
		put(t, s, build, job, name, fmt.Sprint(i))
	}
	for i, name := range odd {
		if got := read(t, s, build, job, name); got != fmt.Sprint(i) {
			t.Errorf("%q has %q, want %d", name, got, i)
		}
	}
	all, err := s.ListArtifacts(t.Context(), build)
	must(t, err)
	listed := map[string]bool{}
	for i, a := range all {
		listed[a.Name] = true
		if i > 0 && all[i-1].Name >= a.Name {
			t.Errorf("%q comes after %q", a.Name, all[i-1].Name)
		}
	}
	for _, name := range odd {
		if !listed[name] {
			t.Errorf("%q is not listed", name)
		}
	}
	if len(all) != len(odd) {
		t.Errorf("%d are listed, want %d", len(all), len(odd))
	}
}

func testRefusedNames(t *testing.T, s artifact.Store) {
	for _, name := range []string{"", ".", "..", "/", "/etc/passwd", "../a", "a/../../b", "a/../b", "./a", "a/", "a//b", "a\x00b", "\xff", strings.Repeat("x", artifact.MaxName+1)} {
		wantCode(t, s.PutArtifact(t.Context(), build, job, name, strings.NewReader("x")), brigade.CodeInvalid)
		_, err := s.OpenArtifact(t.Context(), build, job, name)
		wantCode(t, err, brigade.CodeInvalid)
	}
	for _, id := range []string{"", ".", "..", "a/b", "../a", "\x00", strings.Repeat("x", 201)} {
		wantCode(t, s.PutArtifact(t.Context(), id, job, "a", strings.NewReader("x")), brigade.CodeInvalid)
		wantCode(t, s.PutArtifact(t.Context(), build, id, "a", strings.NewReader("x")), brigade.CodeInvalid)
		_, err := s.ListArtifacts(t.Context(), id)
		wantCode(t, err, brigade.CodeInvalid)
		wantCode(t, s.DeleteArtifacts(t.Context(), id), brigade.CodeInvalid)
	}
	if got := names(t, s, build); got != "" {
		t.Errorf("refused ones are there: %s", got)
	}
}

func testReplace(t *testing.T, s artifact.Store) {
	put(t, s, build, job, "a", "first, and longer")
	f, err := s.OpenArtifact(t.Context(), build, job, "a")
	must(t, err)
	defer f.Close() //nolint:errcheck // a test
	put(t, s, build, job, "a", "second")
	if got := read(t, s, build, job, "a"); got != "second" {
		t.Errorf("read %q, want the second", got)
	}
	if got := names(t, s, build); got != job+":a:6" {
		t.Errorf("listed %s", got)
	}
}

func testRanges(t *testing.T, s artifact.Store) {
	put(t, s, build, job, "a", "0123456789")
	f, err := s.OpenArtifact(t.Context(), build, job, "a")
	must(t, err)
	defer f.Close() //nolint:errcheck // a test
	for _, c := range []struct {
		offset int64
		whence int
		n      int
		want   string
	}{
		{3, io.SeekStart, 4, "3456"}, {0, io.SeekCurrent, 2, "78"}, {-1, io.SeekEnd, 5, "9"}, {0, io.SeekStart, 3, "012"},
		{2, io.SeekCurrent, 1, "5"}, {10, io.SeekStart, 1, ""}, {0, io.SeekStart, 10, "0123456789"},
	} {
		if _, err := f.Seek(c.offset, c.whence); err != nil {
			t.Fatalf("seek %d %d: %v", c.offset, c.whence, err)
		}
		buf := make([]byte, c.n)
		n, err := io.ReadFull(f, buf)
		if string(buf[:n]) != c.want || n == c.n && err != nil {
			t.Errorf("at %d from %d there is %q (%v), want %q", c.offset, c.whence, buf[:n], err, c.want)
		}
	}
	if end, err := f.Seek(0, io.SeekEnd); err != nil || end != 10 {
		t.Errorf("the end is at %d, %v", end, err)
	}
}

func testDelete(t *testing.T, s artifact.Store) {
	must(t, s.DeleteArtifacts(t.Context(), "01knothing"))
	for i := range 20 {
		put(t, s, build, job, fmt.Sprintf("dir/%d", i), "x")
	}
	put(t, s, build+"0", job, "a", "x")
	must(t, s.DeleteArtifacts(t.Context(), build))
	must(t, s.DeleteArtifacts(t.Context(), build))
	if got := names(t, s, build); got != "" {
		t.Errorf("left over: %s", got)
	}
	_, err := s.OpenArtifact(t.Context(), build, job, "dir/1")
	wantCode(t, err, brigade.CodeNotFound)
	if got := names(t, s, build+"0"); got == "" {
		t.Error("the artifacts of another build are gone")
	}
	put(t, s, build, job, "again", "x")
}

var errBroken = errors.New("the source broke off")

// testBrokenContent wants that half an artifact is none, short or long.
func testBrokenContent(t *testing.T, s artifact.Store) {
	put(t, s, build, job, "kept", "as it was")
	for _, size := range []int{0, 100, 20 << 20} {
		half := io.MultiReader(io.LimitReader(&noise{}, int64(size)), iotest.ErrReader(errBroken))
		err := s.PutArtifact(t.Context(), build, job, "kept", half)
		if !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: %v, want the error of the content", size, err)
		}
	}
	if got := names(t, s, build); got != job+":kept:9" {
		t.Errorf("listed %s", got)
	}
	if got := read(t, s, build, job, "kept"); got != "as it was" {
		t.Errorf("read %q", got)
	}
}

func testCanceled(t *testing.T, s artifact.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	source := &noise{after: 12 << 20, then: cancel}
	if err := s.PutArtifact(ctx, build, job, "a", source); !errors.Is(err, context.Canceled) {
		t.Errorf("PutArtifact: %v, want context canceled", err)
	}
	_, opened := s.OpenArtifact(ctx, build, job, "a")
	_, listed := s.ListArtifacts(ctx, build)
	for i, err := range []error{opened, listed, s.DeleteArtifacts(ctx, build), s.PutArtifact(ctx, build, job, "a", strings.NewReader(""))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v, want context canceled", i, err)
		}
	}
	if got := names(t, s, build); got != "" {
		t.Errorf("listed %s", got)
	}
}

// noise is endless bytes that do not repeat soon.
type noise struct {
	random *rand.ChaCha8
	n      int64
	after  int64 // calls then after so many
	then   func()
}

// Read implements io.Reader.
func (r *noise) Read(p []byte) (int, error) {
	if r.random == nil {
		r.random = rand.NewChaCha8([32]byte{1})
	}
	n, err := r.random.Read(p)
	r.n += int64(n)
	if r.then != nil && r.n >= r.after {
		r.then()
		r.then = nil
	}
	return n, err
}

// testLarge keeps more than fits into one part of an upload, and looks at what
// that takes of memory.
func testLarge(t *testing.T, s artifact.Store) {
	const size = 40<<20 + 7
	wrote, got := sha256.New(), sha256.New()
	source := io.TeeReader(io.LimitReader(&noise{}, size), wrote)
	must(t, s.PutArtifact(t.Context(), build, job, "large", iotest.HalfReader(source)))
	f, err := s.OpenArtifact(t.Context(), build, job, "large")
	must(t, err)
	defer f.Close() //nolint:errcheck // a test
	n, err := io.Copy(got, f)
	must(t, err)
	if n != size || f.Size != size || !bytes.Equal(wrote.Sum(nil), got.Sum(nil)) {
		t.Errorf("%d bytes came back (said to be %d), want %d and the same", n, f.Size, size)
	}
	_, err = f.Seek(-3, io.SeekEnd)
	must(t, err)
	if end, err := io.ReadAll(f); len(end) != 3 || err != nil {
		t.Errorf("the last three bytes are %q, %v", end, err)
	}
}

// testConcurrent writes, lists and deletes builds at once.
func testConcurrent(t *testing.T, s artifact.Store) {
	var wg sync.WaitGroup
	var busy atomic.Int32
	busy.Store(4)
	for b := range 4 {
		wg.Go(func() {
			defer busy.Add(-1)
			id := fmt.Sprint("01kbuild", b)
			for n := range 10 {
				name := fmt.Sprint("n", n)
				if err := s.PutArtifact(t.Context(), id, job, name, strings.NewReader(id+name)); err != nil {
					t.Errorf("PutArtifact: %v", err)
				}
			}
			if b%2 == 0 {
				if err := s.DeleteArtifacts(t.Context(), id); err != nil {
					t.Errorf("DeleteArtifacts: %v", err)
				}
			}
		})
	}
	wg.Go(func() {
		for busy.Load() > 0 {
			for b := range 4 {
				if _, err := s.ListArtifacts(t.Context(), fmt.Sprint("01kbuild", b)); err != nil {
					t.Errorf("ListArtifacts: %v", err)
				}
			}
			runtime.Gosched()
		}
	})
	wg.Wait()
	for b := range 4 {
		want := 10 * (b % 2)
		all, err := s.ListArtifacts(t.Context(), fmt.Sprint("01kbuild", b))
		must(t, err)
		if len(all) != want {
			t.Errorf("build %d has %d artifacts, want %d", b, len(all), want)
		}
	}
}
