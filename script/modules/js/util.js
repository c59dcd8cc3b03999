'use strict';
// util, and the encoders that are globals too.

const errors = require('internal/errors');
const { format, formatWithOptions } = require('internal/format');
const { check } = errors;

const customPromisify = Symbol.for('nodejs.util.promisify.custom');
const promisifyArgs = Symbol.for('nodejs.util.promisify.args');

function promisify(original) {
  check.func(original, 'original');
  if (original[customPromisify]) {
    const fn = original[customPromisify];
    check.func(fn, 'util.promisify.custom');
    return Object.defineProperty(fn, customPromisify, { value: fn, enumerable: false, writable: false, configurable: true });
  }
  const names = original[promisifyArgs];
  function fn(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (err, ...values) => {
        if (err) { reject(err); return; }
        if (names === undefined || values.length < 2) { resolve(values[0]); return; }
        const result = {};
        names.forEach((name, i) => { result[name] = values[i]; });
        resolve(result);
      }]);
    });
  }
  Object.setPrototypeOf(fn, Object.getPrototypeOf(original));
  Object.defineProperty(fn, customPromisify, { value: fn, enumerable: false, writable: false, configurable: true });
  for (const [key, desc] of Object.entries(Object.getOwnPropertyDescriptors(original))) {
    if (key === 'arguments' || key === 'caller') continue;
    if (typeof desc.value === 'function') desc.value = { v: desc.value }.v;
    Object.defineProperty(fn, key, desc);
  }
  return fn;
}
promisify.custom = customPromisify;

