'use strict';
// ClientRequest: a request over the HTTP client of Go.

const { Writable } = require('stream');
const errors = require('internal/errors');
const { IncomingMessage, OutgoingHeaders, fakeSocket, TOKEN } = require('internal/http_messages');
const { Buffer } = require('buffer');
const { check, make, systemError, AbortError } = errors;
const { nextTick } = require('process');

function hangUp() {
  const err = new Error('socket hang up');
  err.code = 'ECONNRESET';
  return err;
}

// toOptions merges what request accepts: a URL, text or options, and options.
function toOptions(input, options, callback) {
  if (typeof input === 'string') input = require('url').urlToHttpOptions(new URL(input));
  else if (input && input.searchParams && input.searchParams[Symbol.iterator]) input = require('url').urlToHttpOptions(input);
  else {
    callback = options;
    options = input;
    input = null;
  }
  if (typeof options === 'function') {
    callback = options;
    options = input || {};
  } else options = Object.assign(input || {}, options);
  return [options, callback];
}

function pem(value) {
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.map(pem).join('\n') : Buffer.from(value).toString();
}

function tlsOptions(options) {
  const from = { ...(options.agent && options.agent.options), ...options };
  const insecure = from.rejectUnauthorized === false || require('process').env.NODE_TLS_REJECT_UNAUTHORIZED === '0';
  if (!insecure && !from.ca && !from.cert && !from.servername) return {};
  return { ca: pem(from.ca), cert: pem(from.cert), key: pem(from.key), servername: from.servername || '', insecure };
}

function ClientRequest(input, options, callback) {
  if (!(this instanceof ClientRequest)) return new ClientRequest(input, options, callback);
  [options, callback] = toOptions(input, options, callback);
  Writable.call(this, { autoDestroy: false, emitClose: false, decodeStrings: true });
  this._settings(options);
  if (callback) this.once('response', callback);
  if (options.timeout !== undefined) this.setTimeout(options.timeout);
  if (options.signal) this._watch(options.signal);
  nextTick(() => { if (!this.destroyed) { this.socket = this.connection = fakeSocket(this, this.protocol === 'https:'); this.emit('socket', this.socket); } });
}
Object.setPrototypeOf(ClientRequest.prototype, Writable.prototype);
Object.setPrototypeOf(ClientRequest, Writable);

ClientRequest.prototype._settings = function(options) {
  const agent = options.agent;
  this.agent = agent;
  const protocol = options.protocol || (agent && agent.protocol) || options.defaultProtocol || 'http:';
  const expected = options._defaultAgent ? options._defaultAgent.protocol : protocol;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw make(TypeError, 'ERR_INVALID_PROTOCOL', `Protocol "${protocol}" not supported. Expected "${expected}"`);
  }
  if (options.socketPath) throw errors.unsupported('a request over a socket file', 'use http or https with a host name');
  if (options.path !== undefined && /[^\u0021-\u00ff]/.test(`${options.path}`)) {
    throw make(TypeError, 'ERR_UNESCAPED_CHARACTERS', 'Request path contains unescaped characters');
  }
  for (const name of ['host', 'hostname']) {
    if (options[name] !== undefined && options[name] !== null && typeof options[name] !== 'string') {
      throw errors.invalidArgType(`options.${name}`, ['string', 'undefined', 'null'], options[name]);
    }
  }
  this.protocol = protocol;
  this.method = (options.method === undefined || options.method === null ? 'GET' : `${options.method}`).toUpperCase();
  if (options.method != null) check.string(options.method, 'options.method');
  if (!TOKEN.test(this.method)) throw make(TypeError, 'ERR_INVALID_HTTP_TOKEN', `Method must be a valid HTTP token ["${options.method}"]`);
  this.path = options.path || '/';
  this.host = (options.hostname || options.host || 'localhost').replace(/^\[|\]$/g, '');
  const usual = protocol === 'https:' ? 443 : 80;
  const port = Number(options.port || options.defaultPort || (agent && agent.defaultPort) || usual);
  this.reusedSocket = false;
  this.aborted = false;
  this.maxHeadersCount = null;
  this.finished = false;
  this.res = null;
  this.timeout = undefined;
  const hidden = (name, value) => Object.defineProperty(this, name, { value, writable: true, enumerable: false, configurable: true });
  hidden('_out', new OutgoingHeaders());
  hidden('_port', port);
  hidden('_id', 0);
  hidden('_started', false);
  hidden('_timer', null);
  hidden('_tls', protocol === 'https:' ? tlsOptions(options) : {});
  const shown = this.host.includes(':') ? `[${this.host}]` : this.host;
  hidden('_authority', port === usual ? shown : `${shown}:${port}`);
  const { headers } = options;
  if (Array.isArray(headers)) {
    if (headers.length > 0 && Array.isArray(headers[0])) for (const [k, v] of headers) this.setHeader(k, v);
    else for (let i = 0; i < headers.length; i += 2) this.setHeader(headers[i], headers[i + 1]);
  } else if (headers) for (const key of Object.keys(headers)) this.setHeader(key, headers[key]);
  if (!this._out.has('host') && options.setHost !== false) this._out.set('Host', this._authority);
  if (options.auth && !this._out.has('authorization')) this._out.set('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
};

