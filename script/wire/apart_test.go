package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/wire"
)

// apartLimit is the memory of commands that run apart in these tests. Programs
// that look for races need some of it for that.
const apartLimit = 96 << 20

// apartCommand is a command that runs apart: WIRE_APART names what it does.
func apartCommand(what string) int {
	if err := wire.LimitMemory(apartLimit, func() {
		fmt.Fprintln(os.Stderr, "my memory is full")
		os.Exit(1)
	}); err != nil {
		return 9
	}
	fmt.Println("began")
	switch what {
	case "exit":
		text, _ := io.ReadAll(os.Stdin)
		fmt.Fprintf(os.Stderr, "warning: %s", text)
		return 5
	case "memory":
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			sink = append(sink, block)
			time.Sleep(100 * time.Microsecond) // for the watch to be first
		}
	case "panic":
		panic("on purpose")
	case "fault":
		fmt.Fprintln(os.Stderr, "warning: soon\nSIGSEGV: segmentation violation\nPC=0x43a7bd m=4 sigcode=1 addr=0x0\n\ngoroutine 0 [idle]:")
		return 2
	case "interrupt":
		told := make(chan os.Signal, 1)
		signal.Notify(told, os.Interrupt)
		fmt.Println("waits")
		<-told
		fmt.Println("told")
		return 0
	}
	return 8
}

// apart runs such a command.
func apart(ctx context.Context, t *testing.T, what string, out io.Writer) (errs string, code int, err error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	a := &wire.Apart{
		Program: program, Env: append(os.Environ(), "WIRE_APART="+what), Stdin: strings.NewReader("input"), Stdout: out, Stderr: &stderr,
		Memory: apartLimit,
	}
	code, err = a.Run(ctx)
	return stderr.String(), code, err
}

func TestACommandApart(t *testing.T) {
	var out bytes.Buffer
	errs, code, err := apart(t.Context(), t, "exit", &out)
	if code != 5 || err != nil || out.String() != "began\n" || errs != "warning: input" {
		t.Errorf("exit %d, %v, printed %q and %q", code, err, out.String(), errs)
	}
	errs, code, err = apart(t.Context(), t, "memory", io.Discard)
	told := code == 1 && err == nil && errs == "my memory is full\n"
	died := brigade.CodeOf(err) == brigade.CodeScriptLimit && strings.Contains(err.Error(), "96 MiB") && errs == "" // the hard limit was first
	if !told && !died {
		t.Errorf("without memory: exit %d, %v, %q", code, err, errs)
	}
	errs, _, err = apart(t.Context(), t, "panic", io.Discard)
	if brigade.CodeOf(err) != brigade.CodeScriptCrashed || errs != "" {
		t.Errorf("a crash: %v, and it shows %q", err, errs)
	}
	errs, _, err = apart(t.Context(), t, "fault", io.Discard)
	if brigade.CodeOf(err) != brigade.CodeScriptLimit || errs != "warning: soon\n" {
		t.Errorf("a crash of the runtime: %v, and it shows %q", err, errs)
	}
}

// eventual calls do once a line was written that is that word.
type eventual struct {
	word string
	do   func()
	text bytes.Buffer
}

func (e *eventual) Write(p []byte) (int, error) {
	before := e.text.String()
	e.text.Write(p)
	if !strings.Contains(before, e.word+"\n") && strings.Contains(e.text.String(), e.word+"\n") {
		e.do()
	}
	return len(p), nil
}

func TestACommandApartIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	out := &eventual{word: "waits", do: func() { cancel(why) }}
	_, _, err := apart(ctx, t, "interrupt", out)
	if !errors.Is(err, why) || !strings.HasSuffix(out.text.String(), "told\n") {
		t.Errorf("%v, printed %q", err, out.text.String())
	}
}
