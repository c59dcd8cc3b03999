'use strict';
// TextEncoder and TextDecoder.

const { make, invalidArgType } = require('internal/errors');
const custom = Symbol.for('nodejs.util.inspect.custom');

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(input = '') { return native.encode(`${input}`); }
  encodeInto(source, target) {
    if (!(target instanceof Uint8Array)) throw invalidArgType('dest', 'Uint8Array', target);
    source = `${source}`;
    let bytes = native.encode(source);
    let read = source.length;
    if (bytes.length > target.length) {
      let size = target.length;
      while (size > 0 && (bytes[size] & 0xc0) === 0x80) size--;
      bytes = bytes.subarray(0, size);
      read = native.decode(bytes, 'utf-8', false, true).length;
    }
    target.set(bytes);
    return { read, written: bytes.length };
  }
  [custom](depth, options, inspect) {
    return typeof depth === 'number' && depth < 0 ? this : `${inspect({ encoding: this.encoding }, options)}`.replace(/^/, 'Object ').replace(/^Object /, '');
  }
}

class TextDecoder {
  #label;
  #fatal;
  #keepBOM;
  #rest = null;
  #started = false;
  constructor(label = 'utf-8', options = {}) {
    const name = native.encodingName(`${label}`);
    if (name === '') throw make(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
    this.#label = name;
    this.#fatal = Boolean(options && options.fatal);
    this.#keepBOM = Boolean(options && options.ignoreBOM);
  }
  get encoding() { return this.#label; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#keepBOM; }
  decode(input = new Uint8Array(0), options = undefined) {
    const more = Boolean(options && options.stream);
    let bytes;
    if (ArrayBuffer.isView(input)) bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    else if (Object.prototype.toString.call(input) === '[object ArrayBuffer]') bytes = new Uint8Array(input);
    else throw invalidArgType('list', ['ArrayBuffer', 'ArrayBufferView'], input);
    if (this.#rest !== null) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
      this.#rest = null;
    }
    if (more) {
      const cut = native.complete(bytes, this.#label);
      if (cut < bytes.length) {
        this.#rest = bytes.slice(cut);
        bytes = bytes.subarray(0, cut);
      }
    }
    if (this.#fatal && !native.valid(bytes, this.#label)) {
      this.#rest = null;
      throw make(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.#label}`);
    }
    const text = native.decode(bytes, this.#label, this.#keepBOM || this.#started, false);
    this.#started = more ? this.#started || bytes.length > 0 : false;
    return text;
  }
}
for (const [Class, name] of [[TextEncoder, 'TextEncoder'], [TextDecoder, 'TextDecoder']]) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: name, configurable: true });
}

module.exports = { TextEncoder, TextDecoder };
