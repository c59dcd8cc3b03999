'use strict';
// process, which is an EventEmitter.

const EventEmitter = require('events');
const errors = require('internal/errors');
const { check } = errors;

function process() {}
process.prototype = Object.create(EventEmitter.prototype, { constructor: { value: process, writable: true, configurable: true } });
const self = module.exports = Object.create(Object.create(process.prototype));
Object.defineProperty(Object.getPrototypeOf(self), 'constructor', { value: process, enumerable: false, writable: true, configurable: true });
EventEmitter.call(self);
Object.defineProperty(self, Symbol.toStringTag, { value: 'process', configurable: true });

// Ticks run once the callback that runs now has returned, before promises.
const ticks = [];
let scheduled = false;

function runTicks() {
  scheduled = false;
  try {
    while (ticks.length > 0) {
      const { fn, args, context } = ticks.shift();
      engine.setContext(context);
      fn(...args);
    }
  } finally {
    engine.setContext(undefined);
    if (ticks.length > 0) schedule();
  }
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  native.tick(runTicks);
}

function environment() {
  const target = { ...native.env };
  const text = (value) => {
    if (typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
    return `${value}`;
  };
  return new Proxy(target, {
    set(t, key, value) {
      if (typeof key === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
      t[key] = text(value);
      return true;
    },
    defineProperty(t, key, desc) {
      if (!('value' in desc) || !desc.configurable || !desc.writable || !desc.enumerable) {
        throw errors.make(TypeError, 'ERR_INVALID_OBJECT_DEFINE_PROPERTY',
          "'process.env' only accepts a configurable, writable, and enumerable data descriptor");
      }
      return Reflect.defineProperty(t, key, { ...desc, value: text(desc.value) });
    },
  });
}

function hrtime(previous) {
  const [seconds, nanos] = native.hrtime();
  if (previous === undefined) return [seconds, nanos];
  check.array(previous, 'time');
  if (previous.length !== 2) throw errors.outOfRange('time', 2, previous.length);
  let s = seconds - previous[0], n = nanos - previous[1];
  if (n < 0) { s--; n += 1e9; }
  return [s, n];
}
hrtime.bigint = function bigint() {
  const [seconds, nanos] = native.hrtime();
  return BigInt(seconds) * 1000000000n + BigInt(nanos);
};

function exitCodeOf(code) {
  if (code === undefined || code === null) return code;
  if (typeof code === 'string' && code !== '' && Number.isInteger(+code)) return +code;
  if (typeof code !== 'number') throw errors.invalidArgType('code', 'number', code);
  if (!Number.isInteger(code)) throw errors.outOfRange('code', 'an integer', code);
  return code;
}

let exitCode, exitEmitted = false;
Object.defineProperty(self, 'exitCode', {
  enumerable: true, configurable: false, get() { return exitCode; }, set(code) { exitCode = exitCodeOf(code); },
});

function toWarning(warning, type, code, ctor) {
  let detail;
  if (type !== null && typeof type === 'object' && !Array.isArray(type)) {
    ctor = type.ctor;
    code = type.code;
    detail = type.detail;
    type = type.type || 'Warning';
  } else if (typeof type === 'function') { ctor = type; code = ''; type = 'Warning'; }
  if (typeof code === 'function') { ctor = code; code = ''; }
  if (warning instanceof Error) return warning;
  check.string(warning, 'warning');
  const out = new Error(warning);
  out.name = String(type || 'Warning');
  if (code) out.code = code;
  if (detail) out.detail = detail;
  void ctor;
  return out;
}

function printWarning(warning) {
  const code = warning.code ? `[${warning.code}] ` : '';
  const detail = typeof warning.detail === 'string' ? `\n${warning.detail}` : '';
  native.stderr(`(brig) ${code}${Error.prototype.toString.call(warning)}${detail}\n`);
}

const methods = {
  nextTick(callback, ...args) {
    check.func(callback, 'callback');
    ticks.push({ fn: callback, args, context: engine.context() });
    schedule();
  },
  emit(event, ...args) {
    if (event === 'exit') {
      if (exitEmitted) return false; // the engine emits it too
      exitEmitted = true;
    }
    const heard = EventEmitter.prototype.emit.call(self, event, ...args);
    if (event === 'exit') native.flush();
    return heard;
  },
  exit(code) {
    if (arguments.length > 0 && code !== undefined) self.exitCode = code;
    if (!self._exiting) {
      Object.defineProperty(self, '_exiting', { value: true, writable: true, configurable: true, enumerable: false });
      self.emit('exit', self.exitCode || 0);
    }
    native.flush();
    native.exit((self.exitCode || 0) & 0xff);
  },
  reallyExit(code) { native.flush(); native.exit((code || 0) & 0xff); },
  abort() { native.flush(); native.exit(134); },
  emitWarning(warning, type, code, ctor) {
    if (type === 'DeprecationWarning' && self.noDeprecation) return;
    const made = toWarning(warning, type, code, ctor);
    methods.nextTick(() => {
      if (!self.noWarnings && !(made.name === 'DeprecationWarning' && self.noDeprecation)) printWarning(made);
      self.emit('warning', made);
    });
  },
  cwd() { return native.cwd(); },
  chdir(directory) {
    check.string(directory, 'directory');
    const failed = native.chdir(directory);
    if (failed) throw errors.systemError({ ...failed, syscall: 'chdir', message: `${failed.code}: ${failed.text}, chdir '${native.cwd()}' -> '${directory}'`, path: native.cwd(), dest: directory });
  },
  hrtime,
  uptime() { return native.uptime(); },
  memoryUsage: Object.assign(function memoryUsage() {
    const [rss, heapTotal, heapUsed] = native.memory();
    return { rss, heapTotal, heapUsed, external: 0, arrayBuffers: 0 };
  }, { rss: () => native.memory()[0] }),
  cpuUsage(previous) {
    const micros = Math.round(native.uptime() * 1e6);
    return { user: micros - (previous ? previous.user : 0), system: 0 };
  },
  resourceUsage() { return { userCPUTime: Math.round(native.uptime() * 1e6), systemCPUTime: 0, maxRSS: Math.round(native.memory()[0] / 1024) }; },
  constrainedMemory() { return 0; },
  availableMemory() { return native.memory()[0]; },
  umask() { return 0o22; },
  getuid() { return native.uid; },
  geteuid() { return native.uid; },
  getgid() { return native.gid; },
  getegid() { return native.gid; },
  getgroups() { return [native.gid]; },
  kill() { throw errors.unsupported('process.kill', 'a script starts no processes, its jobs do; run it as a job: new Job(...)'); },
  binding(name) { throw errors.unsupported(`process.binding('${name}')`, 'there are no native bindings'); },
  dlopen() { throw errors.unsupported('process.dlopen', 'native add-ons cannot be loaded; use a package in plain JavaScript or a job'); },
  getActiveResourcesInfo() { return []; },
  hasUncaughtExceptionCaptureCallback() { return self.listenerCount('uncaughtException') > 0; },
  setUncaughtExceptionCaptureCallback(fn) {
    self.removeAllListeners('uncaughtException');
    if (fn !== null) self.on('uncaughtException', fn);
  },
  setSourceMapsEnabled() {},
  getBuiltinModule(name) {
    const { isBuiltin } = require('module');
    return isBuiltin(name) ? require(name.replace(/^node:/, '')) : undefined;
  },
};
for (const [name, fn] of Object.entries(methods)) self[name] = fn;

Object.assign(self, {
  title: 'brig',
  version: native.version,
  versions: { node: native.version.slice(1), ...native.versions },
  arch: native.arch,
  platform: native.platform,
  release: { name: 'node', lts: 'Iron' },
  argv: [...native.argv],
  argv0: native.argv[0] || 'brig',
  execArgv: [],
  execPath: native.argv[0] || 'brig',
  env: environment(),
  pid: native.pid,
  ppid: native.ppid,
  features: { inspector: false, debug: false, uv: false, ipv6: true, tls_alpn: true, tls_sni: true, tls_ocsp: false, tls: true, cached_builtins: true },
  config: { target_defaults: {}, variables: {} },
  moduleLoadList: [],
  debugPort: 9229,
  allowedNodeEnvironmentFlags: new Set(),
  report: { writeReport() { return ''; }, getReport() { return '{}'; } },
  noDeprecation: native.env.NODE_NO_WARNINGS === '1',
});

function outputStream(fd, write) {
  const { Writable } = require('stream');
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, callback) {
      write(typeof chunk === 'string' ? chunk : chunk.toString('utf8'));
      callback();
    },
    writev(chunks, callback) {
      for (const { chunk } of chunks) write(typeof chunk === 'string' ? chunk : chunk.toString('utf8'));
      callback();
    },
  });
  stream.fd = fd;
  stream._type = 'pipe';
  stream._isStdio = true;
  stream.isTTY = undefined;
  delete stream.isTTY;
  stream.destroySoon = stream.destroy;
  stream._destroy = (err, callback) => callback(err);
  stream.hasColors = () => false;
  stream.getColorDepth = () => 1;
  return stream;
}

function lazy(name, make) {
  let value;
  Object.defineProperty(self, name, {
    enumerable: true, configurable: true, get() { return value === undefined ? (value = make()) : value; }, set(v) { value = v; },
  });
}
lazy('stdout', () => outputStream(1, native.stdout));
lazy('stderr', () => outputStream(2, native.stderr));
lazy('stdin', () => {
  const { Readable } = require('stream');
  const stream = new Readable({ read() { this.push(null); } });
  stream.fd = 0;
  return stream;
});
