//go:build linux

package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestABuildMovesOnBeforeYourEyes(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	c.open("/builds/" + demo.running)
	c.until(`document.querySelector(".link.on") !== null`)
	before := c.text(`document.querySelector("rect[data-b='-1'].s-running").getAttribute("width")`)
	c.run(`document.querySelector(".bar").focus(); document.querySelector(".folds details").open = true; window.same = document.querySelector(".bar")`)
	b, err := w.store.Build(t.Context(), demo.running)
	w.must(err)
	begun := time.Now()
	w.ran(b, "publish", "succeeded", 2*time.Minute, 0, 0, 5*time.Second)
	c.until(`document.querySelector('.jn[href$="/jobs/publish"]') !== null`)
	t.Logf("a new job is shown after %v", time.Since(begun))
	c.until(`document.querySelector("rect[data-b='-1'].s-running").getAttribute("width") !== "` + before + `"`)
	c.until(`document.activeElement === window.same && document.querySelector(".folds details").open && document.querySelector(".folds .json") !== null`)
	c.do(chromedp.KeyEvent("j"))
	c.until(`document.activeElement.classList.contains("bar") && document.activeElement !== window.same && getComputedStyle(document.activeElement.closest(".row").querySelector(".tip")).display === "block"`)
	c.shot("build-keyboard-1280")
	if off := js[float64](c, `(() => {
		const left = (e) => e.getBoundingClientRect().left, lines = [...document.querySelectorAll("#grid line")], labels = [...document.querySelectorAll("#axis text")];
		return lines.length < 2 ? 1e9 : Math.max(...lines.map((line, i) => Math.abs(left(line) - left(labels[i]))));
	})()`); off > 3 {
		t.Errorf("the lines of the axis are %.0f pixels beside their labels", off)
	}
	c.do(chromedp.Click(chromedp.CSS("button.danger")))
	c.until(`document.querySelector("h1 .s-canceled") !== null && document.title.includes("canceled")`)
	c.do(chromedp.Click(chromedp.CSS(`form[action$="/rerun"]:last-of-type button`)))
	c.until(`document.querySelector("h1 .s-pending") !== null && document.body.textContent.includes("a free runner")`)
	c.shot("build-waiting-1280")
	id := strings.TrimPrefix(c.text("location.pathname"), "/builds/")
	w.update(id, func(b *brigadeBuild) { b.State, b.Started = "running", w.now() })
	c.until(`document.querySelector("h1 .s-running") !== null && document.querySelector("#icon").href.includes("running")`)
	w.update(id, func(b *brigadeBuild) { b.State, b.Ended = "succeeded", w.now() })
	c.until(`document.querySelector("h1 .s-succeeded") !== null && document.querySelector(".link.on") === null`)
	c.clean()
}

func TestALogOfAHundredThousandLines(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	job := "load-" + demo.running
	texts := make([]string, 100_000)
	for i := range texts {
		texts[i] = fmt.Sprintf("\x1b[32mok\x1b[0m request %d took %d ms", i+1, i%97)
	}
	texts[66_665] = "here is the Needle in the haystack"
	w.log(demo.running, job, 1, w.now().Add(-2*time.Minute), texts...)
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	begun := time.Now()
	c.open("/builds/" + demo.running + "/jobs/load")
	c.until(`[...document.querySelectorAll(".live-log .l .x")].some(e => e.textContent.includes("request 100000 "))`)
	t.Logf("the end of 100,000 lines is in sight after %v", time.Since(begun))
	if n := c.text(`document.querySelectorAll(".l").length`); len(n) > 2 {
		t.Errorf("%s lines are in the page", n)
	}
	c.until(`document.querySelector(".link.on") !== null`)
	w.log(demo.running, job, 100_001, w.now(), "\x1b[31mone more\x1b[0m", "<script>window.pwned=1</script>")
	c.until(`document.querySelector(".l .f1")?.textContent === "one more"`)
	c.do(chromedp.SendKeys(chromedp.CSS("#find-text"), "needle"+kb.Enter))
	c.until(`document.querySelector("mark.hit")?.textContent === "Needle" && document.querySelector("#found").textContent === "1 of 1"`)
	c.shot("log-search-1280")
	c.run(`location.hash = "#L5000-L5002"`)
	c.until(`document.querySelectorAll(".l.at").length === 3 && document.querySelector("#L5001").parentElement.textContent.includes("request 5001 ")`)
	c.run(`document.querySelector("#times").click()`)
	c.until(`getComputedStyle(document.querySelector(".l time")).display !== "none"`)
	longest := js[float64](c, `(async () => {
		const box = document.getElementById("log"); let longest = 0;
		for (let i = 0; i < 60; i++) {
			const begun = performance.now();
			box.scrollTop = box.scrollHeight * ((i * 37) % 60) / 60;
			await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
			longest = Math.max(longest, performance.now() - begun);
		}
		return longest;
	})()`)
	t.Logf("60 jumps through it: the longest took %.0f ms", longest)
	if longest > 2000 {
		t.Errorf("the page stalls for %.0f ms", longest)
	}
	// The keys work wherever one is on the page.
	c.run(`document.activeElement.blur()`)
	c.press("g")
	c.until(`document.getElementById("log").scrollTop === 0 && document.querySelector("#L1") !== null`)
	c.run(`document.activeElement.blur()`)
	c.press("G")
	c.until(`document.querySelector("#follow").checked && [...document.querySelectorAll(".l .x")].some(e => e.textContent.includes("one more"))`)
	if c.text("window.pwned") != "undefined" {
		t.Error("a script in the log ran")
	}
	c.clean()
}

