'use strict';
// Request and Response, and the body both have.

const { Headers, FormData, encodeForm, decodeForm, freeze } = require('internal/headers');
const custom = Symbol.for('nodejs.util.inspect.custom');
const kBody = Symbol('body');
const MAX_BODY = 256 * 1024 * 1024;

// Content is what a body is made of: bytes that are all there, or a stream.
class Content {
  constructor(init) {
    const { Buffer } = require('buffer');
    this.used = false;
    this.bytes = null;
    this.stream = null;
    this.type = null;
    if (init === null || init === undefined) return;
    if (init instanceof URLSearchParams) { this.bytes = Buffer.from(init.toString()); this.type = 'application/x-www-form-urlencoded;charset=UTF-8'; }
    else if (init instanceof FormData) Object.assign(this, encodeForm(init));
    else if (init instanceof require('internal/blob').Blob) { this.bytes = require('internal/blob').blobBytes(init); this.type = init.type || null; }
    else if (ArrayBuffer.isView(init)) this.bytes = Buffer.from(new Uint8Array(init.buffer, init.byteOffset, init.byteLength));
    else if (Object.prototype.toString.call(init) === '[object ArrayBuffer]') this.bytes = Buffer.from(new Uint8Array(init));
    else if (isStream(init)) this.stream = init;
    else if (typeof init === 'object' && typeof init[Symbol.asyncIterator] === 'function') this.stream = require('stream/web').ReadableStream.from(init);
    else { this.bytes = Buffer.from(`${init}`); this.type = 'text/plain;charset=UTF-8'; }
  }
  get empty() { return this.bytes === null && this.stream === null; }
  // asStream is the body property; from then on the stream is the body.
  asStream() {
    if (this.stream === null && this.bytes !== null) {
      const { Blob } = require('internal/blob');
      this.stream = new Blob([this.bytes]).stream();
      this.bytes = null;
    }
    return this.stream;
  }
  get disturbed() {
    if (this.used) return true;
    if (this.stream === null) return false;
    const state = this.stream[require('stream/web').ReadableStream[Symbol.for('brigade.state')]];
    return Boolean(state && state.disturbed);
  }
  async read() {
    const { Buffer } = require('buffer');
    if (this.disturbed || (this.stream && this.stream.locked)) throw new TypeError('Body is unusable: Body has already been read');
    if (this.empty) return Buffer.alloc(0);
    this.used = true;
    if (this.bytes !== null) return this.bytes;
    const reader = this.stream.getReader(), chunks = [];
    let size = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return Buffer.concat(chunks);
      if (!(value instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk');
      size += value.length;
      if (size > MAX_BODY) {
        await reader.cancel();
        throw new TypeError('the body is larger than 256 MiB: read it as a stream, or fetch it in a job');
      }
      chunks.push(value);
    }
  }
  clone() {
    const out = new Content(null);
    out.type = this.type;
    if (this.bytes !== null) out.bytes = this.bytes;
    else if (this.stream !== null) [this.stream, out.stream] = this.stream.tee();
    return out;
  }
}

function isStream(value) { return Object.prototype.toString.call(value) === '[object ReadableStream]' && typeof value.getReader === 'function'; }

class Body {
  get body() { return this[kBody].asStream(); }
  get bodyUsed() { return this[kBody].disturbed; }
  async text() { return new TextDecoder().decode(await this[kBody].read()); }
  async json() { return JSON.parse(new TextDecoder().decode(await this[kBody].read())); }
  async arrayBuffer() { return new Uint8Array(await this[kBody].read()).buffer; }
  async bytes() { return new Uint8Array(await this[kBody].read()); }
  async blob() { return new (require('internal/blob').Blob)([await this[kBody].read()], { type: this.headers.get('content-type') || '' }); }
  async formData() {
    const type = this.headers.get('content-type') || '';
    const bytes = await this[kBody].read();
    if (/^multipart\/form-data/i.test(type)) return decodeForm(bytes, type);
    if (!/^application\/x-www-form-urlencoded/i.test(type)) {
      throw new TypeError('Content-Type was not one of "multipart/form-data" or "application/x-www-form-urlencoded".');
    }
    const form = new FormData();
    for (const [k, v] of new URLSearchParams(bytes.toString())) form.append(k, v);
    return form;
  }
}

function attach(target, content) { Object.defineProperty(target, kBody, { value: content, writable: true }); }

class Request extends Body {
  #fields;
  constructor(input, init = {}) {
    super();
    init = init || {};
    const from = input instanceof Request ? input : null;
    let url;
    if (from) url = from.url;
    else {
      try { url = new URL(`${input}`); } catch (cause) { throw Object.assign(new TypeError(`Failed to parse URL from ${input}`), { cause }); }
      if (url.username || url.password) throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
      url = url.href;
    }
    const pick = (key, fallback) => (init[key] !== undefined ? init[key] : from ? from[key] : fallback);
    let method = `${pick('method', 'GET')}`;
    if (!/^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/.test(method) || /^(connect|trace|track)$/i.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
    if (/^(delete|get|head|options|post|put)$/i.test(method)) method = method.toUpperCase();
    const headers = new Headers(init.headers !== undefined ? init.headers : from ? from.headers : undefined);
    this.#fields = {
      url, method, headers, redirect: pick('redirect', 'follow'), signal: undefined, mode: pick('mode', 'cors'), credentials: pick('credentials', 'same-origin'),
      cache: pick('cache', 'default'), referrer: 'about:client', referrerPolicy: pick('referrerPolicy', ''), integrity: pick('integrity', ''),
      keepalive: Boolean(pick('keepalive', false)), duplex: 'half', destination: '',
    };
    const signal = pick('signal', undefined);
    if (signal != null && !('aborted' in signal)) throw new TypeError("Failed to construct 'Request': member signal is not of type AbortSignal.");
    this.#fields.signal = signal || new AbortController().signal;
    let content;
    if (init.body !== undefined && init.body !== null) {
      if (method === 'GET' || method === 'HEAD') throw new TypeError('Request with GET/HEAD method cannot have body.');
      content = new Content(init.body);
      if (content.stream && init.duplex === undefined) throw new TypeError('RequestInit: duplex option is required when sending a body.');
    } else if (from && !from[kBody].empty) {
      if (from.bodyUsed) throw new TypeError('Cannot construct a Request with a Request object that has already been used.');
      content = from[kBody].clone();
      from[kBody].used = true;
    } else content = new Content(null);
    if (content.type && !headers.has('content-type')) headers.append('content-type', content.type);
    attach(this, content);
  }
  get _fields() { return this.#fields; }
  clone() {
    if (this.bodyUsed) throw new TypeError('unusable');
    const copy = new Request(this.url, { ...this.#fields, headers: this.headers });
    attach(copy, this[kBody].clone());
    return copy;
  }
  [custom](depth, options, inspect) {
    return `Request ${inspect({ method: this.method, url: this.url, headers: this.headers, redirect: this.redirect, signal: this.signal, bodyUsed: this.bodyUsed }, options)}`;
  }
}
for (const name of ['url', 'method', 'headers', 'redirect', 'signal', 'mode', 'credentials', 'cache', 'referrer', 'referrerPolicy', 'integrity', 'keepalive', 'duplex', 'destination']) {
  Object.defineProperty(Request.prototype, name, { configurable: true, enumerable: true, get() { return this._fields[name]; } });
}
Object.defineProperty(Request.prototype, '_fields', { enumerable: false });

class Response extends Body {
  #fields = { type: 'default', url: '', redirected: false };
  constructor(body = null, init = {}) {
    super();
    init = init || {};
    const status = init.status === undefined ? 200 : Number(init.status);
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
    Object.assign(this.#fields, { status, statusText: init.statusText === undefined ? '' : `${init.statusText}`, headers: new Headers(init.headers) });
    const content = new Content(body);
    if (!content.empty && [204, 205, 304].includes(status)) throw new TypeError(`Response constructor: Invalid response status code ${status}`);
    if (content.type && !this.headers.has('content-type')) this.headers.append('content-type', content.type);
    attach(this, content);
  }
  get _fields() { return this.#fields; }
  get ok() { return this.status >= 200 && this.status <= 299; }
  clone() {
    if (this.bodyUsed) throw new TypeError('Response.clone: Body has already been consumed.');
    const copy = new Response(null, { status: this.status === 0 ? 200 : this.status });
    Object.assign(copy._fields, this.#fields, { headers: new Headers(this.headers) });
    attach(copy, this[kBody].clone());
    return copy;
  }
  static json(data, init = {}) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('Value is not JSON serializable');
    const response = new Response(text, init);
    if (!new Headers(init && init.headers).has('content-type')) response.headers.set('content-type', 'application/json');
    return response;
  }
  static error() {
    const response = new Response();
    Object.assign(response._fields, { type: 'error', status: 0, headers: freeze(new Headers()) });
    return response;
  }
  static redirect(url, status = 302) {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid status code ${status}`);
    const response = new Response(null, { status });
    response.headers.set('location', new URL(`${url}`).href);
    freeze(response.headers);
    return response;
  }
  [custom](depth, options, inspect) {
    return `Response ${inspect({ status: this.status, statusText: this.statusText, headers: this.headers, body: this.body, bodyUsed: this.bodyUsed, ok: this.ok, redirected: this.redirected, type: this.type, url: this.url }, options)}`;
  }
}
for (const name of ['type', 'url', 'redirected', 'status', 'statusText', 'headers']) {
  Object.defineProperty(Response.prototype, name, { configurable: true, enumerable: true, get() { return this._fields[name]; } });
}
Object.defineProperty(Response.prototype, '_fields', { enumerable: false });
for (const Class of [Request, Response]) Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });

module.exports = { Request, Response, kBody, Content };
