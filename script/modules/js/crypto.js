'use strict';
// crypto.

const errors = require('internal/errors');
const { Buffer } = require('buffer');
const { check, make, invalidArgType } = errors;
const kState = Symbol('state');

function bytes(value, name, encoding) {
  if (typeof value === 'string') return Buffer.from(value, encoding === 'buffer' ? 'utf8' : encoding);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Object.prototype.toString.call(value) === '[object ArrayBuffer]') return Buffer.from(value);
  if (value instanceof KeyObject) return value[kState].data;
  throw invalidArgType(name, ['string', 'ArrayBuffer', 'Buffer', 'TypedArray', 'DataView'], value);
}

function output(data, encoding) {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
}

// streaming makes instances of Class behave as Transform streams, once
// somebody uses them as such; until then the stream module is not loaded.
function streaming(Class, transform, flush) {
  const names = ['write', 'end', 'pipe', 'on', 'once', 'read', 'resume', 'pause', 'setEncoding', 'emit', 'unpipe', 'destroy',
    'addListener', 'removeListener', 'off', 'cork', 'uncork', Symbol.asyncIterator];
  for (const name of names) {
    Class.prototype[name] = function(...args) {
      const { Transform } = require('stream');
      for (const n of names) delete Class.prototype[n];
      Object.setPrototypeOf(Class.prototype, Transform.prototype);
      const begin = (object) => Transform.call(object, object[kState].streamOptions);
      for (const key of ['_readableState', '_writableState', '_events']) {
        Object.defineProperty(Class.prototype, key, {
          configurable: true,
          get() { if (this === Class.prototype) return undefined; define(this); begin(this); return this[key]; },
          set(value) { Object.defineProperty(this, key, { value, writable: true, configurable: true, enumerable: true }); },
        });
      }
      Class.prototype._transform = transform;
      Class.prototype._flush = flush;
      return this[name](...args);
    };
  }
  const define = (object) => {
    for (const key of ['_readableState', '_writableState', '_events']) {
      Object.defineProperty(object, key, { value: undefined, writable: true, configurable: true, enumerable: true });
    }
  };
}

