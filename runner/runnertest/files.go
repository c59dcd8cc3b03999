package runnertest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

func hasSource(f Features) bool  { return f.Source }
func hasStorage(f Features) bool { return f.Storage }
func hasCache(f Features) bool   { return f.Cache }
func fixed(f Features) bool      { return f.FixedPaths && f.Source }

func fileTests() []test {
	return []test{
		{"Source", both(hasSource), sourceIsThere},
		{"SourceIsWritableAndPrivate", both(hasSource), sourceIsPrivate},
		{"SourceSharedByManyJobs", both(hasSource), sourceByMany},
		{"SourceElsewhere", both(fixed), sourceElsewhere},
		{"NoSource", both(hasSource), noSource},
		{"Storage", both(hasStorage), storageWithinBuild},
		{"StorageElsewhere", both(func(f Features) bool { return f.Storage && f.FixedPaths }), storageElsewhere},
		{"StorageNotAskedFor", both(func(f Features) bool { return f.Storage && f.FixedPaths }), storageNotAskedFor},
		{"Cache", both(hasCache), cacheBetweenBuilds},
		{"CacheKeys", both(func(f Features) bool { return f.Cache && f.CacheKeys }), cacheKeys},
	}
}

func (h *harness) sampleTree() string {
	root := h.tree(map[string]string{
		"README": "read me\n", "dir/deep/file.txt": "deep\n", "run.sh": "#!/bin/sh\necho script ran\n", "empty/": "", ".hidden": "h\n", "name with space": "s\n",
	})
	if err := os.Symlink("dir/deep/file.txt", filepath.Join(root, "link")); err != nil {
		h.Fatal(err)
	}
	return root
}

func sourceIsThere(h *harness) {
	spec := h.spec("source", "cd "+h.src(), "cat README dir/deep/file.txt .hidden 'name with space' link", "./run.sh", "ls empty", "readlink link")
	h.wantOutput(spec, h.sampleTree(), "read me\ndeep\nh\ns\ndeep\nscript ran\ndir/deep/file.txt\n")
}

// snapshot lists a directory's files with their sizes, modes and texts.
func snapshot(h *harness, root string) string {
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := []byte{}
		if d.Type().IsRegular() {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %s %q\n", info.Mode(), path, text)
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return b.String()
}

func sourceIsPrivate(h *harness) {
	source := h.sampleTree()
	before := snapshot(h, source)
	spec := h.spec("writer", "cd "+h.src(), "echo changed > README", "echo new > new", "mkdir made", "echo x > dir/deep/x", "rm .hidden", "rm -r empty",
		"mv dir moved", "chmod 600 run.sh", "ln -s README another", "cat README moved/deep/x moved/deep/file.txt", "[ ! -e dir ]", "[ ! -e .hidden ]")
	h.wantOutput(spec, source, "changed\nx\ndeep\n")
	if after := snapshot(h, source); after != before {
		h.Errorf("the source was changed:\n%s\nwas\n%s", after, before)
	}
	h.wantOutput(h.spec("reader", "cd "+h.src(), "cat README dir/deep/file.txt .hidden", "[ ! -e new ]", "[ ! -e made ]", "[ ! -e moved ]"), source, "read me\ndeep\nh\n")
}

func sourceByMany(h *harness) {
	source := h.sampleTree()
	before := snapshot(h, source)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("writer-%d", i)
			log := newLogBuffer(h.T)
			spec := h.spec(name, "cd "+h.src(), "echo "+name+" >> README", "sleep 0.1", "cat README")
			exe, err := h.runner.Start(h.ctx, h.runOf(spec, source, log))
			if err != nil {
				h.Errorf("Start: %v", err)
				return
			}
			if exit, err := exe.Wait(h.ctx); err != nil || exit.Code != 0 || log.String() != "read me\n"+name+"\n" {
				h.Errorf("%s: exit %d, error %v, output %q", name, exit.Code, err, log.String())
			}
		})
	}
	wg.Wait()
	if after := snapshot(h, source); after != before {
		h.Errorf("the source was changed:\n%s\nwas\n%s", after, before)
	}
}

func sourceElsewhere(h *harness) {
	source := h.sampleTree()
	for _, path := range []string{"/go/src/example.com/app", "/usr/src/app", "/tmp/work/app", "/opt/app/", "/home/somebody/app", "/mnt/app", "/var/lib/app", "/src/nested/deeper"} {
		spec := h.spec("elsewhere", "cd "+path, "cat README", "echo w > w", "cat w", "cat /etc/passwd > /dev/null", "ls /usr/bin > /dev/null")
		spec.MountPath = path
		h.wantOutput(spec, source, "read me\nw\n")
	}
}

func noSource(h *harness) {
	spec := h.spec("sourceless", "if [ -n \""+h.src()+"\" ] && [ -e \""+h.src()+"/README\" ]; then echo there; else echo none; fi")
	spec.UseSource = false
	h.wantOutput(spec, "", "none\n")
	h.wantOutput(spec, h.sampleTree(), "none\n")
}

