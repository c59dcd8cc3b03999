'use strict';
// The classes URL and URLSearchParams; the parser is Go.

const errors = require('internal/errors');
const { make, invalidArgType, missingArgs } = errors;
const custom = Symbol.for('nodejs.util.inspect.custom');

// wellFormed replaces surrogates that stand alone.
function wellFormed(value) {
  value = `${value}`;
  return /^[\x00-\x7f]*$/.test(value) ? value : native.wellFormed(value);
}

function encodeForm(text) {
  return encodeURIComponent(text).replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`).replace(/%20/g, '+');
}

function decodeForm(text) {
  text = text.replace(/\+/g, ' ');
  if (!text.includes('%')) return text;
  try { return decodeURIComponent(text); } catch { return native.percentDecode(text); }
}

function parseForm(text) {
  const list = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    list.push(at < 0 ? [decodeForm(part), ''] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))]);
  }
  return list;
}

const kList = Symbol('query'), kOwner = Symbol('context'), kUpdate = Symbol('update');

function hidden(object, key, value) {
  Object.defineProperty(object, key, { value, writable: true, enumerable: false, configurable: true });
}

function pairsOf(init) {
  if (init === undefined || init === null) return [];
  if (typeof init !== 'object' && typeof init !== 'function') {
    const text = wellFormed(init);
    return parseForm(text[0] === '?' ? text.slice(1) : text);
  }
  const method = init[Symbol.iterator];
  if (method != null) {
    if (typeof method !== 'function') throw make(TypeError, 'ERR_ARG_NOT_ITERABLE', 'Query pairs must be iterable');
    const list = [];
    for (const pair of init) {
      if (pair == null || (typeof pair !== 'object' && typeof pair !== 'function') || typeof pair[Symbol.iterator] !== 'function') {
        throw make(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
      }
      const items = [...pair];
      if (items.length !== 2) throw make(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
      list.push(items.map(wellFormed));
    }
    return list;
  }
  const map = new Map();
  for (const key of Reflect.ownKeys(init)) {
    const desc = Reflect.getOwnPropertyDescriptor(init, key);
    if (desc !== undefined && desc.enumerable) map.set(wellFormed(key), wellFormed(init[key]));
  }
  return [...map];
}

const IteratorProto = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
const ParamsIterator = Object.create(IteratorProto, {
  next: {
    enumerable: true, configurable: true, writable: true,
    value: function next() {
      const state = this[kList];
      if (state === undefined) throw make(TypeError, 'ERR_INVALID_THIS', 'Value of "this" must be of type URLSearchParamsIterator');
      const pair = state.params[kList][state.index];
      if (pair === undefined) return { value: undefined, done: true };
      state.index++;
      return { value: state.kind === 'keys' ? pair[0] : state.kind === 'values' ? pair[1] : [pair[0], pair[1]], done: false };
    },
  },
  [Symbol.toStringTag]: { value: 'URLSearchParams Iterator', configurable: true },
  [custom]: {
    value(depth, options, inspect) {
      if (depth != null && depth < 0) return options.stylize('[Object]', 'special');
      const { params, index, kind } = this[kList];
      const rest = params[kList].slice(index).map((p) => (kind === 'keys' ? p[0] : kind === 'values' ? p[1] : [p[0], p[1]]));
      const parts = rest.map((p) => inspect(p, options));
      return `URLSearchParams Iterator {${parts.length > 0 ? ` ${parts.join(', ')}` : ''} }`;
    },
  },
});

function iterate(params, kind) {
  const iterator = Object.create(ParamsIterator);
  hidden(iterator, kList, { params, kind, index: 0 });
  return iterator;
}

function checkThis(self) {
  if (self === null || typeof self !== 'object' || self[kList] === undefined) {
    throw make(TypeError, 'ERR_INVALID_THIS', 'Value of "this" must be of type URLSearchParams');
  }
}

class URLSearchParams {
  constructor(init = undefined) {
    hidden(this, kOwner, null);
    hidden(this, kList, pairsOf(init));
  }
  get size() { checkThis(this); return this[kList].length; }
  append(name, value) {
    checkThis(this);
    if (arguments.length < 2) throw missingArgs('name', 'value');
    this[kList].push([wellFormed(name), wellFormed(value)]);
    this[kUpdate]();
  }
  delete(name, value = undefined) {
    checkThis(this);
    if (arguments.length < 1) throw missingArgs('name');
    name = wellFormed(name);
    const any = value === undefined;
    if (!any) value = wellFormed(value);
    this[kList] = this[kList].filter(([k, v]) => k !== name || (!any && v !== value));
    this[kUpdate]();
  }
  get(name) {
    checkThis(this);
    if (arguments.length < 1) throw missingArgs('name');
    name = wellFormed(name);
    const found = this[kList].find(([k]) => k === name);
    return found === undefined ? null : found[1];
  }
  getAll(name) {
    checkThis(this);
    if (arguments.length < 1) throw missingArgs('name');
    name = wellFormed(name);
    return this[kList].filter(([k]) => k === name).map(([, v]) => v);
  }
  has(name, value = undefined) {
    checkThis(this);
    if (arguments.length < 1) throw missingArgs('name');
    name = wellFormed(name);
    return this[kList].some(([k, v]) => k === name && (value === undefined || v === wellFormed(value)));
  }
  set(name, value) {
    checkThis(this);
    if (arguments.length < 2) throw missingArgs('name', 'value');
    name = wellFormed(name);
    value = wellFormed(value);
    let done = false;
    this[kList] = this[kList].filter((pair) => {
      if (pair[0] !== name) return true;
      if (done) return false;
      done = true;
      pair[1] = value;
      return true;
    });
    if (!done) this[kList].push([name, value]);
    this[kUpdate]();
  }
  sort() {
    this[kList].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this[kUpdate]();
  }
  forEach(callback, self = undefined) {
    checkThis(this);
    errors.check.callback(callback);
    for (let i = 0; i < this[kList].length; i++) callback.call(self, this[kList][i][1], this[kList][i][0], this);
  }
  keys() { checkThis(this); return iterate(this, 'keys'); }
  values() { checkThis(this); return iterate(this, 'values'); }
  entries() { checkThis(this); return iterate(this, 'entries'); }
  toString() { checkThis(this); return this[kList].map(([k, v]) => `${encodeForm(k)}=${encodeForm(v)}`).join('&'); }
  [kUpdate]() { if (this[kOwner]) this[kOwner](this.toString()); }
  [custom](depth, options, inspect) {
    if (depth != null && depth < 0) return options.stylize('[Object]', 'special');
    const parts = this[kList].map(([k, v]) => `${inspect(k, options)} => ${inspect(v, options)}`);
    const length = parts.reduce((n, p) => n + p.replace(/\u001b\[\d\d?m/g, '').length + 2, -2);
    const inner = length > options.breakLength ? `\n  ${parts.join(',\n  ')}\n` : ` ${parts.join(', ')} `;
    return `URLSearchParams {${parts.length > 0 ? inner : ''}}`;
  }
}
Object.defineProperty(URLSearchParams.prototype, kUpdate, { enumerable: false });
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries, writable: true, configurable: true, enumerable: false,
});

const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

function parseOrThrow(input, base) {
  const parts = native.parse(input, base === undefined ? '' : base, base !== undefined);
  if (parts !== null) return parts;
  const err = make(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
  err.input = input;
  if (base !== undefined) err.base = base;
  throw err;
}

class URL {
  #parts;
  #params;
  constructor(input, base = undefined) {
    if (arguments.length === 0) throw missingArgs('url');
    this.#parts = parseOrThrow(wellFormed(input), base === undefined ? undefined : wellFormed(base));
  }
  static canParse(input, base = undefined) {
    if (arguments.length === 0) throw missingArgs('url');
    return native.parse(wellFormed(input), base === undefined ? '' : wellFormed(base), base !== undefined) !== null;
  }
  static parse(input, base = undefined) {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }
  static createObjectURL() {
    throw errors.unsupported('URL.createObjectURL', 'use the Blob itself');
  }
  static revokeObjectURL() {}
  #set(name, value) {
    const parts = native.set(this.#parts[0], name, wellFormed(value));
    if (parts !== null) this.#parts = parts;
    if (this.#params && (name === 'search' || name === 'href')) this.#params[kList] = parseForm(this.#parts[9].slice(1));
  }
  get href() { return this.#parts[0]; }
  set href(value) {
    this.#parts = parseOrThrow(wellFormed(value));
    if (this.#params) this.#params[kList] = parseForm(this.#parts[9].slice(1));
  }
  get origin() { return this.#parts[1]; }
  get protocol() { return this.#parts[2]; }
  set protocol(v) { this.#set('protocol', v); }
  get username() { return this.#parts[3]; }
  set username(v) { this.#set('username', v); }
  get password() { return this.#parts[4]; }
  set password(v) { this.#set('password', v); }
  get host() { return this.#parts[5]; }
  set host(v) { this.#set('host', v); }
  get hostname() { return this.#parts[6]; }
  set hostname(v) { this.#set('hostname', v); }
  get port() { return this.#parts[7]; }
  set port(v) { this.#set('port', v); }
  get pathname() { return this.#parts[8]; }
  set pathname(v) { this.#set('pathname', v); }
  get search() { return this.#parts[9]; }
  set search(v) { this.#set('search', v); }
  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams();
      this.#params[kList] = parseForm(this.#parts[9].slice(1));
      this.#params[kOwner] = (text) => {
        const parts = native.set(this.#parts[0], 'search', text);
        if (parts !== null) this.#parts = parts;
      };
    }
    return this.#params;
  }
  get hash() { return this.#parts[10]; }
  set hash(v) { this.#set('hash', v); }
  toString() { return this.href; }
  toJSON() { return this.href; }
  [custom](depth, options, inspect) {
    if (typeof depth === 'number' && depth < 0) return this;
    const object = Object.create({ constructor: this.constructor === URL || !this.constructor ? URL : this.constructor });
    for (const name of [...PARTS.slice(0, 10), 'searchParams', 'hash']) object[name] = this[name];
    return `${(this.constructor || URL).name} ${inspect(Object.assign({}, object), options)}`;
  }
}
for (const name of [...PARTS, 'searchParams', 'toString', 'toJSON']) Object.defineProperty(URL.prototype, name, { enumerable: true });
Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: 'URL', configurable: true });
Object.defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: 'URLSearchParams', configurable: true });
for (const name of ['append', 'delete', 'get', 'getAll', 'has', 'set', 'sort', 'toString', 'forEach', 'entries', 'keys', 'values', 'size']) {
  Object.defineProperty(URLSearchParams.prototype, name, { enumerable: true });
}

function fileURLToPath(path) {
  if (typeof path === 'string') path = new URL(path);
  else if (!(path !== null && typeof path === 'object' && path.href && path.protocol)) throw invalidArgType('path', ['string', 'URL'], path);
  if (path.protocol !== 'file:') throw make(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
  if (path.hostname !== '' && native.platform !== 'win32') {
    throw make(TypeError, 'ERR_INVALID_FILE_URL_HOST', `File URL host must be "localhost" or empty on ${native.platform}`);
  }
  if (/%2f/i.test(path.pathname)) throw make(TypeError, 'ERR_INVALID_FILE_URL_PATH', 'File URL path must not include encoded / characters');
  const name = decodeURIComponent(path.pathname);
  return native.platform === 'win32' ? name.slice(1).replace(/\//g, '\\') : name;
}

function pathToFileURL(path) {
  errors.check.string(path, 'path');
  let resolved = require('path').resolve(path);
  if (/[\\/]$/.test(path) && !/[\\/]$/.test(resolved)) resolved += '/';
  if (native.platform === 'win32') resolved = `/${resolved.replace(/\\/g, '/')}`;
  const url = new URL('file://');
  url.pathname = resolved.replace(/%/g, '%25').replace(/\\/g, '%5C').replace(/\n/g, '%0A').replace(/\r/g, '%0D')
    .replace(/\t/g, '%09').replace(/\?/g, '%3F').replace(/#/g, '%23');
  return url;
}

function urlToHttpOptions(url) {
  const options = {
    __proto__: null, ...url, protocol: url.protocol,
    hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    hash: url.hash, search: url.search, pathname: url.pathname, path: `${url.pathname || ''}${url.search || ''}`, href: url.href,
  };
  if (url.port !== '') options.port = Number(url.port);
  if (url.username || url.password) options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return options;
}

module.exports = {
  URL, URLSearchParams, fileURLToPath, pathToFileURL, urlToHttpOptions,
  domainToASCII: (domain) => native.toASCII(`${domain}`),
  domainToUnicode: (domain) => native.toUnicode(`${domain}`),
};
