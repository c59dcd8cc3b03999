package brigadier

import (
	_ "embed"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

//go:embed utils_github.js
var utilsGitHub string

//go:embed utils_kind.js
var utilsKind string

//go:embed utils_npm.js
var utilsNPM string

// defaultGitHub is where check runs are created unless the project says otherwise.
const defaultGitHub = "https://api.github.com"

// utilsName is the library of checks and releases that v1's projects install
// from npm. It is built in, so that they need not, and its notifications are
// sent by the worker itself instead of a job each.
const utilsName = "@brigadecore/brigade-utils"

// utilsModules returns that library with the paths scripts import from it.
func (b *binding) utilsModules() []modules.Module {
	natives := func(*modules.Env) map[string]any {
		return map[string]any{
			"log": func(level, text string) { b.Host.Log(brigade.LogLevel(level), text) },
			"github": func() string {
				if base := b.Run.Project.GitHub.BaseURL; base != "" {
					return base
				}
				return defaultGitHub
			},
		}
	}
	sub := func(name, source string, native func(*modules.Env) map[string]any) modules.Module {
		return modules.Module{
			Names:  []string{utilsName + "/out/" + name, utilsName + "/out/" + name + ".js"},
			Source: source,
			Native: native,
		}
	}
	return []modules.Module{
		sub("github", utilsGitHub, natives),
		sub("kind", utilsKind, nil),
		sub("npm", utilsNPM, nil),
		{
			Names:  []string{utilsName, utilsName + "/out", utilsName + "/out/index", utilsName + "/out/index.js"},
			Source: `Object.assign(exports, require("` + utilsName + `/out/github"), require("` + utilsName + `/out/kind"));`,
		},
	}
}
