// Package s3test is a small S3 service in memory, for tests of what keeps things
// in a bucket. It checks the signature of every request, as a service does.
package s3test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What opens the one bucket that there is.
const (
	Bucket = "artifacts"
	Region = "eu-test-1"
	Key    = "AKFAKE"
	Secret = "fake/secret+key"
)

// Service is an S3 with one bucket. It is an http.Handler; its fields are to be
// set before it serves. Make it with New.
type Service struct {
	Host   string // of the service; a bucket in front of it is one, too
	Secure bool   // it is reached by https: bodies need no signature
	// Now is when things are stored; default time.Now.
	Now func() time.Time

	mu       sync.Mutex
	objects  map[string]stored
	uploads  map[string]map[int][]byte
	n        int
	full     bool
	fail     int
	requests []string
}

type stored struct {
	data []byte
	etag string
	time time.Time
}

// New returns a service whose bucket is empty.
func New() *Service {
	return &Service{objects: map[string]stored{}, uploads: map[string]map[int][]byte{}, Now: time.Now}
}

// Fill has it answer that it has no room.
func (f *Service) Fill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = true
}

// Fail has it fail for so many requests.
func (f *Service) Fail(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = n
}

// Objects are the keys of what the bucket holds, in order.
func (f *Service) Objects() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.objects))
}

// Uploads says how many uploads of parts were begun, and are not over.
func (f *Service) Uploads() (begun, open int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n, len(f.uploads)
}

// Requests returns the requests since the last call, each "METHOD /path?query".
func (f *Service) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.requests
	f.requests = nil
	return all
}

type refusal struct {
	status     int
	code, text string
}

// ServeHTTP implements http.Handler.
func (f *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, refused := f.verify(r)
	if refused == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		refused = f.answer(w, r, body)
	}
	if refused != nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(refused.status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", refused.code, refused.text)
	}
}

// where splits a request into bucket and key, of either style.
func (f *Service) where(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if sub, ok := strings.CutSuffix(r.Host, "."+f.Host); ok {
		return sub, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func (f *Service) answer(w http.ResponseWriter, r *http.Request, body []byte) *refusal {
	q := r.URL.Query()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	if f.fail > 0 {
		f.fail--
		return &refusal{http.StatusServiceUnavailable, "SlowDown", "later"}
	}
	bucket, key := f.where(r)
	if bucket != Bucket {
		return &refusal{http.StatusNotFound, "NoSuchBucket", "no such bucket"}
	}
	if f.full && r.Method == http.MethodPut {
		return &refusal{http.StatusInsufficientStorage, "XMinioStorageFull", "full"}
	}
	switch {
	case r.Method == http.MethodGet && key == "":
		return f.list(w, q)
	case r.Method == http.MethodPost && q.Has("uploads"):
		f.n++
		id := strconv.Itoa(f.n)
		f.uploads[id] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case q.Has("uploadId"):
		return f.upload(w, r, key, q, body)
	case r.Method == http.MethodPut:
		w.Header().Set("ETag", f.store(key, body))
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return f.get(w, r, key)
	default:
		return &refusal{http.StatusNotImplemented, "NotImplemented", r.Method}
	}
	return nil
}

func (f *Service) store(key string, data []byte) string {
	sum := md5.Sum(data)
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	f.objects[key] = stored{data, etag, f.Now()}
	return etag
}

func (f *Service) get(w http.ResponseWriter, r *http.Request, key string) *refusal {
	o, there := f.objects[key]
	if !there {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return nil
		}
		return &refusal{http.StatusNotFound, "NoSuchKey", "no such key"}
	}
	w.Header().Set("ETag", o.etag)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", o.time, bytes.NewReader(o.data))
	return nil
}

func (f *Service) upload(w http.ResponseWriter, r *http.Request, key string, q url.Values, body []byte) *refusal {
	id := q.Get("uploadId")
	parts, there := f.uploads[id]
	if !there {
		return &refusal{http.StatusNotFound, "NoSuchUpload", "no such upload"}
	}
	switch r.Method {
	case http.MethodPut:
		n, err := strconv.Atoi(q.Get("partNumber"))
		if err != nil {
			return &refusal{http.StatusBadRequest, "InvalidPart", err.Error()}
		}
		parts[n] = body
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(body)))
	case http.MethodDelete:
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		var list struct {
			Part []struct {
				PartNumber int
				ETag       string
			}
		}
		if err := xml.Unmarshal(body, &list); err != nil {
			return &refusal{http.StatusBadRequest, "MalformedXML", err.Error()}
		}
		var all []byte
		for i, p := range list.Part {
			part := parts[p.PartNumber]
			if strings.Trim(p.ETag, `"`) != fmt.Sprintf("%x", md5.Sum(part)) || i < len(list.Part)-1 && len(part) < 5<<20 {
				return &refusal{http.StatusBadRequest, "InvalidPart", "part"}
			}
			all = append(all, part...)
		}
		delete(f.uploads, id)
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><Bucket>artifacts</Bucket><Key>x</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", f.store(key, all))
	}
	return nil
}

