'use strict';
// Signatures: createSign, createVerify, sign, verify and the keys for them.

const errors = require('internal/errors');
const PSS = 6;

function make({ native, bytes, output, KeyObject, kState, streaming }) {
  function keyData(key) {
    if (key instanceof KeyObject) return key[kState].data;
    if (key !== null && typeof key === 'object' && key.key !== undefined && !ArrayBuffer.isView(key)) return keyData(key.key);
    if (typeof key !== 'string' && !ArrayBuffer.isView(key)) {
      throw errors.invalidArgType('key', ['ArrayBuffer', 'Buffer', 'TypedArray', 'DataView', 'string', 'KeyObject', 'CryptoKey'], key);
    }
    return bytes(key, 'key');
  }

  // settings are the paddings and encodings a key object may ask for.
  function settings(key) {
    const o = key !== null && typeof key === 'object' && !(key instanceof KeyObject) ? key : {};
    return [o.padding === PSS, o.saltLength === undefined || o.saltLength === -2 ? (o.saltLength === -2 ? 0 : -1) : o.saltLength, o.dsaEncoding === 'ieee-p1363'];
  }

  function keyObject(key, wanted) {
    const data = keyData(key);
    const [type, kind] = native.keyInfo(data);
    if (wanted === 'private' && type !== 'private') throw errors.make(TypeError, 'ERR_INVALID_ARG_VALUE', 'The key is not a private key');
    return new KeyObject(wanted, data, kind);
  }

  class Sign {
    constructor(algorithm, options) {
      errors.check.string(algorithm, 'algorithm');
      if (!native.known(algorithm)) throw errors.make(Error, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${algorithm}`);
      Object.defineProperty(this, kState, { value: { algorithm, parts: [], streamOptions: options } });
    }
    update(data, encoding) { this[kState].parts.push(bytes(data, 'data', encoding)); return this; }
    sign(key, encoding) {
      const { algorithm, parts } = this[kState];
      const { Buffer } = require('buffer');
      return output(native.sign(algorithm, Buffer.concat(parts), keyData(key), ...settings(key)), encoding);
    }
  }
  class Verify extends Sign {
    verify(key, signature, encoding) {
      const { algorithm, parts } = this[kState];
      const { Buffer } = require('buffer');
      return native.verify(algorithm, Buffer.concat(parts), keyData(key), bytes(signature, 'signature', encoding), ...settings(key));
    }
  }
  for (const Class of [Sign]) {
    streaming(Class, function(chunk, encoding, callback) { this.update(chunk, encoding); callback(); }, (callback) => callback());
  }
  return {
    Sign, Verify,
    createSign: (algorithm, options) => new Sign(algorithm, options),
    createVerify: (algorithm, options) => new Verify(algorithm, options),
    sign: (algorithm, data, key) => output(native.sign(algorithm || 'sha256', bytes(data, 'data'), keyData(key), ...settings(key))),
    verify: (algorithm, data, key, signature) => native.verify(algorithm || 'sha256', bytes(data, 'data'), keyData(key), bytes(signature, 'signature'), ...settings(key)),
    createPrivateKey: (key) => keyObject(key, 'private'),
    createPublicKey: (key) => keyObject(key, 'public'),
  };
}

module.exports = { make };
