package modules

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// exchanges are the HTTP requests of one script that are under way, by number.
type exchanges struct {
	env  *Env
	next int
	live map[int]*exchange // touched by the loop only

	mu         sync.Mutex // guards transports
	transports map[string]http.RoundTripper
}

// exchange is one request and its response.
type exchange struct {
	cancel context.CancelFunc
	body   *io.PipeWriter // nil: the body was given whole
	resp   io.ReadCloser  // the response's body, once there
}

func nativeHTTP(env *Env) map[string]any {
	x := &exchanges{env: env, live: map[int]*exchange{}, transports: map[string]http.RoundTripper{}}
	return map[string]any{"start": x.start, "write": x.write, "end": x.end, "read": x.read, "abort": x.abort}
}

// start sends a request. event is called with "response" and its fields, or
// with "error" and the error's. Fields of spec: method, scheme, host, path,
// headers (name, value, name, value …), body (bytes) or stream (true), decode
// (undo the content encoding), and tls (ca, cert, key, servername, insecure).
func (x *exchanges) start(spec map[string]any, event func(...any)) int {
	ctx, cancel := context.WithCancel(x.env.Loop.Context())
	e := &exchange{cancel: cancel}
	x.next++
	id := x.next
	x.live[id] = e
	req, err := x.request(ctx, spec, e)
	release := x.env.Loop.Hold()
	go func() {
		defer release()
		var resp *http.Response
		if err == nil {
			resp, err = x.send(req, spec)
		}
		x.env.Loop.Post(func() {
			if err != nil {
				cancel()
				delete(x.live, id)
				event("error", httpError(err, text(spec["host"])))
				return
			}
			e.resp = resp.Body
			if spec["decode"] == true {
				e.resp = decoded(resp)
			}
			event("response", responseFields(resp))
		})
	}()
	return id
}

func text(v any) string { s, _ := v.(string); return s }

func (x *exchanges) request(ctx context.Context, spec map[string]any, e *exchange) (*http.Request, error) {
	path, query, hasQuery := strings.Cut(text(spec["path"]), "?")
	u := &url.URL{Scheme: text(spec["scheme"]), Host: text(spec["host"]), Opaque: path, RawQuery: query, ForceQuery: hasQuery && query == ""}
	req := (&http.Request{Method: text(spec["method"]), URL: u, Host: u.Host, Header: http.Header{"User-Agent": {""}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	length := int64(-1)
	headers, _ := spec["headers"].([]any)
	for i := 0; i+1 < len(headers); i += 2 {
		name, value := http.CanonicalHeaderKey(text(headers[i])), text(headers[i+1])
		switch name {
		case "Host":
			req.Host = value
		case "Content-Length":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				length = n
			}
		case "Transfer-Encoding":
		case "User-Agent":
			req.Header[name] = []string{value}
		case "Connection":
			req.Close = strings.EqualFold(value, "close")
		default:
			req.Header[name] = append(req.Header[name], value)
		}
	}
	if spec["stream"] == true {
		var r *io.PipeReader
		r, e.body = io.Pipe()
		req.Body, req.ContentLength = r, length
	} else if body, _ := spec["body"].([]byte); len(body) > 0 {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
	}
	return req, nil
}

func (x *exchanges) send(req *http.Request, spec map[string]any) (*http.Response, error) {
	transport, err := x.transport(spec)
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(req)
}

// transport is that of Env.HTTP, without its undoing of compression, and with
// the certificates that a request asks for.
func (x *exchanges) transport(spec map[string]any) (http.RoundTripper, error) {
	options, _ := spec["tls"].(map[string]any)
	key := strings.Join([]string{text(options["ca"]), text(options["cert"]), text(options["key"]), text(options["servername"]), strconv.FormatBool(options["insecure"] == true)}, "\x00")
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.transports[key]; t != nil {
		return t, nil
	}
	base := http.DefaultTransport
	if x.env.HTTP != nil && x.env.HTTP.Transport != nil {
		base = x.env.HTTP.Transport
	}
	if plain, ok := base.(*http.Transport); ok {
		t := plain.Clone()
		t.DisableCompression = true
		if len(options) > 0 {
			if err := addTLS(t, options); err != nil {
				return nil, err
			}
		}
		context.AfterFunc(x.env.Loop.Context(), t.CloseIdleConnections)
		base = t
	}
	x.transports[key] = base
	return base, nil
}

func addTLS(t *http.Transport, options map[string]any) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	config.ServerName = text(options["servername"])
	config.InsecureSkipVerify = options["insecure"] == true //nolint:gosec // the script asked for it: rejectUnauthorized: false
	if ca := text(options["ca"]); ca != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(ca))
	}
	if cert := text(options["cert"]); cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(text(options["key"])))
		if err != nil {
			return err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	t.TLSClientConfig = config
	t.ForceAttemptHTTP2 = true
	return nil
}

