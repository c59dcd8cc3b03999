package projectfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write the golden files again")

// checkSchedules stands for intake.Check: its messages begin with a path.
func checkSchedules(p *brigade.Project) error {
	for _, s := range p.Schedules {
		if s.Cron == "never" {
			return brigade.Errorf(brigade.CodeInvalid, "schedules[0].cron: it is no time").WithHint("see crontab(5)")
		}
	}
	return nil
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, file string, text []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, text, want)
	}
}

func inputs(t *testing.T, folder string) []string {
	t.Helper()
	var files []string
	for _, ending := range []string{"yaml", "json"} {
		found, err := filepath.Glob(filepath.Join("testdata", folder, "*."+ending))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 3 {
		t.Fatalf("only %d files", len(files))
	}
	return files
}

func TestParse(t *testing.T) {
	for _, file := range inputs(t, "good") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			projects, warnings, err := Parse(filepath.Base(file), data, checkSchedules)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			for _, w := range warnings {
				b.WriteString("warning: " + w.String() + "\n")
			}
			for _, p := range projects {
				text, err := json.MarshalIndent(p, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				b.Write(append(text, '\n'))
				again(t, p)
			}
			golden(t, file+".golden", b.Bytes())
		})
	}
}

// again checks that a project survives being written and read, in both forms.
func again(t *testing.T, p *brigade.Project) {
	t.Helper()
	text, err := FormatYAML(p, true)
	if err != nil {
		t.Fatal(err)
	}
	back, warnings, err := Parse("again.yaml", text, nil)
	if err != nil || len(back) != 1 {
		t.Fatalf("%d projects, %v, from\n%s", len(back), err, text)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "absolute") {
			t.Errorf("warning %s", w)
		}
	}
	if got, want := jsonText(back[0]), jsonText(p); got != want {
		t.Fatalf("our form: got\n%s\nwant\n%s\nfrom\n%s", got, want, text)
	}
	secret, err := ToSecret(p, "ci")
	if err != nil {
		t.Fatal(err)
	}
	fromSecret, _, err := FromSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := jsonText(fromSecret), jsonText(inV1(p)); got != want {
		t.Fatalf("v1's form: got\n%s\nwant\n%s", got, want)
	}
	file, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err = Parse("secret.json", file, nil)
	if err != nil || len(back) != 1 {
		t.Fatalf("%d projects, %v, from\n%s", len(back), err, file)
	}
	if got, want := jsonText(back[0]), jsonText(fromSecret); got != want {
		t.Fatalf("v1's file: got\n%s\nwant\n%s", got, want)
	}
	if p.ID != "" {
		if d := Diff(p, p); len(d) != 0 {
			t.Errorf("differs from itself: %v", d)
		}
	}
}

// inV1 is p as v1 can keep it: no empty values where there is a default, line
// ends in keys written as $, and names without blanks around them.
func inV1(p *brigade.Project) *brigade.Project {
	c := *p
	if c.Repository == "" {
		c.Repository = c.Name
	}
	if c.Kubernetes.BuildStorageSize == "" {
		c.Kubernetes.BuildStorageSize = "50Mi"
	}
	c.Repo.SSHKey = strings.ReplaceAll(c.Repo.SSHKey, "$", "\n")
	c.Repo.SSHCert = strings.ReplaceAll(c.Repo.SSHCert, "$", "\n")
	return &c
}

func TestParseRefuses(t *testing.T) {
	for _, file := range inputs(t, "bad") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			projects, _, err := Parse(filepath.Base(file), data, checkSchedules)
			if err == nil || projects != nil {
				t.Fatalf("read %v", projects)
			}
			if brigade.CodeOf(err) != brigade.CodeInvalid {
				t.Errorf("code %s", brigade.CodeOf(err))
			}
			for _, secret := range []string{"a-secret-value", "s3cr3t", "top-secret", "12345678901234567890"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the message shows %s", secret)
				}
			}
			hint := err.(*brigade.Error).Hint
			golden(t, file+".golden", []byte(err.Error()+"\nhint: "+hint+"\n"))
		})
	}
}

func TestParseBounds(t *testing.T) {
	for name, text := range map[string]string{
		"large":      strings.Repeat(" ", MaxBytes+1),
		"flow":       strings.Repeat("[", 1<<20),
		"flow map":   strings.Repeat("{a: ", 1<<18),
		"block":      "kind: Project\nname: a\nsecrets:\n  a: " + strings.Repeat("- ", 1<<18) + "x",
		"json":       strings.Repeat(`{"a":`, 1<<18) + "1" + strings.Repeat("}", 1<<18),
		"json list":  strings.Repeat(`[`, 1<<18) + strings.Repeat("]", 1<<18),
		"deep":       "kind: Project\nname: a\nsecrets: {a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}",
		"anchors":    "kind: Project\nname: a\nsecrets: {a: " + strings.Repeat("!!str ", 1000) + "}",
		"nul":        "kind: Project\nname: \"a\x00b\"\n",
		"not utf-8":  "kind: Project\nname: a\xff\n",
		"unknown":    "kind: Project\nname: a\n" + strings.Repeat("x", 50) + ": 1\n" + manyKeys(200_000),
		"list depth": "[[[[{kind: Project, name: a}]]]]",
	} {
		t.Run(name, func(t *testing.T) {
			if projects, _, err := Parse("x.yaml", []byte(text), nil); err == nil {
				t.Errorf("read %d projects", len(projects))
			} else if len(err.Error()) > 20_000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
	for _, nothing := range []string{"", "\n", "# a comment\n", "---\n---\n", "null", "[]"} {
		if projects, _, err := Parse("x.yaml", []byte(nothing), nil); err != nil || len(projects) != 0 {
			t.Errorf("%q: %v %v", nothing, projects, err)
		}
	}
}

// manyKeys are n lines of YAML, each with a key of its own.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: v\n", i)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, ending := range []string{"yaml", "json"} {
			files, _ := filepath.Glob(filepath.Join("testdata", folder, "*."+ending))
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		projects, _, err := Parse("fuzz.yaml", data, nil)
		if err != nil {
			if brigade.CodeOf(err) != brigade.CodeInvalid && brigade.CodeOf(err) != brigade.CodeTooLarge {
				t.Errorf("code %s: %v", brigade.CodeOf(err), err)
			}
			return
		}
		for _, p := range projects {
			again(t, p)
		}
	})
}
