// Package cachetest is what every place that keeps caches of jobs passes, see
// workspace.Caches.
package cachetest

import (
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/workspace"
)

// Place is one to be tested.
type Place struct {
	// Open opens the same place again, as another process would, with these
	// bounds. now is the clock that it uses.
	Open func(t *testing.T, total int64, age time.Duration, now func() time.Time) workspace.Caches
}

// clock is a clock that is set. It goes on a little with every look.
type clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns the time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(2 * time.Second) // no two are the same, also where only seconds are kept
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const (
	large = 1 << 30
	month = 30 * 24 * time.Hour
)

// Run runs the tests; place is called for each.
func Run(t *testing.T, place func(t *testing.T, now func() time.Time) Place) {
	for name, test := range map[string]func(t *testing.T, p Place, c *clock){
		"Whole": whole, "Newest": newest, "Age": age, "Total": total, "AtOnce": atOnce,
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{at: time.Now().Add(-48 * time.Hour)}
			test(t, place(t, c.Now), c)
		})
	}
}

func put(t *testing.T, c workspace.Caches, name, text string) {
	t.Helper()
	if err := c.Put(t.Context(), name, strings.NewReader(text)); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

// get is what a cache holds; "-" when there is none.
func get(t *testing.T, c workspace.Caches, name string) string {
	t.Helper()
	content, err := c.Open(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	text, err := io.ReadAll(content)
	if err = errors.Join(err, content.Close()); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(text)
}

func want(t *testing.T, c workspace.Caches, name, text string) {
	t.Helper()
	if got := get(t, c, name); got != text {
		t.Errorf("%s holds %.40q, want %.40q", name, got, text)
	}
}

// whole has caches replaced as a whole or not at all, and kept.
func whole(t *testing.T, p Place, clock *clock) {
	c := p.Open(t, large, month, clock.Now)
	want(t, c, "job", "-")
	want(t, c, "job/key", "-")
	put(t, c, "job", "plain")
	put(t, c, "job/key", "")
	put(t, c, "job/key_2f1", "other")
	put(t, c, "job/key", strings.Repeat("x", 3<<20))
	broken := errors.New("broken")
	for _, text := range []string{"", strings.Repeat("y", 2<<20)} {
		err := c.Put(t.Context(), "job/key", io.MultiReader(strings.NewReader(text), &failing{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("content that broke off: %v", err)
		}
	}
	c = p.Open(t, large, month, clock.Now)
	want(t, c, "job", "plain")
	want(t, c, "job/key", strings.Repeat("x", 3<<20))
	want(t, c, "job/key_2f1", "other")
	want(t, c, "jo", "-")
}

type failing struct{ err error }

// Read implements io.Reader.
func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// newest finds what was put last, not what was read last.
func newest(t *testing.T, p Place, clock *clock) {
	c := p.Open(t, large, month, clock.Now)
	for i := range 20 { // more than a page of some services
		put(t, c, "job/npm-"+strconv.Itoa(i), "x")
	}
	put(t, c, "job/npm-3", "again")
	put(t, c, "job/go-1", "x")
	put(t, c, "job2/npm-1", "x")
	put(t, c, "job", "x")
	want(t, c, "job/npm-7", "x")
	for prefix, name := range map[string]string{
		"job/npm-": "job/npm-3", "job/": "job/go-1", "job/npm-1": "job/npm-19", "job/npm-10": "job/npm-10", "job/x": "", "other/": "", "job2/": "job2/npm-1",
	} {
		got, err := c.Newest(t.Context(), prefix)
		if got != name || (name == "") != errors.Is(err, fs.ErrNotExist) || name != "" && err != nil {
			t.Errorf("the newest of %s is %q, %v; want %q", prefix, got, err, name)
		}
	}
}

// age drops what was not used for long.
func age(t *testing.T, p Place, clock *clock) {
	c := p.Open(t, large, month, clock.Now)
	put(t, c, "job/unused", "x")
	put(t, c, "job/used", "x")
	put(t, c, "gone/unused", "x")
	clock.pass(20 * 24 * time.Hour)
	want(t, c, "job/used", "x")
	clock.pass(20 * 24 * time.Hour)
	put(t, c, "other", "x")
	c = p.Open(t, large, month, clock.Now)
	want(t, c, "job/unused", "-")
	want(t, c, "gone/unused", "-")
	want(t, c, "job/used", "x")
	want(t, c, "other", "x")
}

// total drops what was used least recently, when all is too large.
func total(t *testing.T, p Place, clock *clock) {
	c := p.Open(t, 2500, month, clock.Now)
	thousand := strings.Repeat("x", 1000)
	put(t, c, "a", thousand)
	put(t, c, "job/b", thousand)
	clock.pass(24 * time.Hour)
	want(t, c, "a", thousand)
	clock.pass(24 * time.Hour)
	put(t, c, "job/c", thousand)
	want(t, c, "job/b", "-")
	want(t, c, "a", thousand)
	want(t, c, "job/c", thousand)
	put(t, c, "large", strings.Repeat(thousand, 3)) // one that is larger than all may be is kept, alone
	want(t, c, "a", "-")
	want(t, c, "job/c", "-")
	want(t, c, "large", strings.Repeat(thousand, 3))
	put(t, c, "job/d", thousand)
	want(t, c, "large", "-")
	want(t, c, "job/d", thousand)
}

// atOnce has readers see one whole cache or another, whatever is put and dropped.
func atOnce(t *testing.T, p Place, clock *clock) {
	c := p.Open(t, 4<<10, month, clock.Now)
	texts := map[string]bool{"-": true}
	var all sync.WaitGroup
	for i := range 4 {
		text := strings.Repeat(strconv.Itoa(i), 1000)
		texts[text] = true
		all.Go(func() {
			for n := range 10 {
				if err := c.Put(t.Context(), "job/"+strconv.Itoa(n%6), strings.NewReader(text)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for n := range 30 {
				content, err := c.Open(t.Context(), "job/"+strconv.Itoa(n%6))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					t.Error(err)
					continue
				}
				text, err := io.ReadAll(content)
				if err = errors.Join(err, content.Close()); err != nil || !texts[string(text)] {
					t.Errorf("read %.20q, %v", text, err)
				}
			}
		})
	}
	all.Wait()
}
