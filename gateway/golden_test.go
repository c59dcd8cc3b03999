package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway"
)

var update = flag.Bool("update", false, "write the golden files anew")

const secret = "the webhook's secret"

// forges are the gateways of this file, and how each is authenticated.
var forges = map[string]struct {
	gateway brigade.Gateway
	sign    func(h http.Header, key string, body []byte)
}{
	"github":    {gateway.NewGitHub(gateway.GitHubOptions{}), signWith("X-Hub-Signature-256", "sha256=")},
	"gitlab":    {gateway.NewGitLab(gateway.GitLabOptions{}), func(h http.Header, key string, _ []byte) { h.Set("X-Gitlab-Token", key) }},
	"gitea":     {gateway.NewGitea(gateway.GiteaOptions{}), signWith("X-Gitea-Signature", "")},
	"bitbucket": {gateway.NewBitbucket(gateway.BitbucketOptions{}), signWith("X-Hub-Signature", "sha256=")},
}

func signWith(header, prefix string) func(http.Header, string, []byte) {
	return func(h http.Header, key string, body []byte) { h.Set(header, prefix+mac(key, body)) }
}

func mac(key string, body []byte) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// outcome is what a golden file holds: the decoded request, and the events as
// they are once a project with default settings has been asked.
type outcome struct {
	Error   *brigade.Error  `json:"error,omitempty"`
	Project string          `json:"project,omitempty"`
	Ignored string          `json:"ignored,omitempty"`
	Events  []brigade.Event `json:"events,omitempty"`
	Settled []brigade.Event `json:"settled,omitempty"` // when they differ from Events
}

type testCase struct {
	name, base string
	body       []byte
	header     http.Header
}

func cases(t testing.TB, forge string) []testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", forge, "*.json"))
	if err != nil || len(files) < 8 {
		t.Fatalf("only %d cases of %s: %v", len(files), forge, err)
	}
	var all []testCase
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := testCase{base: strings.TrimSuffix(file, ".json"), body: body}
		c.name = filepath.Base(c.base)
		c.header = headers(t, c.base+".headers")
		all = append(all, c)
	}
	return all
}

func headers(t testing.TB, file string) http.Header {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(string(text) + "\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return http.Header(h)
}

func project(name string) *brigade.Project {
	p := brigade.NewProject(name)
	p.SharedSecret = secret
	return p
}

func TestGolden(t *testing.T) {
	for forge, f := range forges {
		for _, c := range cases(t, forge) {
			t.Run(forge+"/"+c.name, func(t *testing.T) {
				got := read(t, f.gateway, c)
				text, err := json.MarshalIndent(got, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, '\n')
				golden := c.base + ".golden"
				if *update {
					if err := os.WriteFile(golden, text, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatalf("%v: run go test ./gateway -update, and read what it wrote", err)
				}
				if !bytes.Equal(text, want) {
					t.Errorf("got %s\nwant %s", text, want)
				}
			})
		}
	}
}

func read(t *testing.T, g brigade.Gateway, c testCase) outcome {
	t.Helper()
	reading, err := g.Read(brigade.Inbound{Route: g.Routes()[0], Header: c.header, Body: c.body})
	if err != nil {
		var e *brigade.Error
		if !errors.As(err, &e) {
			t.Fatalf("the error %v is no *brigade.Error", err)
		}
		return outcome{Error: e}
	}
	got := outcome{Project: reading.Project, Ignored: reading.Ignored, Events: reading.Events}
	if reading.Complete != nil {
		settled, err := reading.Complete(context.Background(), project(reading.Project), reading.Events)
		var ignored *brigade.IgnoredError
		switch {
		case errors.As(err, &ignored):
			got.Ignored = ignored.Reason
		case err != nil:
			t.Fatal(err)
		case !sameJSON(settled, reading.Events):
			got.Settled = short(settled, c.body)
		}
	}
	got.Events = short(got.Events, c.body)
	return got
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// short puts a word in the place of the body wherever it is in a payload.
func short(events []brigade.Event, body []byte) []brigade.Event {
	var list []brigade.Event
	for _, e := range events {
		var wrapped map[string]json.RawMessage
		if e.Payload == string(body) {
			e.Payload = "(the body)"
		} else if json.Unmarshal([]byte(e.Payload), &wrapped) == nil && sameJSON(wrapped["body"], json.RawMessage(body)) {
			wrapped["body"] = json.RawMessage(`"(the body)"`)
			text, _ := json.Marshal(wrapped)
			e.Payload = string(text)
		}
		list = append(list, e)
	}
	return list
}

// Every case that is decoded must be refused when anything about its
// authentication is wrong, and accepted when nothing is.
func TestVerify(t *testing.T) {
	for forge, f := range forges {
		checked := 0
		for _, c := range cases(t, forge) {
			verify := func(sign func(http.Header), p *brigade.Project) (checked bool, err error) {
				h := c.header.Clone()
				sign(h)
				reading, err := f.gateway.Read(brigade.Inbound{Header: h, Body: c.body})
				if err == nil && reading.Verify != nil {
					return true, reading.Verify(p)
				}
				return false, nil // it is refused or ignored anyway
			}
			good := func(h http.Header) { f.sign(h, secret, c.body) }
			p := project("acme/app")
			ok, err := verify(good, p)
			if !ok {
				continue
			}
			checked++
			if err != nil {
				t.Errorf("%s/%s: the right signature is refused: %v", forge, c.name, err)
			}
			bad := map[string]func(http.Header){
				"no signature":  func(http.Header) {},
				"another key":   func(h http.Header) { f.sign(h, "another", c.body) },
				"an empty key":  func(h http.Header) { f.sign(h, "", c.body) },
				"no hex digits": func(h http.Header) { good(h); garble(h) },
			}
			if forge != "gitlab" {
				bad["another body"] = func(h http.Header) { f.sign(h, secret, append(bytes.Clone(c.body), ' ')) }
			}
			for what, sign := range bad {
				if _, err := verify(sign, p); brigade.CodeOf(err) != brigade.CodeDenied {
					t.Errorf("%s/%s: %s: %v", forge, c.name, what, err)
				}
			}
			if _, err := verify(func(h http.Header) { f.sign(h, "", c.body) }, brigade.NewProject("acme/app")); brigade.CodeOf(err) != brigade.CodeDenied {
				t.Errorf("%s/%s: a project without a secret accepts an empty one: %v", forge, c.name, err)
			}
		}
		if checked < 8 {
			t.Errorf("%s: only %d cases are authenticated", forge, checked)
		}
	}
}

func garble(h http.Header) {
	for name := range h {
		if strings.Contains(name, "Signature") || strings.Contains(name, "Token") {
			h.Set(name, strings.NewReplacer("a", "z", "1", "x", "t", "T").Replace(h.Get(name)))
		}
	}
}
