//go:build linux

package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/brigadecore/brigade/v3"
)

// click clicks what a selector finds, once it is there.
func (c *chromium) click(selector string) {
	c.t.Helper()
	c.visible(selector)
	c.do(chromedp.Click(chromedp.CSS(selector)))
}

// press presses keys, one after another.
func (c *chromium) press(keys ...string) {
	c.t.Helper()
	for _, k := range keys {
		c.do(chromedp.KeyEvent(k))
	}
}

func TestSignInInABrowser(t *testing.T) {
	w := newWorld(t)
	small(w)
	p := w.issuer()
	w.restart(withIssuer(w, p))
	c := w.chrome()
	c.also = p.url
	c.size(1280, 900, false)
	c.open("/projects/acme/app?view=settings")
	c.click(`a[href^="/login/oidc"]`)
	c.click("#no")
	c.until(`document.body.textContent.includes("The login was refused")`)
	c.shot("login-refused-1280")
	c.open("/projects/acme/app?view=settings")
	c.shot("login-oidc-1280")
	c.size(400, 900, true)
	c.shot("login-oidc-400-dark")
	c.size(1280, 900, false)
	c.click(`a[href^="/login/oidc"]`)
	c.click("#yes") // from another site, and in all the same
	c.until(`location.search === "?view=settings" && document.querySelector(".who .name")?.textContent === "grace@example.org"`)
	w.restart(withIssuer(w, p))
	c.open("/")
	c.until(`document.querySelector(".who .name")?.textContent === "grace@example.org"`)
	if seen := c.text("document.cookie"); seen != "" {
		t.Errorf("scripts can read the cookie %s", seen)
	}
	c.click(".who button")
	c.until(`location.pathname === "/login"`)
	c.open("/builds")
	c.until(`location.pathname === "/login"`)
	c.clean()
}

func TestListsMoveOnBeforeYourEyes(t *testing.T) {
	w := newWorld(t)
	p := w.project(brigade.NewProject("acme/app"))
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	c.until(`document.querySelector(".link.on") !== null`)
	now := w.now()
	b := w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StatePending, Created: now, Event: brigade.Event{Type: "exec", ShortTitle: "from elsewhere"}})
	w.update(b.ID, func(*brigade.Build) {})
	c.until(`document.querySelector(".waits")?.textContent.includes("from elsewhere") && document.querySelector(".waits").textContent.includes("a free runner")`)
	w.update(b.ID, func(b *brigade.Build) { b.State, b.Started = brigade.StateRunning, w.now() })
	c.until(`document.querySelector(".project .s-running") !== null && document.title.startsWith("Projects")`)
	c.run(`document.querySelector('.plast a').focus()`)
	w.update(b.ID, func(b *brigade.Build) { b.State, b.Ended = brigade.StateSucceeded, w.now() })
	c.until(`document.querySelector(".project .state.s-succeeded") !== null && document.querySelector(".queue") === null && document.activeElement.matches(".plast a")`)
	for _, path := range []string{"/builds", "/projects/acme/app"} {
		c.open(path)
		c.until(`document.querySelector(".link.on") !== null`)
		one := w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StateRunning, Created: w.now(), Started: w.now(), Event: brigade.Event{Type: "push"}})
		w.update(one.ID, func(*brigade.Build) {})
		c.until(`document.querySelector("#b-` + one.ID + ` .s-running") !== null`)
		w.update(one.ID, func(b *brigade.Build) { b.State, b.Ended = brigade.StateFailed, w.now() })
		c.until(`document.querySelector("#b-` + one.ID + ` .state.s-failed") !== null`)
	}
	c.clean()
}

