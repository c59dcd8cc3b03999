'use strict';
// Reading and writing numbers: the methods readUInt8 … writeDoubleLE.

const { make, outOfRange, invalidArgType } = require('internal/errors');

const scratch = new Uint8Array(8);
const floats = new Float32Array(scratch.buffer, 0, 1);
const doubles = new Float64Array(scratch.buffer);

function boundsError(offset, last, name = 'offset') {
  if (typeof offset !== 'number') throw invalidArgType(name, 'number', offset);
  if (Math.floor(offset) !== offset) throw outOfRange(name, 'an integer', offset);
  if (last < 0) throw make(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
  throw outOfRange(name, `>= ${name === 'offset' ? 0 : 1} and <= ${last}`, offset);
}

function checkOffset(buffer, offset, size) {
  if (typeof offset !== 'number') throw invalidArgType('offset', 'number', offset);
  if (!(offset >= 0 && offset <= buffer.length - size) || Math.floor(offset) !== offset) boundsError(offset, buffer.length - size);
}

function checkValue(value, min, max, size) {
  if (value <= max && value >= min) return;
  if (Number.isNaN(value)) return;
  const n = typeof min === 'bigint' ? 'n' : '';
  let range;
  if (size > 4) {
    range = min === 0 || min === 0n ? `>= 0${n} and < 2${n} ** ${size * 8}${n}` :
      `>= -(2${n} ** ${size * 8 - 1}${n}) and < 2${n} ** ${size * 8 - 1}${n}`;
  } else range = `>= ${min}${n} and <= ${max}${n}`;
  throw outOfRange('value', range, value);
}

function readUnsigned(buffer, offset, size, little) {
  checkOffset(buffer, offset, size);
  let value = 0;
  if (little) for (let i = size - 1; i >= 0; i--) value = value * 256 + buffer[offset + i];
  else for (let i = 0; i < size; i++) value = value * 256 + buffer[offset + i];
  return value;
}

function readSigned(buffer, offset, size, little) {
  const value = readUnsigned(buffer, offset, size, little);
  return value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
}

function writeInteger(buffer, value, offset, size, little, min, max) {
  value = +value;
  checkValue(value, min, max, size);
  checkOffset(buffer, offset, size);
  value = Number.isNaN(value) ? 0 : Math.trunc(value);
  if (value < 0) value += 2 ** (size * 8);
  for (let i = 0; i < size; i++) {
    buffer[little ? offset + i : offset + size - 1 - i] = value % 256;
    value = Math.floor(value / 256);
  }
  return offset + size;
}

function readBig(buffer, offset, little, signed) {
  checkOffset(buffer, offset, 8);
  const a = BigInt(readUnsigned(buffer, offset, 4, little)), b = BigInt(readUnsigned(buffer, offset + 4, 4, little));
  const value = little ? (b << 32n) + a : (a << 32n) + b;
  return signed ? BigInt.asIntN(64, value) : value;
}

function writeBig(buffer, value, offset, little, min, max) {
  if (typeof value !== 'bigint') throw new TypeError('Cannot mix BigInt and other types, use explicit conversions');
  checkValue(value, min, max, 8);
  checkOffset(buffer, offset, 8);
  value = BigInt.asUintN(64, value);
  const low = Number(value & 0xffffffffn), high = Number(value >> 32n);
  writeInteger(buffer, little ? low : high, offset, 4, little, 0, 0xffffffff);
  return writeInteger(buffer, little ? high : low, offset + 4, 4, little, 0, 0xffffffff);
}

function readFloat(buffer, offset, size, little) {
  checkOffset(buffer, offset, size);
  for (let i = 0; i < size; i++) scratch[i] = buffer[little ? offset + i : offset + size - 1 - i];
  return size === 4 ? floats[0] : doubles[0];
}

function writeFloat(buffer, value, offset, size, little) {
  if (size === 4) floats[0] = +value; else doubles[0] = +value;
  checkOffset(buffer, offset, size);
  if (Number.isNaN(+value)) scratch.set(size === 4 ? [0, 0, 0xc0, 0x7f] : [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);
  for (let i = 0; i < size; i++) buffer[little ? offset + i : offset + size - 1 - i] = scratch[i];
  return offset + size;
}

function checkByteLength(size) {
  if (typeof size !== 'number') throw invalidArgType('byteLength', 'number', size);
  if (!(size >= 1 && size <= 6) || Math.floor(size) !== size) boundsError(size, 6, 'byteLength');
}

const methods = {
  readUIntLE(offset, size) { requireOffset(offset); checkByteLength(size); return readUnsigned(this, offset, size, true); },
  readUIntBE(offset, size) { requireOffset(offset); checkByteLength(size); return readUnsigned(this, offset, size, false); },
  readIntLE(offset, size) { requireOffset(offset); checkByteLength(size); return readSigned(this, offset, size, true); },
  readIntBE(offset, size) { requireOffset(offset); checkByteLength(size); return readSigned(this, offset, size, false); },
};

function requireOffset(offset) {
  if (offset === undefined) throw invalidArgType('offset', 'number', offset);
}

for (const little of [true, false]) {
  const order = little ? 'LE' : 'BE';
  methods[`writeUInt${order}`] = function(value, offset, size) {
    checkByteLength(size);
    return writeInteger(this, value, offset, size, little, 0, 2 ** (size * 8) - 1);
  };
  methods[`writeInt${order}`] = function(value, offset, size) {
    checkByteLength(size);
    return writeInteger(this, value, offset, size, little, -(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1);
  };
  for (const bits of [8, 16, 32]) {
    if (bits === 8 && !little) continue;
    const size = bits / 8, tail = bits === 8 ? '8' : `${bits}${order}`;
    const top = 2 ** bits, half = 2 ** (bits - 1);
    methods[`readUInt${tail}`] = function(offset = 0) { return readUnsigned(this, offset, size, little); };
    methods[`readInt${tail}`] = function(offset = 0) { return readSigned(this, offset, size, little); };
    methods[`writeUInt${tail}`] = function(value, offset = 0) { return writeInteger(this, value, offset, size, little, 0, top - 1); };
    methods[`writeInt${tail}`] = function(value, offset = 0) { return writeInteger(this, value, offset, size, little, -half, half - 1); };
  }
  methods[`readBigUInt64${order}`] = function(offset = 0) { return readBig(this, offset, little, false); };
  methods[`readBigInt64${order}`] = function(offset = 0) { return readBig(this, offset, little, true); };
  methods[`writeBigUInt64${order}`] = function(value, offset = 0) { return writeBig(this, value, offset, little, 0n, 2n ** 64n - 1n); };
  methods[`writeBigInt64${order}`] = function(value, offset = 0) { return writeBig(this, value, offset, little, -(2n ** 63n), 2n ** 63n - 1n); };
  methods[`readFloat${order}`] = function(offset = 0) { return readFloat(this, offset, 4, little); };
  methods[`readDouble${order}`] = function(offset = 0) { return readFloat(this, offset, 8, little); };
  methods[`writeFloat${order}`] = function(value, offset = 0) { return writeFloat(this, value, offset, 4, little); };
  methods[`writeDouble${order}`] = function(value, offset = 0) { return writeFloat(this, value, offset, 8, little); };
}

// install puts the methods, and their Uint spellings, on the prototype.
function install(prototype) {
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(method, 'name', { value: name });
    prototype[name] = method;
    if (name.includes('UInt')) prototype[name.replace('UInt', 'Uint')] = method;
  }
}

module.exports = { install };
