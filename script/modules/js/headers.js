'use strict';
// Headers and FormData.

const custom = Symbol.for('nodejs.util.inspect.custom');
const TOKEN = /^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/;
const kGuard = Symbol('guard'), kMap = Symbol('map');

function checkName(name, method) {
  name = `${name}`;
  if (!TOKEN.test(name)) throw new TypeError(`Headers.${method}: "${name}" is an invalid header name.`);
  return name;
}
function checkValue(value, method) {
  value = `${value}`.replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, '');
  if (/[\0\r\n]/.test(value)) throw new TypeError(`Headers.${method}: ${value} is an invalid header value.`);
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 255) {
      throw new TypeError(`Cannot convert argument to a ByteString because the character at index ${i} has a value of ${value.charCodeAt(i)} which is greater than 255.`);
    }
  }
  return value;
}

class Headers {
  constructor(init = undefined) {
    Object.defineProperty(this, kMap, { value: new Map() });
    Object.defineProperty(this, kGuard, { value: '', writable: true });
    if (init === undefined) return;
    if (init === null || typeof init !== 'object') {
      throw new TypeError('Headers constructor: init given is not one of sequence<sequence<ByteString>>, record<ByteString, ByteString>.');
    }
    if (init instanceof Headers) {
      for (const [name, values] of init[kMap]) this[kMap].set(name, [values[0], [...values[1]]]);
    } else if (typeof init[Symbol.iterator] === 'function') {
      for (const pair of init) {
        const items = [...pair];
        if (items.length !== 2) throw new TypeError('Headers constructor: expected name/value pair to be length 2, found ' + `${items.length}.`);
        this.append(items[0], items[1]);
      }
    } else for (const key of Reflect.ownKeys(init)) this.append(key, init[key]);
  }
  #writable() { if (this[kGuard] === 'immutable') throw new TypeError('immutable'); }
  append(name, value) {
    name = checkName(name, 'append');
    value = checkValue(value, 'append');
    this.#writable();
    const key = name.toLowerCase(), found = this[kMap].get(key);
    if (found) found[1].push(value); else this[kMap].set(key, [name, [value]]);
  }
  delete(name) {
    name = checkName(name, 'delete');
    this.#writable();
    this[kMap].delete(name.toLowerCase());
  }
  get(name) {
    const found = this[kMap].get(checkName(name, 'get').toLowerCase());
    return found ? found[1].join(name.toLowerCase() === 'cookie' ? '; ' : ', ') : null;
  }
  has(name) { return this[kMap].has(checkName(name, 'has').toLowerCase()); }
  set(name, value) {
    name = checkName(name, 'set');
    value = checkValue(value, 'set');
    this.#writable();
    this[kMap].set(name.toLowerCase(), [name, [value]]);
  }
  getSetCookie() { const found = this[kMap].get('set-cookie'); return found ? [...found[1]] : []; }
  *entries() {
    for (const key of [...this[kMap].keys()].sort()) {
      if (key === 'set-cookie') for (const value of this[kMap].get(key)[1]) yield [key, value];
      else yield [key, this.get(key)];
    }
  }
  *keys() { for (const [k] of this.entries()) yield k; }
  *values() { for (const [, v] of this.entries()) yield v; }
  forEach(fn, self = undefined) {
    if (typeof fn !== 'function') throw new TypeError("Failed to execute 'forEach' on 'Headers': parameter 1 is not of type 'Function'.");
    for (const [k, v] of this.entries()) fn.call(self, v, k, this);
  }
  [Symbol.iterator]() { return this.entries(); }
  [custom](depth, options, inspect) {
    return `Headers ${inspect(Object.fromEntries([...this[kMap].keys()].map((k) => [k, this.get(k)])), options)}`;
  }
}