func TestFirstViewInABrowser(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	call(c, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	best := 1e9
	for range 5 {
		c.open("/builds/" + demo.large)
		c.until(`document.readyState === "complete" && performance.getEntriesByType("navigation")[0].loadEventEnd > 0`)
		ms := js[float64](c, `performance.getEntriesByType("navigation")[0].loadEventEnd`)
		wire := js[float64](c, `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].reduce((n, e) => n + e.transferSize, 0)`)
		best = min(best, ms)
		t.Logf("first view of a build with 50 jobs, without a cache: complete after %.0f ms, %.0f bytes over the wire", ms, wire)
		if wire > 100<<10 {
			t.Errorf("%.0f bytes over the wire, more than 100 KiB", wire)
		}
	}
	if best > 2000 { // the goal is 200 ms on a machine with nothing else to do
		t.Errorf("it took %.0f ms", best)
	}
	c.clean()
}

func TestOutsidersRunNoScript(t *testing.T) {
	w := newWorld(t)
	id := w.hostile()
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	for _, path := range []string{
		"/", "/builds", hostileProject, hostileProject + "?view=settings", hostileProject + "?view=run&from=" + id,
		"/builds/" + id, "/builds/" + id + "/event", "/builds/" + id + "/script", "/builds/" + id + "/log", "/builds/" + id + "/jobs/" + hostileJob,
		hostileProject + "?view=script", hostileProject + "?view=deliveries", "/deliveries", "/deliveries/" + hostileDelivery, hostileProject + "?view=run&type=" + hostileQuery, "/sessions",
		"/badge/brigade-hostile.svg?label=" + hostileQuery, "/builds?since=" + hostileQuery, "/deliveries?outcome=" + hostileQuery + "&before=" + hostileQuery,
		"/builds?q=" + hostileQuery, "/login?next=" + hostileQuery, "/" + hostileQuery, "/builds/" + id + "/jobs/" + hostileJob + "#L1-L%22%3E",
	} {
		c.open(path)
		c.run(`for (const d of document.querySelectorAll("details")) d.open = true`)
		c.until(`[...document.querySelectorAll("details[data-src]")].every((d) => d.querySelector(".card, .head"))`)
		if got := c.text(`window.pwned`); got != "undefined" {
			t.Errorf("%s: a script ran", path)
		}
		if bad := c.text(`[...document.querySelectorAll("a[href],form[action],img:not([src^=\"/badge/\"]),iframe,object,embed,script:not([src]),[onerror],[onload],[onclick],style,base,meta[http-equiv]")].filter(e => !(e.matches("a,form") && /^(https?:|\/|\?|#)/.test(e.getAttribute("href") || e.getAttribute("action")))).map(e => e.outerHTML).join("\n")`); bad != "" {
			t.Errorf("%s has %s", path, bad)
		}
	}
	c.shot("hostile-1280")
	c.clean()
}
