package dummy

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// invent makes up what a job prints and how long it takes: each task is shown
// behind a + as shells do, echo says what it would say, and the tools people
// use most get an answer. It depends on nothing but the spec.
func invent(spec brigade.JobSpec) plan {
	h := fnv.New64a()
	_, _ = h.Write([]byte(spec.Name + "\x00" + spec.Image + "\x00" + strings.Join(spec.Tasks, "\n")))
	dice := rand.New(rand.NewPCG(h.Sum64(), 1))

	var b strings.Builder
	for _, task := range spec.Tasks {
		for line := range strings.Lines(task) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			fmt.Fprintf(&b, "+ %s\n", line)
			b.WriteString(answer(line, dice))
		}
	}
	if len(spec.Tasks) == 0 {
		fmt.Fprintf(&b, "%s: ready\n", spec.Image)
	}
	return plan{
		output: []byte(b.String()),
		sleep:  time.Duration(300+dice.IntN(2200)) * time.Millisecond,
		pull:   time.Duration(dice.IntN(300)) * time.Millisecond,
	}
}

// answer is what the command in line might print.
func answer(line string, dice *rand.Rand) string {
	words := strings.Fields(line)
	seconds := func() float64 { return float64(1+dice.IntN(90)) / 10 }
	switch words[0] {
	case "echo":
		return strings.Trim(strings.Join(words[1:], " "), `"'`) + "\n"
	case "go":
		if len(words) > 1 && words[1] == "test" {
			return fmt.Sprintf("ok  \texample.com/app\t%.3fs\n", seconds())
		}
	case "npm", "yarn", "pnpm":
		if len(words) > 1 && words[1] == "test" {
			return fmt.Sprintf("%d tests passed in %.1f s\n", 5+dice.IntN(400), seconds())
		}
		return fmt.Sprintf("added %d packages in %.1f s\n", 20+dice.IntN(900), seconds())
	case "make":
		return fmt.Sprintf("make: done after %.1f s\n", seconds())
	case "docker", "podman", "buildah":
		return fmt.Sprintf("image sha256:%016x%016x\n", dice.Uint64(), dice.Uint64())
	case "helm", "kubectl":
		return "deployed\n"
	case "git":
		return fmt.Sprintf("at commit %07x\n", dice.Uint32()>>4)
	}
	return ""
}
