'use strict';
// string_decoder: bytes to text, chunk by chunk, never splitting a character.

const { make, invalidArgType } = require('internal/errors');
const { Buffer } = require('buffer');

function normalize(encoding) {
  const name = encoding === undefined || encoding === null || encoding === '' ? 'utf8' : require('internal/buffer_encodings').normalize(encoding);
  if (name === undefined) throw make(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  return name;
}

function incompleteUtf8(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const need = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xc2 && byte < 0xe0 ? 2 : 1;
    if (need <= back) return 0;
    return back;
  }
  return 0;
}

function StringDecoder(encoding) {
  this.encoding = normalize(encoding);
  this.lastChar = Buffer.alloc(this.encoding === 'base64' || this.encoding === 'base64url' ? 3 : 4);
  Object.defineProperty(this, 'held', { value: Buffer.alloc(0), writable: true, enumerable: false });
  Object.defineProperty(this, 'want', { value: 0, writable: true, enumerable: false });
}

Object.defineProperty(StringDecoder.prototype, 'lastNeed', {
  enumerable: true, configurable: true, get() { return this.held.length === 0 ? 0 : this.want - this.held.length; },
});
Object.defineProperty(StringDecoder.prototype, 'lastTotal', {
  enumerable: true, configurable: true, get() { return this.held.length === 0 ? 0 : this.want; },
});

function tail(decoder, bytes) {
  switch (decoder.encoding) {
    case 'utf8': {
      const rest = incompleteUtf8(bytes);
      if (rest > 0) {
        const lead = bytes[bytes.length - rest];
        decoder.want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
      }
      return rest;
    }
    case 'utf16le': {
      const odd = bytes.length % 2;
      const high = bytes.length - odd >= 2 ? bytes[bytes.length - odd - 1] : 0;
      decoder.want = 2;
      if (high < 0xd8 || high > 0xdb) return odd;
      decoder.want = 4;
      return odd + 2;
    }
    case 'base64': case 'base64url': decoder.want = 3; return bytes.length % 3;
    default: return 0;
  }
}

StringDecoder.prototype.write = function write(chunk) {
  if (typeof chunk === 'string') return chunk;
  if (!ArrayBuffer.isView(chunk)) throw invalidArgType('buf', ['Buffer', 'TypedArray', 'DataView'], chunk);
  let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (this.held.length > 0) bytes = Buffer.concat([this.held, bytes]);
  const rest = tail(this, bytes);
  this.held = Buffer.from(bytes.subarray(bytes.length - rest));
  return bytes.toString(this.encoding, 0, bytes.length - rest);
};

StringDecoder.prototype.end = function end(chunk) {
  let text = chunk !== undefined ? this.write(chunk) : '';
  if (this.held.length > 0) {
    text += this.encoding === 'utf16le' ? this.held.toString('utf16le', 0, this.held.length & ~1) : this.held.toString(this.encoding);
    this.held = Buffer.alloc(0);
  }
  return text;
};

StringDecoder.prototype.text = function text(chunk, offset) {
  this.held = Buffer.alloc(0);
  return this.write(chunk.slice(offset));
};

module.exports = { StringDecoder };
