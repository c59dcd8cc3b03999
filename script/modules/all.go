package modules

import "slices"

// All lists every module of this package.
func All() []Module {
	return slices.Concat(
		errorsModules(),
		eventsModules(),
		inspectModules(),
		utilModules(),
		consoleModules(),
		processModules(),
		bufferModules(),
		pathModules(),
		urlModules(),
		fsModules(),
		streamModules(),
		cryptoModules(),
		dataModules(),
		systemModules(),
		stubModules(),
		aliasModules(),
		httpModules(),
		intlModules(),
	)
}