func TestNoticesInABrowser(t *testing.T) {
	w := newWorld(t)
	p := brigade.NewProject("acme/app")
	p.Secrets = map[string]any{"K": "hunter2hunter2"}
	w.project(p)
	now := w.now()
	b := w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StateRunning, Created: now, Started: now, Event: brigade.Event{Type: "exec"}})
	j := w.job(&brigade.Job{Name: "build", BuildID: b.ID, State: brigade.StatePulling, Created: now, History: steps(now, time.Millisecond, time.Second)[:2]})
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	c.open("/builds/" + b.ID)
	c.until(`document.querySelector(".link.on") !== null`)
	// They are not kept: those before a page is live are missed, so they are told until they are seen.
	told := func(change brigade.Change, seen string) {
		t.Helper()
		c.tell(change, seen)
	}
	told(brigade.Change{BuildID: b.ID, JobID: j.ID, Notice: "pulling golang:1.26 (41%)"}, `document.querySelector(".jnote")?.textContent === "pulling golang:1.26 (41%)"`)
	told(brigade.Change{BuildID: b.ID, Notice: "installing <b>packages</b> with hunter2hunter2"}, `document.querySelector(".notice")?.textContent === "installing <b>packages</b> with ***"`)
	c.shot("build-notice-1280")
	c.size(400, 900, true)
	c.shot("build-notice-400-dark")
	c.size(1280, 900, false)
	j.State, j.Started = brigade.StateRunning, w.now()
	w.job(j)
	c.until(`document.querySelector(".jnote") === null && document.querySelector(".row .glyph.s-running") !== null`)
	c.open("/builds/" + b.ID + "/jobs/build")
	c.until(`document.querySelector(".link.on") !== null`)
	told(brigade.Change{BuildID: b.ID, JobID: j.ID, Notice: "found again"}, `document.querySelector(".notice")?.textContent === "found again"`)
	c.clean()
}

// tell publishes a change again and again until the page shows it.
func (c *chromium) tell(change brigade.Change, seen string) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		change.Time = c.w.now()
		c.w.feed.Publish(change)
		if c.text("Boolean("+seen+")") == "true" {
			return
		}
	}
	c.until(seen)
}

func TestRunAnEventInABrowser(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(400, 900, false)
	c.login("all-token")
	c.open(demo.project + "?view=script")
	c.click(`.handlers .button[href*="` + demo.failed + `"]`)
	c.until(`document.querySelector("textarea")?.value.includes("keep-the-cart") && document.querySelector("input[name=type]").value === "push"`)
	c.run(`document.querySelector("textarea").value = '{"mine": true}'`)
	c.click(".fields .primary")
	c.until(`location.pathname.startsWith("/builds/") && document.querySelector("h1 .s-pending") !== null`)
	e := w.events[len(w.events)-1]
	if e.Payload != `{"mine": true}` || e.Type != "push" || e.Revision.Ref != "refs/heads/keep-the-cart" {
		t.Errorf("event %+v", e)
	}
	c.run(`document.querySelector('.folds details').open = true`)
	c.until(`document.querySelector(".folds .json")?.textContent.includes("mine true")`)
	c.open(demo.project + "?view=settings")
	c.until(`document.querySelector(".badge-row img").complete && document.querySelector(".badge-row img").naturalWidth > 50`)
	c.click("[data-copy]")
	c.until(`document.activeElement.id === "snippet" || document.querySelector("[data-copy]").textContent === "Copied"`)
	c.open("/builds")
	c.run(`document.querySelector("input[name=since]").value = "2199-01-01"; document.querySelector(".filter").requestSubmit()`)
	c.until(`location.search.includes("since=2199-01-01") && document.querySelector(".empty") !== null && document.querySelector("input[name=since]").value === "2199-01-01"`)
	c.clean()
}

func TestWithoutAMouse(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	c.press(kb.Tab)
	c.until(`document.activeElement.classList.contains("skip") && document.activeElement.getBoundingClientRect().left >= 0`)
	c.press(kb.Enter)
	c.until(`document.activeElement.id === "main"`)
	c.press("/")
	c.until(`document.activeElement.name === "q"`)
	c.run(`document.activeElement.value = ""`) // the protocol types it although the page took the key
	c.do(chromedp.SendKeys(chromedp.CSS("input[name=q]"), "infra"+kb.Enter))
	c.until(`location.search === "?q=infra" && document.querySelectorAll(".project").length === 1`)
	c.open("/builds/" + demo.failed)
	c.visible("#wf")
	c.press("j", "j")
	c.until(`document.activeElement.closest(".row")?.querySelector(".jn").textContent.includes("build")`)
	c.press(kb.ArrowDown)
	c.until(`document.activeElement.closest(".row")?.querySelector(".jn").textContent.includes("unit-tests") && getComputedStyle(document.activeElement.closest(".row").querySelector(".tip")).display === "block"`)
	c.press(kb.Enter)
	c.until(`location.pathname.endsWith("/jobs/unit-tests")`)
	// Every control can be reached and shows that it is.
	c.open("/builds/" + demo.failed)
	c.visible("#wf")
	stops := map[string]bool{}
	for range 60 {
		c.press(kb.Tab)
		at := c.text(`(() => { const e = document.activeElement; return e === document.body ? "" : (e.getAttribute("aria-label") || e.textContent).trim().slice(0, 40) + (e.matches(":focus-visible") && getComputedStyle(e).outlineStyle !== "none" ? "" : " (not seen)") })()`)
		if strings.HasSuffix(at, "(not seen)") {
			t.Errorf("nobody sees that the keyboard is at %s", at)
		}
		stops[at] = true
	}
	for _, want := range []string{"Projects", "Log out", "Rerun failed", "Rerun", "dist/shop-linux-amd64", "Event and payload", "Script as it ran", "build"} {
		if !stops[want] {
			t.Errorf("the keyboard does not get to %q: %v", want, stops)
		}
	}
	c.clean()
}

