'use strict';
// Errors with a code, worded as Node words them, and the argument checks that
// throw them. Loaded by nearly everything: keep it small and free of imports.

let inspectModule;
function show(value, options) {
  inspectModule = inspectModule || require('internal/inspect');
  return inspectModule.inspect(value, options);
}

function make(Base, code, message, extra) {
  const err = new Base(message);
  return brand(err, code, extra);
}

function brand(err, code, extra) {
  const stack = err.stack;
  if (typeof stack === 'string' && stack.startsWith(err.name)) {
    Object.defineProperty(err, 'stack', {
      value: `${err.name} [${code}]${stack.slice(err.name.length)}`,
      writable: true, enumerable: false, configurable: true,
    });
  }
  err.code = code;
  if (extra) Object.assign(err, extra);
  Object.defineProperty(err, 'toString', {
    value() { return `${this.name} [${code}]: ${this.message}`; },
    writable: true, enumerable: false, configurable: true,
  });
  return err;
}

function enumerate(words, joiner) {
  if (words.length < 3) return words.join(` ${joiner} `);
  return `${words.slice(0, -1).join(', ')}, ${joiner} ${words[words.length - 1]}`;
}

function received(value) {
  if (value == null) return `${value}`;
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') {
    if (value.constructor && value.constructor.name) return `an instance of ${value.constructor.name}`;
    return show(value, { depth: -1 });
  }
  let text = show(value, { colors: false });
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return `type ${typeof value} (${text})`;
}

const PRIMITIVES = new Set(['string', 'function', 'number', 'object', 'boolean', 'bigint', 'symbol', 'Function', 'Object']);

function expectation(expected) {
  const types = [], classes = [], others = [];
  for (const word of Array.isArray(expected) ? expected : [expected]) {
    if (PRIMITIVES.has(word)) types.push(word.toLowerCase());
    else if (/^([A-Z][a-z0-9]*)+$/.test(word)) classes.push(word);
    else others.push(word);
  }
  if (classes.length > 0) {
    const at = types.indexOf('object');
    if (at >= 0) { types.splice(at, 1); classes.push('Object'); }
  }
  const parts = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${enumerate(types, 'or')}`);
  if (classes.length > 0) parts.push(`an instance of ${enumerate(classes, 'or')}`);
  if (others.length > 1) parts.push(`one of ${enumerate(others, 'or')}`);
  else if (others.length === 1) parts.push((others[0].toLowerCase() !== others[0] ? 'an ' : '') + others[0]);
  return parts.join(' or ');
}

function subject(name) {
  if (name.endsWith(' argument')) return `The ${name}`;
  return `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

function invalidArgType(name, expected, actual) {
  return make(TypeError, 'ERR_INVALID_ARG_TYPE',
    `${subject(name)} must be ${expectation(expected)}. Received ${received(actual)}`);
}

function invalidArgValue(name, value, reason = 'is invalid', Base = TypeError) {
  let text = show(value);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  const kind = name.includes('.') ? 'property' : 'argument';
  return make(Base, 'ERR_INVALID_ARG_VALUE', `The ${kind} '${name}' ${reason}. Received ${text}`);
}

function separated(text) {
  const sign = text[0] === '-' ? '-' : '';
  return sign + text.slice(sign.length).replace(/\B(?=(\d{3})+$)/g, '_');
}

function outOfRange(name, range, value) {
  let text;
  if (Number.isInteger(value) && Math.abs(value) > 2 ** 32) text = separated(String(value));
  else if (typeof value === 'bigint') {
    text = String(value);
    if (value > 2n ** 32n || value < -(2n ** 32n)) text = separated(text);
    text += 'n';
  } else text = show(value);
  return make(RangeError, 'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${text}`);
}

function missingArgs(...names) {
  const quoted = names.map((n) => (Array.isArray(n) ? n.map((x) => `"${x}"`).join(' or ') : `"${n}"`));
  return make(TypeError, 'ERR_MISSING_ARGS',
    `The ${enumerate(quoted, 'and')} argument${names.length > 1 ? 's' : ''} must be specified`);
}

class AbortError extends Error {
  constructor(message = 'The operation was aborted', options = undefined) {
    super(message, options);
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

const ERRNO = {
  EPERM: -1, ENOENT: -2, EIO: -5, EBADF: -9, EACCES: -13, EEXIST: -17, ENOTDIR: -20, EISDIR: -21, EINVAL: -22,
  EMFILE: -24, EFBIG: -27, ENOSPC: -28, EROFS: -30, EPIPE: -32, ENAMETOOLONG: -36, ENOTEMPTY: -39, ELOOP: -40,
  EADDRINUSE: -98, ENETUNREACH: -101, ECONNABORTED: -103, ECONNRESET: -104, ETIMEDOUT: -110,
  ECONNREFUSED: -111, EHOSTUNREACH: -113, ENOTFOUND: -3008, EAI_AGAIN: -3001,
};

// systemError builds the error that Node would for a failed system call, from
// the plain fields the Go side returns.
function systemError(fields) {
  const err = new Error(fields.message);
  const errno = ERRNO[fields.code];
  if (errno !== undefined) err.errno = errno;
  for (const key of ['code', 'syscall', 'address', 'port', 'hostname', 'path', 'dest', 'reason', 'host']) {
    if (fields[key] !== undefined && fields[key] !== '') err[key] = fields[key];
  }
  err.stack = `${err.name}: ${err.message}`;
  Object.defineProperty(err, 'stack', { enumerable: false });
  return err;
}

function unsupported(what, instead) {
  return make(Error, 'ERR_BRIGADE_UNSUPPORTED', `${what} is not available in a Brigade script: ${instead}`);
}

const check = {
  string(value, name) { if (typeof value !== 'string') throw invalidArgType(name, 'string', value); },
  boolean(value, name) { if (typeof value !== 'boolean') throw invalidArgType(name, 'boolean', value); },
  func(value, name) { if (typeof value !== 'function') throw invalidArgType(name, 'Function', value); },
  callback(value) { if (typeof value !== 'function') throw invalidArgType('callback', 'Function', value); },
  array(value, name) { if (!Array.isArray(value)) throw invalidArgType(name, 'Array', value); },
  object(value, name) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalidArgType(name, 'Object', value);
  },
  number(value, name, min, max) {
    if (typeof value !== 'number') throw invalidArgType(name, 'number', value);
    if ((min != null && value < min) || (max != null && value > max) || ((min != null || max != null) && Number.isNaN(value))) {
      const low = min != null ? `>= ${min}` : '', high = max != null ? `<= ${max}` : '';
      throw outOfRange(name, low + (low && high ? ' && ' : '') + high, value);
    }
  },
  integer(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
    if (typeof value !== 'number') throw invalidArgType(name, 'number', value);
    if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
    if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  },
  oneOf(value, name, list) {
    if (!list.includes(value)) {
      throw invalidArgValue(name, value, `must be one of: ${list.map((v) => (typeof v === 'string' ? `'${v}'` : String(v))).join(', ')}`);
    }
  },
  signal(value, name) {
    if (value !== undefined && (value === null || typeof value !== 'object' || !('aborted' in value))) {
      throw invalidArgType(name, 'AbortSignal', value);
    }
  },
};

module.exports = {
  make, brand, received, enumerate, invalidArgType, invalidArgValue, outOfRange, missingArgs,
  AbortError, systemError, ERRNO, unsupported, check,
};
