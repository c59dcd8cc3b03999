'use strict';
// Blob and File.

const errors = require('internal/errors');
const { Buffer } = require('buffer');
const custom = Symbol.for('nodejs.util.inspect.custom');
const kBytes = Symbol('bytes');

function bytesOf(part, endings) {
  if (part instanceof Blob) return part[kBytes];
  if (ArrayBuffer.isView(part)) return Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  if (Object.prototype.toString.call(part) === '[object ArrayBuffer]') return Buffer.from(new Uint8Array(part));
  let text = `${part}`;
  if (endings === 'native') text = text.replace(/\r\n|\r|\n/g, '\n');
  return Buffer.from(text);
}

class Blob {
  #type;
  constructor(sources = [], options = {}) {
    if (sources === null || typeof sources !== 'object' || typeof sources[Symbol.iterator] !== 'function' || typeof sources === 'string') {
      throw errors.invalidArgType('sources', 'a sequence', sources);
    }
    options = options || {};
    const parts = Array.from(sources, (part) => bytesOf(part, options.endings));
    Object.defineProperty(this, kBytes, { value: Buffer.concat(parts) });
    const type = `${options.type === undefined ? '' : options.type}`;
    this.#type = /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
  }
  get size() { return this[kBytes].length; }
  get type() { return this.#type; }
  slice(start = 0, end = this.size, type = '') {
    return new Blob([this[kBytes].subarray(start, end)], { type });
  }
  async text() { return new TextDecoder().decode(this[kBytes]); }
  async arrayBuffer() { return new Uint8Array(this[kBytes]).buffer; }
  async bytes() { return new Uint8Array(this[kBytes]); }
  stream() {
    const { ReadableStream } = require('stream/web');
    const bytes = this[kBytes];
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at < bytes.length) controller.enqueue(new Uint8Array(bytes.subarray(at, at + 65536)));
        at += 65536;
        if (at >= bytes.length) controller.close();
      },
    });
  }
  [custom](depth, options, inspect) {
    if (depth !== null && depth < 0) return this;
    return `${this.constructor.name} ${inspect({ size: this.size, type: this.type }, options)}`;
  }
}

class File extends Blob {
  #name;
  #modified;
  constructor(sources, name, options = {}) {
    if (arguments.length < 2) throw errors.missingArgs('sources', 'fileName');
    super(sources, options);
    this.#name = `${name}`;
    this.#modified = options.lastModified === undefined ? Date.now() : Math.trunc(+options.lastModified) || 0;
  }
  get name() { return this.#name; }
  get lastModified() { return this.#modified; }
  [custom](depth, options, inspect) {
    if (depth !== null && depth < 0) return this;
    return `File ${inspect({ size: this.size, type: this.type, name: this.name, lastModified: this.lastModified }, options)}`;
  }
}
for (const Class of [Blob, File]) Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });

module.exports = { Blob, File, blobBytes: (blob) => blob[kBytes] };
