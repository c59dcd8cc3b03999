'use strict';
// The encodings of Buffer, over the Go side.

const NAMES = {
  utf8: 'utf8', 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le',
  latin1: 'latin1', binary: 'latin1', base64: 'base64', base64url: 'base64url', hex: 'hex', ascii: 'ascii',
};

// normalize returns the name of an encoding, undefined when there is none.
function normalize(encoding) {
  if (encoding === undefined || encoding === null || encoding === '') return 'utf8';
  if (typeof encoding !== 'string') return undefined;
  const known = NAMES[encoding];
  if (known !== undefined) return known;
  const lower = encoding.toLowerCase();
  return Object.prototype.hasOwnProperty.call(NAMES, lower) ? NAMES[lower] : undefined;
}

function encodeUTF16(text) {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bytes[i * 2] = code & 0xff;
    bytes[i * 2 + 1] = code >> 8;
  }
  return bytes;
}

function decodeUTF16(bytes) {
  const size = bytes.length & ~1;
  const parts = [];
  for (let at = 0; at < size; at += 4096) {
    const codes = [];
    for (let i = at; i < Math.min(size, at + 4096); i += 2) codes.push(bytes[i] | (bytes[i + 1] << 8));
    parts.push(String.fromCharCode(...codes));
  }
  return parts.join('');
}

// encode returns a Uint8Array of its own.
function encode(text, encoding) {
  return encoding === 'utf16le' ? encodeUTF16(text) : native.encode(text, encoding);
}

function decode(bytes, encoding) {
  if (bytes.length === 0) return '';
  return encoding === 'utf16le' ? decodeUTF16(bytes) : native.decode(bytes, encoding);
}

function byteLength(text, encoding) {
  switch (encoding) {
    case 'utf16le': return text.length * 2;
    case 'latin1': case 'ascii': return text.length;
    case 'hex': return text.length >>> 1;
    case 'base64': case 'base64url': {
      let size = text.length;
      if (text.charCodeAt(size - 1) === 61) size--;
      if (size > 1 && text.charCodeAt(size - 1) === 61) size--;
      return (size * 3) >>> 2;
    }
    default: return native.utf8Length(text);
  }
}

module.exports = { normalize, encode, decode, byteLength, indexOf: native.indexOf, compare: native.compare, valid: native.valid };
