package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser starts Chromium, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no Chromium")
		}
		t.Skip("there is no Chromium")
	}
	var problem error
	for range 3 {
		ctx, end := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()))...))
		if problem = chromedp.Do(ctx, chromedp.Navigate("about:blank")); problem == nil {
			t.Cleanup(end)
			ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		end()
	}
	t.Fatalf("start Chromium: %v", problem)
	return nil
}

// until waits for a JavaScript expression to be true.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err != nil && ctx.Err() != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if is {
			return
		}
		time.Sleep(30 * time.Millisecond)
	}
}

func TestInABrowser(t *testing.T) {
	_, dir := made(t)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	ctx := browser(t)
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	q := chromedp.CSS("#q")
	do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/guide/secrets.html"), chromedp.KeyEvent("/"))
	until(t, ctx, "document.activeElement.id === 'q'")
	do(chromedp.SendKeys(q, "zzyzx"))
	until(t, ctx, "/Nothing found/.test(document.querySelector('#found p')?.textContent)")
	until(t, ctx, "(document.activeElement.value = '') === ''")
	do(chromedp.SendKeys(q, "how a script runs"))
	until(t, ctx, `document.querySelector('#found a[href*="scripting.html#how-a-script-runs"]')?.getAttribute("aria-selected") === "true"`)
	do(chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "location.href.endsWith('/guide/scripting.html#how-a-script-runs') && document.querySelector('#how-a-script-runs')")
	do(chromedp.EmulateViewport(400, 800), chromedp.Navigate(server.URL+"/reference/gateways.html"))
	until(t, ctx, "document.readyState === 'complete' && getComputedStyle(document.querySelector('#nav')).display === 'none'")
	do(chromedp.Click(chromedp.CSS("#menu")))
	until(t, ctx, "getComputedStyle(document.querySelector('#nav')).display === 'block'")
	until(t, ctx, "document.documentElement.scrollWidth <= innerWidth")
}
