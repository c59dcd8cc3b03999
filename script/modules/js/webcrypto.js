'use strict';
// The global crypto: random values, digests, HMAC and AES-GCM.

const node = require('crypto');
const { Buffer } = require('buffer');
const { DOMException } = require('internal/dom_exception');
const kKey = Symbol('key');

function algorithm(value) { return typeof value === 'string' ? { name: value } : value; }
function hashName(value) { return algorithm(value).name.replace(/^SHA-?/i, 'sha'); }
function toBuffer(data) {
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
function toArrayBuffer(buffer) { return new Uint8Array(buffer).buffer; }
function refuse(name) { return new DOMException(`Unrecognized name: ${name}`, 'NotSupportedError'); }

class CryptoKey {
  constructor(data, algorithm, extractable, usages) {
    Object.defineProperty(this, kKey, { value: data });
    Object.assign(this, { type: 'secret', extractable, algorithm, usages });
  }
}
Object.defineProperty(CryptoKey.prototype, Symbol.toStringTag, { value: 'CryptoKey', configurable: true });

class SubtleCrypto {
  async digest(name, data) {
    const hash = hashName(name);
    if (!/^sha(1|256|384|512)$/.test(hash)) throw refuse(algorithm(name).name);
    return toArrayBuffer(node.createHash(hash).update(toBuffer(data)).digest());
  }
  async importKey(format, data, alg, extractable, usages) {
    alg = algorithm(alg);
    if (!/^(HMAC|AES-GCM|AES-CBC)$/i.test(alg.name)) throw refuse(alg.name);
    if (format !== 'raw' && format !== 'jwk') throw new DOMException(`Unable to import a key in format ${format}`, 'NotSupportedError');
    const bytes = format === 'jwk' ? Buffer.from(data.k, 'base64url') : Buffer.from(toBuffer(data));
    return new CryptoKey(bytes, { ...alg, hash: alg.hash === undefined ? undefined : algorithm(alg.hash), length: bytes.length * 8 }, Boolean(extractable), [...usages]);
  }
  async exportKey(format, key) {
    if (!key.extractable) throw new DOMException('key is not extractable', 'InvalidAccessError');
    return format === 'jwk' ? { kty: 'oct', k: key[kKey].toString('base64url'), ext: true, key_ops: key.usages } : toArrayBuffer(key[kKey]);
  }
  async generateKey(alg, extractable, usages) {
    alg = algorithm(alg);
    const bits = alg.length || { 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 }[algorithm(alg.hash || 'SHA-256').name];
    return this.importKey('raw', node.randomBytes(bits / 8), alg, extractable, usages);
  }
  async sign(alg, key, data) {
    if (algorithm(alg).name.toUpperCase() !== 'HMAC') throw refuse(algorithm(alg).name);
    return toArrayBuffer(node.createHmac(hashName(key.algorithm.hash), key[kKey]).update(toBuffer(data)).digest());
  }
  async verify(alg, key, signature, data) {
    const expected = Buffer.from(await this.sign(alg, key, data)), given = toBuffer(signature);
    return expected.length === given.length && node.timingSafeEqual(expected, given);
  }
  #cipher(alg, key) {
    const mode = { 'AES-GCM': 'gcm', 'AES-CBC': 'cbc' }[alg.name.toUpperCase()];
    if (!mode) throw refuse(alg.name);
    return `aes-${key[kKey].length * 8}-${mode}`;
  }
  async encrypt(alg, key, data) {
    const c = node.createCipheriv(this.#cipher(alg, key), key[kKey], toBuffer(alg.iv));
    if (alg.additionalData) c.setAAD(toBuffer(alg.additionalData));
    const parts = [c.update(toBuffer(data)), c.final()];
    if (/GCM/i.test(alg.name)) parts.push(c.getAuthTag());
    return toArrayBuffer(Buffer.concat(parts));
  }
  async decrypt(alg, key, data) {
    const c = node.createDecipheriv(this.#cipher(alg, key), key[kKey], toBuffer(alg.iv));
    let input = toBuffer(data);
    if (alg.additionalData) c.setAAD(toBuffer(alg.additionalData));
    if (/GCM/i.test(alg.name)) {
      c.setAuthTag(input.subarray(input.length - 16));
      input = input.subarray(0, input.length - 16);
    }
    try {
      return toArrayBuffer(Buffer.concat([c.update(input), c.final()]));
    } catch (cause) {
      throw new DOMException('The operation failed for an operation-specific reason', { name: 'OperationError', cause });
    }
  }
}
for (const name of ['deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey']) {
  SubtleCrypto.prototype[name] = async () => { throw new DOMException(`${name} is not available in a Brigade script`, 'NotSupportedError'); };
}

class Crypto {
  #subtle = new SubtleCrypto();
  get subtle() { return this.#subtle; }
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || /Float|DataView/.test(Object.prototype.toString.call(array))) {
      throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
    }
    if (array.byteLength > 65536) {
      throw new DOMException(`The requested length exceeds 65,536 bytes`, 'QuotaExceededError');
    }
    return node.randomFillSync(array);
  }
  randomUUID() { return node.randomUUID(); }
}
Object.defineProperty(Crypto.prototype, Symbol.toStringTag, { value: 'Crypto', configurable: true });

module.exports = { crypto: new Crypto(), Crypto, CryptoKey, SubtleCrypto };
