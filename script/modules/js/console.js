'use strict';
// console: one call is one message with a level.

const IN_STEP = 2;
let formatModule;
// text is one message; an error's stack in it is shown as Node shows it.
function text(args) {
  let out = args[0];
  if (args.length !== 1 || typeof out !== 'string') {
    formatModule = formatModule || require('internal/format');
    out = formatModule.formatWithOptions(undefined, ...args);
  }
  return out.includes('\n\tat ') ? require('internal/inspect_names').nodeFrames(out) : out;
}

function Console(options) {
  if (!new.target) return new Console(...arguments);
  let { stdout, stderr } = options || {};
  if (options && typeof options.write === 'function') [stdout, stderr] = arguments;
  if (!stdout || typeof stdout.write !== 'function') {
    throw require('internal/errors').make(TypeError, 'ERR_CONSOLE_WRITABLE_STREAM', 'Console expects a writable stream instance for stdout');
  }
  stderr = stderr || stdout;
  bindMethods(this, (level, message) => {
    const stream = level === 'warn' || level === 'error' || level === 'trace' ? stderr : stdout;
    stream.write(`${message}\n`);
  }, options && options.inspectOptions);
}

const native_ = native;

function milliseconds(ms) {
  if (ms >= 1000) {
    if (ms >= 3600000) return clock(ms, 3600000, 'h:mm:ss.mmm', 2);
    if (ms >= 60000) return clock(ms, 60000, 'm:ss.mmm', 1);
    return `${(ms / 1000).toFixed(3)}s`;
  }
  return `${Number(ms.toFixed(3))}ms`;
}

function clock(ms, unit, label, parts) {
  const two = (n) => String(n).padStart(2, '0');
  const seconds = ((ms % 60000) / 1000).toFixed(3).padStart(6, '0');
  const minutes = Math.floor(ms / 60000);
  return parts === 1 ? `${minutes}:${seconds} (${label})` : `${Math.floor(ms / unit)}:${two(minutes % 60)}:${seconds} (${label})`;
}

function warn(message) { require('process').emitWarning(message); }

function bindMethods(target, write, inspectOptions) {
  let indent = '';
  const counts = new Map(), timers = new Map();
  const say = (level, message) => {
    if (indent !== '') message = indent + message.replace(/\n/g, `\n${indent}`);
    write(level, message);
  };
  const make = (level) => (...args) => say(level, inspectOptions ? require('internal/format').formatWithOptions(inspectOptions, ...args) : text(args));
  const log = make('log'), warning = make('warn'), error = make('error');
  const elapsed = (name, label) => {
    const start = timers.get(label);
    if (start === undefined) { warn(`No such label '${label}' for console.${name}()`); return undefined; }
    return milliseconds(native_.now() - start);
  };
  const methods = {
    log, warn: warning, error, info: make('info'), debug: make('debug'), dirxml: log,
    dir(object, options) {
      say('log', require('internal/inspect').inspect(object, { customInspect: false, ...inspectOptions, ...options }));
    },
    time(label = 'default') {
      label = `${label}`;
      if (timers.has(label)) { warn(`Label '${label}' already exists for console.time()`); return; }
      timers.set(label, native_.now());
    },
    timeEnd(label = 'default') {
      const took = elapsed('timeEnd', `${label}`);
      if (took === undefined) return;
      say('log', `${label}: ${took}`);
      timers.delete(`${label}`);
    },
    timeLog(label = 'default', ...data) {
      const took = elapsed('timeLog', `${label}`);
      if (took !== undefined) log('%s: %s', `${label}`, took, ...data);
    },
    trace(...args) {
      const err = new Error();
      const frames = require('internal/inspect_names').nodeFrames(`${err.stack}`).split('\n').slice(1).filter((l) => !/Console|console/.test(l));
      say('trace', [`Trace${args.length > 0 ? `: ${text(args)}` : ''}`, ...frames].join('\n'));
    },
    assert(ok, ...args) {
      if (ok) return;
      if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
      else args.unshift('Assertion failed');
      warning(...args);
    },
    clear() {},
    count(label = 'default') {
      label = `${label}`;
      const n = (counts.get(label) || 0) + 1;
      counts.set(label, n);
      log(`${label}: ${n}`);
    },
    countReset(label = 'default') {
      if (!counts.has(`${label}`)) { warn(`Count for '${label}' does not exist`); return; }
      counts.delete(`${label}`);
    },
    group(...args) {
      if (args.length > 0) log(...args);
      indent += ' '.repeat(IN_STEP);
    },
    groupEnd() { indent = indent.slice(0, -IN_STEP); },
    table(data, columns) {
      if (data === null || typeof data !== 'object') { log(data); return; }
      say('log', require('internal/console_table').table(data, columns));
    },
    profile() {}, profileEnd() {}, timeStamp() {},
  };
  methods.groupCollapsed = methods.group;
  for (const name of Object.keys(methods)) {
    Object.defineProperty(methods[name], 'name', { value: name });
    Object.defineProperty(target, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
  }
}

const console_ = Object.create({});
bindMethods(console_, native.write);
Object.defineProperty(console_, 'Console', { value: Console, writable: true, enumerable: false, configurable: true });
Object.defineProperty(console_, Symbol.toStringTag, { value: 'console', writable: false, enumerable: false, configurable: true });
for (const name of ['_stdout', '_stderr']) {
  Object.defineProperty(console_, name, { get: () => require('process')[name.slice(1)], configurable: true, enumerable: false });
}

module.exports = console_;