// list answers in pages of 7, so that paging is tested.
func (f *Service) list(w http.ResponseWriter, q url.Values) *refusal {
	const page = 7
	keys := make([]string, 0, len(f.objects))
	for key := range f.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	more := len(keys) > page
	keys = keys[:min(len(keys), page)]
	var b strings.Builder
	fmt.Fprintf(&b, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%t</IsTruncated>", more)
	if more {
		b.WriteString("<NextContinuationToken>")
		_ = xml.EscapeText(&b, []byte(keys[page-1]))
		b.WriteString("</NextContinuationToken>")
	}
	for _, key := range keys {
		o := f.objects[key]
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><LastModified>%s</LastModified><Size>%d</Size></Contents>",
			url.QueryEscape(key), o.time.UTC().Format(time.RFC3339Nano), len(o.data))
	}
	b.WriteString("</ListBucketResult>")
	_, _ = io.WriteString(w, b.String())
	return nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

var denied = &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "the signature does not match"}

// verify checks a request as version 4 of the signatures has it, and returns
// its body without the framing of signed chunks.
func (f *Service) verify(r *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "IncompleteBody", err.Error()}
	}
	auth, ours := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	fields := map[string]string{}
	for field := range strings.SplitSeq(auth, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[k] = v
	}
	stamp := r.Header.Get("X-Amz-Date")
	if !ours || len(stamp) < 8 {
		return nil, denied
	}
	scope := strings.Join([]string{stamp[:8], Region, "s3", "aws4_request"}, "/")
	if fields["Credential"] != Key+"/"+scope {
		return nil, &refusal{http.StatusForbidden, "InvalidAccessKeyId", "who is that"}
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	key := mac(mac(mac(mac([]byte("AWS4"+Secret), stamp[:8]), Region), "s3"), "aws4_request")
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + sum([]byte(canonical(r, fields["SignedHeaders"], payload)))
	signature := hex.EncodeToString(mac(key, toSign))
	if signature != fields["Signature"] {
		return nil, denied
	}
	switch payload {
	case "UNSIGNED-PAYLOAD":
		if !f.Secure && len(body) > 0 {
			return nil, denied
		}
		return body, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return chunks(body, key, stamp+"\n"+scope, signature, r.Header.Get("X-Amz-Decoded-Content-Length"))
	}
	if payload != sum(body) {
		return nil, &refusal{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "the body is another one"}
	}
	return body, nil
}

// canonical is a request as it is signed.
func canonical(r *http.Request, signedHeaders, payload string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", r.Method, r.URL.EscapedPath())
	var pairs []string
	for k, values := range r.URL.Query() {
		for _, v := range values {
			pairs = append(pairs, strings.ReplaceAll(url.QueryEscape(k)+"="+url.QueryEscape(v), "+", "%20"))
		}
	}
	sort.Strings(pairs)
	b.WriteString(strings.Join(pairs, "&") + "\n")
	for name := range strings.SplitSeq(signedHeaders, ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + signedHeaders + "\n" + payload)
	return b.String()
}

// chunks takes a body apart whose chunks are signed one after another.
func chunks(body, key []byte, stampAndScope, previous, length string) ([]byte, *refusal) {
	var all []byte
	r := bufio.NewReader(bytes.NewReader(body))
	for {
		line, err := r.ReadString('\n')
		head, signature, _ := strings.Cut(strings.TrimSpace(line), ";chunk-signature=")
		n, parseErr := strconv.ParseInt(head, 16, 32)
		if err != nil || parseErr != nil {
			return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "a chunk is cut off"}
		}
		data := make([]byte, n+2)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "a chunk is cut off"}
		}
		data = data[:n]
		want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+stampAndScope+"\n"+previous+"\n"+sum(nil)+"\n"+sum(data)))
		if signature != want {
			return nil, denied
		}
		previous = want
		all = append(all, data...)
		if n == 0 {
			break
		}
	}
	if length != strconv.Itoa(len(all)) {
		return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "the length is another one"}
	}
	return all, nil
}
