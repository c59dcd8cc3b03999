package packed

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"
)

func TestAccepted(t *testing.T) {
	for header, want := range map[string]bool{"gzip": true, "gzip;q=0": false, "br": false, "": false, "deflate, gzip;q=1.0": true, "GZIP": true, "*": false, "gzip;q=0.000": false} {
		if Accepted(http.Header{"Accept-Encoding": {header}}) != want {
			t.Errorf("%q", header)
		}
	}
}

func TestAnswer(t *testing.T) {
	long := bytes.Repeat([]byte("brigade "), 1000)
	r := &http.Request{Header: http.Header{"Accept-Encoding": {"gzip"}}}
	for _, data := range [][]byte{long, long[:100]} {
		h := http.Header{}
		got, err := Answer(h, r, data)
		if err != nil {
			t.Fatal(err)
		}
		if h.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		} else if len(data) >= Least {
			t.Errorf("%d bytes are sent as they are", len(data))
		}
		if !bytes.Equal(got, data) {
			t.Error("the data is another")
		}
	}
}