func (h *harness) stored(name string, tasks ...string) brigade.JobSpec {
	spec := h.spec(name, tasks...)
	spec.Storage.Enabled = true
	return spec
}

func storageWithinBuild(h *harness) {
	share := h.share()
	first := h.build
	h.wantOutput(h.stored("writer", "mkdir "+share+"/d", "echo shared > "+share+"/d/file"), "", "")
	h.wantOutput(h.stored("reader", "cat "+share+"/d/file", "echo more >> "+share+"/d/file"), "", "shared\n")
	h.wantOutput(h.stored("reader-2", "cat "+share+"/d/file"), "", "shared\nmore\n")

	h.build = h.newBuild()
	h.wantOutput(h.stored("other-build", "ls -A "+share), "", "")

	h.build = first
	if err := h.runner.EndBuild(h.ctx, first.ID); err != nil {
		h.Fatalf("EndBuild: %v", err)
	}
	h.wantOutput(h.stored("after", "ls -A "+share), "", "")
}

func storageElsewhere(h *harness) {
	spec := h.stored("writer", "echo x > /data/shared/file")
	spec.Storage.Path = "/data/shared"
	h.wantOutput(spec, "", "")
	h.wantOutput(h.stored("reader", "cat /mnt/brigade/share/file"), "", "x\n")
}

func storageNotAskedFor(h *harness) {
	h.wantOutput(h.stored("writer", "echo x > /mnt/brigade/share/file"), "", "")
	h.wantOutput(h.spec("without", "if [ -e /mnt/brigade/share/file ]; then echo there; else echo none; fi"), "", "none\n")
}

func cacheBetweenBuilds(h *harness) {
	cached := func(name string, tasks ...string) brigade.JobSpec {
		spec := h.spec(name, tasks...)
		spec.Cache.Enabled = true
		return spec
	}
	cache := h.cache()
	show := "cat " + cache + "/file 2> /dev/null || echo none"
	h.wantOutput(cached("job-a", show, "echo kept > "+cache+"/file"), "", "none\n")
	if err := h.runner.EndBuild(h.ctx, h.build.ID); err != nil {
		h.Fatalf("EndBuild: %v", err)
	}
	h.build = h.newBuild()
	h.wantOutput(cached("job-a", show), "", "kept\n")
	h.wantOutput(cached("job-b", show), "", "none\n")
	h.build = h.newBuild()
	h.build.Event.Untrusted = true
	h.wantOutput(cached("job-a", show, "echo poison > "+cache+"/file"), "", "none\n")
	h.build = h.newBuild()
	h.build.Event.Untrusted = true
	h.wantOutput(cached("job-a", show), "", "poison\n")
	h.build = h.newBuild()
	h.wantOutput(cached("job-a", show), "", "kept\n")
	h.project = brigade.NewProject(h.project.Name + "-other")
	h.build = h.newBuild()
	h.wantOutput(cached("job-a", show), "", "none\n")
}

// cacheKeys has jobs find the caches of their keys, and else those that their
// restoreKeys name.
func cacheKeys(h *harness) {
	cache := h.cache()
	cached := func(leave, key string, restore ...string) brigade.JobSpec {
		tasks := []string{"cat " + cache + "/file 2> /dev/null || echo none"}
		if leave != "" {
			tasks = append(tasks, "mkdir -p "+cache+"/dir", "echo "+leave+" > "+cache+"/file", "echo x > "+cache+"/dir/x")
		}
		spec := h.spec("keyed", tasks...)
		spec.Cache = brigade.JobCache{Enabled: true, Key: key, RestoreKeys: restore}
		return spec
	}
	for _, c := range []struct {
		spec brigade.JobSpec
		want string
	}{
		{cached("one", "npm-1", "npm-"), "none"},
		{cached("plain", ""), "none"},
		{cached("", "npm-1"), "one"},
		{cached("two", "npm-A/2"), "none"},
		{cached("", "npm-3", "go-", "npm-"), "two"},
		{cached("", "npm-3"), "two"},
		{cached("three", "npm-4", "npm-1"), "one"},
		{cached("", "npm-1", "npm-"), "one"},
		{cached("", "npm-4"), "three"},
		{cached("", ""), "plain"},
		{cached("", "other", ""), "three"},
	} {
		if err := h.runner.EndBuild(h.ctx, h.build.ID); err != nil {
			h.Fatalf("EndBuild: %v", err)
		}
		h.build = h.newBuild()
		h.wantOutput(c.spec, "", c.want+"\n")
	}
	h.build = h.newBuild()
	h.build.Event.Untrusted = true
	h.wantOutput(cached("poison", "npm-1", "npm-"), "", "none\n")
	h.build = h.newBuild()
	h.wantOutput(cached("", "npm-1"), "", "one\n")
}