func responseFields(resp *http.Response) map[string]any {
	headers := make([]any, 0, 2*len(resp.Header)+2)
	for name, values := range resp.Header {
		for _, v := range values {
			headers = append(headers, name, v)
		}
	}
	if resp.ContentLength >= 0 && resp.Header.Get("Content-Length") == "" && resp.Body != http.NoBody {
		headers = append(headers, "Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	if len(resp.TransferEncoding) > 0 {
		headers = append(headers, "Transfer-Encoding", strings.Join(resp.TransferEncoding, ", "))
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	return map[string]any{
		"status": resp.StatusCode, "reason": reason, "headers": headers,
		"version": strconv.Itoa(resp.ProtoMajor) + "." + strconv.Itoa(resp.ProtoMinor),
	}
}

// decoded undoes the content encodings of a response that are known.
func decoded(resp *http.Response) io.ReadCloser {
	codings := strings.Split(strings.ToLower(resp.Header.Get("Content-Encoding")), ",")
	r := io.Reader(resp.Body)
	for i := len(codings) - 1; i >= 0; i-- {
		switch strings.TrimSpace(codings[i]) {
		case "gzip", "x-gzip":
			r = &lateReader{open: func(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }, in: r}
		case "deflate":
			r = &lateReader{open: openDeflate, in: r}
		case "br":
			r = brotli.NewReader(r)
		}
	}
	return struct {
		io.Reader
		io.Closer
	}{r, resp.Body}
}

// openDeflate reads zlib, or bare deflate, which some servers send instead.
func openDeflate(in io.Reader) (io.Reader, error) {
	head := make([]byte, 2)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	all := io.MultiReader(strings.NewReader(string(head[:n])), in)
	if n == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(all)
	}
	return flate.NewReader(all), nil
}

// lateReader opens a decoder when the first byte is asked for; an empty body
// stays empty.
type lateReader struct {
	open func(io.Reader) (io.Reader, error)
	in   io.Reader
	out  io.Reader
}

func (l *lateReader) Read(p []byte) (int, error) {
	if l.out == nil {
		out, err := l.open(l.in)
		if err != nil {
			return 0, err
		}
		l.out = out
	}
	return l.out.Read(p)
}

// write sends a piece of the body; done is called once it is on its way.
func (x *exchanges) write(id int, data []byte, done func(...any)) {
	e := x.live[id]
	if e == nil || e.body == nil {
		x.env.Loop.Post(func() { done() })
		return
	}
	release := x.env.Loop.Hold()
	go func() {
		defer release()
		_, _ = e.body.Write(data) // the request reports what goes wrong
		x.env.Loop.Post(func() { done() })
	}()
}

// end ends the body.
func (x *exchanges) end(id int) {
	if e := x.live[id]; e != nil && e.body != nil {
		_ = e.body.Close()
	}
}

// read gives done the next piece of the response: (null, bytes), (null, null)
// at the end, or (error fields).
func (x *exchanges) read(id int, done func(...any)) {
	e := x.live[id]
	if e == nil || e.resp == nil {
		x.env.Loop.Post(func() { done(nil, nil) })
		return
	}
	release := x.env.Loop.Hold()
	go func() {
		defer release()
		buf := make([]byte, 64<<10)
		n, err := e.resp.Read(buf)
		for n == 0 && err == nil {
			n, err = e.resp.Read(buf)
		}
		x.env.Loop.Post(func() {
			switch {
			case n > 0:
				done(nil, buf[:n])
			case errors.Is(err, io.EOF):
				x.abort(id)
				done(nil, nil)
			default:
				x.abort(id)
				done(bodyError(err), nil)
			}
		})
	}()
}

// abort gives up a request, or frees what is over.
func (x *exchanges) abort(id int) {
	e := x.live[id]
	if e == nil {
		return
	}
	delete(x.live, id)
	e.cancel()
	if e.body != nil {
		_ = e.body.CloseWithError(context.Canceled)
	}
	if e.resp != nil {
		_ = e.resp.Close()
	}
}

func bodyError(err error) map[string]any {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, zlib.ErrHeader) {
		return map[string]any{"code": "Z_DATA_ERROR", "message": zlibError(err)}
	}
	return map[string]any{"code": "ECONNRESET", "message": "aborted"}
}

// httpError gives an error of the client the fields that Node's have.
func httpError(err error, host string) map[string]any {
	var (
		dns     *net.DNSError
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	hostname, _, splitErr := net.SplitHostPort(host)
	if splitErr != nil {
		hostname = host
	}
	switch {
	case errors.As(err, &dns):
		code := dnsCode(dns)
		return map[string]any{"code": code, "syscall": "getaddrinfo", "hostname": hostname, "message": "getaddrinfo " + code + " " + hostname}
	case errors.As(err, &unknown):
		return map[string]any{"code": "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "message": "unable to verify the first certificate"}
	case errors.As(err, &name):
		return map[string]any{"code": "ERR_TLS_CERT_ALTNAME_INVALID", "reason": name.Error(), "host": hostname,
			"message": "Hostname/IP does not match certificate's altnames: " + name.Error()}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return map[string]any{"code": "CERT_HAS_EXPIRED", "message": "certificate has expired"}
	case errors.As(err, &record):
		return map[string]any{"code": "EPROTO", "syscall": "write", "message": "write EPROTO: wrong version number"}
	case errors.As(err, &op) && op.Op == "dial":
		return dialError(op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled), strings.Contains(err.Error(), "connection reset"),
		strings.Contains(err.Error(), "server closed idle connection"):
		return map[string]any{"code": "ECONNRESET", "message": "socket hang up"}
	case strings.Contains(err.Error(), "malformed HTTP"):
		return map[string]any{"code": "HPE_INVALID_CONSTANT", "message": "Parse Error: Expected HTTP/"}
	}
	return map[string]any{"code": "ERR_HTTP", "message": err.Error()}
}

func dialError(op *net.OpError) map[string]any {
	code := "ECONNREFUSED"
	switch {
	case op.Timeout():
		code = "ETIMEDOUT"
	case strings.Contains(op.Err.Error(), "no route"):
		code = "EHOSTUNREACH"
	case strings.Contains(op.Err.Error(), "network is unreachable"):
		code = "ENETUNREACH"
	}
	fields := map[string]any{"code": code, "syscall": "connect", "message": "connect " + code}
	if op.Addr != nil {
		if host, port, err := net.SplitHostPort(op.Addr.String()); err == nil {
			n, _ := strconv.Atoi(port)
			fields["address"], fields["port"] = host, n
			fields["message"] = "connect " + code + " " + op.Addr.String()
		}
	}
	return fields
}
