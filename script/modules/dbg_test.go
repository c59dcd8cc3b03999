package modules_test

import (
	"os"
	"testing"

	"github.com/brigadecore/brigade/v3/script/modules"
)

func TestDebug(t *testing.T) {
	b, err := os.ReadFile(os.Getenv("DBG"))
	if err != nil {
		t.Skip()
	}
	dir := os.Getenv("DBGDIR")
	if dir == "" {
		dir = "/tmp"
	}
	out, err := runScript(t, dir+"/dbg.js", string(b), &modules.Env{Dir: dir, Roots: []string{dir}, Args: []string{"brig", "x.js"}, Vars: map[string]string{"PATH": "/bin"}})
	t.Log("\n" + out)
	if err != nil {
		t.Log(describe(err))
	}
}
