'use strict';
// The messages of http: IncomingMessage and the headers of outgoing ones.

const { Readable } = require('stream');
const errors = require('internal/errors');
const { Buffer } = require('buffer');

const TOKEN = /^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const ONCE = new Set(['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since',
  'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent']);

function validateHeaderName(name, label = 'Header name') {
  if (typeof name !== 'string' || !TOKEN.test(name)) throw errors.make(TypeError, 'ERR_INVALID_HTTP_TOKEN', `${label} must be a valid HTTP token ["${name}"]`);
}

function validateHeaderValue(name, value) {
  if (value === undefined) throw errors.make(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', `Invalid value "${value}" for header "${name}"`);
  if (BAD_VALUE.test(value)) throw errors.make(TypeError, 'ERR_INVALID_CHAR', `Invalid character in header content ["${name}"]`);
}

// fakeSocket is what stands for the connection, which is Go's.
function fakeSocket(message, encrypted) {
  const EventEmitter = require('events');
  const socket = new EventEmitter();
  Object.assign(socket, {
    encrypted, authorized: encrypted, connecting: false, destroyed: false, readable: true, writable: true, remoteFamily: 'IPv4', bytesRead: 0, bytesWritten: 0,
    setTimeout(ms, callback) { message.setTimeout(ms, callback); return socket; },
    setNoDelay() { return socket; }, setKeepAlive() { return socket; }, ref() { return socket; }, unref() { return socket; },
    destroy(err) { message.destroy(err); return socket; }, end() { return socket; }, address: () => ({}), getPeerCertificate: () => ({}),
    isSessionReused: () => false, getSession: () => undefined, cork() {}, uncork() {},
  });
  socket.setMaxListeners(0);
  return socket;
}

function IncomingMessage(socket) {
  Readable.call(this, { autoDestroy: true });
  this.socket = socket || null;
  this.httpVersion = '1.1';
  this.httpVersionMajor = 1;
  this.httpVersionMinor = 1;
  this.complete = false;
  this.headers = {};
  this.rawHeaders = [];
  this.trailers = {};
  this.rawTrailers = [];
  this.aborted = false;
  this.upgrade = null;
  this.url = '';
  this.method = null;
  this.statusCode = null;
  this.statusMessage = null;
}
Object.setPrototypeOf(IncomingMessage.prototype, Readable.prototype);
Object.setPrototypeOf(IncomingMessage, Readable);
Object.defineProperty(IncomingMessage.prototype, 'connection', { configurable: true, get() { return this.socket; }, set(v) { this.socket = v; } });
Object.defineProperty(IncomingMessage.prototype, 'headersDistinct', {
  configurable: true,
  get() {
    const out = Object.create(null);
    for (let i = 0; i < this.rawHeaders.length; i += 2) (out[this.rawHeaders[i].toLowerCase()] = out[this.rawHeaders[i].toLowerCase()] || []).push(this.rawHeaders[i + 1]);
    return out;
  },
});
IncomingMessage.prototype.setTimeout = function(ms, callback) { if (this.req) this.req.setTimeout(ms, callback); return this; };
IncomingMessage.prototype._read = function() {};

// addHeaders fills headers and rawHeaders from name, value, name, value …
IncomingMessage.prototype._setHeaders = function(flat) {
  const { headers } = this;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i].toLowerCase(), value = flat[i + 1];
    this.rawHeaders.push(flat[i], value);
    if (name === 'set-cookie') (headers[name] = headers[name] || []).push(value);
    else if (headers[name] === undefined) headers[name] = value;
    else if (!ONCE.has(name)) headers[name] += `${name === 'cookie' ? '; ' : ', '}${value}`;
  }
};

// Headers is the header store of an outgoing message.
class OutgoingHeaders {
  #map = new Map();
  set(name, value) {
    validateHeaderName(name);
    if (Array.isArray(value)) for (const v of value) validateHeaderValue(name, v);
    else validateHeaderValue(name, value);
    this.#map.set(name.toLowerCase(), [name, value]);
  }
  get(name) { const found = this.#map.get(`${name}`.toLowerCase()); return found && found[1]; }
  has(name) { return this.#map.has(`${name}`.toLowerCase()); }
  delete(name) { this.#map.delete(`${name}`.toLowerCase()); }
  names() { return [...this.#map.keys()]; }
  rawNames() { return [...this.#map.values()].map(([name]) => name); }
  object() {
    const out = Object.create(null);
    for (const [key, [, value]] of this.#map) out[key] = value;
    return out;
  }
  flat() {
    const out = [];
    for (const [name, value] of this.#map.values()) {
      if (Array.isArray(value)) for (const v of value) out.push(name, `${v}`);
      else out.push(name, `${value}`);
    }
    return out;
  }
}

module.exports = { IncomingMessage, OutgoingHeaders, fakeSocket, validateHeaderName, validateHeaderValue, TOKEN, Buffer };
