'use strict';
// Ciphers: AES in the modes cbc, ctr, ecb and gcm.

const errors = require('internal/errors');

function make({ native, bytes, output, kState, streaming }) {
  function open(name, key, iv, encrypt, options) {
    errors.check.string(name, 'cipher');
    const [keySize, ivSize, mode] = native.cipherSizes(name);
    if (keySize === 0) throw errors.make(Error, 'ERR_CRYPTO_UNKNOWN_CIPHER', 'Unknown cipher');
    key = bytes(key, 'key');
    iv = iv === null ? new Uint8Array(0) : bytes(iv, 'iv');
    if (key.length !== keySize) throw errors.make(RangeError, 'ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length');
    if (mode === 'gcm' ? iv.length === 0 : iv.length !== ivSize) throw errors.make(TypeError, 'ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector');
    return { id: native.cipher(name, key, iv, encrypt), mode, done: false, streamOptions: options };
  }

  class Base {
    update(data, inputEncoding, outputEncoding) {
      const state = this[kState];
      if (typeof data !== 'string' && !ArrayBuffer.isView(data)) throw errors.invalidArgType('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
      return output(native.cipherUpdate(state.id, bytes(data, 'data', inputEncoding)) || new Uint8Array(0), outputEncoding);
    }
    final(encoding) {
      const state = this[kState];
      if (state.done) throw errors.make(Error, 'ERR_CRYPTO_INVALID_STATE', 'Unsupported state');
      state.done = true;
      return output(native.cipherFinal(state.id) || new Uint8Array(0), encoding);
    }
    setAutoPadding(on = true) { native.cipherSet(this[kState].id, 'padding', new Uint8Array(on ? 1 : 0)); return this; }
    setAAD(data) { native.cipherSet(this[kState].id, 'aad', bytes(data, 'buffer')); return this; }
  }
  class Cipheriv extends Base {
    constructor(name, key, iv, options) {
      super();
      Object.defineProperty(this, kState, { value: open(name, key, iv, true, options) });
    }
    getAuthTag() {
      const state = this[kState];
      if (state.mode !== 'gcm' || !state.done) throw errors.make(Error, 'ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation getAuthTag');
      return output(native.cipherTag(state.id));
    }
  }
  class Decipheriv extends Base {
    constructor(name, key, iv, options) {
      super();
      Object.defineProperty(this, kState, { value: open(name, key, iv, false, options) });
    }
    setAuthTag(tag, encoding) { native.cipherSet(this[kState].id, 'tag', bytes(tag, 'buffer', encoding)); return this; }
  }
  streaming(Base, function(chunk, encoding, callback) { this.push(this.update(chunk, encoding)); callback(); }, function(callback) {
    try { this.push(this.final()); } catch (err) { callback(err); return; }
    callback();
  });
  return {
    Cipheriv, Decipheriv,
    createCipheriv: (name, key, iv, options) => new Cipheriv(name, key, iv, options),
    createDecipheriv: (name, key, iv, options) => new Decipheriv(name, key, iv, options),
    getCipherInfo(name) {
      const [keyLength, ivLength, mode] = native.cipherSizes(name);
      return keyLength === 0 ? undefined : { mode, name, keyLength, ivLength, blockSize: 16 };
    },
  };
}

module.exports = { make };
