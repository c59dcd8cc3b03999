package s3

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/brigadecore/brigade/v3/artifact/artifacttest"
	"github.com/brigadecore/brigade/v3/artifact/s3/s3test"
)

const fakeHost = "s3.example.test"

// open returns a store in a fake service, whose name leads to it by tran.
func open(t *testing.T, f *s3test.Service, secure, pathStyle bool, change ...func(*Options)) *Store {
	t.Helper()
	f.Host, f.Secure = fakeHost, secure
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that were not needed
	scheme := "http"
	if secure {
		scheme = "https"
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	if secure { // the certificate of httptest is for example.com
		transport.TLSClientConfig.ServerName = "example.com"
	}
	t.Cleanup(transport.CloseIdleConnections)
	o := Options{
		Endpoint: scheme + "://" + fakeHost, Region: s3test.Region, Bucket: s3test.Bucket, Prefix: "/some where/", PathStyle: pathStyle,
		AccessKey: s3test.Key, SecretKey: s3test.Secret, Transport: transport,
	}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	for name, c := range map[string]struct{ secure, pathStyle bool }{
		"PathStyle":      {false, true},
		"VirtualHostTLS": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			artifacttest.Run(t, func(t *testing.T) artifact.Store { return open(t, s3test.New(), c.secure, c.pathStyle) })
		})
	}
}

func put(t *testing.T, s *Store, content string) error {
	t.Helper()
	return s.PutArtifact(t.Context(), "01k", "job-01k", "a.txt", strings.NewReader(content))
}

func TestCheck(t *testing.T) {
	if err := open(t, s3test.New(), false, true).Check(t.Context()); err != nil {
		t.Errorf("a fine bucket: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		code   brigade.Code
	}{
		"secret": {func(o *Options) { o.SecretKey = "wrong" }, brigade.CodeDenied},
		"key":    {func(o *Options) { o.AccessKey = "wrong" }, brigade.CodeDenied},
		"region": {func(o *Options) { o.Region = "elsewhere" }, brigade.CodeDenied},
		"bucket": {func(o *Options) { o.Bucket = "another" }, brigade.CodeStore},
	} {
		s := open(t, s3test.New(), true, true, c.change)
		for call, err := range map[string]error{"Check": s.Check(t.Context()), "Put": put(t, s, "x")} {
			var e *brigade.Error
			if !errors.As(err, &e) || e.Code != c.code || e.Hint == "" {
				t.Errorf("%s with a wrong %s: %v, want code %s and a hint", call, name, err, c.code)
			}
			if err != nil && strings.Contains(err.Error(), s3test.Secret) {
				t.Errorf("the secret is in %v", err)
			}
		}
	}
	for name, o := range map[string]Options{
		"nothing":     {},
		"no bucket":   {AccessKey: "a", SecretKey: "b"},
		"no keys":     {Bucket: "bucket"},
		"a path":      {Bucket: "bucket", AccessKey: "a", SecretKey: "b", Endpoint: "https://host/path"},
		"a scheme":    {Bucket: "bucket", AccessKey: "a", SecretKey: "b", Endpoint: "ftp://host"},
		"a user":      {Bucket: "bucket", AccessKey: "a", SecretKey: "b", Endpoint: "https://a:b@host"},
		"not a thing": {Bucket: "bucket", AccessKey: "a", SecretKey: "b", Endpoint: "://"},
	} {
		if _, err := Open(o); brigade.CodeOf(err) != brigade.CodeUsage {
			t.Errorf("%s: %v, want a usage error", name, err)
		}
	}
}

func TestServiceTroubles(t *testing.T) {
	f := s3test.New()
	s := open(t, f, false, true)
	f.Fail(2) // is tried again
	if err := put(t, s, "x"); err != nil {
		t.Errorf("a service that is slow for a moment: %v", err)
	}
	f.Fill()
	var e *brigade.Error
	if err := put(t, s, "x"); !errors.As(err, &e) || e.Code != brigade.CodeStore || !strings.Contains(e.Hint, "room") {
		t.Errorf("a full service: %v", err)
	}
	gone := open(t, s3test.New(), false, true, func(o *Options) {
		o.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no network here")
		}}
	})
	if err := put(t, gone, "x"); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("a service that is not there: %v", err)
	}
}

func TestObjectsAndRequests(t *testing.T) {
	f := s3test.New()
	s := open(t, f, false, false)
	if err := put(t, s, "0123456789"); err != nil {
		t.Fatal(err)
	}
	if made := f.Requests(); !slices.Contains(f.Objects(), "some where/01k/job-01k/a.txt") || len(made) != 1 {
		t.Errorf("a small artifact took %q", made)
	}
	file, err := s.OpenArtifact(t.Context(), "01k", "job-01k", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // a test
	f.Requests()
	recorder := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Range", "bytes=4-6")
	http.ServeContent(recorder, r, "a.txt", file.Modified, file)
	if made := f.Requests(); recorder.Code != http.StatusPartialContent || recorder.Body.String() != "456" || len(made) != 1 {
		t.Errorf("status %d, body %q, requests %q", recorder.Code, recorder.Body, made)
	}
	// Another artifact in its place is not mixed with what was read before.
	if err := put(t, s, "abcdefghij"); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(file); err == nil {
		t.Errorf("read %q of what is not there any more", rest)
	}
}

func TestBrokenUploadsLeaveNoParts(t *testing.T) {
	f := s3test.New()
	s := open(t, f, true, true)
	broken := errors.New("broken")
	err := s.PutArtifact(t.Context(), "01k", "job", "a", io.MultiReader(io.LimitReader(zeros{}, 20<<20), &brokenReader{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("want the error of the content, got %v", err)
	}
	if begun, open := f.Uploads(); open != 0 || begun != 1 {
		t.Errorf("%d of %d uploads are left", open, begun)
	}
	made := f.Requests()
	if !slices.ContainsFunc(made, func(r string) bool { return strings.HasPrefix(r, "DELETE ") }) {
		t.Errorf("nothing was taken back: %q", made)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type brokenReader struct{ err error }

func (r *brokenReader) Read([]byte) (int, error) { return 0, r.err }
