'use strict';
// Buffer.

const errors = require('internal/errors');
const encodings = require('internal/buffer_encodings');
const { check, invalidArgType, make } = errors;
const { normalize } = encodings;

const MAX_LENGTH = 2 ** 32, MAX_STRING = 536870888;
const custom = Symbol.for('nodejs.util.inspect.custom');
let inspectMaxBytes = 50;

class FastBuffer extends Uint8Array {
  constructor(a, b, c) { super(a, b, c); }
}

function Buffer(arg, encodingOrOffset, length) {
  if (typeof arg === 'number') {
    if (typeof encodingOrOffset === 'string') throw invalidArgType('string', 'string', arg);
    return Buffer.alloc(arg);
  }
  return Buffer.from(arg, encodingOrOffset, length);
}
Object.setPrototypeOf(Buffer, Uint8Array);
Buffer.prototype = FastBuffer.prototype;
Object.defineProperty(Buffer.prototype, 'constructor', { value: Buffer, writable: true, enumerable: false, configurable: true });
Object.defineProperty(Buffer, Symbol.species, { configurable: true, enumerable: false, get() { return FastBuffer; } });

function encodingOf(encoding) {
  const name = normalize(encoding);
  if (name === undefined) throw make(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  return name;
}

function adopt(bytes) { return new FastBuffer(bytes.buffer, bytes.byteOffset, bytes.byteLength); }

function checkSize(size) { check.number(size, 'size', 0, MAX_LENGTH); }

function fromText(text, encoding) {
  if (text.length === 0) return new FastBuffer(0);
  return adopt(encodings.encode(text, typeof encoding === 'string' && encoding !== '' ? encodingOf(encoding) : 'utf8'));
}

function isArrayBuffer(value) {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}

function fromArrayBuffer(buffer, offset, length) {
  offset = offset === undefined ? 0 : +offset || 0;
  const rest = buffer.byteLength - offset;
  if (rest < 0) throw make(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"offset" is outside of buffer bounds');
  if (length === undefined) return new FastBuffer(buffer, offset, rest);
  length = +length;
  if (!(length > 0)) return new FastBuffer(buffer, offset, 0);
  if (length > rest) throw make(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"length" is outside of buffer bounds');
  return new FastBuffer(buffer, offset, length);
}

function fromArrayLike(source) {
  if (source.length <= 0) return new FastBuffer(0);
  const out = new FastBuffer(source.length);
  if (ArrayBuffer.isView(source)) out.set(source);
  else for (let i = 0; i < source.length; i++) out[i] = source[i];
  return out;
}

function fromObject(value) {
  if (value.length !== undefined || isArrayBuffer(value.buffer)) {
    return typeof value.length !== 'number' ? new FastBuffer(0) : fromArrayLike(value);
  }
  return value.type === 'Buffer' && Array.isArray(value.data) ? fromArrayLike(value.data) : undefined;
}

function fromError(value) {
  return make(TypeError, 'ERR_INVALID_ARG_TYPE', 'The first argument must be of type string or an instance of Buffer, ' +
    `ArrayBuffer, or Array or an Array-like Object. Received ${errors.received(value)}`);
}

const statics = {
  poolSize: 8192,
  from: function from(value, encodingOrOffset, length) {
    if (typeof value === 'string') return fromText(value, encodingOrOffset);
    if (typeof value === 'object' && value !== null) {
      if (isArrayBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
      const plain = typeof value.valueOf === 'function' ? value.valueOf() : undefined;
      if (plain != null && plain !== value && (typeof plain === 'string' || typeof plain === 'object')) {
        return Buffer.from(plain, encodingOrOffset, length);
      }
      const made = fromObject(value);
      if (made) return made;
      if (typeof value[Symbol.toPrimitive] === 'function') {
        const primitive = value[Symbol.toPrimitive]('string');
        if (typeof primitive === 'string') return fromText(primitive, encodingOrOffset);
      }
    }
    throw fromError(value);
  },
  of: function of(...items) { return fromArrayLike(items); },
  copyBytesFrom: function copyBytesFrom(view, offset = 0, length = undefined) {
    if (!ArrayBuffer.isView(view) || view.length === undefined) throw invalidArgType('view', 'TypedArray', view);
    check.integer(offset, 'offset', 0);
    const part = view.subarray(offset, length === undefined ? view.length : offset + length);
    return Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  },
  alloc: function alloc(size, fill, encoding) {
    checkSize(size);
    const out = new FastBuffer(size);
    return fill !== undefined && fill !== 0 && size > 0 ? out.fill(fill, encoding) : out;
  },
  allocUnsafe: function allocUnsafe(size) { checkSize(size); return new FastBuffer(size); },
  allocUnsafeSlow: function allocUnsafeSlow(size) { checkSize(size); return new FastBuffer(size); },
  isBuffer: function isBuffer(value) { return value instanceof Buffer; },
  isEncoding: function isEncoding(encoding) { return typeof encoding === 'string' && encoding.length !== 0 && normalize(encoding) !== undefined; },
  byteLength: function byteLength(value, encoding) {
    if (typeof value === 'string') return encodings.byteLength(value, normalize(encoding) || 'utf8');
    if (ArrayBuffer.isView(value) || isArrayBuffer(value)) return value.byteLength;
    throw invalidArgType('string', ['string', 'Buffer', 'ArrayBuffer'], value);
  },
  compare: function compare(a, b) {
    if (!(a instanceof Uint8Array)) throw invalidArgType('buf1', ['Buffer', 'Uint8Array'], a);
    if (!(b instanceof Uint8Array)) throw invalidArgType('buf2', ['Buffer', 'Uint8Array'], b);
    return a === b ? 0 : encodings.compare(a, b);
  },
  concat: function concat(list, length) {
    check.array(list, 'list');
    if (list.length === 0) return new FastBuffer(0);
    if (length === undefined) length = list.reduce((sum, part) => sum + (part && part.length || 0), 0);
    else check.integer(length, 'length', 0);
    const out = Buffer.alloc(length);
    let at = 0;
    list.forEach((part, i) => {
      if (!(part instanceof Uint8Array)) throw invalidArgType(`list[${i}]`, ['Buffer', 'Uint8Array'], part);
      if (at >= length) return;
      out.set(at + part.length > length ? part.subarray(0, length - at) : part, at);
      at += part.length;
    });
    return out;
  },
};
for (const [name, value] of Object.entries(statics)) Buffer[name] = value;

const proto = require('internal/buffer_methods').methods({ Buffer, FastBuffer, encodingOf, inspectMax: () => inspectMaxBytes, custom });
for (const key of Reflect.ownKeys(proto)) {
  const desc = Object.getOwnPropertyDescriptor(proto, key);
  if (desc.get) Object.defineProperty(Buffer.prototype, key, { ...desc, enumerable: true });
  else Buffer.prototype[key] = desc.value;
}
Buffer.prototype.toLocaleString = Buffer.prototype.toString;
Buffer.prototype.inspect = Buffer.prototype[custom];
require('internal/buffer_numbers').install(Buffer.prototype);

function SlowBuffer(length) { return Buffer.allocUnsafeSlow(+length); }
Object.setPrototypeOf(SlowBuffer.prototype, Uint8Array.prototype);
Object.setPrototypeOf(SlowBuffer, Uint8Array);

function domError(message) {
  const { DOMException } = require('internal/dom_exception');
  return new DOMException(message, 'InvalidCharacterError');
}

function btoa(input) {
  if (arguments.length === 0) throw errors.missingArgs('input');
  const text = `${input}`;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) throw domError('Invalid character');
  return Buffer.from(text, 'latin1').toString('base64');
}

function atob(input) {
  if (arguments.length === 0) throw errors.missingArgs('input');
  let text = `${input}`.replace(/[\t\n\f\r ]/g, '');
  if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '');
  if (/[^A-Za-z0-9+/]/.test(text)) throw domError('Invalid character');
  if (text.length % 4 === 1) throw domError('The string to be decoded is not correctly encoded.');
  return Buffer.from(text, 'base64').toString('latin1');
}

function transcode(source, from, to) {
  if (!(source instanceof Uint8Array)) throw invalidArgType('source', ['Buffer', 'Uint8Array'], source);
  const a = encodingOf(from), b = encodingOf(to);
  const text = encodings.decode(source, a);
  return Buffer.from(b === 'latin1' || b === 'ascii' ? text.replace(/[^\x00-\xff]/g, '?') : text, b);
}

module.exports = {
  Buffer, SlowBuffer, kMaxLength: MAX_LENGTH, kStringMaxLength: MAX_STRING, btoa, atob, transcode,
  constants: Object.defineProperties({}, {
    MAX_LENGTH: { value: MAX_LENGTH, enumerable: true }, MAX_STRING_LENGTH: { value: MAX_STRING, enumerable: true },
  }),
  isUtf8: (input) => encodings.valid(new Uint8Array(input.buffer || input, input.byteOffset || 0, input.byteLength), 'utf8'),
  isAscii: (input) => encodings.valid(new Uint8Array(input.buffer || input, input.byteOffset || 0, input.byteLength), 'ascii'),
  resolveObjectURL: () => undefined,
  get INSPECT_MAX_BYTES() { return inspectMaxBytes; },
  set INSPECT_MAX_BYTES(n) { check.number(n, 'INSPECT_MAX_BYTES', 0); inspectMaxBytes = n; },
  get Blob() { return require('internal/blob').Blob; },
  get File() { return require('internal/blob').File; },
};