func TestSectionsOfALogInABrowser(t *testing.T) {
	w := newWorld(t)
	demo := w.demo()
	c := w.chrome()
	c.size(1280, 900, false)
	c.login("all-token")
	c.open("/builds/" + demo.failed + "/jobs/integration")
	c.until(`!document.getElementById("fold").hidden`)
	c.run(`document.getElementById("log").scrollTop = 0`)
	c.click(`[data-fold="1"]`)
	c.until(`document.querySelector("#L1 ~ .more")?.textContent === "30 lines" && document.querySelector("#L2") === null && document.querySelector("#L32") !== null && document.querySelector("[data-fold='1']").getAttribute("aria-expanded") === "false"`)
	c.run(`document.activeElement.blur()`)
	c.press("z", "z")
	c.until(`document.getElementById("fold").textContent === "Unfold all" && document.querySelectorAll(".l").length === 2`)
	c.shot("log-folded-1280")
	c.run(`location.hash = "#L124"`)
	c.until(`document.querySelector("#L124")?.parentElement.classList.contains("at") && document.querySelector("#L2") === null`)
	c.do(chromedp.SendKeys(chromedp.CSS("#find-text"), "case 17"+kb.Enter))
	c.until(`document.querySelector("mark.hit")?.textContent === "case 17" && document.querySelector("#L18") !== null`)

	// Of a job that tells where its tasks begin, and of which a line tells nothing.
	j, err := w.store.Job(t.Context(), "integration-"+demo.failed)
	w.must(err)
	j.Spec.Tasks, j.Parts = []string{"make deps", "make <b>tests</b>"}, []brigade.LogPart{{Task: 1, Line: 1}, {Task: 2, Line: 3}}
	w.must(w.store.PutJob(t.Context(), j))
	c.open("/builds/" + demo.failed + "/jobs/integration")
	c.press("g")
	c.until(`document.querySelector("#L3 ~ .part")?.textContent === "make <b>tests</b>" && document.querySelector("#L1 ~ .part").textContent === "make deps" && document.querySelector("#L2 ~ .part") === null`)
	c.until(`document.querySelector("#L1 ~ .more")?.textContent === "1 line" && document.querySelector("#L2") === null`) // all were folded before

	// In a large log that grows.
	texts := make([]string, 30_000)
	for i := range texts {
		texts[i] = "a line"
		if i%1000 == 0 {
			texts[i] = "::group::part " + w.now().Format("05")
		}
	}
	w.log(demo.running, "load-"+demo.running, 1, w.now(), texts...)
	c.open("/builds/" + demo.running + "/jobs/load")
	c.until(`!document.getElementById("fold").hidden && document.querySelector("#L30000") !== null`)
	c.run(`if (document.getElementById("fold").textContent === "Fold all") document.getElementById("fold").click(); document.getElementById("log").scrollTop = 0`)
	c.until(`document.querySelector("#L28001 ~ .more")?.textContent === "999 lines" && document.querySelector("#L2") === null`)
	w.log(demo.running, "load-"+demo.running, 30_001, w.now(), "::group::last", "the end")
	c.until(`document.getElementById("log-size").style.height === "640px"`)
	c.run(`document.getElementById("log").scrollTop = 1e9`)
	c.until(`document.querySelector("#L30001") !== null`)
	c.clean()
}