function finalized() { return make(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called'); }

function Hash(algorithm, options) {
  if (!(this instanceof Hash)) return new Hash(algorithm, options);
  if (!(algorithm instanceof Hash)) check.string(algorithm, 'algorithm');
  const id = algorithm instanceof Hash ? native.copy(algorithm[kState].id) : native.hash(algorithm);
  if (id === 0) throw new Error('Digest method not supported');
  Object.defineProperty(this, kState, { value: { id, done: false, streamOptions: options } });
}
function Hmac(algorithm, key, options) {
  if (!(this instanceof Hmac)) return new Hmac(algorithm, key, options);
  check.string(algorithm, 'hmac');
  if (key === undefined || key === null) throw invalidArgType('key', ['ArrayBuffer', 'Buffer', 'TypedArray', 'DataView', 'string', 'KeyObject', 'CryptoKey'], key);
  const id = native.hmac(algorithm, bytes(key, 'key', options && options.encoding));
  if (id === 0) throw make(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${algorithm}`);
  Object.defineProperty(this, kState, { value: { id, done: false, streamOptions: options } });
}
function update(data, encoding) {
  const state = this[kState];
  if (state.done) throw finalized();
  if (typeof data !== 'string' && !ArrayBuffer.isView(data)) throw invalidArgType('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
  native.update(state.id, bytes(data, 'data', encoding));
  return this;
}
Hash.prototype.update = update;
Hash.prototype.digest = function digest(encoding) {
  const state = this[kState];
  if (state.done) throw finalized();
  state.done = true;
  return output(native.digest(state.id), encoding);
};
Hash.prototype.copy = function copy(options) {
  if (this[kState].done) throw finalized();
  return new Hash(this, options);
};
Hmac.prototype.update = update;
Hmac.prototype.digest = function digest(encoding) {
  const state = this[kState];
  if (state.done) return encoding && encoding !== 'buffer' ? '' : Buffer.alloc(0);
  state.done = true;
  return output(native.digest(state.id), encoding);
};
for (const Class of [Hash, Hmac]) {
  streaming(Class, function(chunk, encoding, callback) { this.update(chunk, encoding); callback(); },
    function(callback) { this.push(this.digest()); callback(); });
}

function randomFillSync(buffer, offset = 0, size = undefined) {
  const view = Object.prototype.toString.call(buffer) === '[object ArrayBuffer]' ? new Uint8Array(buffer) : buffer;
  if (!ArrayBuffer.isView(view)) throw invalidArgType('buf', ['ArrayBuffer', 'ArrayBufferView'], buffer);
  const target = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const unit = view.BYTES_PER_ELEMENT || 1;
  check.number(offset, 'offset', 0, target.length / unit);
  size = size === undefined ? target.length - offset * unit : size * unit;
  target.set(native.random(size), offset * unit);
  return buffer;
}

function randomBytes(size, callback) {
  check.number(size, 'size', 0, 2 ** 31 - 1);
  if (callback === undefined) return output(native.random(size));
  check.func(callback, 'callback');
  setImmediate(() => callback(null, output(native.random(size))));
  return undefined;
}

function randomInt(min, max, callback) {
  if (max === undefined || typeof max === 'function') { callback = max; max = min; min = 0; }
  if (!Number.isSafeInteger(min)) throw invalidArgType('min', 'a safe integer', min);
  if (!Number.isSafeInteger(max)) throw invalidArgType('max', 'a safe integer', max);
  if (max <= min) throw errors.outOfRange('max', `greater than the value of "min" (${min})`, max);
  const range = max - min;
  if (range > 2 ** 48 - 1) throw errors.outOfRange('max - min', `<= ${2 ** 48 - 1}`, range);
  const limit = 2 ** 48 - (2 ** 48 % range);
  let n;
  do { n = output(native.random(6)).readUIntBE(0, 6); } while (n >= limit);
  const value = min + (n % range);
  if (callback === undefined) return value;
  require('process').nextTick(callback, undefined, value);
  return undefined;
}

function randomUUID() {
  const b = native.random(16);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = output(b, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function timingSafeEqual(a, b) {
  for (const [value, name] of [[a, 'buf1'], [b, 'buf2']]) {
    if (!ArrayBuffer.isView(value) && Object.prototype.toString.call(value) !== '[object ArrayBuffer]') {
      throw make(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`);
    }
  }
  if (a.byteLength !== b.byteLength) throw make(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
  return native.equal(bytes(a), bytes(b));
}

function checkDerivation(iterations, size, digest) {
  check.integer(iterations, 'iterations', 1, 2 ** 31 - 1);
  check.integer(size, 'keylen', 0, 2 ** 31 - 1);
  check.string(digest, 'digest');
  if (!native.known(digest)) throw make(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${digest}`);
}

function deliver(callback) {
  return (failure, data) => (failure ? callback(new Error(failure)) : callback(null, output(data)));
}

function scryptParameters(options = {}) {
  const pick = (a, b, fallback) => (options[a] !== undefined ? options[a] : options[b] !== undefined ? options[b] : fallback);
  const n = pick('N', 'cost', 16384), r = pick('r', 'blockSize', 8), p = pick('p', 'parallelization', 1);
  if ((n & (n - 1)) !== 0 || n < 2) throw make(RangeError, 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS', 'Invalid scrypt params');
  return [n, r, p];
}

class KeyObject {
  constructor(type, data, kind) {
    Object.defineProperty(this, kState, { value: { type, data, kind } });
  }
  get type() { return this[kState].type; }
  get asymmetricKeyType() { return this[kState].kind; }
  get symmetricKeySize() { return this.type === 'secret' ? this[kState].data.length : undefined; }
  export(options) {
    if (this.type === 'secret' && options && options.format === 'jwk') return { kty: 'oct', k: this[kState].data.toString('base64url') };
    return options && options.format === 'pem' ? this[kState].data.toString() : this[kState].data;
  }
  equals(other) { return this.type === other.type && this[kState].data.equals(other[kState].data); }
}

const signing = require('internal/crypto_sign').make({ native, bytes, output, KeyObject, kState, streaming });
const ciphering = require('internal/crypto_cipher').make({ native, bytes, output, kState, streaming });

module.exports = {
  Hash, Hmac, KeyObject, ...signing, ...ciphering,
  createHash: (algorithm, options) => new Hash(algorithm, options),
  createHmac: (algorithm, key, options) => new Hmac(algorithm, key, options),
  hash(algorithm, data, encoding = 'hex') { return new Hash(algorithm).update(data).digest(encoding); },
  getHashes: () => native.hashes(),
  getCiphers: () => native.ciphers(),
  getCurves: () => ['prime256v1', 'secp224r1', 'secp384r1', 'secp521r1'],
  randomBytes, pseudoRandomBytes: randomBytes, prng: randomBytes, rng: randomBytes, randomFillSync, randomInt, randomUUID, timingSafeEqual,
  randomFill(buffer, offset, size, callback) {
    if (typeof offset === 'function') { callback = offset; offset = 0; size = undefined; }
    else if (typeof size === 'function') { callback = size; size = undefined; }
    setImmediate(() => callback(null, randomFillSync(buffer, offset, size)));
  },
  pbkdf2Sync(password, salt, iterations, size, digest) {
    checkDerivation(iterations, size, digest);
    return output(native.pbkdf2(bytes(password, 'password'), bytes(salt, 'salt'), iterations, size, digest));
  },
  pbkdf2(password, salt, iterations, size, digest, callback) {
    checkDerivation(iterations, size, digest);
    check.func(callback, 'callback');
    native.pbkdf2Later(bytes(password, 'password'), bytes(salt, 'salt'), iterations, size, digest, deliver(callback));
  },
  scryptSync(password, salt, size, options) {
    return output(native.scrypt(bytes(password, 'password'), bytes(salt, 'salt'), size, ...scryptParameters(options)));
  },
  scrypt(password, salt, size, options, callback) {
    if (typeof options === 'function') { callback = options; options = {}; }
    check.func(callback, 'callback');
    native.scryptLater(bytes(password, 'password'), bytes(salt, 'salt'), size, ...scryptParameters(options), deliver(callback));
  },
  hkdfSync(digest, key, salt, info, size) {
    const out = native.hkdf(digest, bytes(key, 'ikm'), bytes(salt, 'salt'), bytes(info, 'info').toString('latin1'), size);
    return new Uint8Array(out).buffer;
  },
  hkdf(digest, key, salt, info, size, callback) {
    setImmediate(() => {
      let out;
      try { out = module.exports.hkdfSync(digest, key, salt, info, size); } catch (err) { callback(err); return; }
      callback(null, out);
    });
  },
  createSecretKey: (key, encoding) => new KeyObject('secret', bytes(key, 'key', encoding)),
  getFips: () => 0,
  setFips() {},
  secureHeapUsed: () => ({ total: 0, min: 0, used: 0, utilization: 0 }),
  constants: {
    RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1,
    RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2, defaultCoreCipherList: '', TLS1_VERSION: 769, TLS1_1_VERSION: 770,
    TLS1_2_VERSION: 771, TLS1_3_VERSION: 772, SSL_OP_NO_TLSv1: 67108864, SSL_OP_NO_TLSv1_1: 268435456, SSL_OP_NO_TLSv1_2: 134217728,
    SSL_OP_NO_SSLv2: 0, SSL_OP_NO_SSLv3: 33554432, SSL_OP_LEGACY_SERVER_CONNECT: 4, SSL_OP_ALL: 2147485776,
    POINT_CONVERSION_COMPRESSED: 2, POINT_CONVERSION_UNCOMPRESSED: 4, POINT_CONVERSION_HYBRID: 6,
  },
};
for (const name of ['createDiffieHellman', 'createECDH', 'generateKeyPair', 'generateKeyPairSync', 'publicEncrypt', 'privateDecrypt', 'createDiffieHellmanGroup', 'diffieHellman']) {
  module.exports[name] = () => { throw errors.unsupported(`crypto.${name}`, 'do it in a job, for instance with openssl'); };
}
Object.defineProperty(module.exports, 'webcrypto', { enumerable: true, configurable: true, get: () => require('internal/webcrypto').crypto });
for (const name of ['subtle', 'getRandomValues']) {
  Object.defineProperty(module.exports, name, {
    enumerable: true, configurable: true,
    get() { const c = require('internal/webcrypto').crypto; return name === 'subtle' ? c.subtle : (array) => c.getRandomValues(array); },
  });
}
