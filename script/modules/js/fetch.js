'use strict';
// fetch.

const { Headers, freeze, flat } = require('internal/headers');
const { Request, Response, kBody } = require('internal/fetch_body');
const { systemError } = require('internal/errors');
const { DOMException } = require('internal/dom_exception');

const MAX_REDIRECTS = 20;

function failed(cause) {
  const err = new TypeError('fetch failed');
  Object.defineProperty(err, 'cause', { value: cause, writable: true, configurable: true, enumerable: false });
  return err;
}

// dataURL answers a data: URL.
function dataURL(url) {
  const { Buffer } = require('buffer');
  const match = /^data:([^,]*?)(;base64)?,([^#]*)/s.exec(url.href);
  if (!match) throw failed(new Error('invalid data: URL'));
  const text = match[3];
  const bytes = match[2] ? Buffer.from(decodeURIComponent(text), 'base64') : Buffer.from(unescape(text), 'latin1');
  const response = new Response(bytes, { headers: { 'content-type': match[1] || 'text/plain;charset=US-ASCII' } });
  Object.assign(response._fields, { type: 'basic', url: url.href, statusText: 'OK' });
  return response;
}

// exchange sends one request and settles with its number and its head.
function exchange(state) {
  const { Buffer } = require('buffer');
  const { url, method, headers, content } = state;
  const list = flat(headers);
  const add = (name, value) => { if (!headers.has(name)) list.push(name, value); };
  add('Accept', '*/*');
  add('Accept-Language', '*');
  add('Sec-Fetch-Mode', 'cors');
  add('User-Agent', 'node');
  if (!headers.has('accept-encoding')) list.push('Accept-Encoding', url.protocol === 'https:' ? 'br, gzip, deflate' : 'gzip, deflate');
  const stream = content.stream !== null;
  if (content.empty && ['POST', 'PUT', 'PATCH'].includes(method)) list.push('Content-Length', '0');
  const insecure = require('process').env.NODE_TLS_REJECT_UNAUTHORIZED === '0';
  return new Promise((resolve, reject) => {
    if (state.aborted()) { reject(state.reason()); return; }
    const id = native.start({
      method, scheme: url.protocol.slice(0, -1), host: `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`,
      path: url.pathname + url.search, headers: ['Host', url.host, ...list], stream, decode: true, tls: insecure ? { insecure } : {},
      body: stream || content.empty ? null : Buffer.from(content.bytes),
    }, (kind, fields) => {
      if (state.aborted()) { native.abort(id); reject(state.reason()); return; }
      if (kind === 'error') reject(failed(toCause(fields)));
      else resolve([id, fields]);
    });
    state.onAbort(() => { native.abort(id); reject(state.reason()); });
    if (stream) pump(id, content).catch((err) => { native.abort(id); reject(err); });
  });
}

function toCause(fields) {
  if (fields.message === 'socket hang up') {
    const err = new Error('other side closed');
    err.name = 'SocketError';
    err.code = 'UND_ERR_SOCKET';
    return err;
  }
  return systemError(fields);
}

async function pump(id, content) {
  content.used = true;
  const reader = content.stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) throw failed(new TypeError('Received non-Uint8Array chunk'));
    await new Promise((resolve) => native.write(id, value, resolve));
  }
  native.end(id);
}

function bodyStream(id, state) {
  const { ReadableStream } = require('stream/web');
  return new ReadableStream({
    start(controller) {
      state.onAbort(() => { native.abort(id); try { controller.error(state.reason()); } catch { /* over */ } });
    },
    pull(controller) {
      return new Promise((resolve) => {
        native.read(id, (failure, data) => {
          if (state.aborted()) controller.error(state.reason());
          else if (failure) {
            const err = new TypeError('terminated');
            Object.defineProperty(err, 'cause', { value: failure.message === 'aborted' ? toCause({ message: 'socket hang up' }) : systemError(failure), enumerable: false });
            controller.error(err);
          } else if (data === null) { state.release(); controller.close(); } else controller.enqueue(data);
          resolve();
        });
      });
    },
    cancel() { state.release(); native.abort(id); },
  }, { highWaterMark: 0 });
}

function toResponse(id, fields, state) {
  const bare = state.method === 'HEAD' || [101, 204, 205, 304].includes(fields.status);
  if (bare) native.abort(id);
  const response = new Response(bare ? null : bodyStream(id, state), { status: fields.status < 200 ? 200 : fields.status });
  const headers = new Headers();
  for (let i = 0; i < fields.headers.length; i += 2) headers.append(fields.headers[i], fields.headers[i + 1]);
  Object.assign(response._fields, {
    type: 'basic', url: state.url.href.replace(/#.*$/, ''), redirected: state.redirects > 0, status: fields.status, statusText: fields.reason, headers: freeze(headers),
  });
  return response;
}

// redirect changes state to what a redirect asks for; null when there is none.
function redirect(fields, state) {
  if (![301, 302, 303, 307, 308].includes(fields.status)) return false;
  let location = null;
  for (let i = 0; i < fields.headers.length; i += 2) if (fields.headers[i].toLowerCase() === 'location') location = fields.headers[i + 1];
  if (state.mode === 'error') throw failed(new Error('unexpected redirect'));
  if (state.mode === 'manual' || location === null) return false;
  let next;
  try { next = new URL(location, state.url); } catch (cause) { throw failed(cause); }
  if (next.protocol !== 'http:' && next.protocol !== 'https:') throw failed(new Error('URL scheme must be a HTTP(S) scheme'));
  if (++state.redirects > MAX_REDIRECTS) throw failed(new Error('redirect count exceeded'));
  if (next.hash === '' && state.url.hash !== '') next.hash = state.url.hash;
  const { status } = fields;
  const toGet = (status === 303 && state.method !== 'GET' && state.method !== 'HEAD') || ((status === 301 || status === 302) && state.method === 'POST');
  if (toGet) {
    state.method = 'GET';
    state.content = { empty: true, stream: null, bytes: null };
    for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']) state.headers.delete(name);
  } else if (state.content.stream !== null) throw failed(new Error('a body that is a stream cannot be sent again'));
  if (next.origin !== state.url.origin) for (const name of ['authorization', 'proxy-authorization', 'cookie', 'host']) state.headers.delete(name);
  state.url = next;
  return true;
}

function abortState(signal) {
  const handlers = new Set();
  const fire = () => { for (const f of [...handlers]) f(); };
  signal.addEventListener('abort', fire, { once: true });
  return {
    aborted: () => signal.aborted,
    reason: () => (signal.reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : signal.reason),
    onAbort(f) { handlers.add(f); if (signal.aborted) f(); },
    release() { signal.removeEventListener('abort', fire); },
  };
}

async function fetch(input, init = undefined) {
  const request = new Request(input, init);
  const state = {
    url: new URL(request.url), method: request.method, headers: new Headers(request.headers), content: request[kBody], mode: request.redirect,
    redirects: 0, ...abortState(request.signal),
  };
  if (state.aborted()) throw state.reason();
  if (state.url.protocol === 'data:') return dataURL(state.url);
  if (state.url.protocol !== 'http:' && state.url.protocol !== 'https:') {
    throw failed(new Error(state.url.protocol === 'blob:' || state.url.protocol === 'file:' ? 'not implemented... yet...' : 'unknown scheme'));
  }
  for (;;) {
    const [id, fields] = await exchange(state);
    let again;
    try { again = redirect(fields, state); } catch (err) { native.abort(id); throw err; }
    if (!again) return toResponse(id, fields, state);
    native.abort(id);
  }
}

module.exports = { fetch };
