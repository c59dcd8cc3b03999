package main

import (
	"strings"
	"testing"
)

// hungry fills memory at once.
const hungry = `const huge = "x".repeat(1 << 28).split("");`

func TestScriptsThatAreTriedHaveLimitedMemory(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", hungry)
	_, errs, code := sh.brig("lint", "--script-memory", "96Mi")
	if code != 1 || !strings.Contains(errs, "the script used more than 96 MiB of memory") || !strings.Contains(errs, "(script_limit)") {
		t.Errorf("lint: exit %d, %s", code, errs)
	}
	sh.refused(2, "script-memory", "lint", "--script-memory", "much")

	sh.file("brigade.js", rehearsed)
	sh.file("brigade.test.js", `
const { test } = require("brigade/test");
test("a good one", () => {});
test("a hungry one", () => { `+hungry+` });
test("never reached", () => {});
`)
	out, errs, code := sh.brig("test", "--script-memory", "96Mi")
	if code != 1 || !strings.Contains(out, "a good one") || strings.Contains(out, "never") || !strings.Contains(errs, "more than 96 MiB") {
		t.Errorf("test: exit %d\n%s%s", code, out, errs)
	}
}

// What a script finds in its environment is what its user has there.
func TestTheEnvironmentOfATriedScript(t *testing.T) {
	sh := newShell(t)
	sh.env["MINE"] = "here"
	sh.file("brigade.js", `
if (process.env.MINE !== "here" || process.env.BRIGADE_APART || process.env.GOTRACEBACK) throw new Error(JSON.stringify(process.env));
require("brigadier").events.on("exec", () => {});
`)
	sh.ok("lint")
}