ClientRequest.prototype._watch = function(signal) {
  const abort = () => this.destroy(new AbortError(undefined, { cause: signal.reason }));
  if (signal.aborted) nextTick(abort);
  else {
    signal.addEventListener('abort', abort, { once: true });
    this.once('close', () => signal.removeEventListener('abort', abort));
  }
};

const methods = {
  setHeader(name, value) {
    if (this._started) throw make(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot set headers after they are sent to the client');
    this._out.set(name, value);
    return this;
  },
  appendHeader(name, value) {
    const before = this._out.get(name);
    return this.setHeader(name, before === undefined ? value : [].concat(before, value));
  },
  getHeader(name) { return this._out.get(name); },
  getHeaders() { return this._out.object(); },
  getHeaderNames() { return this._out.names(); },
  getRawHeaderNames() { return this._out.rawNames(); },
  hasHeader(name) { return this._out.has(name); },
  removeHeader(name) {
    if (this._started) throw make(Error, 'ERR_HTTP_HEADERS_SENT', 'Cannot remove headers after they are sent to the client');
    this._out.delete(name);
  },
  flushHeaders() { this._begin(true, null); },
  setNoDelay() {}, setSocketKeepAlive() {}, onSocket() {}, addTrailers() {},
  setTimeout(ms, callback) {
    ms = Number(ms);
    check.number(ms, 'msecs', 0);
    if (callback !== undefined) this.once('timeout', callback);
    this.timeout = ms;
    this._touch();
    return this;
  },
  clearTimeout(callback) { return this.setTimeout(0, callback); },
  // _touch starts the idle time anew.
  _touch() {
    if (this._timer) clearTimeout(this._timer);
    this._timer = null;
    if (this.timeout > 0 && !this.destroyed) {
      this._timer = setTimeout(() => {
        this._timer = null;
        this.emit('timeout');
        if (this.res) this.res.emit('timeout');
        if (this.socket) this.socket.emit('timeout');
      }, this.timeout);
    }
  },
  _begin(stream, body) {
    if (this._started || this.destroyed) return;
    this._started = true;
    const headers = this._out.flat();
    if (!stream && body.length === 0 && ['POST', 'PUT', 'PATCH'].includes(this.method) && !this._out.has('content-length') && !this._out.has('transfer-encoding')) {
      headers.push('Content-Length', '0');
    }
    const shown = this.host.includes(':') ? `[${this.host}]` : this.host;
    this._id = native.start({
      method: this.method, scheme: this.protocol.slice(0, -1), host: `${shown}:${this._port}`, path: this.path, headers, stream,
      body: stream ? null : body, tls: this._tls,
    }, (kind, fields) => { if (kind === 'error') this._fail(fields); else this._respond(fields); });
    this._touch();
  },
  _write(chunk, encoding, callback) {
    if (this.destroyed) { callback(); return; }
    this._begin(true, null);
    this._touch();
    native.write(this._id, chunk, () => callback());
  },
  _final(callback) {
    this._begin(false, Buffer.alloc(0));
    native.end(this._id);
    callback();
  },
  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') { callback = chunk; chunk = null; }
    else if (typeof encoding === 'function') { callback = encoding; encoding = undefined; }
    this.finished = true;
    if (typeof callback === 'function') this.once('finish', callback);
    if (!this._started && !this.writableLength && chunk !== null && chunk !== undefined && !this._writableState.ending) {
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) throw errors.invalidArgType('chunk', ['string', 'Buffer', 'Uint8Array'], chunk);
      this._begin(false, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
      chunk = null;
    }
    return Writable.prototype.end.call(this, chunk, encoding);
  },
  _fail(fields) {
    if (this.destroyed) return;
    const err = fields.message === 'socket hang up' ? hangUp() : systemError(fields);
    this.destroy(err);
  },
  abort() {
    if (this.aborted) return;
    this.aborted = true;
    nextTick(() => this.emit('abort'));
    this.destroy();
  },
  destroy(err) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this._over();
    if (this._id) native.abort(this._id);
    if (this.res) {
      this.res._abort(err);
      if (err === undefined || err === null) { nextTick(() => this._close()); return this; }
    } else if (!err) err = hangUp();
    nextTick(() => {
      if (!this.res || err === undefined) { this._writableState.errored = err; this.emit('error', err); }
      this._close();
    });
    return this;
  },
  _over() {
    if (this._timer) clearTimeout(this._timer);
    this._timer = null;
    if (this.socket) this.socket.destroyed = true;
  },
  _close() {
    if (this._closed) return;
    Object.defineProperty(this, '_closed', { value: true });
    this._writableState.closed = true;
    if (this.socket) this.socket.emit('close');
    this.emit('close');
  },
  _respond(fields) {
    if (this.destroyed) return;
    this._touch();
    const res = new IncomingMessage(this.socket);
    res.req = this;
    this.res = res;
    res.statusCode = fields.status;
    res.statusMessage = fields.reason;
    res.httpVersion = fields.version;
    [res.httpVersionMajor, res.httpVersionMinor] = fields.version.split('.').map(Number);
    res._setHeaders(fields.headers);
    res._read = () => this._pull(res);
    res._abort = (err) => {
      if (res.complete || res.destroyed) return;
      res.aborted = true;
      res.emit('aborted');
      res.destroy(err || Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    };
    res._destroy = (err, callback) => {
      if (!res.complete) native.abort(this._id);
      this._over();
      this.destroyed = true;
      nextTick(() => this._close());
      callback(!err || err.code !== 'ECONNRESET' || res.listenerCount('error') > 0 ? err : null);
    };
    if (this.listenerCount('response') === 0 || !this.emit('response', res)) res.resume();
  },
  _pull(res) {
    native.read(this._id, (failure, data) => {
      if (res.destroyed) return;
      this._touch();
      if (failure) {
        res.aborted = true;
        res.emit('aborted');
        res.destroy(failure.message === 'aborted' ? Object.assign(new Error('aborted'), { code: 'ECONNRESET' }) : systemError(failure));
      } else if (data === null) {
        res.complete = true;
        this._over();
        res.push(null);
      } else res.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    });
  },
};
for (const [name, fn] of Object.entries(methods)) ClientRequest.prototype[name] = fn;
Object.defineProperty(ClientRequest.prototype, 'destroyed', { value: false, writable: true, configurable: true });
Object.defineProperty(ClientRequest.prototype, 'headersSent', { configurable: true, get() { return this._started; } });

module.exports = { ClientRequest, toOptions };
