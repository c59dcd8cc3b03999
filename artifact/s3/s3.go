// Package s3 keeps artifacts in a bucket of a service that speaks the S3 API,
// one object each:
//
//	<prefix>/<build>/<job>/<name>
//
// and caches of jobs in the same way, see Caches.
//
// It is the only importer of the S3 client. Nothing but the Options says where
// the bucket is and who may use it: no environment, no file of a user.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"
)

const (
	small    = 1 << 20 // what is not larger goes in one request
	partSize = 8 << 20 // of larger ones; a bucket takes 10,000 parts, which is 78 GiB
	maxKey   = 1024    // bytes, as S3 has it
	retries  = 4       // of a request that failed for want of a network or a service
	deletes  = 8       // at once
)

// Options say where the bucket is. Bucket, AccessKey and SecretKey are required.
type Options struct {
	// Endpoint is the service's address, such as "http://127.0.0.1:9000" or
	// "https://s3.eu-central-1.amazonaws.com"; without a scheme it is https.
	// Default https://s3.amazonaws.com.
	Endpoint string
	// Region is the bucket's; default us-east-1.
	Region string
	Bucket string
	// Prefix is where in the bucket, such as "brigade"; default its top.
	Prefix string
	// PathStyle puts the bucket into the path of a URL (http://host/bucket/key)
	// instead of in front of the host's name (http://bucket.host/key), as most
	// services but Amazon's want it.
	PathStyle    bool
	AccessKey    string
	SecretKey    string
	SessionToken string // with temporary keys
	// Transport makes the requests; nil means one of its own.
	Transport http.RoundTripper
	// Uploads is how many are under way at once, each of which takes 9 MiB of
	// memory; default 4. More wait.
	Uploads int
}

// Store implements artifact.Store. Make it with Open.
type Store struct {
	client  *minio.Client
	bucket  string
	prefix  string // "" or with a slash at its end
	uploads chan struct{}
}

var _ artifact.Store = (*Store)(nil)

// Open returns the store of a bucket. It makes no request: see Check. Options
// that cannot be right are CodeUsage.
func Open(o Options) (*Store, error) {
	host, secure, err := endpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"bucket": o.Bucket, "access key": o.AccessKey, "secret key": o.SecretKey} {
		if value == "" {
			return nil, brigade.Errorf(brigade.CodeUsage, "the object store needs to know its %s", name)
		}
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken), Secure: secure,
		Transport: o.Transport, Region: cmp.Or(o.Region, "us-east-1"), BucketLookup: lookup, MaxRetries: retries,
	})
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the object store cannot be used: %w", err)
	}
	s := &Store{client: client, bucket: o.Bucket, uploads: make(chan struct{}, cmp.Or(max(0, o.Uploads), 4))}
	if s.prefix = strings.Trim(o.Prefix, "/"); s.prefix != "" {
		s.prefix += "/"
	}
	return s, nil
}

func endpoint(address string) (host string, secure bool, err error) {
	address = cmp.Or(address, "https://s3.amazonaws.com")
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return "", false, brigade.Errorf(brigade.CodeUsage, "the endpoint of the object store is not an address such as https://s3.example.org")
	}
	return u.Host, u.Scheme == "https", nil
}

// Check reports whether the bucket is there and can be read, for a program to
// say so at its start.
func (s *Store) Check(ctx context.Context) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, MaxKeys: 1}) {
		return s.failed(ctx, "read the bucket "+s.bucket, o.Err)
	}
	return ctx.Err()
}

func (s *Store) buildKey(buildID string) string { return s.prefix + buildID + "/" }

// key is the object of an artifact.
func (s *Store) key(buildID, jobID, name string) (string, error) {
	if err := artifact.Check(buildID, jobID, name); err != nil {
		return "", err
	}
	key := s.buildKey(buildID) + jobID + "/" + name
	if len(key) > maxKey {
		return "", brigade.Errorf(brigade.CodeInvalid, "the artifact's name %.40q… is too long for a bucket", name)
	}
	return key, nil
}

// PutArtifact implements artifact.Store.
func (s *Store) PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error {
	key, err := s.key(buildID, jobID, name)
	if err != nil {
		return err
	}
	return s.put(ctx, key, name, content)
}

