//go:build linux

package web_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium is a real browser with one page.
type chromium struct {
	t   testing.TB
	w   *world
	ctx context.Context

	also string // a server that requests may go to, too

	mu       sync.Mutex
	problems []string // of the console: errors, refused by the policy
	foreign  []string // requests that did not go to our server
}

// patience is how long a page may take to come to what is expected. It is far
// more than it needs, for machines that are busy with other things.
const patience = 2 * time.Minute

// one is the browser of all tests. Each has a page of its own in it, with
// cookies and a cache of its own.
var one struct {
	mu   sync.Mutex
	ctx  context.Context
	stop func()
	dir  string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if one.stop != nil {
		one.stop()
		_ = os.RemoveAll(one.dir)
	}
	os.Exit(code)
}

// theBrowser starts Chromium when it does not run. Without Chromium the test
// is skipped, but not in CI.
func theBrowser(t testing.TB) context.Context {
	t.Helper()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.ctx != nil && one.ctx.Err() == nil {
		return one.ctx
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no Chromium, and CI skips nothing")
		}
		t.Skip("there is no Chromium on this machine: install the package chromium")
	}
	var err error
	for range 4 {
		if err = startBrowser(path); err == nil {
			return one.ctx
		}
	}
	t.Fatalf("start Chromium: %v", err)
	return nil
}

func startBrowser(path string) error {
	dir, err := os.MkdirTemp("", "brigade-web-*") // its processes may outlive the test that made it
	if err != nil {
		return err
	}
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-US"),
		chromedp.UserDataDir(dir), chromedp.ModifyCmdFunc(joinQuiet))...), chromedp.WithErrorf(func(string, ...any) {}))
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx, chromedp.Navigate("about:blank")) }()
	select {
	case err = <-started:
	case <-time.After(patience):
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		_ = os.RemoveAll(dir)
		return err
	}
	one.ctx, one.stop, one.dir = ctx, cancel, dir
	return nil
}

// chrome opens a page in the browser.
func (w *world) chrome() *chromium {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(theBrowser(w.t), chromedp.WithNewBrowserContext())
	w.t.Cleanup(func() {
		closing, done := context.WithTimeout(ctx, 20*time.Second)
		defer done()
		_ = chromedp.Cancel(closing)
		cancel()
	})
	c := &chromium{t: w.t, w: w, ctx: ctx}
	w.must(chromedp.Listen(ctx, c.listen))
	ctx, cancel = context.WithTimeout(ctx, 25*time.Minute)
	c.ctx = ctx
	w.t.Cleanup(cancel)
	call(c, network.Enable, network.EnableParams{})
	call(c, log.Enable, cdp.Empty{})
	call(c, runtime.Enable, cdp.Empty{})
	call(c, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return c
}

// call sends a command of the protocol.
func call[P, R any](c *chromium, command cdp.Command[P, R], params P) R {
	c.t.Helper()
	r, err := chromedp.Call(c.ctx, command, params)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *chromium) listen(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// That a request was given up because the network changed is no fault of the page, which asks again.
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "status of 4") && !strings.Contains(e.Entry.Text, "ERR_NETWORK_CHANGED") {
			c.problems = append(c.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		c.problems = append(c.problems, text)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, c.w.server.URL+"/") && (c.also == "" || !strings.HasPrefix(u, c.also+"/")) && !strings.HasPrefix(u, "data:") {
			c.foreign = append(c.foreign, u)
		}
	case *page.EventJavascriptDialogOpening:
		go func() {
			_, _ = chromedp.Call(c.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	}
}

func (c *chromium) do(actions ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	if err := chromedp.Do(c.ctx, actions...); err != nil {
		c.shot("failed-" + c.t.Name())
		c.t.Fatal(err)
	}
}

// js runs JavaScript in the page and returns what it comes to.
func js[T any](c *chromium, expression string) T {
	c.t.Helper()
	got, err := chromedp.Run(c.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		c.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func (c *chromium) run(script string) { c.t.Helper(); js[string](c, "{"+script+"}; ''") }

func (c *chromium) text(expression string) string {
	c.t.Helper()
	return js[string](c, "String("+expression+")")
}

func (c *chromium) open(path string) {
	c.t.Helper()
	var err error
	for range 20 {
		err = chromedp.Do(c.ctx, chromedp.Navigate(c.w.server.URL+path))
		if err == nil || !strings.Contains(err.Error(), "ERR_NETWORK_CHANGED") {
			break
		}
	}
	if err != nil {
		c.shot("failed-" + c.t.Name())
		c.t.Fatalf("open %s: %v", path, err)
	}
}

func (c *chromium) visible(selector string) {
	c.t.Helper()
	c.until(`(() => { const e = document.querySelector(` + strconv.Quote(selector) + `); return e !== null && e.getClientRects().length > 0 })()`)
}

// login logs in as a person does.
func (c *chromium) login(token string) {
	c.t.Helper()
	c.open("/")
	c.do(chromedp.SendKeys(chromedp.CSS("input[name=token]"), token+kb.Enter))
	c.visible(".who")
}

// until waits for an expression to be true in the page.
func (c *chromium) until(expression string) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		is, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return // an error is a page that is being left
		}
	}
	c.shot("failed-" + c.t.Name())
	c.t.Fatalf("it never came to: %s", expression)
}

// guide are the pictures that the guide shows, by their names there.
var guide = map[string]string{
	"overview-1280": "overview", "build-failed-1280": "waterfall", "log-1280-dark": "log", "project-script-1280": "script", "build-running-400-dark": "phone",
}

// picture keeps what is seen of a page for the guide in the directory
// WEB_GUIDE, small enough to be kept in the repository.
func (c *chromium) picture(name string) {
	dir := os.Getenv("WEB_GUIDE")
	if dir == "" || guide[name] == "" {
		return
	}
	data, err := chromedp.Call(c.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: ptr(int64(72))})
	c.w.must(err)
	c.w.must(os.MkdirAll(dir, 0o755))
	c.w.must(os.WriteFile(filepath.Join(dir, guide[name]+".webp"), data.Data, 0o644))
}