class FormData {
  #list = [];
  constructor(form) {
    if (form !== undefined) throw new TypeError("Failed to construct 'FormData': parameter 1 is not of type 'HTMLFormElement'.");
  }
  #entry(name, value, filename) {
    const { Blob, File } = require('internal/blob');
    if (value instanceof Blob) {
      if (!(value instanceof File)) value = new File([value], filename === undefined ? 'blob' : `${filename}`, { type: value.type });
      else if (filename !== undefined) value = new File([value], `${filename}`, { type: value.type, lastModified: value.lastModified });
    } else if (filename !== undefined) throw new TypeError("Failed to execute 'append' on 'FormData': parameter 2 is not of type 'Blob'");
    else value = `${value}`;
    return [`${name}`, value];
  }
  append(name, value, filename) { this.#list.push(this.#entry(name, value, filename)); }
  set(name, value, filename) {
    const entry = this.#entry(name, value, filename);
    const at = this.#list.findIndex(([k]) => k === entry[0]);
    if (at < 0) { this.#list.push(entry); return; }
    this.#list = this.#list.filter(([k], i) => k !== entry[0] || i === at);
    this.#list[at] = entry;
  }
  delete(name) { this.#list = this.#list.filter(([k]) => k !== `${name}`); }
  get(name) { const found = this.#list.find(([k]) => k === `${name}`); return found ? found[1] : null; }
  getAll(name) { return this.#list.filter(([k]) => k === `${name}`).map(([, v]) => v); }
  has(name) { return this.#list.some(([k]) => k === `${name}`); }
  *entries() { yield* this.#list.map((e) => [e[0], e[1]]); }
  *keys() { for (const [k] of this.#list) yield k; }
  *values() { for (const [, v] of this.#list) yield v; }
  forEach(fn, self = undefined) { for (const [k, v] of this.#list) fn.call(self, v, k, this); }
  [Symbol.iterator]() { return this.entries(); }
  [custom](depth, options, inspect) {
    const out = {};
    for (const [k, v] of this.#list) out[k] = k in out ? [].concat(out[k], v) : v;
    return `FormData ${inspect(out, options)}`;
  }
}
for (const Class of [Headers, FormData]) Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });

// encodeForm writes multipart/form-data.
function encodeForm(form) {
  const { Buffer } = require('buffer');
  const { blobBytes } = require('internal/blob');
  const boundary = `----formdata-brigade-${require('crypto').randomBytes(12).toString('hex')}`;
  const quote = (text) => text.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22');
  const parts = [];
  for (const [name, value] of form) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${quote(name.replace(/\r?\n|\r/g, '\r\n'))}"`;
    if (typeof value === 'string') parts.push(Buffer.from(`${head}\r\n\r\n${value.replace(/\r?\n|\r/g, '\r\n')}\r\n`));
    else {
      head += `; filename="${quote(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`;
      parts.push(Buffer.from(head), blobBytes(value), Buffer.from('\r\n'));
    }
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { bytes: Buffer.concat(parts), type: `multipart/form-data; boundary=${boundary}` };
}

// decodeForm reads multipart/form-data.
function decodeForm(bytes, type) {
  const { Buffer } = require('buffer');
  const { File } = require('internal/blob');
  const match = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  if (!match) throw new TypeError('Failed to parse body as FormData.');
  const mark = Buffer.from(`--${match[1] || match[2]}`);
  const form = new FormData();
  let at = bytes.indexOf(mark);
  while (at >= 0) {
    at += mark.length;
    if (bytes[at] === 45 && bytes[at + 1] === 45) return form;
    const next = bytes.indexOf(mark, at);
    if (next < 0) break;
    const part = bytes.subarray(at + 2, next - 2);
    const end = part.indexOf('\r\n\r\n');
    if (end < 0) break;
    const head = part.toString('utf8', 0, end), body = part.subarray(end + 4);
    const name = /name="([^"]*)"/i.exec(head), file = /filename="([^"]*)"/i.exec(head), kind = /content-type:\s*([^\r\n]+)/i.exec(head);
    if (!name) break;
    const plain = (text) => text.replace(/%0A/g, '\n').replace(/%0D/g, '\r').replace(/%22/g, '"');
    if (file) form.append(plain(name[1]), new File([body], plain(file[1]), { type: kind ? kind[1] : 'text/plain' }));
    else form.append(plain(name[1]), body.toString());
    at = next;
  }
  throw new TypeError('Failed to parse body as FormData.');
}

function freeze(headers) { headers[kGuard] = 'immutable'; return headers; }

// flat lists the headers as name, value, name, value … as they were written.
function flat(headers) {
  const out = [];
  for (const [name, values] of headers[kMap].values()) for (const value of values) out.push(name, value);
  return out;
}

module.exports = { Headers, FormData, encodeForm, decodeForm, freeze, flat };
