'use strict';
// zlib.

const errors = require('internal/errors');
const { Buffer } = require('buffer');
const { check, invalidArgType, make } = errors;

const constants = Object.freeze(Object.assign(Object.create(null), {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_TREES: 6, Z_OK: 0, Z_STREAM_END: 1,
  Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3,
  Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, ZLIB_VERNUM: 4880, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5, INFLATERAW: 6, UNZIP: 7,
  BROTLI_DECODE: 8, BROTLI_ENCODE: 9, Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64,
  Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384, Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1,
  Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1, BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2,
  BROTLI_OPERATION_EMIT_METADATA: 3, BROTLI_PARAM_MODE: 0, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2,
  BROTLI_DEFAULT_MODE: 0, BROTLI_PARAM_QUALITY: 1, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11,
  BROTLI_PARAM_LGWIN: 2, BROTLI_MIN_WINDOW_BITS: 10, BROTLI_MAX_WINDOW_BITS: 24, BROTLI_DEFAULT_WINDOW: 22, BROTLI_PARAM_SIZE_HINT: 5,
  BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION: 0, BROTLI_DECODER_PARAM_LARGE_WINDOW: 1,
}));

const KINDS = {
  Gzip: ['gzip', false], Gunzip: ['gzip', true], Deflate: ['deflate', false], Inflate: ['deflate', true],
  DeflateRaw: ['raw', false], InflateRaw: ['raw', true], Unzip: ['auto', true], BrotliCompress: ['brotli', false], BrotliDecompress: ['brotli', true],
};

function failure(text) {
  const err = new Error(text);
  const code = text === 'unexpected end of file' ? 'Z_BUF_ERROR' : 'Z_DATA_ERROR';
  err.errno = constants[code];
  err.code = code;
  return err;
}

function levelOf(options) {
  if (!options) return -1;
  if (options.params && options.params[constants.BROTLI_PARAM_QUALITY] !== undefined) return options.params[constants.BROTLI_PARAM_QUALITY];
  if (options.level === undefined) return -1;
  check.number(options.level, 'options.level', -1, 9);
  return options.level;
}

function input(data) {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (Object.prototype.toString.call(data) === '[object ArrayBuffer]') return new Uint8Array(data);
  throw invalidArgType('buffer', ['string', 'Buffer', 'TypedArray', 'DataView', 'ArrayBuffer'], data);
}

function tooLarge(data, options) {
  if (options && options.maxOutputLength !== undefined && data.length > options.maxOutputLength) {
    return make(RangeError, 'ERR_BUFFER_TOO_LARGE', `Cannot create a Buffer larger than ${options.maxOutputLength} bytes`);
  }
  return null;
}

function result(data) { return data === null ? Buffer.alloc(0) : Buffer.from(data.buffer, data.byteOffset, data.byteLength); }

function sync(kind, data, options) {
  const [text, out] = native.once(KINDS[kind][0], levelOf(options), KINDS[kind][1], input(data));
  if (text !== '') throw failure(text);
  const large = tooLarge(out || [], options);
  if (large) throw large;
  return result(out);
}

function async(kind, data, options, callback) {
  if (typeof options === 'function') { callback = options; options = undefined; }
  check.func(callback, 'callback');
  native.later(KINDS[kind][0], levelOf(options), KINDS[kind][1], input(data), (text, out) => {
    if (text !== '') { callback(failure(text)); return; }
    const large = tooLarge(out || [], options);
    if (large) callback(large); else callback(null, result(out));
  });
}

const zlib = module.exports = { constants, codes: {} };
for (const [name, n] of Object.entries(constants)) {
  if (/^Z_(OK|STREAM_END|NEED_DICT|ERRNO|STREAM_ERROR|DATA_ERROR|MEM_ERROR|BUF_ERROR|VERSION_ERROR)$/.test(name)) {
    zlib.codes[name] = n;
    zlib.codes[n] = name;
  }
  if (!name.startsWith('BROTLI')) Object.defineProperty(zlib, name, { value: n, enumerable: false });
}

function defineClass(kind) {
  const [format, inflate] = KINDS[kind];
  function Codec(options) {
    if (!(this instanceof Codec)) return new Codec(options);
    prepare();
    require('stream').Transform.call(this, { ...options, decodeStrings: true });
    this.bytesWritten = 0;
    Object.defineProperty(this, '_handle', { value: native.open(format, levelOf(options), inflate), writable: true });
  }
  let prepared = false;
  function prepare() {
    if (prepared) return;
    prepared = true;
    const { Transform } = require('stream');
    Object.setPrototypeOf(Codec.prototype, Transform.prototype);
  }
  const step = (self, what, data, callback) => {
    if (self._handle === 0) { callback(); return; }
    const [text, out] = native.step(self._handle, what, data);
    if (what === 'end') self._handle = 0;
    if (out !== null && out.length > 0) self.push(result(out));
    if (text !== '') { self._handle = 0; callback(failure(text)); } else callback();
  };
  Codec.prototype._transform = function(chunk, encoding, callback) {
    this.bytesWritten += chunk.length;
    step(this, 'write', chunk, callback);
  };
  Codec.prototype._flush = function(callback) { step(this, 'end', new Uint8Array(0), callback); };
  Codec.prototype._destroy = function(err, callback) {
    if (this._handle !== 0) native.close(this._handle);
    this._handle = 0;
    callback(err);
  };
  Codec.prototype.flush = function(kindOf, callback) {
    if (typeof kindOf === 'function') callback = kindOf;
    step(this, 'flush', new Uint8Array(0), (err) => { if (err) this.destroy(err); else if (callback) require('process').nextTick(callback); });
  };
  Codec.prototype.close = function(callback) {
    if (callback) this.once('close', callback);
    this.destroy();
  };
  Codec.prototype.params = function(level, strategy, callback) { if (callback) require('process').nextTick(callback); };
  Codec.prototype.reset = function() { this._handle = native.open(format, -1, inflate); };
  Object.defineProperty(Codec, 'name', { value: kind });
  Object.defineProperty(Codec, Symbol.hasInstance, { value(object) { prepare(); return Function.prototype[Symbol.hasInstance].call(this, object); } });
  return Codec;
}

for (const kind of Object.keys(KINDS)) {
  const lower = kind[0].toLowerCase() + kind.slice(1);
  const Class = defineClass(kind);
  zlib[kind] = Class;
  zlib[`create${kind}`] = (options) => new Class(options);
  zlib[lower] = { [lower](data, options, callback) { async(kind, data, options, callback); } }[lower];
  zlib[`${lower}Sync`] = { [`${lower}Sync`](data, options) { return sync(kind, data, options); } }[`${lower}Sync`];
}
zlib.crc32 = (data, start = 0) => native.crc32(input(data), start);
