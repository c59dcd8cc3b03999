package whatwg

import (
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for input, want := range map[string]string{
		"HTTP://EXAMPLE.com:80/../a/./b?x=1#y": "http://example.com/a/b?x=1#y",
		"http://0x7f.1/":                       "http://127.0.0.1/",
		"http://[2001:db8:0:0:0:0:0:1]/":       "http://[2001:db8::1]/",
		"http://[::ffff:1.2.3.4]/":             "http://[::ffff:102:304]/",
		"file:c:\\foo\\bar":                    "file:///c:/foo/bar",
		"http://ü.com/ü?ü#ü":                   "http://xn--tda.com/%C3%BC?%C3%BC#%C3%BC",
		"mailto:a@b":                           "mailto:a@b",
		"web+demo:/.//not-a-host/":             "web+demo:/.//not-a-host/",
		"http://a b/":                          "",
		"http://256.1.1.1":                     "",
		"http://h:99999":                       "",
		"//h":                                  "",
		"":                                     "",
	} {
		u, err := Parse(input, nil)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q: got %s, want an error", input, u.Href())
		case want != "" && err != nil:
			t.Errorf("%q: %v", input, err)
		case want != "" && u.Href() != want:
			t.Errorf("%q: got %s, want %s", input, u.Href(), want)
		}
	}
}

// FuzzParse checks that what is parsed is parsed to the same again, and that
// plain URLs mean to Go's own parser what they mean here.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://u:p@h:1/a/../b?c#d", "file:///C|/x", "//x", "foo:bar", "http://[::1]", "../x?y", "http://%41.com/%zz", "a://b\\c", "http://1.2.3", "x:/.//y"} {
		f.Add(s, "http://base/a/b?c")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, input, baseText string) {
		var base *URL
		if baseText != "" {
			var err error
			if base, err = Parse(baseText, nil); err != nil {
				return
			}
		}
		u, err := Parse(input, base)
		if err != nil {
			return
		}
		href := u.Href()
		again, err := Parse(href, nil)
		if err != nil || again.Href() != href {
			t.Fatalf("%q (base %q) gave %q, which gives %v, %v", input, baseText, href, again, err)
		}
		if (u.Scheme == "http" || u.Scheme == "https") && !strings.ContainsAny(href, "[]|^`{}%\"<>\\") {
			std, err := url.Parse(href)
			if err != nil || std.Hostname() != u.Hostname() || std.EscapedPath() != u.Pathname() || std.RawQuery != strings.TrimPrefix(u.Search(), "?") {
				t.Fatalf("%q: Go reads %#v, %v; here %#v", href, std, err, u)
			}
		}
		for _, name := range []string{"protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"} {
			c := u.clone()
			c.Set(name, input)
			if _, err := Parse(c.Href(), nil); err != nil {
				t.Fatalf("setting %s of %q to %q gave %q", name, href, input, c.Href())
			}
		}
	})
}
