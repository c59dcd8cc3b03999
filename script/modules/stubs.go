package modules

import (
	"encoding/json"
	"strings"

	_ "embed"
)

//go:embed js/stub.js
var stubSource string

// stub is a module of Node that a script can import but not use.
type stub struct {
	name    string
	instead string   // what to do, in the error
	exports []string // the functions and (with a capital) classes it has
	extra   string   // JavaScript that completes the module, after the exports
}

var stubs = []stub{
	{"child_process", "run it as a job: new Job(...)", []string{
		"exec", "execSync", "execFile", "execFileSync", "spawn", "spawnSync", "fork", "ChildProcess"}, ""},
	{"tls", "use https or fetch, or run it as a job", []string{"connect", "createServer", "createSecureContext", "TLSSocket", "SecureContext", "Server"},
		"module.exports.checkServerIdentity = () => undefined; module.exports.rootCertificates = []; module.exports.DEFAULT_MIN_VERSION = 'TLSv1.2'; module.exports.DEFAULT_MAX_VERSION = 'TLSv1.3';"},
	{"http2", "use https or fetch", []string{"connect", "createServer", "createSecureServer", "Http2ServerRequest", "Http2ServerResponse"},
		"module.exports.constants = {}; module.exports.sensitiveHeaders = Symbol('nodejs.http2.sensitiveHeaders');"},
	{"vm", "run the code as a module of its own: require it", []string{
		"runInContext", "runInNewContext", "runInThisContext", "createContext", "compileFunction", "Script", "SourceTextModule"},
		"module.exports.isContext = () => false;"},
	{"worker_threads", "start jobs: they run side by side", []string{"Worker", "MessagePort", "BroadcastChannel", "receiveMessageOnPort", "MessageChannel"},
		"Object.assign(module.exports, { isMainThread: true, parentPort: null, workerData: null, threadId: 0, resourceLimits: {}, SHARE_ENV: Symbol('nodejs.worker_threads.SHARE_ENV'), markAsUntransferable() {}, setEnvironmentData() {}, getEnvironmentData() {} });"},
	{"cluster", "start jobs: they run side by side", []string{"fork", "setupMaster", "setupPrimary", "disconnect", "Worker"},
		"Object.assign(module.exports, { isMaster: true, isPrimary: true, isWorker: false, workers: {}, settings: {}, on() { return this; }, once() { return this; } });"},
	{"dgram", "run it as a job", []string{"createSocket", "Socket"}, ""},
	{"repl", "a build has nobody who types", []string{"start", "REPLServer"}, "module.exports.builtinModules = [];"},
	{"inspector", "run the script with more console.log", []string{"open", "Session", "waitForDebugger"}, "module.exports.url = () => undefined; module.exports.close = () => {}; module.exports.console = console;"},
	{"wasi", "run it as a job", []string{"WASI"}, ""},
	{"trace_events", "print what you measure", []string{"createTracing"}, "module.exports.getEnabledCategories = () => undefined;"},
	{"domain", "use try and catch, and promises", []string{"create", "createDomain", "Domain"}, "module.exports.active = null;"},
	{"v8", "it is not V8 that runs the script", []string{"serialize", "deserialize", "writeHeapSnapshot", "getHeapSnapshot", "setFlagsFromString", "Serializer", "Deserializer"},
		"module.exports.getHeapStatistics = () => { const m = process.memoryUsage(); return { total_heap_size: m.heapTotal, used_heap_size: m.heapUsed, heap_size_limit: m.heapTotal, total_available_size: m.heapTotal - m.heapUsed }; }; module.exports.getHeapSpaceStatistics = () => []; module.exports.cachedDataVersionTag = () => 0;"},
}

// stubModules lists the modules that load, and explain themselves when used.
func stubModules() []Module {
	out := make([]Module, len(stubs))
	for i, s := range stubs {
		names, _ := json.Marshal(s.exports) // strings always work
		quoted, _ := json.Marshal([]string{s.name, s.instead})
		source := strings.NewReplacer("ARGS", strings.Trim(string(quoted), "[]"), "NAMES", string(names)).Replace(
			"module.exports = require('internal/stub').make(ARGS, NAMES);\n") + s.extra
		out[i] = Module{Names: []string{s.name}, Node: true, Source: source}
	}
	return append(out, Module{Names: []string{"internal/stub"}, Internal: true, Source: stubSource})
}