// put writes an object as a whole, or not at all. name is what people call it.
func (s *Store) put(ctx context.Context, key, name string, content io.Reader) error {
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	from := &source{from: content}
	start, err := io.ReadAll(io.LimitReader(from, small+1))
	if err == nil {
		body, size := io.Reader(bytes.NewReader(start)), int64(len(start))
		if size > small {
			body, size = io.MultiReader(body, from), -1
		}
		_, err = s.client.PutObject(ctx, s.bucket, key, body, size, minio.PutObjectOptions{
			PartSize: partSize, ContentType: "application/octet-stream", DisableMultipart: size >= 0,
		})
	}
	if from.err != nil && ctx.Err() == nil {
		return fmt.Errorf("read what is to be kept: %w", from.err)
	}
	return s.failed(ctx, "keep "+name, err)
}

// source remembers why the content broke off.
type source struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// OpenArtifact implements artifact.Store.
func (s *Store) OpenArtifact(ctx context.Context, buildID, jobID, name string) (*artifact.File, error) {
	key, err := s.key(buildID, jobID, name)
	if err != nil {
		return nil, err
	}
	info, err := s.client.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, artifact.NotFound(name)
	}
	if err != nil {
		return nil, s.failed(ctx, "open "+name, err)
	}
	o := &object{ctx: ctx, store: s, key: key, etag: info.ETag, size: info.Size}
	return &artifact.File{ReadSeekCloser: o, Info: artifact.Info{JobID: jobID, Name: name, Size: info.Size, Modified: info.LastModified}}, nil
}

// ListArtifacts implements artifact.Store.
func (s *Store) ListArtifacts(ctx context.Context, buildID string) ([]artifact.Info, error) {
	if err := artifact.CheckID(buildID); err != nil {
		return nil, err
	}
	var all []artifact.Info
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.buildKey(buildID), Recursive: true}) {
		if o.Err != nil {
			return nil, s.failed(ctx, "list the artifacts of build "+buildID, o.Err)
		}
		jobID, name, _ := strings.Cut(strings.TrimPrefix(o.Key, s.buildKey(buildID)), "/")
		if artifact.Check(buildID, jobID, name) != nil {
			continue // not ours
		}
		all = append(all, artifact.Info{JobID: jobID, Name: name, Size: o.Size, Modified: o.LastModified})
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	slices.SortFunc(all, func(a, b artifact.Info) int {
		return cmp.Or(strings.Compare(a.JobID, b.JobID), strings.Compare(a.Name, b.Name))
	})
	return all, nil
}

// DeleteArtifacts implements artifact.Store. The objects are deleted one by
// one, several at once: not every service deletes many in one request.
func (s *Store) DeleteArtifacts(ctx context.Context, buildID string) error {
	if err := artifact.CheckID(buildID); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(deletes)
	for o := range s.client.ListObjectsIter(groupCtx, s.bucket, minio.ListObjectsOptions{Prefix: s.buildKey(buildID), Recursive: true}) {
		group.Go(func() error {
			if o.Err != nil {
				return o.Err
			}
			return s.client.RemoveObject(groupCtx, s.bucket, o.Key, minio.RemoveObjectOptions{})
		})
	}
	if err := group.Wait(); err != nil {
		return s.failed(ctx, "delete the artifacts of build "+buildID, err)
	}
	return ctx.Err()
}

// failed makes an Error with a hint of what the service said, or did not.
func (s *Store) failed(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answer := minio.ToErrorResponse(err)
	switch {
	case answer.Code == "":
		return brigade.Errorf(brigade.CodeUnavailable, "cannot %s: the bucket's service cannot be reached: %w", doing, err).
			WithHint("check the endpoint, and that this machine can reach it")
	case answer.Code == minio.AccessDenied, answer.Code == "SignatureDoesNotMatch", answer.Code == "InvalidAccessKeyId",
		answer.StatusCode == http.StatusForbidden:
		return brigade.Errorf(brigade.CodeDenied, "cannot %s: %w", doing, err).
			WithHint("check the access key and the secret key, and what they may do with bucket %s", s.bucket)
	case answer.Code == minio.NoSuchBucket:
		return brigade.Errorf(brigade.CodeStore, "cannot %s: there is no bucket %q", doing, s.bucket).
			WithHint("make the bucket, or name another one; check the region, too")
	case answer.StatusCode == http.StatusInsufficientStorage:
		return brigade.Errorf(brigade.CodeStore, "cannot %s: %w", doing, err).WithHint("the service has no room left: make some, or delete old builds")
	}
	return brigade.Errorf(brigade.CodeStore, "cannot %s: %w", doing, err)
}
