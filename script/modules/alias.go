package modules

// aliasModules lists modules that are an export of another one.
func aliasModules() []Module {
	alias := func(name, module, export string) Module {
		return Module{Names: []string{name}, Node: true, Source: "module.exports = require('" + module + "')." + export + ";"}
	}
	return []Module{
		alias("assert/strict", "assert", "strict"),
		alias("dns/promises", "dns", "promises"),
		alias("readline/promises", "readline", "promises"),
	}
}