func ptr[T any](v T) *T { return &v }

// shot keeps a picture of the whole page in the directory WEB_SHOTS.
func (c *chromium) shot(name string) {
	c.picture(name)
	dir := os.Getenv("WEB_SHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	var err error
	for range 20 { // a page that is being left has no picture
		if picture, err = chromedp.Run(c.ctx, chromedp.FullScreenshot(100)); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		c.t.Logf("no picture of %s: %v", name, err)
		return
	}
	c.w.must(os.MkdirAll(dir, 0o755))
	c.w.must(os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}

func (c *chromium) size(width, height int64, dark bool) {
	c.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(c, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(c, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// clean fails the test when something was refused, failed, or went elsewhere.
func (c *chromium) clean() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.problems {
		c.t.Errorf("console: %s", p)
	}
	for _, f := range c.foreign {
		c.t.Errorf("a request to %s", f)
	}
	c.problems, c.foreign = nil, nil
}

func TestEveryPageInABrowser(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(1280, 900, false)
	c.open("/")
	c.shot("login-1280")
	c.login("all-token")
	pages := []struct{ name, path, ready string }{
		{"overview", "/", ".project"},
		{"builds", "/builds", ".builds"},
		{"project", demo.project, ".builds"},
		{"settings", demo.project + "?view=settings", ".cards"},
		{"project-script", demo.project + "?view=script", ".handlers"},
		{"project-deliveries", demo.project + "?view=deliveries", ".deliveries"},
		{"delivery", "/deliveries/" + demo.delivery, ".json details"},
		{"sessions", "/sessions", ".tag"},
		{"run", demo.project + "?view=run&from=" + demo.failed, "textarea"},
		{"build-running", "/builds/" + demo.running, "#wf"},
		{"build-failed", "/builds/" + demo.failed, "#wf"},
		{"build-large", "/builds/" + demo.large, "#wf"},
		{"log", "/builds/" + demo.failed + "/jobs/integration", ".live-log .l .x"},
		{"event", "/builds/" + demo.failed + "/event", ".json details"},
		{"script", "/builds/" + demo.failed + "/script", ".code"},
		{"missing", "/builds/nowhere", ".oops"},
	}
	for _, size := range []struct {
		width int64
		dark  bool
		name  string
	}{{1280, false, "1280"}, {400, false, "400"}, {1280, true, "1280-dark"}, {400, true, "400-dark"}} {
		c.size(size.width, 900, size.dark)
		for _, p := range pages {
			c.open(p.path)
			c.visible(p.ready)
			if over := js[float64](c, "document.documentElement.scrollWidth") - float64(size.width); over > 0 {
				c.t.Errorf("%s at %s is %.0f pixels too wide", p.name, size.name, over)
			}
			if title := c.text("document.title"); !strings.HasSuffix(title, " · Brigade") || len(title) < 14 {
				c.t.Errorf("%s has the title %q", p.name, title)
			}
			c.shot(p.name + "-" + size.name)
		}
	}
	c.clean()
}
