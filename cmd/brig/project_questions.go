package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/term"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
	"github.com/brigadecore/brigade/v3/tui/ask"
)

// maxQuestions bounds how often a question with a wrong answer is asked again.
const maxQuestions = 5

// questions asks a person at a terminal, or a script on the other end of a pipe
// one line at a time. At the end of the input every answer is the default.
type questions struct {
	s      *State
	person *ask.Person // nil: there are lines
	lines  *bufio.Reader
	ended  bool
}

func newQuestions(s *State) *questions {
	q := &questions{s: s, lines: bufio.NewReader(s.Stdin)}
	if width, height, terminal := s.Terminal(); s.InputTerminal() && tui.Animates(s.Getenv, terminal) {
		q.person = &ask.Person{
			In: s.Stdin, Out: s.Stderr, Width: width, Height: height, Color: !s.noColor && tui.WantsColor(s.Getenv, terminal), Environ: s.Environ(),
		}
	}
	return q
}

// line reads an answer, without its line end.
func (q *questions) line() (string, error) {
	if q.ended {
		return "", nil
	}
	text, err := q.s.interruptible(func() (string, error) { return q.lines.ReadString('\n') })
	if errors.Is(err, io.EOF) {
		q.ended = true
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// interruptible reads something, unless a signal comes first. What reads is
// left behind then: the program ends.
func (s *State) interruptible(read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-s.Interrupts:
		return "", brigade.Errorf(brigade.CodeCanceled, "interrupted; nothing was changed")
	}
}

// ask asks until check is content. An empty line is the default, one of a
// single - is nothing; at a terminal the default is there to be changed.
func (q *questions) ask(question, otherwise string, check func(string) error) (string, error) {
	if q.person != nil {
		ctx, release := q.s.untilInterrupted()
		defer release()
		answer, err := q.person.Text(ctx, question, otherwise, check)
		return strings.TrimSpace(answer), err
	}
	for range maxQuestions {
		fmt.Fprint(q.s.Stderr, question)
		if otherwise != "" {
			fmt.Fprintf(q.s.Stderr, " [%s]", tui.Clean(otherwise, false))
		}
		fmt.Fprint(q.s.Stderr, ": ")
		answer, err := q.line()
		if err != nil {
			return "", err
		}
		switch answer = strings.TrimSpace(answer); answer {
		case "":
			answer = otherwise
		case "-":
			answer = ""
		}
		if check == nil {
			return answer, nil
		}
		err = check(answer)
		if err == nil {
			return answer, nil
		}
		if q.ended {
			return "", err
		}
		fmt.Fprintln(q.s.Stderr, "  "+tui.Clean(err.Error(), false))
	}
	return "", brigade.Errorf(brigade.CodeUsage, "there was no answer to %q that can be used", question)
}

// yes asks something that is answered with yes or no.
func (q *questions) yes(question string, otherwise bool) (bool, error) {
	if q.person != nil {
		ctx, release := q.s.untilInterrupted()
		defer release()
		return q.person.Yes(ctx, question, otherwise)
	}
	usual := map[bool]string{true: "yes", false: "no"}[otherwise]
	answer, err := q.ask(question, usual, func(a string) error {
		switch strings.ToLower(a) {
		case "y", "yes", "true", "n", "no", "false":
			return nil
		}
		return brigade.Errorf(brigade.CodeUsage, "answer yes or no")
	})
	return strings.HasPrefix(strings.ToLower(answer), "y") || strings.EqualFold(answer, "true"), err
}

// choose asks for one of several words.
func (q *questions) choose(question, otherwise string, words ...string) (string, error) {
	if q.person != nil {
		ctx, release := q.s.untilInterrupted()
		defer release()
		return q.person.Choose(ctx, question, otherwise, words...)
	}
	return q.ask(question+": "+strings.Join(words, ", "), otherwise, func(answer string) error {
		if !slices.Contains(words, answer) {
			return brigade.Errorf(brigade.CodeUsage, "answer with one of %s", strings.Join(words, ", "))
		}
		return nil
	})
}

// secret asks for something that is not shown while it is typed.
func (q *questions) secret(question string) (string, error) {
	if q.person != nil {
		ctx, release := q.s.untilInterrupted()
		defer release()
		return q.person.Secret(ctx, question)
	}
	file, ok := q.s.Stdin.(interface{ Fd() uintptr })
	if !ok || !q.s.InputTerminal() {
		fmt.Fprint(q.s.Stderr, question+": ")
		return q.line()
	}
	fmt.Fprint(q.s.Stderr, question+" (not shown): ")
	fd := int(file.Fd())
	before, stateErr := term.GetState(fd)
	text, err := q.s.interruptible(func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
	if err != nil && stateErr == nil {
		_ = term.Restore(fd, before) // it shows again what is typed
	}
	fmt.Fprintln(q.s.Stderr)
	if errors.Is(err, io.EOF) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return text, nil
}

// lookup is one question about a text of the project.
type lookup struct {
	question string
	of       *string
	check    func(string) error
}

func (q *questions) texts(list ...lookup) error {
	for _, l := range list {
		answer, err := q.ask(l.question, *l.of, l.check)
		if err != nil {
			return err
		}
		*l.of = answer
	}
	return nil
}

// truths asks questions in turn and stores the answers.
func (q *questions) truths(list map[string]*bool, order ...string) error {
	for _, question := range order {
		answer, err := q.yes(question, *list[question])
		if err != nil {
			return err
		}
		*list[question] = answer
	}
	return nil
}

// project asks what v1 asks. It returns lines that show the secrets that were
// made.
func (q *questions) project(p *brigade.Project) (made []string, err error) {
	name, err := q.ask("Project name, such as acme/app", p.Name, projectfile.CheckName)
	if err != nil {
		return nil, err
	}
	rename(p, name)
	hasFiles, err := q.yes("Does it have a git repository?", true)
	if err != nil {
		return nil, err
	}
	if hasFiles {
		if p.Repo.CloneURL == "" && strings.Count(p.Repository, "/") == 2 {
			p.Repo.CloneURL = "https://" + p.Repository + ".git"
		}
		err = q.texts(lookup{"Full name of the repository, such as github.com/acme/app", &p.Repository, nil},
			lookup{"Address to clone from, such as https://github.com/acme/app.git", &p.Repo.CloneURL, nil})
		if err == nil {
			err = q.access(p)
		}
	} else {
		p.Repo = brigade.Repo{}
	}
	if err == nil {
		err = q.secrets(p)
	}
	if err == nil {
		made, err = q.shared(p)
	}
	if err != nil {
		return made, err
	}
	more, err := q.yes("Look at the advanced settings?", false)
	if err != nil || !more {
		return made, err
	}
	return made, q.advanced(p)
}

// access asks what opens the repository.
func (q *questions) access(p *brigade.Project) error {
	if strings.HasPrefix(p.Repo.CloneURL, "ssh://") || strings.HasPrefix(p.Repo.CloneURL, "git@") {
		file, err := q.ask("File with the private SSH key (empty: none, or as it is)", "", func(name string) error {
			if name == "" {
				return nil
			}
			_, err := readInput("key", name, 1<<20)
			return err
		})
		if err != nil || file == "" {
			return err
		}
		p.Repo.SSHKey, err = readInput("key", file, 1<<20)
		return err
	}
	token, err := q.secret("Token for the repository (empty: none, or as it is)")
	if err == nil && token != "" {
		p.Repo.Token = token
	}
	return err
}

// secrets asks for names and values.
func (q *questions) secrets(p *brigade.Project) error {
	more, err := q.yes("Add secrets?", false)
	for err == nil && more {
		var key, value string
		key, err = q.ask("  Name of the secret (empty: no more)", "", nil)
		if err != nil || key == "" {
			break
		}
		if value, err = q.secret("  Value of " + key); err == nil {
			if p.Secrets == nil {
				p.Secrets = map[string]any{}
			}
			p.Secrets[key] = value
		}
	}
	return err
}

// shared asks for, or makes, what requests from outside are checked with.
func (q *questions) shared(p *brigade.Project) (made []string, err error) {
	for _, of := range []struct {
		what  string
		value *string
	}{
		{"Shared secret of webhooks", &p.SharedSecret},
		{"Secret of the generic gateway", &p.GenericGatewaySecret},
	} {
		usual := "make"
		if *of.value != "" {
			usual = "keep"
		}
		words := []string{"make", "type", "none"}
		if usual == "keep" {
			words = append([]string{"keep"}, words...)
		}
		answer, err := q.choose(of.what, usual, words...)
		if err != nil {
			return made, err
		}
		switch answer {
		case "make":
			*of.value = newSecret()
			made = append(made, of.what+": "+*of.value)
		case "type":
			if *of.value, err = q.secret("  " + of.what); err != nil {
				return made, err
			}
		case "none":
			*of.value = ""
		}
	}
	return made, nil
}

// advanced asks for the rest of v1's settings.
func (q *questions) advanced(p *brigade.Project) error {
	k, w := &p.Kubernetes, &p.Worker
	pull := strings.Join(p.ImagePullSecrets, ",")
	err := q.texts(
		lookup{"Path of brigade.js in the repository", &p.ScriptPath, nil},
		lookup{"Path of brigade.json in the repository", &p.ConfigPath, nil},
	)
	if err == nil {
		err = q.fileText("File with the script of builds that have none", &p.DefaultScript)
	}
	if err == nil {
		err = q.texts(
			lookup{"ConfigMap with that script", &p.DefaultScriptName, nil},
			lookup{"ConfigMap with the brigade.json of builds that have none", &p.DefaultConfigName, nil},
			lookup{"GitHub Enterprise: address of its API", &p.GitHub.BaseURL, nil},
			lookup{"GitHub Enterprise: address for uploads", &p.GitHub.UploadURL, nil},
			lookup{"Namespace of workers and jobs", &k.Namespace, nil},
			lookup{"Service account of workers", &k.ServiceAccount, nil},
			lookup{"Image of the sidecar that fetches the files", &k.VCSSidecar, nil},
			lookup{"  its limit of cpu", &k.SidecarLimits.CPU, nil}, lookup{"  its limit of memory", &k.SidecarLimits.Memory, nil},
			lookup{"  its request of cpu", &k.SidecarRequests.CPU, nil}, lookup{"  its request of memory", &k.SidecarRequests.Memory, nil},
			lookup{"Size of the storage that a build's jobs share", &k.BuildStorageSize, nil},
			lookup{"  its storage class", &k.BuildStorageClass, nil},
			lookup{"Storage class of jobs' caches", &k.CacheStorageClass, nil},
			lookup{"Custom worker: registry or organisation", &w.Registry, nil}, lookup{"  image", &w.Name, nil},
			lookup{"  tag", &w.Tag, nil}, lookup{"  pull policy", &w.PullPolicy, nil}, lookup{"  command", &p.WorkerCommand, nil},
			lookup{"Image pull secrets, with commas between", &pull, nil},
		)
	}
	if err != nil {
		return err
	}
	p.ImagePullSecrets = nil
	for name := range strings.SplitSeq(pull, ",") {
		if name = strings.TrimSpace(name); name != "" {
			p.ImagePullSecrets = append(p.ImagePullSecrets, name)
		}
	}
	const submodules, privileged, mounts, refs = "Fetch git submodules?", "May jobs be privileged?", "May jobs mount paths of the host?", "May jobs take variables from Secrets?"
	return q.truths(map[string]*bool{
		submodules: &p.Repo.InitSubmodules, privileged: &p.AllowPrivilegedJobs, mounts: &p.AllowHostMounts, refs: &k.AllowSecretKeyRef,
	}, submodules, privileged, mounts, refs)
}

// fileText asks for a file and takes its text.
func (q *questions) fileText(question string, of *string) error {
	if *of != "" {
		question += " (empty: as it is)"
	}
	_, err := q.ask(question, "", func(name string) error {
		if name == "" {
			return nil
		}
		text, err := readInput("script", name, brigade.MaxScriptBytes)
		if err == nil {
			*of = text
		}
		return err
	})
	return err
}