function callbackify(original) {
  check.func(original, 'original');
  function callbackified(...args) {
    const callback = args.pop();
    check.func(callback, 'last argument');
    const { nextTick } = require('process');
    Reflect.apply(original, this, args).then(
      (value) => nextTick(() => Reflect.apply(callback, this, [null, value])),
      (reason) => nextTick(() => {
        if (!reason) {
          const wrapped = errors.make(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value');
          wrapped.reason = reason;
          reason = wrapped;
        }
        Reflect.apply(callback, this, [reason]);
      }),
    );
  }
  const length = Object.getOwnPropertyDescriptor(original, 'length');
  Object.defineProperty(callbackified, 'length', { ...length, value: length.value + 1 });
  Object.defineProperty(callbackified, 'name', { value: `${original.name}Callbackified`, configurable: true });
  return callbackified;
}

function inherits(constructor, parent) {
  if (constructor == null) throw errors.invalidArgType('ctor', 'Function', constructor);
  if (parent == null) throw errors.invalidArgType('superCtor', 'Function', parent);
  if (parent.prototype === undefined) throw errors.invalidArgType('superCtor.prototype', 'Object', parent.prototype);
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

const warnedCodes = new Set();
function deprecate(fn, message, code) {
  if (code !== undefined) check.string(code, 'code');
  let warned = false;
  function deprecated(...args) {
    if (!warned && !require('process').noDeprecation) {
      warned = true;
      if (code === undefined || !warnedCodes.has(code)) {
        if (code !== undefined) warnedCodes.add(code);
        require('process').emitWarning(message, 'DeprecationWarning', code, deprecated);
      }
    }
    return new.target ? Reflect.construct(fn, args, new.target) : Reflect.apply(fn, this, args);
  }
  Object.setPrototypeOf(deprecated, fn);
  if (fn.prototype) deprecated.prototype = fn.prototype;
  return deprecated;
}

function debuglog(set, callback) {
  const name = String(set).toUpperCase();
  let enabled;
  const test = () => {
    if (enabled === undefined) {
      const wanted = (require('process').env.NODE_DEBUG || '').split(',').filter(Boolean);
      enabled = wanted.some((w) => new RegExp(`^${w.replace(/[|\\{}()[\]^$+?.]/g, '\\$&').replace(/\*/g, '.*')}$`, 'i').test(name));
    }
    return enabled;
  };
  function log(...args) {
    if (!test()) return;
    const { pid, stderr } = require('process');
    stderr.write(`${name} ${pid}: ${format(...args)}\n`);
  }
  Object.defineProperty(log, 'enabled', { get: test, enumerable: true, configurable: true });
  if (typeof callback === 'function') callback(log);
  return log;
}

// styleText colours nothing by default: what a script prints is no terminal.
function styleText(style, text, options) {
  const { colors } = util.inspect;
  check.string(text, 'text');
  const list = Array.isArray(style) ? style : [style];
  let open = '', close = '';
  for (const name of list) {
    if (colors[name] === undefined) check.oneOf(name, 'format', Object.keys(colors));
    open += `\u001b[${colors[name][0]}m`;
    close = `\u001b[${colors[name][1]}m${close}`;
  }
  if (!options || options.validateStream !== false) return text;
  return open + text + close;
}

function parseEnv(content) {
  check.string(content, 'content');
  const out = {};
  const line = /^\s*(?:export\s+)?([\w.-]+)\s*=[ \t]*("(?:[^"])*"|'(?:[^'])*'|`(?:[^`])*`|[^#\r\n]*)?[^\r\n]*$/gm;
  for (let m = line.exec(content); m !== null; m = line.exec(content)) {
    let value = (m[2] || '').trim();
    const quote = /^(['"`])([^]*)\1$/.exec(value);
    if (quote) value = quote[1] === '"' ? quote[2].replace(/\\n/g, '\n') : quote[2];
    out[m[1]] = value;
  }
  return out;
}

const ERRNO_TEXT = {
  EPERM: 'operation not permitted', ENOENT: 'no such file or directory', EIO: 'i/o error', EBADF: 'bad file descriptor',
  EACCES: 'permission denied', EEXIST: 'file already exists', ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory', EINVAL: 'invalid argument', EMFILE: 'too many open files', EFBIG: 'file too large',
  ENOSPC: 'no space left on device', EROFS: 'read-only file system', EPIPE: 'broken pipe', ENAMETOOLONG: 'name too long',
  ENOTEMPTY: 'directory not empty', ELOOP: 'too many symbolic links encountered', EADDRINUSE: 'address already in use',
  ENETUNREACH: 'network is unreachable', ECONNABORTED: 'software caused connection abort', ECONNRESET: 'connection reset by peer',
  ETIMEDOUT: 'connection timed out', ECONNREFUSED: 'connection refused', EHOSTUNREACH: 'host is unreachable',
  ENOTFOUND: 'unknown node or service', EAI_AGAIN: 'temporary failure',
};

const is = {
  isArray: Array.isArray,
  isBoolean: (v) => typeof v === 'boolean',
  isNull: (v) => v === null,
  isNullOrUndefined: (v) => v == null,
  isNumber: (v) => typeof v === 'number',
  isString: (v) => typeof v === 'string',
  isSymbol: (v) => typeof v === 'symbol',
  isUndefined: (v) => v === undefined,
  isObject: (v) => v !== null && typeof v === 'object',
  isFunction: (v) => typeof v === 'function',
  isPrimitive: (v) => v === null || (typeof v !== 'object' && typeof v !== 'function'),
  isRegExp: (v) => util.types.isRegExp(v),
  isDate: (v) => util.types.isDate(v),
  isError: (v) => v instanceof Error || Object.prototype.toString.call(v) === '[object Error]',
  isBuffer: (v) => require('buffer').Buffer.isBuffer(v),
};

const util = module.exports = {
  format, formatWithOptions, promisify, callbackify, inherits, deprecate, debuglog, debug: debuglog, styleText, parseEnv, ...is,
  stripVTControlCharacters(text) {
    check.string(text, 'str');
    return require('internal/inspect_layout').stripColors(text);
  },
  toUSVString(text) { return native.wellFormed(`${text}`); },
  isDeepStrictEqual(a, b) { return require('internal/deep_equal').isDeepStrictEqual(a, b); },
  getSystemErrorName(errno) {
    const found = Object.entries(errors.ERRNO).find(([, n]) => n === errno);
    return found ? found[0] : `Unknown system error ${errno}`;
  },
  getSystemErrorMap() {
    return new Map(Object.entries(errors.ERRNO).map(([name, n]) => [n, [name, ERRNO_TEXT[name]]]));
  },
  log(...args) {
    const now = new Date();
    const two = (n) => String(n).padStart(2, '0');
    const month = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][now.getMonth()];
    console.log('%s - %s', `${now.getDate()} ${month} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`, format(...args));
  },
  _extend(target, source) { return source === null || typeof source !== 'object' ? target : Object.assign(target, source); },
  _exceptionWithHostPort(err, syscall, address, port) {
    return errors.systemError({ code: err, syscall, address, port, message: `${syscall} ${err} ${address}:${port}` });
  },
  aborted(signal, resource) {
    if (signal === undefined) return Promise.reject(errors.invalidArgType('signal', 'AbortSignal', signal));
    check.object(resource, 'resource');
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  },
  transferableAbortController: () => new AbortController(),
  transferableAbortSignal: (signal) => signal,
};

function lazy(name, load) {
  Object.defineProperty(util, name, {
    configurable: true, enumerable: true,
    get() {
      const value = load();
      Object.defineProperty(util, name, { value, writable: true, enumerable: true, configurable: true });
      return value;
    },
    set(value) { Object.defineProperty(util, name, { value, writable: true, enumerable: true, configurable: true }); },
  });
}
lazy('inspect', () => require('internal/inspect').inspect);
lazy('types', () => require('util/types'));
lazy('TextEncoder', () => require('internal/encoding').TextEncoder);
lazy('TextDecoder', () => require('internal/encoding').TextDecoder);
lazy('MIMEType', () => require('internal/mime').MIMEType);
lazy('MIMEParams', () => require('internal/mime').MIMEParams);
lazy('parseArgs', () => require('internal/parse_args').parseArgs);
