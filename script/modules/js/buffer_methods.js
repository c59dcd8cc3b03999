'use strict';
// The methods of Buffer besides those for numbers.

const errors = require('internal/errors');
const encodings = require('internal/buffer_encodings');
const { check, invalidArgType, outOfRange, make } = errors;

function clamp(value, fallback, max) {
  value = +value;
  if (Number.isNaN(value)) return fallback;
  value = Math.trunc(value);
  return value < 0 ? 0 : value > max ? max : value;
}

// relative resolves an index that counts from the end when negative.
function relative(index, length) {
  index = Math.trunc(+index) || 0;
  return index < 0 ? Math.max(0, length + index) : Math.min(index, length);
}

function search(buffer, value, offset, encoding, forward, tools) {
  if (typeof offset === 'string') { encoding = offset; offset = undefined; }
  offset = +offset;
  if (Number.isNaN(offset)) offset = forward ? 0 : buffer.length;
  offset = Math.trunc(offset);
  if (offset < 0) offset += buffer.length;
  if (typeof value === 'number') value = new Uint8Array([value & 255]);
  else if (typeof value === 'string') {
    const name = tools.encodingOf(encoding);
    value = encodings.encode(value, name);
    return find(buffer, value, offset, forward, name === 'utf16le' ? 2 : 1);
  } else if (!(value instanceof Uint8Array)) throw invalidArgType('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
  return find(buffer, value, offset, forward, tools.normalize(encoding) === 'utf16le' ? 2 : 1);
}

function find(buffer, needle, offset, forward, step) {
  if (forward) {
    if (offset < 0) offset = 0;
    if (needle.length === 0) return Math.min(offset, buffer.length);
    if (offset >= buffer.length) return -1;
  } else {
    if (offset < 0) return -1;
    if (needle.length === 0) return Math.min(offset, buffer.length);
    offset = Math.min(offset, buffer.length - needle.length);
    if (offset < 0) return -1;
  }
  return encodings.indexOf(buffer, needle, offset, forward, step);
}

function copyInto(source, target, targetStart, from, to) {
  if (!(source instanceof Uint8Array)) throw invalidArgType('source', ['Buffer', 'Uint8Array'], source);
  if (!(target instanceof Uint8Array)) throw invalidArgType('target', ['Buffer', 'Uint8Array'], target);
  targetStart = targetStart === undefined ? 0 : Math.trunc(+targetStart) || 0;
  if (targetStart < 0) throw outOfRange('targetStart', '>= 0', targetStart);
  from = from === undefined ? 0 : Math.trunc(+from) || 0;
  if (from < 0 || from > source.length) throw outOfRange('sourceStart', `>= 0 && <= ${source.length}`, from);
  to = to === undefined ? source.length : Math.trunc(+to) || 0;
  if (to < 0) throw outOfRange('sourceEnd', '>= 0', to);
  if (targetStart >= target.length || from >= to) return 0;
  const count = Math.min(to - from, target.length - targetStart, source.length - from);
  target.set(source.subarray(from, from + count), targetStart);
  return count;
}

function fill(buffer, value, start, end, encoding, tools) {
  if (typeof value === 'string') {
    if (start === undefined || typeof start === 'string') { encoding = start; start = end = undefined; }
    else if (typeof end === 'string') { encoding = end; end = undefined; }
    const name = tools.encodingOf(encoding);
    const text = value;
    value = text.length === 0 ? 0 : encodings.encode(text, name);
    if (text.length > 0 && value.length === 0) throw errors.invalidArgValue('value', text);
  } else if (typeof value === 'boolean') value = +value;
  start = start === undefined ? 0 : start;
  check.number(start, 'offset', 0);
  if (end === undefined) end = buffer.length;
  check.number(end, 'end', 0, buffer.length);
  if (start >= end) return buffer;
  if (!(value instanceof Uint8Array)) {
    Uint8Array.prototype.fill.call(buffer, value & 255, start, end);
    return buffer;
  }
  if (value.length === 0) throw errors.invalidArgValue('value', value);
  for (let at = start; at < end;) {
    const part = at === start ? value : buffer.subarray(start, at); // doubles every time
    const count = Math.min(part.length, end - at);
    buffer.set(part.subarray(0, count), at);
    at += count;
  }
  return buffer;
}

function write(buffer, text, offset, length, encoding, tools) {
  if (typeof text !== 'string') throw make(TypeError, 'ERR_INVALID_ARG_TYPE', 'argument must be a string');
  if (offset === undefined) { offset = 0; length = buffer.length; }
  else if (length === undefined && typeof offset === 'string') { encoding = offset; offset = 0; length = buffer.length; }
  else {
    check.integer(offset, 'offset', 0, buffer.length);
    const rest = buffer.length - offset;
    if (length === undefined) length = rest;
    else if (typeof length === 'string') { encoding = length; length = rest; }
    else {
      check.integer(length, 'length', 0, buffer.length);
      length = Math.min(length, rest);
    }
  }
  const name = tools.encodingOf(encoding);
  let bytes = encodings.encode(text, name);
  if (bytes.length > length) {
    let size = length;
    if (name === 'utf8') while (size > 0 && (bytes[size] & 0xc0) === 0x80) size--;
    if (name === 'utf16le') size &= ~1;
    bytes = bytes.subarray(0, size);
  }
  buffer.set(bytes, offset);
  return bytes.length;
}

function swap(buffer, size) {
  if (buffer.length % size !== 0) throw make(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
  for (let i = 0; i < buffer.length; i += size) buffer.subarray(i, i + size).reverse();
  return buffer;
}

function inspectBuffer(buffer, options, tools) {
  const max = tools.inspectMax();
  const shown = Math.min(max, buffer.length);
  let text = Array.from(buffer.subarray(0, shown), (b) => (b < 16 ? '0' : '') + b.toString(16)).join(' ');
  if (buffer.length > max) text += ` ... ${buffer.length - max} more byte${buffer.length - max > 1 ? 's' : ''}`;
  if (options) {
    const extras = Object.keys(buffer).filter((k) => !/^\d+$/.test(k));
    if (extras.length > 0) {
      const object = Object.create(null);
      for (const key of extras) object[key] = buffer[key];
      const inner = require('internal/inspect').inspect(object, { ...options, breakLength: Infinity, compact: true });
      text += `${text === '' ? '' : ', '}${inner.slice(27, -2)}`;
    }
  }
  const name = buffer.constructor && buffer.constructor !== tools.FastBuffer ? buffer.constructor.name : 'Buffer';
  return `<${name} ${text}>`.replace(/ >$/, text === '' ? ' >' : '>');
}

// methods returns the table of methods; tools are what the Buffer module has.
function methods(tools) {
  tools.normalize = encodings.normalize;
  const { FastBuffer, encodingOf } = tools;
  const slice = (buffer, start, end) => {
    const from = relative(start, buffer.length);
    const to = end !== undefined ? relative(end, buffer.length) : buffer.length;
    return new FastBuffer(buffer.buffer, buffer.byteOffset + from, Math.max(0, to - from));
  };
  const table = {
    get parent() { return this instanceof tools.Buffer ? this.buffer : undefined; },
    get offset() { return this instanceof tools.Buffer ? this.byteOffset : undefined; },
    toString(encoding, start, end) {
      if (arguments.length === 0) return encodings.decode(this, 'utf8');
      const name = encodingOf(encoding === undefined ? 'utf8' : encoding);
      start = clamp(start, 0, this.length);
      end = end === undefined ? this.length : clamp(end, 0, this.length);
      if (end <= start) return '';
      return encodings.decode(start === 0 && end === this.length ? this : this.subarray(start, end), name);
    },
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; },
    equals(other) {
      if (!(other instanceof Uint8Array)) throw invalidArgType('otherBuffer', ['Buffer', 'Uint8Array'], other);
      return this === other || (this.length === other.length && encodings.compare(this, other) === 0);
    },
    compare(target, targetStart, targetEnd, start, end) {
      if (!(target instanceof Uint8Array)) throw invalidArgType('target', ['Buffer', 'Uint8Array'], target);
      const whole = (value, name, fallback, max) => {
        if (value === undefined) return fallback;
        check.integer(value, name, 0, max);
        return value;
      };
      targetStart = whole(targetStart, 'targetStart', 0);
      targetEnd = whole(targetEnd, 'targetEnd', target.length, target.length);
      start = whole(start, 'sourceStart', 0);
      end = whole(end, 'sourceEnd', this.length, this.length);
      if (start >= end) return targetStart >= targetEnd ? 0 : -1;
      if (targetStart >= targetEnd) return 1;
      return encodings.compare(this.subarray(start, end), target.subarray(targetStart, targetEnd));
    },
    indexOf(value, offset, encoding) { return search(this, value, offset, encoding, true, tools); },
    lastIndexOf(value, offset, encoding) { return search(this, value, offset, encoding, false, tools); },
    includes(value, offset, encoding) { return search(this, value, offset, encoding, true, tools) !== -1; },
    copy(target, targetStart, from, to) { return copyInto(this, target, targetStart, from, to); },
    fill(value, start, end, encoding) { return fill(this, value, start, end, encoding, tools); },
    write(text, offset, length, encoding) { return write(this, text, offset, length, encoding, tools); },
    slice(start, end) { return slice(this, start, end); },
    subarray(start, end) { return slice(this, start, end); },
    swap16() { return swap(this, 2); },
    swap32() { return swap(this, 4); },
    swap64() { return swap(this, 8); },
    [tools.custom](depth, options) { return inspectBuffer(this, options, tools); },
  };
  for (const [name, encoding] of [['utf8', 'utf8'], ['latin1', 'latin1'], ['ascii', 'ascii'], ['base64', 'base64'],
    ['base64url', 'base64url'], ['hex', 'hex'], ['ucs2', 'utf16le']]) {
    table[`${name}Slice`] = function(start, end) { return this.toString(encoding, start, end); };
    table[`${name}Write`] = function(text, offset = 0, length = this.length - offset) { return write(this, text, offset, length, encoding, tools); };
  }
  return table;
}

module.exports = { methods };
